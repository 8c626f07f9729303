/** A QEMU monitor that says what a test wants, over a connection that carries the numbers of descriptors. */
import type { QmpSocket } from 'tapfd/qemu';

/** A command as the monitor received it. */
export interface Command {
  execute: string;
  arguments: Record<string, unknown>;
  id: number;
  /** The numbers that came with it. */
  fds: readonly number[];
}

/**
 * What the monitor does with a command: an object is sent as the answer (with the id), `undefined` leaves it
 * unanswered.
 */
export type Answer = (command: Command) => object | undefined;

export const GREETING = {
  QMP: {
    version: { qemu: { major: 7, minor: 2, micro: 22 }, package: 'Debian' },
    capabilities: ['oob'],
  },
};

export const done: Answer = () => ({ return: {} });

export function refusal(text: string, qmpClass = 'GenericError'): object {
  return { error: { class: qmpClass, desc: text } };
}

export class FakeMonitor implements QmpSocket {
  readonly commands: Command[] = [];
  /** What was called, beside `send`. */
  readonly calls: string[] = [];
  answer: Answer;
  /** What the next send rejects with. */
  sendError: Error | undefined;
  readonly #pieces: Uint8Array[] = [];
  #end: { error?: unknown } | undefined;
  #wake: () => void = () => {};

  constructor(answer: Answer = done, greeting: object | string = GREETING) {
    this.answer = answer;
    this.say(greeting);
  }

  /** Names of the commands after the negotiation. */
  get names(): string[] {
    return this.commands.map(({ execute }) => execute).slice(1);
  }

  say(...messages: (object | string)[]): void {
    for (const message of messages) {
      this.sayBytes(Buffer.from(typeof message === 'string' ? message : `${JSON.stringify(message)}\r\n`));
    }
  }

  sayBytes(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.#wake();
  }

  happen(event: string, data?: object): void {
    const timestamp = { seconds: 1, microseconds: 2 };
    this.say({ timestamp, event, ...(data && { data }) });
  }

  /** Ends the connection: with an error, or as when QEMU exits. */
  end(error?: unknown): void {
    this.#end ??= { error };
    this.#wake();
  }

  async send(data: string, fds: readonly number[] = []): Promise<void> {
    if (this.sendError !== undefined) throw this.sendError;
    const command: Command = { ...JSON.parse(data), fds };
    this.commands.push(command);
    const answer = this.answer(command);
    if (answer !== undefined) this.say({ id: command.id, ...answer });
  }

  async close(): Promise<void> {
    this.calls.push('close');
    this.end();
  }

  ref(): void {
    this.calls.push('ref');
  }

  unref(): void {
    this.calls.push('unref');
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<{ data: Uint8Array }, void, undefined> {
    for (;;) {
      const data = this.#pieces.shift();
      if (data !== undefined) yield { data };
      else if (this.#end?.error !== undefined) throw this.#end.error;
      else if (this.#end !== undefined) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
