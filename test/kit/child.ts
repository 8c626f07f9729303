/** A process of the test's own in the same runtime, which must end by itself. */
import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './paths.js';
import { type Ended, type StartedProgram, startProgram } from './started-program.js';

/** Runs a module's text. It may import 'tapfd', and finds its arguments in process.argv from index 1. */
export function startChild(module: string, args: string[] = [], nodeOptions: string[] = []): StartedProgram {
  const [command, ...rest] = childCommand(module, args, nodeOptions);
  const quiet = nodeOptions.includes('--no-warnings') ? { NODE_NO_WARNINGS: '1' } : {};
  return startProgram(command, rest, { cwd: ROOT, env: { ...process.env, ...quiet } });
}

/** What runs a file of JavaScript in this runtime. */
export function scriptCommand(file: string, ...args: string[]): [string, ...string[]] {
  return [process.execPath, ...optionsElsewhere([]), file, ...args];
}

/** What runs a module's text in `directory`, from which it imports. Default: the root of the repository. */
export function childCommand(
  module: string,
  args: string[] = [],
  nodeOptions: string[] = [],
  directory = ROOT,
): [string, ...string[]] {
  return isNode
    ? [process.execPath, ...nodeOptions, '--input-type=module', '--eval', module, '--', ...args]
    : [process.execPath, ...optionsElsewhere(nodeOptions), fileOf(module, directory), ...args];
}

/** Why a child cannot become another user itself. */
export const cannotChangeUser =
  process.setgroups === undefined && 'needs node: Deno has no process.setgroups()';
/** Why a worker cannot be made of a text with imports. */
export const cannotEvaluateImports =
  process.versions.deno !== undefined && "needs node: Deno's Worker takes the text of `eval` for CommonJS";

/** Bun and Deno have other options, and run no module's text that imports packages. */
const isNode = process.versions.bun === undefined && process.versions.deno === undefined;

function optionsElsewhere(nodeOptions: string[]): string[] {
  const collects = nodeOptions.includes('--expose-gc');
  if (isNode) return [];
  if (process.versions.bun !== undefined) return collects ? ['--expose-gc'] : [];
  return ['run', '-A', ...(collects ? ['--v8-flags=--expose-gc'] : [])];
}

function fileOf(module: string, directory: string): string {
  const place = directory === ROOT ? join(ROOT, '.cache/children') : directory;
  mkdirSync(place, { recursive: true });
  const text = `process.argv.splice(1, 1);\n${module}`;
  const file = join(place, `${createHash('sha256').update(text).digest('hex')}.mjs`);
  // Whole at once: another test may run the same.
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, text);
  renameSync(unfinished, file);
  return file;
}

/** Runs a module's text to its end. */
export async function runChild(
  module: string,
  args: string[] = [],
  nodeOptions: string[] = [],
): Promise<Ended> {
  return startChild(module, args, nodeOptions).ended;
}
