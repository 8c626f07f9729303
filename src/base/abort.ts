/** Aborting calls that wait. */
import { checkObject, optional } from './checks.js';
import { invalidArgument } from './errors.js';
import { onAbort } from './on-abort.js';

/** Options of calls that wait. */
export interface AbortOptions {
  /** Aborts the wait: the promise rejects with the signal's reason. `AbortSignal.timeout(ms)` sets a time limit. */
  signal?: AbortSignal | undefined;
}

/** Checks `options` and returns its signal. */
export function signalOf(options: AbortOptions): AbortSignal | undefined {
  checkObject('options', options);
  return checkSignal(options.signal);
}

export function checkSignal(value: unknown): AbortSignal | undefined {
  return optional(value, (signal) => {
    if (signal instanceof AbortSignal) return signal;
    throw invalidArgument('signal', 'an AbortSignal', signal);
  });
}

/** Settles as `result` does. If `signal` is aborted first, rejects with its reason, and `result` is ignored. */
export async function untilAborted<T>(signal: AbortSignal | undefined, result: Promise<T>): Promise<T> {
  if (signal?.aborted) {
    result.catch(() => undefined);
    throw signal.reason;
  }
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = onAbort(signal, () => reject(signal?.reason));
  });
  try {
    return await Promise.race([aborted, result]);
  } finally {
    stop();
  }
}
