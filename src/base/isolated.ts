/** Calls of a caller's code that must not interrupt our own. */

/** Calls a listener. If it throws, that is an uncaught exception, and the other listeners are still called. */
export function isolated(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
