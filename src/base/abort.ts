/** Aborting calls that wait. */
import { checkObject, checkOptionNames, optional } from './checks.js';
import { invalidArgument } from './errors.js';
import { onAbort } from './on-abort.js';

/** Options of calls that wait. */
export interface AbortOptions {
  /** Aborts the wait: the promise rejects with the signal's reason. `AbortSignal.timeout(ms)` sets a time limit. */
  signal?: AbortSignal | undefined;
}

/** Checks the options of `call`, which has `names` besides the signal, and returns the signal. */
export function signalOf(
  call: string,
  options: AbortOptions,
  names: readonly string[] = [],
): AbortSignal | undefined {
  checkOptionNames(call, checkObject('options', options), ['signal', ...names]);
  return checkSignal(options.signal);
}

export function checkSignal(value: unknown): AbortSignal | undefined {
  return optional(value, (signal) => {
    if (isAbortSignal(signal)) return signal;
    throw invalidArgument('signal', 'an AbortSignal', signal);
  });
}

/** By what it can do: that of another realm (a test environment) is no instance of this one's class. */
function isAbortSignal(value: unknown): value is AbortSignal {
  try {
    const { aborted, throwIfAborted, addEventListener, removeEventListener } = value as AbortSignal;
    const methods = [throwIfAborted, addEventListener, removeEventListener];
    return typeof aborted === 'boolean' && methods.every((method) => typeof method === 'function');
  } catch {
    return false; // null, or an object made on the prototype, whose getters throw
  }
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
