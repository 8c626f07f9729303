/** One signal for many: no warning, nothing left behind, and everyone hears. */
import { getEventListeners } from 'node:events';
import t from 'tap';
import { onAbort } from '#lib/base/abort.js';
import { runChild } from '../../kit/child.js';

t.test('all hear of the abort, once, and those that stopped do not', (t) => {
  const controller = new AbortController();
  const { signal } = controller;
  const heard: number[] = [];
  const listener = () => heard.push(0);
  onAbort(signal, listener);
  onAbort(signal, listener);
  onAbort(signal, () => {
    heard.push(1);
    stopLast();
  });
  const stop = onAbort(signal, () => heard.push(2));
  const stopLast = onAbort(signal, () => heard.push(3));
  stop();
  t.equal(getEventListeners(signal, 'abort').length, 1);
  controller.abort();
  t.same(heard, [0, 0, 1]);
  onAbort(undefined, listener)();
  t.end();
});

t.test('the signal is let go with the last one, and stopping twice stops nobody else', (t) => {
  const controller = new AbortController();
  const { signal } = controller;
  const stops = [onAbort(signal, () => t.fail()), onAbort(signal, () => t.fail())];
  for (const stop of stops) stop();
  t.equal(getEventListeners(signal, 'abort').length, 0);
  let heard = 0;
  onAbort(signal, () => {
    heard += 1;
  });
  for (const stop of stops) stop();
  controller.abort();
  t.equal(heard, 1);
  t.end();
});

t.test('many do not warn, and an error of one reaches the process without stopping the others', async (t) => {
  const { output, errors, code } = await runChild(`
    import { onAbort } from '#lib/base/abort.js';
    process.on('uncaughtException', (error) => console.log('uncaught', error.message));
    const controller = new AbortController();
    for (let i = 0; i < 20; i++) onAbort(controller.signal, () => { if (i === 3) throw new Error('third'); });
    onAbort(controller.signal, () => console.log('last'));
    controller.abort();
  `);
  t.equal(code, 0);
  t.same(output.split('\n').slice(0, 2), ['last', 'uncaught third']);
  t.equal(errors, '');
});
