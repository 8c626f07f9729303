/** A Node process of the test's own, which must end by itself. */
import { ROOT } from './paths.js';
import { type Ended, type StartedProgram, startProgram } from './started-program.js';

/** Runs a module's text. It may import 'tapfd', and finds its arguments in process.argv from index 1. */
export function startChild(module: string, args: string[] = [], nodeOptions: string[] = []): StartedProgram {
  const command = [...nodeOptions, '--input-type=module', '--eval', module, '--', ...args];
  return startProgram(process.execPath, command, { cwd: ROOT });
}

/** Runs a module's text to its end. */
export async function runChild(
  module: string,
  args: string[] = [],
  nodeOptions: string[] = [],
): Promise<Ended> {
  return startChild(module, args, nodeOptions).ended;
}
