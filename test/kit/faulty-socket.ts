/** A monitor's socket that loses or refuses one command. */
import type { FdSocket } from 'tapfd';
import type { QmpSocket } from 'tapfd/qemu';

/** What happens to a client's Nth command. */
export type FaultKind =
  /** QEMU does not get it, and seems to refuse it. */
  | 'refused'
  /** QEMU does not get it, and the connection ends here. */
  | 'cut before'
  /** QEMU does it, and the connection ends here instead of its answer. */
  | 'cut after'
  /** QEMU does it, and `onLost` is called instead of its answer. */
  | 'lost';

/** A monitor's socket on which one command meets a fault. */
export class FaultySocket implements QmpSocket {
  readonly #socket: FdSocket;
  readonly #kind: FaultKind;
  /** Commands left until the fault; none when negative. */
  remaining = -1;
  onLost: () => void = () => {};
  readonly #said: string[] = [];
  /** The answer to withhold. */
  #unanswered: RegExp | undefined;
  #wake: () => void = () => {};

  constructor(socket: FdSocket, kind: FaultKind = 'refused') {
    this.#socket = socket;
    this.#kind = kind;
  }

  async send(data: string, fds: readonly number[] = []): Promise<void> {
    const { id }: { id: number } = JSON.parse(data);
    this.remaining -= 1;
    if (this.remaining !== 0) return this.#socket.send(data, fds);
    switch (this.#kind) {
      case 'refused':
        this.#said.push(`${JSON.stringify({ id, error: { class: 'GenericError', desc: 'injected' } })}\n`);
        this.#wake();
        return;
      case 'cut before':
        void this.#socket.close();
        return;
      default:
        this.#unanswered = new RegExp(`"id": ${id}\\b`);
        return this.#socket.send(data, fds);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<{ data: Uint8Array }, void, undefined> {
    let next = this.#socket.receive();
    for (;;) {
      const injected = new Promise<undefined>((resolve) => {
        this.#wake = () => resolve(undefined);
      });
      if (this.#said.length === 0) await Promise.race([next, injected]).catch(() => undefined);
      const said = this.#said.shift();
      if (said !== undefined) {
        yield { data: Buffer.from(said) };
        continue;
      }
      const message = await next;
      if (message === undefined) return;
      if (this.#unanswered?.test(message.data.toString())) {
        this.#unanswered = undefined;
        if (this.#kind === 'cut after') void this.#socket.close();
        else this.onLost();
      } else {
        yield message;
      }
      next = this.#socket.receive();
    }
  }

  close(): Promise<void> {
    return this.#socket.close();
  }

  ref(): void {}

  unref(): void {}
}
