/**
 * Where things lie in the repository, wherever the tests themselves run from: compiled they stand in another directory.
 * What a test imports needs no path from here: `#lib/…`, `#scripts/…` and `#bench/…` are in package.json.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The root of the repository. */
export const ROOT = rootAbove(import.meta.dirname);

/** Node, whatever runs the test. */
export const NODE = process.env.TAPFD_TEST_NODE ?? process.execPath;

/** The absolute path of a file or directory of the repository. */
export function inRepo(...parts: string[]): string {
  return join(ROOT, ...parts);
}

function rootAbove(directory: string): string {
  const manifest = join(directory, 'package.json');
  if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === 'tapfd') return directory;
  const parent = dirname(directory);
  if (parent === directory)
    throw new Error(`no directory above ${import.meta.dirname} holds tapfd's package.json`);
  return rootAbove(parent);
}
