/** A run as one value: what it was measured on, every measurement, and what follows from them. */
import { summary } from '../../statistics.mjs';
import { isFor } from '../results-file.mjs';
import { rowsOf, vnetHeaderRows } from './rows.mjs';

/** @typedef {ReturnType<typeof resultsOf>} Results */

/**
 * @param {object} run
 * @param {string} run.size
 * @param {readonly import('../case.mjs').Case[]} run.cases
 * @param {readonly import('../results-file.mjs').Start[]} run.starts
 * @param {readonly import('../results-file.mjs').Measurement[]} run.measurements
 */
export function resultsOf({ size, cases, starts, measurements: found }) {
  // The file may also hold those of another size.
  const measurements = found.filter((one) => cases.some((of) => isFor(one, of)));
  return {
    size,
    machines: starts.map(({ machine }) => machine),
    load: summary(measurements.map(({ load }) => load)),
    rows: rowsOf(cases, measurements),
    vnetHeader: vnetHeaderRows(cases, measurements),
    measurements,
  };
}
