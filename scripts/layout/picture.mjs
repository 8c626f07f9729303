/** The picture of the house: a box for each folder, a floor above all that it imports, an arrow for each import. */
import { FOLDERS, folderOf } from './table.mjs';

const BOX = { width: 172, height: 52 };
const GAP = { x: 26, y: 44 };
const MARGIN = 24;

/** @typedef {import('./imports.mjs').Import} Import */
/** @typedef {{path: string, name: string, short: string, floor: number, x: number, y: number}} Box */

/**
 * @param {readonly Import[]} imports
 * @returns {string} SVG
 */
export function pictureOf(imports) {
  const arrows = folderImports(imports);
  const houses = ['src', 'native'].map((house) => boxesOf(house, arrows));
  const height = Math.max(...houses.flat().map(({ floor }) => floor)) * (BOX.height + GAP.y) + BOX.height;
  let left = MARGIN;
  for (const boxes of houses) left = place(boxes, left, height) + 2 * MARGIN;
  const boxes = new Map(houses.flat().map((box) => [box.path, box]));
  const size = { width: left - MARGIN, height: height + 3 * MARGIN };
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}" viewBox="0 0 ${size.width} ${size.height}" font-family="system-ui, sans-serif" role="img">`,
    '<title>The folders of src/ and native/, each above all that it imports</title>',
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#667085"/></marker></defs>',
    `<rect width="${size.width}" height="${size.height}" fill="#ffffff"/>`,
    ...directOnly(arrows).map(([from, to]) => arrow(boxes, from, to)),
    loads(boxes),
    ...[...boxes.values()].map(drawBox),
    '</svg>\n',
  ].join('\n');
}

/** @param {readonly Import[]} imports @returns {Map<string, Set<string>>} folder -> the others it imports */
function folderImports(imports) {
  /** @type {Map<string, Set<string>>} */
  const arrows = new Map(FOLDERS.map(({ path }) => [path, new Set()]));
  for (const { from, to } of imports) {
    const [a, b] = [folderOf(from).path, folderOf(to).path];
    if (a !== b) arrows.get(a)?.add(b);
  }
  return arrows;
}

/** @param {string} house @param {Map<string, Set<string>>} arrows @returns {Box[]} */
function boxesOf(house, arrows) {
  return FOLDERS.filter(({ path }) => path === house || path.startsWith(`${house}/`)).map(
    ({ path, short, main }) => {
      const name = path === 'src' ? `src/${main}` : path;
      return { path, name, short, floor: floorOf(path, arrows), x: 0, y: 0 };
    },
  );
}

/** @param {string} path @param {Map<string, Set<string>>} arrows @returns {number} */
function floorOf(path, arrows) {
  return Math.max(-1, ...[...(arrows.get(path) ?? [])].map((below) => floorOf(below, arrows))) + 1;
}

/** @param {Box[]} boxes @param {number} left @param {number} height @returns {number} the right end */
function place(boxes, left, height) {
  const floors = byFloor(boxes);
  const widest = Math.max(...[...floors.values()].map((on) => on.length));
  const width = widest * BOX.width + (widest - 1) * GAP.x;
  for (const [floor, on] of floors) {
    const used = on.length * BOX.width + (on.length - 1) * GAP.x;
    on.forEach((box, i) => {
      box.x = left + (width - used) / 2 + i * (BOX.width + GAP.x);
      box.y = 1.5 * MARGIN + height - BOX.height - floor * (BOX.height + GAP.y);
    });
  }
  return left + width;
}

/** @param {Box[]} boxes */
function byFloor(boxes) {
  /** @type {Map<number, Box[]>} */
  const floors = new Map();
  for (const box of boxes) floors.set(box.floor, [...(floors.get(box.floor) ?? []), box]);
  return floors;
}

/** An arrow that others already imply would only hide them. @param {Map<string, Set<string>>} arrows @returns {[string, string][]} */
function directOnly(arrows) {
  /** @param {string} from @param {string} to @returns {boolean} */
  const leadsTo = (from, to) =>
    [...(arrows.get(from) ?? [])].some((next) => next === to || leadsTo(next, to));
  return [...arrows].flatMap(([from, all]) =>
    [...all]
      .filter((to) => ![...all].some((other) => other !== to && leadsTo(other, to)))
      .map((to) => /** @type {[string, string]} */ ([from, to])),
  );
}

/** @param {ReadonlyMap<string, Box>} boxes @param {string} from @param {string} to */
function arrow(boxes, from, to) {
  const [a, b] = [boxes.get(from), boxes.get(to)];
  if (a === undefined || b === undefined) throw new Error(`no box for ${from} -> ${to}`);
  const [x1, y1, x2, y2] = [a.x + BOX.width / 2, a.y + BOX.height, b.x + BOX.width / 2, b.y - 2];
  const bend = (y2 - y1) / 2;
  return `<path d="M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}" fill="none" stroke="#667085" stroke-width="1.4" marker-end="url(#tip)"/>`;
}

/** TypeScript loads what C++ compiles to. @param {ReadonlyMap<string, Box>} boxes */
function loads(boxes) {
  const [a, b] = [boxes.get('src/base'), boxes.get('native/node')];
  if (a === undefined || b === undefined) return '';
  const [x1, y1, x2, y2] = [a.x + BOX.width, a.y + BOX.height / 2, b.x - 3, b.y + BOX.height / 2];
  const bend = (x2 - x1) / 2;
  return `<path d="M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}" fill="none" stroke="#667085" stroke-width="1.4" stroke-dasharray="5 4" marker-end="url(#tip)"/>`;
}

/** @param {Box} box */
function drawBox({ name, short, path, x, y }) {
  const fill = path.startsWith('native') ? '#fdf3e7' : '#e9f1fb';
  const middle = x + BOX.width / 2;
  return [
    `<rect x="${x}" y="${y}" width="${BOX.width}" height="${BOX.height}" rx="7" fill="${fill}" stroke="#98a2b3"/>`,
    `<text x="${middle}" y="${y + 23}" text-anchor="middle" font-size="14" font-weight="600" fill="#1d2939">${name}</text>`,
    `<text x="${middle}" y="${y + 41}" text-anchor="middle" font-size="12" fill="#475467">${short}</text>`,
  ].join('');
}
