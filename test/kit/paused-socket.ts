/** A monitor's socket whose commands wait for the test. */
import type { FdSocket } from 'tapfd';
import type { QmpSocket } from 'tapfd/qemu';

export class PausedSocket implements QmpSocket {
  readonly #socket: FdSocket;
  /** Awaited before a command is sent. */
  before: (command: string) => Promise<unknown> | undefined = () => undefined;

  constructor(socket: FdSocket) {
    this.#socket = socket;
  }

  async send(data: string, fds: readonly number[] = []): Promise<void> {
    const { execute }: { execute: string } = JSON.parse(data);
    await this.before(execute);
    return this.#socket.send(data, fds);
  }

  [Symbol.asyncIterator](): AsyncIterator<{ data: Uint8Array }> {
    return this.#socket[Symbol.asyncIterator]();
  }

  close(): Promise<void> {
    return this.#socket.close();
  }

  ref(): void {}

  unref(): void {}
}
