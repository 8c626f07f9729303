/** Compiles the floor programs, which are plain C. `npm run build` and the bench itself run it. */
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCommand, runScript, step, Trouble } from '../../scripts/run-command.mjs';

const SOURCES = fileURLToPath(new URL('../floor', import.meta.url));
const OUTPUT = fileURLToPath(new URL('../../build/bench', import.meta.url));

/** The path of a compiled floor program. */
export const floor = (name) => join(OUTPUT, name);

export async function compileFloor() {
  mkdirSync(OUTPUT, { recursive: true });
  const compiler = ['cc', 'gcc', 'clang'].find((command) => findCommand(command) !== undefined);
  if (compiler === undefined) throw new Trouble('there is no C compiler', 'apt-get install gcc');
  const files = readdirSync(SOURCES);
  const newestHeader = Math.max(...files.filter((file) => file.endsWith('.h')).map(changedAt));
  for (const file of files.filter((name) => name.endsWith('.c'))) {
    const program = floor(file.slice(0, -2));
    const compiledAt = statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (compiledAt > Math.max(newestHeader, changedAt(file))) continue;
    const args = ['-D_GNU_SOURCE', '-O2', '-Wall', '-Wextra', '-pthread', '-o', program, join(SOURCES, file)];
    await step(`compiling ${file}`, compiler, args);
  }
}

function changedAt(file) {
  return statSync(join(SOURCES, file)).mtimeMs;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await runScript(compileFloor);
