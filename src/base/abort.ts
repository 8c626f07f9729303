/** Aborting calls that wait: any number of calls and devices may share one signal. */
import { checkObject, checkOptionNames, optional } from './checks.js';
import { invalidArgument } from './errors.js';
import { isolated } from './isolated.js';

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

interface Listeners {
  all: Set<() => void>;
  /** Ends the signal's own listener. */
  stop: () => void;
}

const listenersOf = new WeakMap<AbortSignal, Listeners>();

/**
 * Calls `listener` once, when `signal` is aborted. All that wait for one signal share one listener of it: Node warns of a
 * leak where there are more than ten (`MaxListenersExceededWarning`). A signal aborted before calls nobody.
 *
 * @returns What ends the waiting; the last one to do so lets the signal go.
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => undefined;
  const listeners = listenersOf.get(signal) ?? listenTo(signal);
  // The same function given twice counts twice.
  const entry = () => listener();
  listeners.all.add(entry);
  return () => {
    if (listeners.all.delete(entry) && listeners.all.size === 0) listeners.stop();
  };
}

function listenTo(signal: AbortSignal): Listeners {
  const all = new Set<() => void>();
  const callAll = () => {
    for (const listener of all) isolated(listener);
  };
  const stop = () => {
    listenersOf.delete(signal);
    signal.removeEventListener('abort', callAll);
  };
  const listeners = { all, stop };
  signal.addEventListener('abort', callAll, { once: true });
  listenersOf.set(signal, listeners);
  return listeners;
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

/** As Node's own, which it does not export: branch on the name. */
class AbortError extends Error {
  override readonly name = 'AbortError';
  readonly code = 'ABORT_ERR';
}

interface Destroyable {
  destroy(error: Error): unknown;
}

/** Objects that were garbage-collected let their signal go. */
const forgotten = new FinalizationRegistry<() => void>((letGo) => letGo());

/**
 * Destroys `object` with an `AbortError`, whose `cause` is the reason, when `signal` is aborted. The signal holds it
 * weakly.
 *
 * @returns What lets the signal go.
 */
export function destroyOnAbort(object: Destroyable, signal: AbortSignal | undefined): () => void {
  if (signal === undefined) return () => undefined;
  const reference = new WeakRef(object);
  const destroy = () => {
    reference.deref()?.destroy(new AbortError('The operation was aborted', { cause: signal.reason }));
  };
  // Aborted in the last step of the opening: its caller gets to listen for 'error' first.
  if (signal.aborted) process.nextTick(destroy);
  const letGo = onAbort(signal, destroy);
  forgotten.register(object, letGo, letGo);
  return () => {
    forgotten.unregister(letGo);
    letGo();
  };
}
