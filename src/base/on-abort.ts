/** Hearing of an abort: any number of calls and devices may share one signal. */

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
    for (const listener of all) callApart(listener);
  };
  const stop = () => {
    listenersOf.delete(signal);
    signal.removeEventListener('abort', callAll);
  };
  const listeners = { all, stop };
  listenersOf.set(signal, listeners);
  signal.addEventListener('abort', callAll, { once: true });
  return listeners;
}

/** An error of one must not keep the others from hearing of the abort. */
function callApart(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
