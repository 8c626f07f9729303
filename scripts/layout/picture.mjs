/** The picture of the house: a box for each folder, a floor above all that it imports, an arrow for each import. */
import { FOLDERS, folderOf } from './table.mjs';

const BOX = { width: 172, height: 52 };
const GAP = { x: 26, y: 44 };
const MARGIN = 24;
/** Between an arrow and the boxes that it passes. */
const LANE = 12;

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
  for (const boxes of houses) left = place(boxes, left, height) + 4 * MARGIN;
  const boxes = new Map(houses.flat().map((box) => [box.path, box]));
  const size = { width: left - 3 * MARGIN, height: height + 3 * MARGIN };
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}" viewBox="0 0 ${size.width} ${size.height}" font-family="system-ui, sans-serif" role="img">`,
    '<title>The folders of src/ and native/, each above all that it imports; src/base loads the compiled native/node</title>',
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
  const [x, y] = [b.x + BOX.width / 2, b.y - 2];
  if (a.floor > b.floor + 1) {
    // Past the floors in between: beside their boxes, so that it does not seem to come from one of them.
    const start = { x: a.x + BOX.width, y: a.y + BOX.height / 2 };
    const lane = freeLane([...boxes.values()], start.x + LANE, a, b);
    const [down, turn] = [start.y + GAP.y / 2, y - GAP.y / 2];
    return line(
      `M${start.x} ${start.y}Q${lane} ${start.y} ${lane} ${down}V${turn}C${lane} ${y - 4} ${x} ${turn} ${x} ${y}`,
    );
  }
  const [x1, y1] = [a.x + BOX.width / 2, a.y + BOX.height];
  const bend = (y - y1) / 2;
  return line(`M${x1} ${y1}C${x1} ${y1 + bend} ${x} ${y - bend} ${x} ${y}`);
}

/** The first place to the right where nothing stands between two floors. @param {Box[]} all @param {number} from @param {Box} a @param {Box} b */
function freeLane(all, from, a, b) {
  const between = all.filter(
    ({ floor, path }) => floor < a.floor && floor > b.floor && isSameHouse(path, a.path),
  );
  let lane = from;
  while (between.some(({ x }) => lane > x - LANE && lane < x + BOX.width + LANE)) lane += LANE;
  return lane;
}

/** @param {string} a @param {string} b */
function isSameHouse(a, b) {
  return a.split('/')[0] === b.split('/')[0];
}

/** @param {string} path @param {string} [more] attributes */
function line(path, more = '') {
  return `<path d="${path}" fill="none" stroke="#667085" stroke-width="1.4"${more} marker-end="url(#tip)"/>`;
}

/** TypeScript loads what C++ compiles to. @param {ReadonlyMap<string, Box>} boxes */
function loads(boxes) {
  const [a, b] = [boxes.get('src/base'), boxes.get('native/node')];
  if (a === undefined || b === undefined) return '';
  const [x1, y1, x2, y2] = [a.x + BOX.width, a.y + BOX.height / 2, b.x - 3, b.y + BOX.height / 2];
  const native = [...boxes.values()].filter(({ path }) => isSameHouse(path, b.path));
  const lane = Math.min(...native.map(({ x }) => x)) - MARGIN;
  const path = `M${x1} ${y1}H${lane - LANE}Q${lane} ${y1} ${lane} ${y1 - LANE}V${y2 + LANE}Q${lane} ${y2} ${x2} ${y2}`;
  return line(path, ' stroke-dasharray="5 4"');
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
