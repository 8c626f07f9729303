/** The time of day in nanoseconds. */

const MILLISECOND = 1_000_000n;

/**
 * Node has no wall clock finer than a millisecond. This one counts the nanoseconds of the monotonic clock, and is held to
 * the millisecond that the system's clock shows: it follows each step of that, and comes closer to it with each look.
 */
export class WallClock {
  readonly #milliseconds: () => number;
  readonly #nanoseconds: () => bigint;
  /** Wall clock minus monotonic clock. */
  #offset: bigint;

  /**
   * @param milliseconds - The wall clock.
   * @param nanoseconds - The monotonic clock.
   * @param guess - The time now in milliseconds, as exactly as it is known.
   */
  constructor(
    milliseconds = Date.now,
    nanoseconds = process.hrtime.bigint,
    guess = performance.timeOrigin + performance.now(),
  ) {
    this.#milliseconds = milliseconds;
    this.#nanoseconds = nanoseconds;
    this.#offset = BigInt(Math.round(guess * 1e6)) - nanoseconds();
  }

  /** Nanoseconds since 1970. Goes back only where the system's clock did. */
  now(): bigint {
    const floor = BigInt(this.#milliseconds()) * MILLISECOND;
    const ceiling = floor + MILLISECOND - 1n;
    const monotonic = this.#nanoseconds();
    const guess = monotonic + this.#offset;
    const time = guess < floor ? floor : guess > ceiling ? ceiling : guess;
    this.#offset = time - monotonic;
    return time;
  }
}

/** One for all of this thread, as it gets better with each look. */
export const wallClock = new WallClock();
