import { deferred } from './deferred.js';

/** Settles as `result` does. If `signal` is aborted first, rejects with its reason, and `result` is ignored. */
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
