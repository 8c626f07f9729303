/** Temporary directories, which are removed however the bench ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** @type {Set<string>} */
const directories = new Set();
process.on('exit', () => {
  for (const directory of directories) removeDirectory(directory);
});

export function makeDirectory() {
  const directory = mkdtempSync(join(tmpdir(), 'tapfd-bench-'));
  directories.add(directory);
  return directory;
}

/** @param {string} directory */
export function removeDirectory(directory) {
  directories.delete(directory);
  rmSync(directory, { recursive: true, force: true });
}
