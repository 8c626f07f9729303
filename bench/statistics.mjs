/** Medians and spreads. */

/**
 * @param {readonly number[]} values
 * @param {number} share 0.5 for the median; interpolates between two values
 */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const low = sorted[Math.floor(position)] ?? Number.NaN;
  const high = sorted[Math.ceil(position)] ?? Number.NaN;
  return low + (high - low) * (position % 1);
}

/**
 * What is reported for repeated runs.
 *
 * @typedef {ReturnType<typeof summary>} Summary
 * @param {readonly number[]} values
 */
export function summary(values) {
  return {
    median: quantile(values, 0.5),
    lowerQuartile: quantile(values, 0.25),
    upperQuartile: quantile(values, 0.75),
    least: Math.min(...values),
    most: Math.max(...values),
    runs: values.length,
  };
}
