/** The newest frames of a device, within a limit of bytes. */

/** Keeps frames in the order in which they came. With too many bytes, the oldest go. */
export class RecentFrames<Kept extends { readonly frame: Uint8Array }> implements Iterable<Kept> {
  readonly #maxBytes: number;
  /** Those that are gone are undefined: taking each from the front would move all others. */
  #slots: (Kept | undefined)[] = [];
  /** The number of the first slot's frame, counted from the beginning. */
  #base = 0;
  #forgotten = 0;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** How many are gone. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** How many came. */
  get count(): number {
    return this.#base + this.#slots.length;
  }

  add(one: Kept): void {
    this.#slots.push(one);
    this.#bytes += one.frame.length;
    while (this.#bytes > this.#maxBytes) this.#forgetOldest();
  }

  [Symbol.iterator](): Iterator<Kept> {
    return this.from(0);
  }

  /** Those that are still there, from the one with this number on; more may come meanwhile. */
  *from(number: number): Generator<Kept, void, undefined> {
    for (let next = number; next < this.count; next++) {
      next = Math.max(next, this.#forgotten);
      const one = this.#slots[next - this.#base];
      if (one !== undefined) yield one;
    }
  }

  #forgetOldest(): void {
    const place = this.#forgotten - this.#base;
    this.#bytes -= this.#slots[place]?.frame.length ?? 0;
    this.#slots[place] = undefined;
    this.#forgotten += 1;
    if (2 * (place + 1) <= this.#slots.length) return;
    this.#slots = this.#slots.slice(place + 1);
    this.#base = this.#forgotten;
  }
}
