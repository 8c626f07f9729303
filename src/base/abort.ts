/** Calling off what waits. */
import { checkObject, optional } from './checks.js';
import { invalidArgument } from './errors.js';

/** Options of calls that wait. */
export interface AbortOptions {
  /** Aborts the waiting: the promise rejects with the signal's reason. `AbortSignal.timeout(ms)` is a time limit. */
  signal?: AbortSignal | undefined;
}

/** The signal of `options`, found right. */
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
