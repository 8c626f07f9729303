/** Exceptions of listeners and callbacks that nothing could catch. */
import type { Test } from 'tap';

/** Resolves with the next `count` of them, which neither end the process nor fail the test. */
export function uncaught(t: Pick<Test, 'teardown'>, count: number): Promise<Error[]> {
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  const restore = () => {
    process.removeAllListeners('uncaughtException');
    for (const other of others) process.on('uncaughtException', other);
  };
  t.teardown(restore);
  const caught: Error[] = [];
  return new Promise((resolve) => {
    process.on('uncaughtException', (error) => {
      if (caught.push(error) < count) return;
      restore();
      resolve(caught);
    });
  });
}
