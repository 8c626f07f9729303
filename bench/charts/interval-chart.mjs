/** Differences and their intervals around a zero line, as SVG: a dot and a whisker in each row, and a mark for a reference. */
import { COLOURS, gridLine, niceStep, round, svgDocument, text, WIDTH, whisker } from './svg.mjs';

const LABEL_WIDTH = 290;
const TEXT_WIDTH = 330;
const ROW = 46;
const TOP = 118;
const BOTTOM = 70;

/**
 * @typedef {object} Interval
 * @property {string} label
 * @property {number} value
 * @property {number} low
 * @property {number} high
 * @property {string} text after the row
 * @property {number} [mark] the reference
 */

/**
 * @param {object} chart
 * @param {string} chart.title
 * @param {readonly string[]} chart.subtitle up to two lines
 * @param {string} chart.axis
 * @param {string} [chart.markName]
 * @param {readonly Interval[]} chart.rows
 */
export function intervalChart({ title, subtitle, axis, markName, rows }) {
  const max = Math.max(...rows.flatMap(({ low, high, mark }) => [low, high, mark ?? 0].map(Math.abs)));
  const step = niceStep(max / 3);
  const end = Math.max(1, Math.ceil(max / step - 1e-9)) * step;
  const right = WIDTH - TEXT_WIDTH;
  /** @param {number} value */
  const x = (value) => round(LABEL_WIDTH + ((right - LABEL_WIDTH) * (value + end)) / (2 * end));
  const bottom = TOP + rows.length * ROW;
  const ticks = [];
  for (let i = -Math.round(end / step); i <= Math.round(end / step); i += 1) {
    const value = Number((i * step).toPrecision(6));
    ticks.push(
      gridLine(x(value), TOP - 6, bottom, value === 0),
      text(x(value), bottom + 22, `${value > 0 ? '+' : ''}${value}`, 'font-size="14" text-anchor="middle"'),
    );
  }
  const parts = [
    ...ticks,
    ...rows.map((row, i) => drawRow(row, TOP + i * ROW + ROW / 2, x, right)),
    text((LABEL_WIDTH + right) / 2, bottom + 50, axis, 'font-size="15" text-anchor="middle"'),
    markName === undefined ? '' : legend(markName, right + 16, bottom + 50),
  ];
  return svgDocument({ title, subtitle, height: bottom + BOTTOM, parts });
}

/** @param {Interval} row @param {number} y @param {(value: number) => number} x @param {number} right */
function drawRow({ label, value, low, high, text: words, mark }, y, x, right) {
  return [
    text(LABEL_WIDTH - 14, y + 5, label, 'font-size="16" text-anchor="end"'),
    whisker({ from: x(low), to: x(high), y, halfHeight: 7, colour: COLOURS.own, width: 3 }),
    `<circle cx="${x(value)}" cy="${y}" r="6" fill="${COLOURS.own}"/>`,
    mark === undefined ? '' : diamond(x(mark), y - 14),
    text(right + 16, y + 5, words, 'font-size="14"'),
  ].join('');
}

/** @param {number} x @param {number} y */
function diamond(x, y) {
  return `<path d="M${x} ${y - 6}l6 6l-6 6l-6 -6z" fill="${COLOURS.reference}"/>`;
}

/** @param {string} name @param {number} x @param {number} y */
function legend(name, x, y) {
  return `${diamond(x + 6, y - 5)}${text(x + 20, y, name, 'font-size="14"')}`;
}
