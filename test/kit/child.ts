/** A Node process of the test's own, which must come to its end by itself. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ROOT } from './paths.js';

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  output: string;
  errors: string;
}

export interface Child {
  pid: number;
  /** Resolves when the child has printed this text; fails when it ends without. */
  printed(text: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<Ended>;
}

/** Runs a module's text. It may import 'tapfd', and finds its arguments in process.argv from index 1. */
export function startChild(module: string, args: string[] = [], nodeOptions: string[] = []): Child {
  const child = spawn(
    process.execPath,
    [...nodeOptions, '--input-type=module', '--eval', module, '--', ...args],
    {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  if (child.pid === undefined) throw new Error('node did not start');
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    child.emit('output');
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  let over = false;
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    over = true;
    child.emit('output');
    return { code, signal, output, errors };
  });
  return {
    pid: child.pid,
    async printed(text) {
      while (!output.includes(text)) {
        if (over) throw new Error(`the child ended without "${text}": ${output}${errors}`);
        await once(child, 'output');
      }
    },
    kill: (signal) => child.kill(signal),
    ended,
  };
}

/** Runs a module's text to its end. */
export async function runChild(
  module: string,
  args: string[] = [],
  nodeOptions: string[] = [],
): Promise<Ended> {
  return startChild(module, args, nodeOptions).ended;
}
