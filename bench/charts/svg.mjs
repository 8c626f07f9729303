/** Parts that plots have in common. */

export const FONT = 'font-family="DejaVu Sans, Verdana, sans-serif"';

/** @param {number} x @param {number} y @param {string} content @param {string} attributes */
export function text(x, y, content, attributes) {
  return `<text x="${x}" y="${y}" ${FONT} ${attributes}>${escaped(content)}</text>`;
}

/** @param {string} content */
export function escaped(content) {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** 1, 2 or 5 times a power of ten, at least this much. @param {number} least */
export function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least || 1));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10);
}

/** A tenth of a pixel is enough. @param {number} value */
export function round(value) {
  return Math.round(value * 10) / 10;
}
