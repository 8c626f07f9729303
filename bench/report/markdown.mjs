/** A run in Markdown: its targets, and every figure. */
import { table } from '../markdown/table.mjs';
import { reaches, targetOf } from '../targets.mjs';
import { digits, figureOf } from './figures.mjs';
import { label } from './labels.mjs';

/**
 * @typedef {import('../statistics.mjs').Summary} Summary
 * @typedef {import('./figures.mjs').Row} Row
 * @typedef {import('./figures.mjs').Scenario} Scenario
 * @typedef {import('./figures.mjs').Report} Report
 */

/** @param {Report} report */
export function factsOf({ machine }) {
  return (
    `tapfd ${machine.tapfd}, Node ${machine.node}, Linux ${machine.kernel}, ${machine.processors} processors ` +
    `(${machine.processor}), load ${machine.loadBefore.toFixed(1)} before and ${machine.loadAfter.toFixed(1)} after.\n`
  );
}

/** @param {Report} report */
export function markdownOf(report) {
  return [
    `# Results\n\n${factsOf(report)}\n## Targets\n\n${targetTable(report)}`,
    ...report.scenarios.map(
      (scenario) => `## ${scenario.title}\n\n${scenarioTable(scenario)}${skippedOf(scenario)}`,
    ),
  ].join('\n');
}

/** @param {Report} report */
export function targetTable(report) {
  const lines = report.scenarios
    .flatMap(({ rows }) => rows)
    .flatMap((row) => {
      const target = targetOf(row);
      if (target === undefined) return [];
      const figure = figureOf(row);
      const { work, atMost, atLeast } = target;
      const wanted = atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`;
      const unit = row.ratio === undefined ? ` ${row.unit}` : ' x C';
      return [
        [
          `${work}${placeOf(row)}`,
          label(row.subject),
          wanted + unit,
          digits(figure.median),
          spread(figure),
          verdict(target, figure),
        ],
      ];
    });
  return table(['work', 'by', 'target', 'median', 'quartiles', 'reached'], lines);
}

/**
 * With quartiles on both sides of a target it is open.
 *
 * @param {import('../targets.mjs').Target} target
 * @param {Summary} figure
 */
export function verdict(target, { median, lowerQuartile, upperQuartile }) {
  const reached = reaches(target, median);
  const isOpen = [lowerQuartile, upperQuartile].some((quartile) => reaches(target, quartile) !== reached);
  return `${reached ? 'yes' : '**no**'}${isOpen ? ', within the spread' : ''}`;
}

/** @param {Scenario} scenario */
function scenarioTable({ rows }) {
  const lines = rows.map((row) => [
    `${row.variant ?? ''}${placeOf(row)}`.replace(/^, /, ''),
    label(row.subject),
    `${digits(row.value.median)} ${row.unit}`,
    spread(row.value),
    row.ratio === undefined ? '' : digits(row.ratio.median),
    row.ratio === undefined ? '' : spread(row.ratio),
    String(row.value.runs),
  ]);
  return table(['case', 'by', 'median', 'quartiles', 'x C', 'quartiles', 'runs'], lines);
}

/** @param {Scenario} scenario */
function skippedOf({ skipped }) {
  return skipped
    .map(({ subject, reason }) => `\nWithout ${label(subject)}: ${reason.split('\n')[0]}.\n`)
    .join('');
}

/** The size or number that distinguishes rows of a scenario. @param {Row} row */
function placeOf({ size, devices }) {
  if (size !== undefined) return `, ${size} B`;
  return devices === undefined ? '' : `, ${devices} devices`;
}

/** @param {Summary} summary */
function spread({ lowerQuartile, upperQuartile }) {
  return `${digits(lowerQuartile)} to ${digits(upperQuartile)}`;
}
