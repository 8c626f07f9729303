/** The times of a file in nanoseconds. */
const SECOND = 1_000_000_000n;
const POWER_OF_TWO = 0x80;

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
