/** The tables of a run in Markdown: the paper's with ours below, and the other patterns. */
import { table } from '../../markdown/table.mjs';
import { verdict } from './comparison.mjs';
import { FAST_ETHERNET_GOODPUT_MBPS, PAPER } from './paper-figures.mjs';

/** @typedef {import('./rows.mjs').Row} Row */
/** @typedef {import('../../statistics.mjs').Summary} Summary */

/**
 * The paper's columns: its figures above those of the run.
 *
 * @param {readonly Row[]} rows
 */
export function paperTable(rows) {
  const own = rows.filter(({ case: { name } }) => name in PAPER);
  if (own.length === 0) return '';
  const paper = own.map(({ case: { name } }) => PAPER[name]);
  return table(
    ['', ...paper.map((one) => one?.column ?? '')],
    [
      ['paper, TAP', ...paper.map((one) => String(one?.tap))],
      ['paper, macvtap', ...paper.map((one) => String(one?.macvtap))],
      ['here, TAP', ...own.map(({ tap }) => spread(tap))],
      ['here, macvtap', ...own.map(({ macvtap }) => spread(macvtap))],
      ['here, by pairs', ...own.map(({ compared }) => verdict(compared))],
    ],
  );
}

/**
 * How far iperf is from the capacity of the wire.
 *
 * @param {readonly Row[]} rows
 */
export function goodputLine(rows) {
  const iperf = rows.find(({ case: { name } }) => name === 'iperf');
  if (iperf === undefined) return '';
  const off = (/** @type {Summary} */ { median }) => {
    const share = (median / FAST_ETHERNET_GOODPUT_MBPS - 1) * 100;
    return `${share < 0 ? '-' : '+'}${Math.abs(share).toFixed(2)} %`;
  };
  return (
    `Of the ${FAST_ETHERNET_GOODPUT_MBPS} Mbit/s that TCP can carry over Fast Ethernet, ` +
    `the median of iperf is off by ${off(iperf.tap)} on TAP and ${off(iperf.macvtap)} on macvtap.\n`
  );
}

/**
 * One line for each case.
 *
 * @param {readonly Row[]} rows
 */
export function patternTable(rows) {
  const own = rows.filter(({ case: { phase } }) => phase === 'patterns');
  if (own.length === 0) return '';
  return table(
    ['', 'unit', 'TAP', 'macvtap', 'by pairs'],
    own.map(({ case: one, tap, macvtap, compared }) => [
      one.title,
      one.unit,
      spread(tap),
      spread(macvtap),
      verdict(compared),
    ]),
  );
}

/**
 * @param {readonly ReturnType<import('./rows.mjs').vnetHeaderRows>[number][]} rows
 */
export function vnetHeaderLines(rows) {
  return rows
    .map(({ kind, compared }) => {
      const { ratio, low, high, resolved } = compared;
      const what = `${kind === 'tap' ? 'TAP' : kind}: 1 TCP flow with a vnet header against one without:`;
      const times = `${ratio.toFixed(2)} times as fast (${low.toFixed(2)} to ${high.toFixed(2)})`;
      return `- ${what} ${resolved ? times : verdict(compared)}.\n`;
    })
    .join('');
}

/** @param {Summary} summary its median, minimum and maximum */
export function spread({ median, least, most, runs }) {
  return runs === 1 ? figure(median) : `${figure(median)} (${figure(least)} to ${figure(most)})`;
}

/** Four significant digits, as in the paper. @param {number} value */
export function figure(value) {
  const digits = Math.max(0, 3 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toFixed(Math.min(digits, 4));
}
