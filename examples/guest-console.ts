/**
 * The serial console of a guest that runs `scripts/guest/init.sh`, as a channel for commands. It knows nothing of who runs
 * the guest: QEMU, User-mode Linux or an emulator in this process.
 */
import { randomBytes } from 'node:crypto';

/** What a command in the guest did. */
export interface GuestCommandResult {
  status: number;
  /** Standard output and error. */
  output: string;
}

/** `scripts/guest/init.sh` prints it when it takes commands. */
const READY = /^tapfd guest is ready/m;
const TAIL_LINES = 40;

export class GuestConsole {
  readonly #name: string;
  readonly #write: (text: string) => void;
  #text = '';
  /** What whoever runs the guest has to say, for messages. */
  #remarks = '';
  /** Why nothing more can be asked of the guest. */
  #ended: Error | undefined;
  #busy: Promise<unknown> = Promise.resolve();
  /** Called at each piece of console output, and at the end. */
  #onChange: () => void = () => {};

  /**
   * @param name For messages.
   * @param write Types into the console.
   */
  constructor(name: string, write: (text: string) => void) {
    this.#name = name;
    this.#write = write;
  }

  /** Everything the guest has printed. */
  get text(): string {
    return this.#text;
  }

  /** The guest has printed this. */
  add(text: string): void {
    this.#text += text.replaceAll('\r', '');
    this.#onChange();
  }

  /** Whoever runs the guest has said this. */
  addRemark(text: string): void {
    this.#remarks += text;
  }

  /** Nothing more will come. */
  end(why: string): void {
    this.#ended ??= new Error(`${why}${this.#tail()}`);
    this.#onChange();
  }

  /** Waits until the guest takes commands. */
  async ready(timeoutMs: number): Promise<void> {
    await this.#waitFor(READY, timeoutMs, 'boot');
  }

  /**
   * Runs one line of shell in the guest, one after the other.
   *
   * @throws Error when the guest ends, or when the command takes longer than `timeoutMs` (default 60,000); the guest
   *   is of no more use then. The message ends with what the guest printed last. A status other than 0 is no error.
   */
  run(command: string, options: { timeoutMs?: number } = {}): Promise<GuestCommandResult> {
    const result = this.#busy.then(() => this.#runNow(command, options.timeoutMs ?? 60_000));
    this.#busy = result.catch(() => {});
    return result;
  }

  /** As {@link run}, but a status other than 0 is an error. Returns the output. */
  async must(command: string, options: { timeoutMs?: number } = {}): Promise<string> {
    const { status, output } = await this.run(command, options);
    if (status !== 0) throw new Error(`${this.#name}: "${command}" ended with status ${status}: ${output}`);
    return output;
  }

  /** Restarts the guest and waits until it takes commands again. */
  async reboot(timeoutMs: number): Promise<void> {
    await this.#busy;
    // What it said so far would look like the next boot.
    this.#text = '';
    this.#write('0 reboot -f\n');
    await this.#waitFor(READY, timeoutMs, 'reboot');
  }

  async #runNow(command: string, timeoutMs: number): Promise<GuestCommandResult> {
    if (command.includes('\n')) throw new Error('a guest command is one line');
    if (this.#ended !== undefined) throw this.#ended;
    const id = randomBytes(8).toString('hex');
    this.#write(`${id} ${command}\n`);
    const answer = new RegExp(`\n<${id}>\n([^]*)\n</${id} (\\d+)>\n`);
    const found = await this.#waitFor(answer, timeoutMs, `"${command}"`);
    return { status: Number(found[2]), output: found[1].replace(/\n$/, '') };
  }

  #waitFor(pattern: RegExp, timeoutMs: number, what: string): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.end(`${this.#name}: ${what} took longer than ${timeoutMs / 1000} s`),
        timeoutMs,
      );
      this.#onChange = () => {
        const found = pattern.exec(this.#text);
        if (found === null && this.#ended === undefined) return;
        clearTimeout(timer);
        this.#onChange = () => {};
        if (found !== null) resolve(found);
        else reject(this.#ended);
      };
      this.#onChange();
    });
  }

  #tail(): string {
    const lines = this.#text.split('\n').slice(-TAIL_LINES).join('\n').trim();
    const parts = [
      lines && `what it printed last:\n${lines}`,
      this.#remarks && `who runs it says:\n${this.#remarks.trim()}`,
    ];
    return parts
      .filter((part) => part !== '')
      .map((part) => `\n${part}`)
      .join('');
  }
}
