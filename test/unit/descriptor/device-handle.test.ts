/** The order in which a descriptor is given up. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { tapOverNothing } from '../../kit/scripted-tap.js';

t.test('a question about the link keeps the descriptor open: close() waits for its answer', async (t) => {
  const { tap, doubt, released } = tapOverNothing();
  await nextTurn();
  let answer = (): void => undefined;
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  doubt(answered);
  let isClosed = false;
  const closing = tap.close().then(() => {
    isClosed = true;
  });
  for (let turn = 0; turn < 5; turn++) await nextTurn();
  t.same(released, []);
  t.notOk(isClosed, 'or its device would still be there');
  answer();
  await closing;
  t.same(released, ['closed']);
});
