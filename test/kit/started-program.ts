/** Programs in processes of their own: what they print, and how they end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  output: string;
  errors: string;
  /** Output and errors together, in the order they came. */
  printed: string;
}

export interface StartedProgram {
  child: ChildProcess;
  pid: number;
  /** Resolves with all that it has printed when that has this text or matches; fails when it ends without. */
  printed(pattern: RegExp | string): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<Ended>;
}

export interface ProgramOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  uid?: number | undefined;
}

export function startProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): StartedProgram {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  if (child.pid === undefined) throw new Error(`${command} did not start`);
  const said = { output: '', errors: '', printed: '' };
  const streams = [
    ['output', child.stdout],
    ['errors', child.stderr],
  ] as const;
  for (const [name, stream] of streams) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
      said.printed += text;
      child.emit('printed');
    });
  }
  const { pid } = child;
  let over = false;
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    over = true;
    child.emit('printed');
    return { code, signal, ...said };
  });
  return {
    child,
    pid,
    async printed(pattern) {
      const hasCome = () =>
        typeof pattern === 'string' ? said.printed.includes(pattern) : pattern.test(said.printed);
      while (!hasCome()) {
        if (over) throw new Error(`${command} ended without ${pattern}: ${said.printed}`);
        await once(child, 'printed');
      }
      return said.printed;
    },
    // Not by the child: whatever it then ends with, Deno takes that for its death by the signal.
    kill(signal) {
      if (child.exitCode === null && child.signalCode === null) process.kill(pid, signal);
    },
    ended,
  };
}

/** The environment of a program that is no part of the test run: without coverage and the runner's settings. */
export function outsideEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(TAP|_TAPJS|NODE_OPTIONS|NODE_V8|TAPFD_)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}
