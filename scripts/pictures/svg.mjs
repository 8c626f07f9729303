/** What the figures in docs/pictures/ are drawn with: one look, light and dark. */

/** Each class with its light and its dark look. */
const STYLE = `
    text { font: 15px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1f2328 }
    .head { font-size: 22px; font-weight: 650 }
    .name { font-size: 16px; font-weight: 600 }
    .mono { font-family: ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace; font-size: 13px }
    .small { font-size: 13.5px; fill: #57606a }
    .page { fill: #ffffff; stroke: #d0d7de }
    .panel { fill: #f6f8fa; stroke: #d0d7de }
    .plain { fill: #ffffff; stroke: #8c959f; stroke-width: 1.5 }
    .grey { fill: #e7ebef; stroke: #57606a; stroke-width: 1.5 }
    .green { fill: #e2f4e6; stroke: #1a7f37; stroke-width: 1.5 }
    .blue { fill: #e3eefb; stroke: #1f5fa8; stroke-width: 1.5 }
    .orange { fill: #fdeedd; stroke: #b4530a; stroke-width: 1.5 }
    .greenline { stroke: #1a7f37; stroke-width: 2.5 }
    .blueline { stroke: #1f5fa8; stroke-width: 2.5 }
    .orangeline { stroke: #b4530a; stroke-width: 2.5 }
    .greyline { stroke: #57606a; stroke-width: 2 }
    .wire { stroke: #57606a; stroke-width: 6; stroke-linecap: round }
    .border { stroke: #8c959f; stroke-width: 1.2; stroke-dasharray: 5 5 }
    .barred { stroke: #cf222e; stroke-width: 2; stroke-dasharray: 6 4; fill: none }
    .cross { stroke: #cf222e; stroke-width: 3 }
    .red { fill: #cf222e }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .small { fill: #a3adb8 }
      .page { fill: #14181e; stroke: #30363d }
      .panel { fill: #1c2129; stroke: #30363d }
      .plain { fill: #262c36; stroke: #768390 }
      .grey { fill: #30363d; stroke: #8b949e }
      .green { fill: #12301c; stroke: #46b15f }
      .blue { fill: #122b4a; stroke: #5b9ce6 }
      .orange { fill: #42260d; stroke: #e58a3c }
      .greenline { stroke: #46b15f }
      .blueline { stroke: #5b9ce6 }
      .orangeline { stroke: #e58a3c }
      .greyline, .wire { stroke: #8b949e }
      .border { stroke: #6e7681 }
      .barred, .cross { stroke: #ff7b72 }
      .red { fill: #ff7b72 }
    }
  `;

/**
 * @param {{width: number, height: number, title: string, description: string, parts: readonly string[]}} picture
 */
export function picture({ width, height, title, description, parts }) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title description">`,
    `  <title id="title">${title}</title>`,
    `  <desc id="description">${description}</desc>`,
    `  <style>${STYLE}</style>`,
    `  <rect x="1" y="1" width="${width - 2}" height="${height - 2}" rx="14" class="page"/>`,
    ...parts.map((part) => `  ${part}`),
    '</svg>\n',
  ].join('\n');
}

/**
 * A box around `cx` with a name in it, and a line of small print below the name.
 *
 * @param {number} cx
 * @param {number} y
 * @param {{width: number, height?: number, look: string, name: string, detail?: string}} box
 */
export function box(cx, y, { width, height = 54, look, name, detail }) {
  const middle = y + height / 2;
  return [
    `<rect x="${cx - width / 2}" y="${y}" width="${width}" height="${height}" rx="7" class="${look}"/>`,
    words(cx, detail === undefined ? middle + 6 : middle - 4, name, 'name'),
    ...(detail === undefined ? [] : [words(cx, middle + 16, detail, 'small')]),
  ].join('');
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} text
 * @param {string} [look]
 * @param {'start' | 'middle' | 'end'} [anchor]
 */
export function words(x, y, text, look, anchor = 'middle') {
  return `<text x="${x}" y="${y}"${look === undefined ? '' : ` class="${look}"`} text-anchor="${anchor}">${text}</text>`;
}

/** @param {number} x @param {number} from @param {number} to @param {string} look */
export function down(x, from, to, look) {
  return `<line x1="${x}" y1="${from}" x2="${x}" y2="${to}" class="${look}"/>`;
}

/** @param {number} y @param {number} from @param {number} to @param {string} look */
export function across(y, from, to, look) {
  return `<line x1="${from}" y1="${y}" x2="${to}" y2="${y}" class="${look}"/>`;
}

/**
 * A chunk as the descriptor carries it: its headers side by side.
 *
 * @param {number} cx
 * @param {number} y
 * @param {readonly {name: string, width: number, look: string}[]} headers
 */
export function chunk(cx, y, headers) {
  let x = cx - headers.reduce((sum, { width }) => sum + width, 0) / 2;
  return headers
    .map(({ name, width, look }) => {
      const part = `<rect x="${x}" y="${y}" width="${width}" height="26" class="${look}"/>${words(x + width / 2, y + 18, name, 'mono')}`;
      x += width;
      return part;
    })
    .join('');
}
