import type { Test } from 'tap';

/** Returns its argument, and closes it when the test ends. */
export function closedWith<T extends AsyncDisposable>(t: Pick<Test, 'teardown'>, held: T): T {
  t.teardown(() => held[Symbol.asyncDispose]());
  return held;
}
