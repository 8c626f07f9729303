/** How values are spread, as SVG: in each row a mark for each percentile, on a logarithmic axis. */
import { COLOURS, gridLine, round, svgDocument, text, WIDTH } from './svg.mjs';

const LABEL_WIDTH = 220;
const VALUE_WIDTH = 180;
const MARGIN = 24;
const ROW = 30;
const GROUP_HEAD = 34;
const GAP = 8;
const TOP = 124;
const BOTTOM = 64;

/** One shape for each percentile, so that they can be told apart without colour. */
const SHAPES = [
  (/** @type {number} */ x, /** @type {number} */ y) => `M${x - 6} ${y}a6 6 0 1 0 12 0a6 6 0 1 0 -12 0z`,
  (/** @type {number} */ x, /** @type {number} */ y) => `M${x} ${y - 8}l8 8l-8 8l-8 -8z`,
  (/** @type {number} */ x, /** @type {number} */ y) => `M${x - 2.5} ${y - 9}h5v18h-5z`,
];

/**
 * @typedef {{label: string, own: boolean, values: readonly number[]}} Row its values rise
 *
 * @param {object} chart
 * @param {string} chart.title
 * @param {string} chart.subtitle
 * @param {string} chart.axis
 * @param {readonly string[]} chart.marks what the values of a row are, up to three
 * @param {readonly {title: string, rows: readonly Row[]}[]} chart.groups
 */
export function percentileChart({ title, subtitle, axis, marks, groups }) {
  const values = groups.flatMap(({ rows }) => rows.flatMap((row) => row.values));
  const right = WIDTH - VALUE_WIDTH;
  const { ticks, x } = scaleOf(Math.min(...values), Math.max(...values), LABEL_WIDTH, right);
  const drawn = [];
  let y = TOP;
  for (const group of groups) {
    drawn.push(text(MARGIN, y + 22, group.title, 'font-size="17" font-weight="bold"'));
    y += GROUP_HEAD;
    for (const row of group.rows) {
      drawn.push(drawRow(row, y + ROW / 2, x));
      y += ROW;
    }
    y += GAP;
  }
  const grid = ticks.map(
    (value) =>
      gridLine(x(value), TOP - 6, y, false) +
      text(x(value), y + 20, String(value), 'font-size="14" text-anchor="middle"'),
  );
  const axisName = text(
    (LABEL_WIDTH + right) / 2,
    y + 46,
    `${axis}; logarithmic scale`,
    'font-size="15" text-anchor="middle"',
  );
  const parts = [legend(marks), ...grid, ...drawn, axisName];
  return svgDocument({ title, subtitle: [subtitle], height: y + BOTTOM, parts });
}

/** @param {Row} row @param {number} y @param {(value: number) => number} x */
function drawRow({ label, own, values }, y, x) {
  const colour = own ? COLOURS.own : COLOURS.other;
  const places = values.map(x);
  return [
    text(
      LABEL_WIDTH - 16,
      y + 5,
      label,
      `font-size="15" text-anchor="end"${own ? ' font-weight="bold"' : ''}`,
    ),
    `<path d="M${places.at(0)} ${y}H${places.at(-1)}" stroke="${colour}" stroke-width="3"/>`,
    ...places.map((place, i) => `<path d="${SHAPES[i]?.(place, y)}" fill="${colour}"/>`),
    text(
      WIDTH - MARGIN,
      y + 5,
      values.map((value) => value.toFixed(0)).join(', '),
      'font-size="15" text-anchor="end"',
    ),
  ].join('');
}

/** @param {readonly string[]} marks */
function legend(marks) {
  let x = LABEL_WIDTH;
  return marks
    .map((name, i) => {
      const mark = `<path d="${SHAPES[i]?.(x + 8, 90)}" fill="${COLOURS.quiet}"/>${text(x + 24, 95, name, 'font-size="14"')}`;
      x += 52 + name.length * 7.8;
      return mark;
    })
    .join('');
}

/** @param {number} min @param {number} max @param {number} left @param {number} right */
function scaleOf(min, max, left, right) {
  const steps = [1, 2, 5];
  const power = 10 ** Math.floor(Math.log10(min));
  const candidates = Array.from(
    { length: 30 },
    (_, i) => power * (steps[i % 3] ?? 1) * 10 ** Math.floor(i / 3),
  );
  const start = candidates.filter((tick) => tick <= min).at(-1) ?? power;
  const end = candidates.find((tick) => tick >= max) ?? max;
  return {
    ticks: candidates
      .filter((tick) => tick >= start && tick <= end)
      .map((tick) => Number(tick.toPrecision(3))),
    x: (/** @type {number} */ value) =>
      round(left + ((right - left) * Math.log(value / start)) / Math.log(end / start)),
  };
}
