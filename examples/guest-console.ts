/**
 * The serial console of a guest that runs `scripts/guest/init.sh`, as a channel for commands. It does not care what runs
 * the guest: QEMU, User-mode Linux or an emulator in this process.
 */
import { randomBytes } from 'node:crypto';

/** The result of a command in the guest. */
export interface GuestCommandResult {
  status: number;
  /** Standard output and error. */
  output: string;
}

/** `scripts/guest/init.sh` prints this when it is ready for commands. */
const READY = /^tapfd guest is ready/m;
const TAIL_LINES = 40;

export class GuestConsole {
  readonly #name: string;
  readonly #write: (text: string) => void;
  #text = '';
  /** Messages of the program that runs the guest, to include in errors. */
  #remarks = '';
  /** Why the guest can no longer be used. */
  #ended: Error | undefined;
  #busy: Promise<unknown> = Promise.resolve();
  /** Called for each piece of console output, and at the end. */
  #onChange: () => void = () => {};

  /**
   * @param name Used in error messages.
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

  /** Adds output of the guest. */
  add(text: string): void {
    this.#text += text.replaceAll('\r', '');
    this.#onChange();
  }

  /** Adds a message of the program that runs the guest. */
  addRemark(text: string): void {
    this.#remarks += text;
  }

  /** Call this when no more output will come. */
  end(why: string): void {
    this.#ended ??= new Error(`${why}${this.#tail()}`);
    this.#onChange();
  }

  /** Waits until the guest is ready for commands. */
  async ready(timeoutMs: number): Promise<void> {
    await this.#waitFor(READY, timeoutMs, 'boot');
  }

  /**
   * Runs one line of shell in the guest. Commands run one after the other.
   *
   * @throws Error when the guest ends, or when the command takes longer than `timeoutMs` (default 60,000); the guest
   *   cannot be used after that. The message ends with the guest's last output. A status other than 0 is not an error.
   */
  run(command: string, options: { timeoutMs?: number } = {}): Promise<GuestCommandResult> {
    const result = this.#busy.then(() => this.#runNow(command, options.timeoutMs ?? 60_000));
    this.#busy = result.catch(() => {});
    return result;
  }

  /** Like {@link run}, but a status other than 0 is an error. Returns the output. */
  async must(command: string, options: { timeoutMs?: number } = {}): Promise<string> {
    const { status, output } = await this.run(command, options);
    if (status !== 0) throw new Error(`${this.#name}: "${command}" ended with status ${status}: ${output}`);
    return output;
  }

  /** Restarts the guest and waits until it is ready for commands again. */
  async reboot(timeoutMs: number): Promise<void> {
    await this.#busy;
    // Otherwise the output of this boot would be taken for the next one's.
    this.#text = '';
    this.#write('0 reboot -f\n');
    await this.#waitFor(READY, timeoutMs, 'reboot');
  }

  async #runNow(command: string, timeoutMs: number): Promise<GuestCommandResult> {
    if (command.includes('\n')) throw new Error('a guest command must be one line');
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
      lines && `its last output:\n${lines}`,
      this.#remarks && `the program that runs it printed:\n${this.#remarks.trim()}`,
    ];
    return parts
      .filter((part) => part !== '')
      .map((part) => `\n${part}`)
      .join('');
  }
}
