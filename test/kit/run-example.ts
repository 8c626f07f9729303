/** Examples as programs, in processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Test } from 'tap';
import { inRepo } from './paths.js';

export interface RunningExample {
  /** Resolves when it has printed what `pattern` matches; fails when it ends without. */
  printed(pattern: RegExp): Promise<void>;
  /** Resolves with its status when it has ended. */
  ended: Promise<number | null>;
  output(): string;
  child: ChildProcess;
}

/** Starts an example. `place` is a command line to run Node with: `['ip', 'netns', 'exec', 'NAME']`. */
export function startExample(
  t: Test,
  name: string,
  args: readonly string[] = [],
  place: readonly string[] = [],
): RunningExample {
  const file = inRepo('examples', `${name}.ts`);
  // The test runner has made this process understand TypeScript by these.
  const loaders = process.execArgv.filter((argument) => !argument.includes('processinfo'));
  const [command = '', ...rest] = [...place, process.execPath, ...loaders, file, ...args];
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: undefined, NODE_V8_COVERAGE: undefined },
  });
  let output = '';
  let over = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      child.emit('output');
    });
  }
  const ended = once(child, 'close').then(([code]): number | null => {
    over = true;
    child.emit('output');
    return code;
  });
  t.teardown(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return {
    async printed(pattern) {
      while (!pattern.test(output)) {
        if (over) throw new Error(`${name} ended without ${pattern}: ${output}`);
        await once(child, 'output');
      }
    },
    ended,
    output: () => output,
    child,
  };
}

/** Runs an example to its end, which must be a good one, and returns what it printed. */
export async function runExample(t: Test, name: string, args: readonly string[] = []): Promise<string> {
  const { ended, output } = startExample(t, name, args);
  const status = await ended;
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${output()}`);
  return output();
}
