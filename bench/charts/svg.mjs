/** What all charts are drawn with. */

export const WIDTH = 960;
export const COLOURS = {
  ink: '#1f2328',
  quiet: '#57606a',
  faint: '#d0d7de',
  own: '#1f6feb',
  other: '#8b949e',
  target: '#cf222e',
  reference: '#9a6700',
};

/** Every colour in the dark; a viewer that knows no media queries shows the chart in the light. */
const DARK = {
  white: '#14181e',
  [COLOURS.ink]: '#e6edf3',
  [COLOURS.quiet]: '#a3adb8',
  [COLOURS.faint]: '#373e47',
  [COLOURS.own]: '#4493f8',
  [COLOURS.other]: '#7d8590',
  [COLOURS.target]: '#ff7b72',
  [COLOURS.reference]: '#d29922',
};
const DARK_STYLE = Object.entries(DARK)
  .map(([light, dark]) => `[fill="${light}"]{fill:${dark}}[stroke="${light}"]{stroke:${dark}}`)
  .join('');

const FONT = 'font-family="DejaVu Sans, Verdana, sans-serif"';

/**
 * A chart as a document.
 *
 * @param {object} chart
 * @param {string} chart.title
 * @param {readonly string[]} chart.subtitle up to two lines
 * @param {number} chart.height
 * @param {readonly string[]} chart.parts
 */
export function svgDocument({ title, subtitle, height, parts }) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" fill="${COLOURS.ink}">`,
    `<title>${escaped(title)}</title>`,
    `<style>@media (prefers-color-scheme:dark){${DARK_STYLE}}</style>`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    text(24, 36, title, 'font-size="24" font-weight="bold"'),
    ...subtitle.map((line, i) => text(24, 60 + i * 20, line, `font-size="14" fill="${COLOURS.quiet}"`)),
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** @param {number} x @param {number} y @param {string} content @param {string} attributes */
export function text(x, y, content, attributes) {
  return `<text x="${x}" y="${y}" ${FONT} ${attributes}>${escaped(content)}</text>`;
}

/** A vertical line across the chart, strong where it is the one that values are compared with. @param {number} x @param {number} top @param {number} bottom @param {boolean} strong */
export function gridLine(x, top, bottom, strong) {
  const [colour, width] = strong ? [COLOURS.ink, 2] : [COLOURS.faint, 1];
  return `<line x1="${x}" x2="${x}" y1="${top}" y2="${bottom}" stroke="${colour}" stroke-width="${width}"/>`;
}

/**
 * A horizontal line with a stroke at each end.
 *
 * @param {{from: number, to: number, y: number, halfHeight: number, colour: string, width: number}} whisker
 */
export function whisker({ from, to, y, halfHeight, colour, width }) {
  const [top, stroke] = [y - halfHeight, `v${2 * halfHeight}`];
  return `<path d="M${from} ${y}H${to}M${from} ${top}${stroke}M${to} ${top}${stroke}" stroke="${colour}" stroke-width="${width}" fill="none"/>`;
}

/** @param {string} content */
function escaped(content) {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** The smallest 1, 2 or 5 times a power of ten that is at least this much. @param {number} min */
export function niceStep(min) {
  const power = 10 ** Math.floor(Math.log10(min || 1));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= min) ?? 10);
}

/** Rounds to a tenth of a pixel. @param {number} value */
export function round(value) {
  return Math.round(value * 10) / 10;
}
