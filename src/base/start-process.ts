/** Starts a child process: a failed start rejects, and no event of a started child is missed. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { onAbort } from './abort.js';
import { errnoName, isError, TapfdError, type TapfdErrorDetails } from './errors.js';
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
  options: SpawnOptions,
): Promise<StartedProcess> {
  const { signal, ...others } = options;
  signal?.throwIfAborted();
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
    return await started(child);
  } catch (error) {
    forget();
    signal?.throwIfAborted();
    throw spawnFailure(operation, command, error);
  }
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
  if (!(isError(error) && 'errno' in error && typeof error.errno === 'number')) return error;
  const code = errnoName(error.errno);
  const facts: TapfdErrorDetails = { errno: error.errno, syscall: 'spawn', path: command };
  return new TapfdError(code, `${operation}: ${explain(code, error, facts)}`, { ...facts, cause: error });
}
