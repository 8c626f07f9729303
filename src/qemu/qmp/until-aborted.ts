import { deferred } from './deferred.js';

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
