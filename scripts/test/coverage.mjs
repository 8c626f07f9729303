/** Coverage of `src/`, from what V8 counted in every test process. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../prepare.mjs';
import { capture } from '../run-command.mjs';

const DIRECTORY = join(ROOT, '.cache/coverage');
const LIBRARY = pathToFileURL(join(ROOT, 'lib/')).href;
const C8 = join(ROOT, 'node_modules/c8/bin/c8.js');
const OPTIONS = [
  ...['--temp-directory', DIRECTORY, '--reporter', 'text', '--skip-full', '--merge-async', '--100'],
  ...['--all', '--src', 'src', '--include', 'src/**', '--exclude-after-remap'],
];

/** @returns {Record<string, string>} the environment in which V8 counts */
export function startCoverage() {
  rmSync(DIRECTORY, { recursive: true, force: true });
  mkdirSync(DIRECTORY, { recursive: true });
  // tap counts for itself in processes that `t.spawn()` starts, and thereby takes V8's counts away.
  return { NODE_V8_COVERAGE: DIRECTORY, _TAPJS_PROCESSINFO_COVERAGE_: '0' };
}

/**
 * @returns {Promise<string | undefined>} a table of what is not covered; undefined if everything is
 */
export async function uncovered() {
  keepLibrary();
  const excluded = typesOnly().flatMap((file) => ['--exclude', file]);
  const { status, output } = await capture(process.execPath, [C8, 'report', ...OPTIONS, ...excluded], {
    cwd: ROOT,
  });
  return status === 0 ? undefined : output;
}

/**
 * Files of `src/` of which nothing is left but comments when they are compiled: they hold types alone, no process loads them,
 * and c8 counts each of their lines as not covered.
 *
 * @param {string} compiled the folder with the compiled files
 */
export function typesOnly(compiled = join(ROOT, 'lib')) {
  return readdirSync(compiled, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js') && isEmpty(readFileSync(join(compiled, file), 'utf8')))
    .map((file) => `src/${file.replace(/\.js$/, '.ts')}`);
}

/** @param {string} compiled */
function isEmpty(compiled) {
  return compiled.replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, '').trim() === 'export {};';
}

/** Each process records all code it ran, most of it Node's and tap's. Only the library's files are kept. */
function keepLibrary() {
  for (const name of readdirSync(DIRECTORY)) {
    const path = join(DIRECTORY, name);
    if (!name.endsWith('.json')) continue;
    const noted = readNoted(path);
    const result = noted.result.filter((/** @type {{url: string}} */ { url }) => url.startsWith(LIBRARY));
    if (result.length === 0) {
      rmSync(path);
      continue;
    }
    const maps = Object.entries(noted['source-map-cache'] ?? {}).filter(([url]) => url.startsWith(LIBRARY));
    writeFileSync(path, JSON.stringify({ result, 'source-map-cache': Object.fromEntries(maps) }));
  }
}

/** @param {string} path */
function readNoted(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { result: [] }; // written by a process that was killed meanwhile
  }
}
