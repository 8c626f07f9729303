/** Times in nanoseconds: the time of day, and what the times of a file mean. */

const MILLISECOND = 1_000_000n;
const SECOND = 1_000_000_000n;
const POWER_OF_TWO = 0x80;

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

/** Turns ticks of an interface into nanoseconds since 1970, rounded down. */
export type TimeScale = (ticks: bigint) => bigint;

/**
 * @param resolution - `if_tsresol`: seconds are divided by 10 to the power of this or, with the highest bit set, 2.
 * @param offset - `if_tsoffset`: seconds to add.
 */
export function timeScale(resolution: number, offset: bigint): TimeScale {
  const exponent = BigInt(resolution & ~POWER_OF_TWO);
  const begin = offset * SECOND;
  if ((resolution & POWER_OF_TWO) !== 0) return (ticks) => ((ticks * SECOND) >> exponent) + begin;
  if (exponent <= 9n) {
    const factor = 10n ** (9n - exponent);
    return (ticks) => ticks * factor + begin;
  }
  const divisor = 10n ** (exponent - 9n);
  return (ticks) => ticks / divisor + begin;
}
