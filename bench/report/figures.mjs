/** What a run measures: its rows, and how a figure is written. */

/**
 * @typedef {import('../statistics.mjs').Summary} Summary
 *
 * @typedef {object} Row One subject in one case of a scenario.
 * @property {string} scenario
 * @property {string} subject
 * @property {string} [variant]
 * @property {number} [size] of the frames, in bytes
 * @property {number} [devices]
 * @property {string} unit
 * @property {'less' | 'more'} better
 * @property {Summary} value
 * @property {Summary} [ratio] to the floor of the same run
 *
 * @typedef {object} Scenario
 * @property {string} name
 * @property {string} title
 * @property {string} unit
 * @property {'less' | 'more'} better
 * @property {readonly Row[]} rows
 * @property {readonly {subject: string, reason: string}[]} skipped
 *
 * @typedef {object} Machine
 * @property {string} tapfd its version
 * @property {string} node
 * @property {string} kernel
 * @property {string} processor
 * @property {number} processors
 * @property {number} loadBefore
 * @property {number} loadAfter
 *
 * @typedef {{machine: Machine, scenarios: readonly Scenario[]}} Report
 */

/** The figure that a target is for: the ratio to the floor where there is a floor. @param {Row} row */
export function figureOf(row) {
  return row.ratio ?? row.value;
}

/** Three significant digits. @param {number} value */
export function digits(value) {
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
