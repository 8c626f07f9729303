/** Keeps the event loop running while a device in memory reads, as a descriptor that is polled does. */

/** The longest that a timer takes. */
const FOR_EVER_MS = 0x7fff_ffff;

export class PollAlive {
  #timer: NodeJS.Timeout | undefined;
  #refed = true;

  set(polls: boolean): void {
    if (polls === (this.#timer !== undefined)) return;
    clearInterval(this.#timer);
    this.#timer = polls ? setInterval(() => undefined, FOR_EVER_MS) : undefined;
    if (!this.#refed) this.#timer?.unref();
  }

  ref(): void {
    this.#refed = true;
    this.#timer?.ref();
  }

  unref(): void {
    this.#refed = false;
    this.#timer?.unref();
  }
}
