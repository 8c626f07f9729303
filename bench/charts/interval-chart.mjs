/** Differences with their intervals around a zero line, as SVG: a dot and a whisker a row, and a mark for other people's figure. */
import { escaped, niceStep, round, text } from './svg.mjs';

const WIDTH = 960;
const LABEL_WIDTH = 290;
const TEXT_WIDTH = 330;
const ROW = 46;
const TOP = 118;
const BOTTOM = 70;
const INK = '#1f2328';
const FAINT = '#d0d7de';
const QUIET = '#57606a';
const DOT = '#1f6feb';
const MARK = '#9a6700';

/**
 * @typedef {object} Interval
 * @property {string} label
 * @property {number} value
 * @property {number} low
 * @property {number} high
 * @property {string} text behind the row
 * @property {number} [mark] somebody else's figure
 */

/**
 * @param {object} plot
 * @param {string} plot.title
 * @param {readonly string[]} plot.subtitle up to two lines
 * @param {string} plot.axis
 * @param {string} [plot.markName]
 * @param {readonly Interval[]} plot.rows
 */
export function intervalPlot({ title, subtitle, axis, markName, rows }) {
  const most = Math.max(...rows.flatMap(({ low, high, mark }) => [low, high, mark ?? 0].map(Math.abs)));
  const step = niceStep(most / 3);
  const end = Math.max(1, Math.ceil(most / step - 1e-9)) * step;
  const right = WIDTH - TEXT_WIDTH;
  /** @param {number} value */
  const x = (value) => round(LABEL_WIDTH + ((right - LABEL_WIDTH) * (value + end)) / (2 * end));
  const bottom = TOP + rows.length * ROW;
  const height = bottom + BOTTOM;
  const ticks = [];
  for (let i = -Math.round(end / step); i <= Math.round(end / step); i += 1) {
    const value = Number((i * step).toPrecision(6));
    const colour = value === 0 ? INK : FAINT;
    ticks.push(
      `<line x1="${x(value)}" x2="${x(value)}" y1="${TOP - 6}" y2="${bottom}" stroke="${colour}" stroke-width="${value === 0 ? 2 : 1}"/>`,
      text(x(value), bottom + 22, `${value > 0 ? '+' : ''}${value}`, 'font-size="14" text-anchor="middle"'),
    );
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" fill="${INK}">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    text(24, 36, title, 'font-size="24" font-weight="bold"'),
    ...subtitle.map((line, i) => text(24, 60 + i * 20, line, `font-size="14" fill="${QUIET}"`)),
    ...ticks,
    ...rows.map((row, i) => drawRow(row, TOP + i * ROW + ROW / 2, x, right)),
    text((LABEL_WIDTH + right) / 2, bottom + 50, axis, 'font-size="15" text-anchor="middle"'),
    markName === undefined ? '' : legend(markName, right + 16, bottom + 50),
    '</svg>\n',
  ].join('\n');
}

/** @param {Interval} row @param {number} y @param {(value: number) => number} x @param {number} right */
function drawRow({ label, value, low, high, text: words, mark }, y, x, right) {
  const [from, to] = [x(low), x(high)];
  return [
    text(LABEL_WIDTH - 14, y + 5, label, 'font-size="16" text-anchor="end"'),
    `<path d="M${from} ${y}H${to}M${from} ${y - 7}v14M${to} ${y - 7}v14" stroke="${DOT}" stroke-width="3" fill="none"/>`,
    `<circle cx="${x(value)}" cy="${y}" r="6" fill="${DOT}"/>`,
    mark === undefined ? '' : diamond(x(mark), y - 14),
    text(right + 16, y + 5, words, 'font-size="14"'),
  ].join('');
}

/** @param {number} x @param {number} y */
function diamond(x, y) {
  return `<path d="M${x} ${y - 6}l6 6l-6 6l-6 -6z" fill="${MARK}"/>`;
}

/** @param {string} name @param {number} x @param {number} y */
function legend(name, x, y) {
  return `${diamond(x + 6, y - 5)}${text(x + 20, y, name, 'font-size="14"')}`;
}
