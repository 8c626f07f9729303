/** What pairs of figures can say about two interfaces. */
import { quantile } from '../../statistics.mjs';

/** An interval that contains the true median less often than this is not reported. */
const MIN_CONFIDENCE = 0.9;

/**
 * `ratio`: the median of second to first over all pairs. `low` to `high` contains the true median ratio with `confidence`,
 * whatever the distribution of the figures. `resolved`: whether that interval excludes 1; undefined where there are too
 * few pairs for a confidence of 0.9.
 *
 * @typedef {object} Comparison
 * @property {number} pairs
 * @property {number} ratio
 * @property {number} low
 * @property {number} high
 * @property {number} confidence
 * @property {boolean | undefined} resolved
 */

/**
 * The interval of the sign test: the true median lies between the k-th smallest and the k-th largest of n independent
 * ratios, unless fewer than k of them are on one side of it, and for each ratio the side is a coin toss.
 *
 * @param {readonly [number, number][]} pairs measured in the same round, one soon after the other
 * @returns {Comparison}
 */
export function comparison(pairs) {
  const ratios = pairs.map(([first, second]) => second / first).sort((a, b) => a - b);
  const { confidence, k } = signInterval(ratios.length);
  const low = ratios[k - 1] ?? Number.NaN;
  const high = ratios[ratios.length - k] ?? Number.NaN;
  return {
    pairs: ratios.length,
    ratio: quantile(ratios, 0.5),
    low,
    high,
    confidence,
    resolved: confidence < MIN_CONFIDENCE ? undefined : low > 1 || high < 1,
  };
}

/**
 * The narrowest interval that is confident enough, or the widest there is.
 *
 * @param {number} count
 */
export function signInterval(count) {
  let best = { k: 1, confidence: coverage(count, 1) };
  for (let k = 2; k <= count / 2; k += 1) {
    const confidence = coverage(count, k);
    if (confidence >= MIN_CONFIDENCE) best = { k, confidence };
  }
  return best;
}

/** @param {number} count @param {number} k */
function coverage(count, k) {
  let [term, outside] = [0.5 ** count, 0];
  for (let i = 0; i < k; i += 1) {
    outside += term;
    term *= (count - i) / (i + 1);
  }
  return Math.max(0, 1 - 2 * outside);
}

/**
 * In words that claim no more than the figures show.
 *
 * @param {Comparison} compared
 */
export function verdict({ pairs, ratio, low, high, resolved }) {
  if (resolved === undefined) return `too few rounds to say (${pairs})`;
  if (!resolved) {
    const bound = Math.max(high - 1, 1 - low);
    if (bound >= 1) return `no difference resolved (${low.toFixed(2)} to ${high.toFixed(2)} times)`;
    return `no difference resolved at ±${percent(bound)} %`;
  }
  const [min, max] = low > 1 ? [low - 1, high - 1] : [1 - high, 1 - low];
  const direction = ratio > 1 ? 'more' : 'less';
  return `macvtap ${percent(min)} to ${percent(max)} % ${direction}`;
}

/** @param {number} share */
export function percent(share) {
  const value = share * 100;
  // Rounded up, as rounding must not make a bound narrower.
  const step = value >= 10 ? 1 : value >= 1 ? 0.1 : 0.01;
  const digits = Math.round(-Math.log10(step));
  return (Math.ceil(value / step - 1e-9) * step).toFixed(digits);
}
