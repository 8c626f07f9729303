/** The plots of a run. */
import { barChart } from '../../charts/bar-chart.mjs';
import { intervalChart } from '../../charts/interval-chart.mjs';
import { verdict } from './comparison.mjs';
import { PAPER } from './paper-figures.mjs';
import { figure } from './tables.mjs';

/** @typedef {import('./rows.mjs').Row} Row */
/** @typedef {import('./results.mjs').Results} Results */

/**
 * Groups of bars: which cases are in them, and how they are labelled.
 *
 * @type {Record<string, {title: string, axis: string, scale: number, label: Record<string, string> | undefined,
 *   takes: (name: string) => boolean}>}
 */
const BAR_PLOTS = {
  'frame-sizes': {
    title: 'UDP frames that arrive, by size',
    axis: 'thousand frames a second',
    scale: 1 / 1000,
    label: undefined,
    takes: (name) => name.startsWith('frames-'),
  },
  latency: {
    title: 'One byte there and one back',
    axis: 'microseconds, median of a run',
    scale: 1,
    label: {
      'request-tcp': 'TCP, guests on two hosts',
      'request-udp': 'UDP, guests on two hosts',
      'request-one-host': 'TCP, guests on one host',
      'request-container': 'TCP, guest and container',
    },
    takes: (name) => name.startsWith('request-'),
  },
  throughput: {
    title: 'TCP where the wire is no limit',
    axis: 'Mbit/s',
    scale: 1,
    label: undefined,
    takes: (name) => /^(flows-|no-vnet|one-host|to-|from-)/.test(name),
  },
};

/**
 * @param {Results} results
 * @returns {Record<string, string>} SVG by name
 */
export function plotsOf(results) {
  /** @type {Record<string, string>} */
  const plots = {};
  const table = results.rows.filter(({ case: { phase } }) => phase === 'table');
  if (table.length > 0) plots.table = tablePlot(table, results);
  for (const [name, plot] of Object.entries(BAR_PLOTS)) {
    const rows = results.rows.filter(({ case: one }) => plot.takes(one.name));
    if (rows.length > 0) plots[name] = barPlot(plot, rows, results);
  }
  return plots;
}

/** Differences, as bars of the two interfaces would look alike at this scale. @param {readonly Row[]} rows @param {Results} results */
function tablePlot(rows, results) {
  const { pairs, confidence } = /** @type {Row} */ (rows[0]).compared;
  return intervalChart({
    title: 'macvtap against TAP in a bridge',
    subtitle: [
      `Two QEMU guests on two hosts, Fast Ethernet. ${pairs} pairs; median, and its ${(confidence * 100).toFixed(0)} % interval.`,
      `\u2191 more is better, \u2193 less. ${machineLine(results)}`,
    ],
    axis: 'macvtap differs from TAP by, %',
    markName: 'the paper, KVM on real hosts',
    rows: rows.map(({ case: { name, title, unit, better }, compared }) => ({
      label: `${title}, ${unit} ${better === 'more' ? '\u2191' : '\u2193'}`,
      value: inPercent(compared.ratio),
      low: inPercent(compared.low),
      high: inPercent(compared.high),
      text: verdict(compared),
      mark: inPercent((PAPER[name]?.macvtap ?? 1) / (PAPER[name]?.tap ?? 1)),
    })),
  });
}

/** @param {typeof BAR_PLOTS[string]} plot @param {readonly Row[]} rows @param {Results} results */
function barPlot({ title, axis, scale, label }, rows, results) {
  const { better } = /** @type {Row} */ (rows[0]).case;
  const runs = Math.max(...rows.map(({ tap }) => tap.runs));
  return barChart({
    title,
    subtitle: `${better === 'more' ? 'More' : 'Less'} is better. Median, least and most of ${runs}. ${machineLine(results)}`,
    axis,
    groups: rows.map(({ case: one, tap, macvtap }) => ({
      title: label?.[one.name] ?? one.title,
      bars: [
        { label: 'TAP in a bridge', own: false, ...barOf(tap, scale) },
        { label: 'macvtap', own: true, ...barOf(macvtap, scale) },
      ],
    })),
  });
}

/** @param {import('../../statistics.mjs').Summary} summary @param {number} scale */
function barOf({ median, least, most }, scale) {
  return { value: median * scale, low: least * scale, high: most * scale, text: figure(median * scale) };
}

/** @param {Results} results */
function machineLine({ machines, load }) {
  const { processors, accelerator, kernel, qemu } = /** @type {Record<string, any>} */ (machines.at(-1));
  return (
    `${processors} processors, ${accelerator === 'tcg' ? 'emulation (TCG)' : accelerator}, QEMU ${qemu}, ` +
    `Linux ${String(kernel).split('-')[0]}, load ${load.median.toFixed(1)}.`
  );
}

/** @param {number} ratio */
function inPercent(ratio) {
  return (ratio - 1) * 100;
}
