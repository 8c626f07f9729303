/** Starts a child process: a failed start rejects, and no event of a started child is missed. */
import { type ChildProcess, type SpawnOptions, type StdioOptions, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { onAbort } from './abort.js';
import { errnoName, isError, TapfdError, type TapfdErrorDetails } from './errors.js';
import { native, runtimeName } from './native.js';
import { explain } from './remedies.js';

/** A child that runs, or has run: one that could not be started has no number. */
export type StartedProcess = ChildProcess & {
  /** The process id. */
  readonly pid: number;
};

/**
 * Spawns, and resolves within the `'spawn'` event: what the caller does before it next yields to the event loop happens
 * before any output or `'exit'` of the child.
 *
 * An aborted `signal` rejects with its reason and never leaves a child running: Node kills one that has just been
 * started, and this call waits for its exit.
 */
export async function startProcess(
  operation: string,
  command: string,
  args: readonly string[],
  options: SpawnOptions & { stdio: StdioOptions },
): Promise<StartedProcess> {
  const { signal, ...given } = options;
  signal?.throwIfAborted();
  const passed = withDescriptors(given.stdio);
  const others = { ...given, stdio: passed.stdio };
  // Node begins to listen to a signal when the child is made already: one of the caller's that throws then leaves a child
  // of which nobody knows.
  const own = new AbortController();
  const abort = () => own.abort(signal?.reason);
  let runs = false;
  // Of a child that runs, the caller gets to hear the 'error' that this makes: it has the child in this turn.
  const forget = onAbort(signal, () => (runs ? setImmediate(abort) : abort()));
  try {
    const child = spawn(command, args, signal ? { ...others, signal: own.signal } : others);
    child.once('exit', forget);
    child.once('spawn', () => {
      runs = true;
    });
    const running = await started(child);
    // Not awaited: whoever has the child must not miss its first events.
    void passed.close();
    return running;
  } catch (error) {
    forget();
    await passed.close();
    signal?.throwIfAborted();
    throw spawnFailure(operation, command, error);
  }
}

/**
 * Deno moves the descriptors one by one to their places in the child, and closes each where it was: what lies in the place
 * of another, or goes to two places, would be another file or none. There it gets duplicates that lie behind all places.
 */
function withDescriptors(stdio: StdioOptions): { stdio: StdioOptions; close(): Promise<unknown> } {
  if (runtimeName() !== 'deno' || !Array.isArray(stdio)) return { stdio, close: () => Promise.resolve() };
  const numbers = stdio.filter((entry) => typeof entry === 'number' && entry > 2).map(Number);
  const duplicates = native().duplicateFds(numbers, stdio.length);
  const fresh = duplicates.numbers;
  return {
    stdio: stdio.map((entry) => (typeof entry === 'number' && entry > 2 ? fresh.shift() : entry)),
    close: () => duplicates.close(),
  };
}

function started(child: ChildProcess): Promise<StartedProcess> {
  return new Promise((resolve, reject) => {
    const onSpawn = (): void => {
      child.off('error', onError);
      if (hasStarted(child)) resolve(child);
    };
    const onError = (error: Error): void => {
      child.off('spawn', onSpawn);
      // With a pid it did start: the error is that of an abort between fork and 'spawn'.
      if (hasStarted(child)) child.once('exit', () => reject(error));
      else reject(error);
    };
    child.once('spawn', onSpawn);
    child.once('error', onError);
  });
}

function hasStarted(child: ChildProcess): child is StartedProcess {
  return child.pid !== undefined;
}

/** Turns a failed system call into the library's error; an abort, or an option that Node refuses, is left as it is. */
function spawnFailure(operation: string, command: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (!isError(error) || errno === undefined) return error;
  const code = errnoName(errno);
  const facts: TapfdErrorDetails = { errno, syscall: 'spawn', path: command };
  return new TapfdError(code, `${operation}: ${explain(code, error, facts)}`, { ...facts, cause: error });
}

function errnoOf(error: unknown): number | undefined {
  const { errno, code }: { errno?: unknown; code?: unknown } = Object(error);
  if (typeof errno === 'number') return errno;
  const known: [string, number][] = Object.entries(constants.errno);
  const found = known.find(([name]) => name === code);
  /* c8 ignore next -- Deno gives some errors of the system the name alone */
  return found === undefined ? undefined : -found[1];
}
