/** When the kernel's drop counter is looked at: while frames are read, whatever else their reader does. */

/** A look costs one question to the kernel, off the JavaScript thread. */
const LOOK_MS = 1000;

/** Looks a second after a burst, and so once a second as long as there are more; nothing is read, nothing is looked at. */
export class KernelDropLooks {
  readonly #look: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #hasRead = false;
  #stopped = false;

  /** @param look - Never rejects. */
  constructor(look: () => Promise<void>) {
    this.#look = look;
  }

  /** A burst was read. */
  noteBurst(): void {
    this.#hasRead = true;
    if (this.#timer === undefined) this.#start();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #start(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.#lookIfRead(), LOOK_MS).unref();
  }

  async #lookIfRead(): Promise<void> {
    if (this.#hasRead) {
      this.#hasRead = false;
      await this.#look();
      this.#start();
    } else {
      this.#timer = undefined;
    }
  }
}
