/** Which test files there are, and in which lane and order they run. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../prepare.mjs';
import { Trouble } from '../run-command.mjs';

/** Tests that are long by nature: `npm run test:deep`. */
const DEEP = 'test/deep';
/** QEMU and other programs: a guest keeps a processor busy while it boots, then mostly waits. */
const GUEST = 'test/guest/';
/** C++ programs that are compiled first. */
const NATIVE = 'test/native/';
/** What they measure is what the whole machine can do. */
const MEASURING = ['test/guest/table1.test.ts'];
/** Runs when all other lanes are empty. */
export const LAST = { alone: 1 };
/** How many files of a lane run at once. */
export const PLACES = { guest: 1, native: 1, other: availableParallelism() };
/** Folders with the longest files, which start first so that no processor is idle at the end. */
const FIRST = [
  'test/deep/',
  'test/bench/',
  'test/package/',
  'test/lifecycle/',
  'test/native/',
  'test/kernel/',
];

/**
 * @param {{deep: boolean, wanted: readonly string[]}} choice `wanted`: files or folders; none: all of the suite
 * @returns {string[]} paths from the root
 */
export function testFiles({ deep, wanted }) {
  const all = wanted.length > 0 ? wanted.flatMap(filesIn) : filesIn(deep ? DEEP : 'test');
  const chosen = wanted.length > 0 || deep ? all : all.filter((path) => !path.startsWith(`${DEEP}/`));
  return [...new Set(chosen)].sort((a, b) => rank(a) - rank(b));
}

/**
 * Each lane runs as many files at once as it has places, independently of the other lanes. `native` has one, as two of its
 * files would compile the same sources at the same time.
 *
 * @param {string} path
 * @returns {keyof typeof PLACES | keyof typeof LAST}
 */
export function laneOf(path) {
  if (MEASURING.includes(path)) return 'alone';
  if (path.startsWith(GUEST)) return 'guest';
  return path.startsWith(NATIVE) ? 'native' : 'other';
}

/** @param {string} path @returns {string[]} */
function filesIn(path) {
  const place = join(ROOT, path);
  if (!existsSync(place)) throw new Trouble(`there is no ${path}`);
  if (statSync(place).isFile()) return [path];
  return readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length))
    .sort();
}

/** @param {string} path */
function rank(path) {
  const place = FIRST.findIndex((folder) => path.startsWith(folder));
  return place === -1 ? FIRST.length : place;
}
