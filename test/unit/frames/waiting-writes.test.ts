/** What waits for the kernel is resumed in order, whatever the callbacks do. */
import t from 'tap';
import type { NativeQueue } from '#lib/base/native-queue.js';
import { WaitingWrites } from '#lib/frames/waiting-writes.js';

function waitingWrites() {
  let asked = 0;
  const queue = { awaitWritable: () => asked++ } as unknown as NativeQueue;
  return { waiting: new WaitingWrites(queue), asked: () => asked };
}

/** Waits once, and does `act` when the wait is over. */
function write(act: () => void, failed: () => void = () => undefined) {
  let tries = 0;
  return {
    attempt: () => {
      if (tries++ === 0) return false;
      act();
      return true;
    },
    fail: failed,
  };
}

t.test('a callback that throws costs its own write nothing and the others neither', async (t) => {
  const { waiting, asked } = waitingWrites();
  const order: string[] = [];
  waiting.add(
    write(() => {
      order.push('first');
      throw new Error('from a callback');
    }),
  );
  waiting.add(write(() => order.push('second')));
  t.equal(asked(), 1);
  t.throws(() => waiting.resume(), { message: 'from a callback' });
  t.equal(asked(), 2, 'the others go on waiting');
  waiting.resume();
  waiting.resume();
  t.same(order, ['first', 'second'], 'each once');
  t.equal(waiting.any, false);
});

t.test('a callback may end all that waits', async (t) => {
  const { waiting, asked } = waitingWrites();
  const order: string[] = [];
  waiting.add(write(() => waiting.fail(new Error('the end'))));
  waiting.add(
    write(
      () => order.push('written'),
      () => order.push('failed'),
    ),
  );
  waiting.resume();
  waiting.resume();
  t.same(order, ['failed']);
  t.equal(waiting.any, false);
  t.equal(asked(), 1);
});
