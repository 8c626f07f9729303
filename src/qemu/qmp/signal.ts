import { checkSignal } from '../../devices/check-open-options.js';
import { checkObject } from '../../base/checks.js';
import { deferred } from './deferred.js';

/** Options of all that waits for QEMU. */
export interface QmpSignalOptions {
  /** Ends the waiting: the call rejects with the signal's reason. `AbortSignal.timeout(ms)` is a time limit. */
  signal?: AbortSignal;
}

/** The signal of `options`, found right. */
export function signalOf(options: QmpSignalOptions): AbortSignal | undefined {
  checkObject('options', options);
  return checkSignal(options.signal);
}

/** `result`, unless `signal` is aborted first: then its reason, and nobody looks at the result any more. */
export async function untilAborted<T>(signal: AbortSignal | undefined, result: Promise<T>): Promise<T> {
  if (signal === undefined) return result;
  const { promise, resolve, reject } = deferred<T>();
  const onAbort = (): void => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  result.then(resolve, reject);
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
