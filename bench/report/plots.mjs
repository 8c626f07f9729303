/** The plots of a run: one for each scenario. */
import { barChart } from '../charts/bar-chart.mjs';
import { percentileChart } from '../charts/percentile-chart.mjs';
import { targetOf } from '../targets.mjs';
import { digits, figureOf } from './figures.mjs';
import { isTapfd, label } from './labels.mjs';

/**
 * @typedef {import('./figures.mjs').Row} Row
 * @typedef {Row['better']} Better
 */

/** @param {import('./figures.mjs').Report} report @returns {Record<string, string>} SVG by name */
export function plotsOf(report) {
  /** @type {Record<string, string>} */
  const plots = {};
  for (const scenario of report.scenarios) {
    if (scenario.rows.some(({ variant }) => variant === 'p99.9' && scenario.name === 'round-trip')) {
      plots[scenario.name] = percentilePlot(report, scenario);
      continue;
    }
    for (const [name, better, rows] of partsOf(scenario)) plots[name] = plot(report, scenario, better, rows);
  }
  return plots;
}

/**
 * Figures of which more is better share no axis with those of which less is better.
 *
 * @param {import('./figures.mjs').Scenario} scenario
 * @returns {[name: string, better: Better, rows: readonly Row[]][]}
 */
function partsOf({ name, better, rows }) {
  const other = rows.filter((row) => row.better !== better);
  const main = rows.filter((row) => row.better === better);
  if (name === 'idle') {
    return ['memory', 'cpu'].map((variant) => [
      `idle-${variant}`,
      better,
      rows.filter((row) => row.variant === variant),
    ]);
  }
  if (other.length === 0) return [[name, better, main]];
  return [
    [name, better, main],
    [`${name}-cpu`, 'less', other],
  ];
}

/**
 * @param {import('./figures.mjs').Report} report
 * @param {import('./figures.mjs').Scenario} scenario
 * @param {Better} better
 * @param {readonly Row[]} rows
 */
function plot({ machine }, { title }, better, rows) {
  const isRatio = rows.some((row) => row.ratio !== undefined);
  const shown = isRatio ? rows.filter((row) => row.ratio !== undefined) : rows;
  /** @type {Map<string, ReturnType<typeof barOf>[]>} */
  const groups = new Map();
  for (const row of shown) {
    const group = groupOf(row);
    groups.set(group, [...(groups.get(group) ?? []), barOf(row)]);
  }
  const { unit } = rows[0];
  const runs = shown[0].value.runs;
  const hasTarget = shown.some((row) => targetOf(row) !== undefined);
  return barChart({
    title,
    subtitle:
      `${better === 'more' ? 'More' : 'Less'} is better. Median and quartiles of ${runs} runs${hasTarget ? '; red: the target' : ''}. ` +
      `Node ${machine.node}, Linux ${machine.kernel.split('-')[0]}, ${machine.processors} processors`,
    axis: isRatio ? `${unit}, times plain C (in brackets: ${unit})` : unit,
    groups: [...groups].map(([group, bars]) => ({ title: group, bars })),
    ...(isRatio ? { baseline: 1, baselineName: 'plain C' } : {}),
  });
}

/** What percentiles are called. */
const PERCENTILES = [
  { variant: 'p50', name: 'half of them' },
  { variant: 'p99', name: '99 %' },
  { variant: 'p99.9', name: '99.9 % take at most this long' },
];

/**
 * Round trips: how long most of them take, and how long the rare ones. In one line each, as bars for every percentile and
 * size are too many to compare.
 *
 * @param {import('./figures.mjs').Report} report
 * @param {import('./figures.mjs').Scenario} scenario
 */
function percentilePlot({ machine }, { title, rows }) {
  const sizes = [...new Set(rows.map(({ size }) => size))];
  const subjects = [...new Set(rows.map(({ subject }) => subject))];
  const { runs } = rows.find(({ ratio }) => ratio !== undefined)?.value ?? rows[0].value;
  return percentileChart({
    title,
    subtitle:
      `Less is better. Medians of ${runs} runs. ` +
      `Node ${machine.node}, Linux ${machine.kernel.split('-')[0]}, ${machine.processors} processors`,
    axis: 'microseconds',
    marks: PERCENTILES.map(({ name }) => name),
    groups: sizes.map((size) => ({
      title: `${size} bytes`,
      rows: subjects.map((subject) => ({
        label: subject === 'floor' ? 'plain C' : label(subject),
        own: isTapfd(subject),
        values: PERCENTILES.flatMap(({ variant }) =>
          rows
            .filter((row) => row.variant === variant && row.size === size && row.subject === subject)
            .map(({ value }) => value.median / 1000),
        ),
      })),
    })),
  });
}

/** @param {Row} row */
function barOf(row) {
  const figure = figureOf(row);
  const target = targetOf(row);
  return {
    label: label(row.subject),
    value: figure.median,
    low: figure.lowerQuartile,
    high: figure.upperQuartile,
    text:
      row.ratio === undefined
        ? digits(figure.median)
        : `${digits(figure.median)} (${digits(row.value.median)})`,
    own: isTapfd(row.subject),
    target: target?.atMost ?? target?.atLeast,
  };
}

/** @param {Row} row */
function groupOf({ variant, size, devices }) {
  const place =
    size !== undefined ? `${size} bytes` : devices !== undefined ? `${devices} devices` : undefined;
  const what = variant === 'above' ? 'what tapfd adds' : variant;
  return [what, place].filter((part) => part !== undefined).join(', ') || 'whole process';
}
