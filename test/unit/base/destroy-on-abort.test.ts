/** What ends with a signal, and when the signal is let go. */
import { getEventListeners } from 'node:events';
import t from 'tap';
import { destroyOnAbort } from '#lib/base/abort.js';

t.test('an abort in the last step of an opening comes when its caller can listen', async (t) => {
  const reason = new Error('enough');
  const destroyed = new Promise((resolve) => {
    destroyOnAbort({ destroy: resolve }, AbortSignal.abort(reason));
  });
  t.match(await destroyed, { name: 'AbortError', code: 'ABORT_ERR', cause: reason });
  destroyOnAbort({ destroy: () => t.fail() }, undefined)();
});

t.test('what is let go, or was garbage-collected, is not destroyed', async (t) => {
  const { signal } = new AbortController();
  destroyOnAbort({ destroy: () => t.fail() }, signal)();
  t.equal(getEventListeners(signal, 'abort').length, 0);
});
