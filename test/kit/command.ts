/** The command `tapfd`, in processes of its own. */
import { spawn } from 'node:child_process';
import { scriptCommand } from './child.js';
import type { TestNamespace } from './namespace.js';
import { inRepo } from './paths.js';
import { type Ended, type StartedProgram, startProgram } from './started-program.js';

/** What runs `tapfd` in this runtime. */
export const COMMAND = scriptCommand(inRepo('lib/cli/main.js'));
/** For a shell. */
export const COMMAND_LINE = COMMAND.map((word) => `'${word}'`).join(' ');

export interface CommandOptions {
  /** Where it runs; default: the namespace of the test. */
  ns?: TestNamespace;
  env?: NodeJS.ProcessEnv;
  uid?: number;
}

/** The words that run `tapfd` in a namespace, with a /sys of its own. */
export function commandWords(args: readonly string[], ns?: TestNamespace): [string, ...string[]] {
  const words: [string, ...string[]] = [...COMMAND, ...args];
  return ns === undefined ? words : ['ip', 'netns', 'exec', ns.name, ...words];
}

export function startTapfd(args: readonly string[], options: CommandOptions = {}): StartedProgram {
  const { ns, env = {}, uid } = options;
  const [program, ...words] = commandWords(args, ns);
  return startProgram(program, words, { env: { ...process.env, ...env }, uid });
}

export async function tapfd(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  return startTapfd(args, options).ended;
}

/** Runs a line of bash in which `tapfd` is the command. */
export function bash(script: string, ns?: TestNamespace): StartedProgram {
  const line = `tapfd() { ${COMMAND_LINE} "$@"; }; ${script}`;
  const words = ['bash', '-c', line];
  return ns === undefined
    ? startProgram('bash', words.slice(1))
    : startProgram('ip', ['netns', 'exec', ns.name, ...words]);
}

/** What a program prints that is given `input`. */
export async function outputOf(program: string, args: readonly string[], input: string): Promise<string> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(input);
  return (await child.stdout.setEncoding('utf8').toArray()).join('');
}
