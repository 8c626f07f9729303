/** Calls that stand in line. */

/** The last call of each line. */
const lines = new WeakMap<object, Promise<unknown>>();

/**
 * Runs `work` when everything has settled that was asked for before with the same `key`. The kernel then gets the calls in
 * the order in which they were made, and the last one to finish says how things are.
 */
export function inTurn<T>(key: object, work: () => Promise<T>): Promise<T> {
  const turn = (lines.get(key) ?? Promise.resolve()).then(work);
  lines.set(
    key,
    turn.catch(() => undefined),
  );
  return turn;
}
