/** Starting a child so that a failed start is a rejection, and a started child misses none of its events. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { errnoName, TapfdError, type TapfdErrorDetails } from './errors.js';
import { explain } from './remedies.js';

/**
 * Spawns, and resolves within the `'spawn'` event: what the caller then does before it next yields to the event loop
 * comes before any output or `'exit'` of the child.
 *
 * An aborted `signal` rejects with its reason, always without a child left running: one that had just been started
 * has been killed by Node, and is waited for.
 */
export async function startProcess(
  operation: string,
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): Promise<ChildProcess> {
  options.signal?.throwIfAborted();
  try {
    return await started(spawn(command, args, options));
  } catch (error) {
    throw spawnFailure(operation, command, error);
  }
}

function started(child: ChildProcess): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const onSpawn = (): void => {
      child.off('error', onError);
      resolve(child);
    };
    const onError = (error: Error): void => {
      child.off('spawn', onSpawn);
      // With a pid it did start, and the error is that of an abort between fork and 'spawn'.
      if (child.pid === undefined) reject(error);
      else child.once('exit', () => reject(error));
    };
    child.once('spawn', onSpawn);
    child.once('error', onError);
  });
}

/** A failed system call becomes the library's error; an abort or an option that Node refuses stays what it is. */
function spawnFailure(operation: string, command: string, error: unknown): unknown {
  if (!(error instanceof Error && 'errno' in error && typeof error.errno === 'number')) return error;
  const code = errnoName(error.errno);
  const facts: TapfdErrorDetails = { errno: error.errno, syscall: 'spawn', path: command };
  return new TapfdError(code, `${operation}: ${explain(code, error, facts)}`, { ...facts, cause: error });
}
