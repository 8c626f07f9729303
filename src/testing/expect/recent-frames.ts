/** The newest frames of a device, within a limit of bytes. */

/** Keeps frames in the order in which they came. With too many bytes, the oldest go. */
export class RecentFrames<Kept extends { readonly frame: Uint8Array }> implements Iterable<Kept> {
  readonly #maxBytes: number;
  readonly #onForget: ((one: Kept) => void) | undefined;
  /** Taking each from the front would move all others: in the slot of one that is gone is a newer one. */
  #slots: Kept[] = [];
  /** The number of the first slot's frame, counted from the beginning. */
  #base = 0;
  #forgotten = 0;
  #bytes = 0;

  /** @param onForget - Called with each that goes. */
  constructor(maxBytes: number, onForget?: (one: Kept) => void) {
    this.#maxBytes = maxBytes;
    this.#onForget = onForget;
  }

  /** How many came. */
  get count(): number {
    return this.#base + this.#slots.length;
  }

  add(one: Kept): void {
    this.#slots.push(one);
    this.#bytes += one.frame.length;
    while (this.#bytes > this.#maxBytes) this.#forgetOldest(one);
  }

  [Symbol.iterator](): Iterator<Kept> {
    return this.from(0);
  }

  /** Those that are still there, from the one with this number on; more may come meanwhile. */
  *from(number: number): Generator<Kept, void, undefined> {
    for (let next = number; next < this.count; next++) {
      next = Math.max(next, this.#forgotten);
      if (next < this.count) yield this.#slots[next - this.#base];
    }
  }

  #forgetOldest(newest: Kept): void {
    const place = this.#forgotten - this.#base;
    const oldest = this.#slots[place];
    this.#slots[place] = newest;
    this.#forgotten += 1;
    this.#bytes -= oldest.frame.length;
    this.#onForget?.(oldest);
    if (2 * (place + 1) <= this.#slots.length) return;
    this.#slots = this.#slots.slice(place + 1);
    this.#base = this.#forgotten;
  }
}
