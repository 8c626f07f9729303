/** forward() over devices without a kernel: what ends it, and what becomes of the batch under way. */
import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { forward } from 'tapfd';
import { tapOverNothing } from '../../kit/scripted-tap.js';

t.test('forward ends with what ends the other device', async (t) => {
  const from = tapOverNothing();
  const to = tapOverNothing();
  to.tap.on('error', () => undefined);
  to.answer(-constants.errno.EBADF);
  const forwarding = t.rejects(forward(from.tap, to.tap), { code: 'EBADF', syscall: 'write' });
  from.burst(1, Buffer.alloc(70), 0, 0);
  await forwarding;
  from.tap.destroy();
});

t.test('forward: the signal ends it at once; what waits for the kernel is taken back', async (t) => {
  const from = tapOverNothing();
  const to = tapOverNothing();
  const controller = new AbortController();
  const stopped = forward(from.tap, to.tap, {
    signal: controller.signal,
    transform: () => [Buffer.alloc(60), Buffer.alloc(60), Buffer.alloc(60)],
  });
  to.takes(1);
  from.burst(1, undefined, 0, 0);
  const behind = to.tap.writeBatch([Buffer.alloc(61)]);
  controller.abort();
  t.same(await stopped, { frames: 1, lost: 2 });
  t.same(to.tap.stats.sent.drops, { ended: 2 });
  to.takes(5);
  t.equal(await behind, 1);
  t.same(
    to.written.map(({ length }) => length),
    [60, 61],
  );
  await from.tap.batches().return?.();
  await Promise.all([from.tap.close(), to.tap.close()]);
});

t.test('forward: the signal ends it although a transform never ends, or fails later', async (t) => {
  for (const outcome of ['never', 'fails', 'late', 'at once'] as const) {
    const from = tapOverNothing();
    const to = tapOverNothing();
    const controller = new AbortController();
    let end: () => void = () => undefined;
    const transform = () => {
      if (outcome === 'at once') return controller.abort();
      return new Promise<void>((resolve, reject) => {
        end = outcome === 'fails' ? () => reject(new Error('late')) : resolve;
      });
    };
    const stopped = forward(from.tap, to.tap, { signal: controller.signal, transform });
    from.burst(3, undefined, 0, 0);
    controller.abort();
    t.same(await stopped, { frames: 0, lost: 3 }, outcome);
    if (outcome !== 'never') end();
    await nextTurn();
    t.equal(to.tap.stats.sent.frames, 0, 'nothing is written after the end');
    await Promise.all([from.tap.close(), to.tap.close()]);
  }
});

t.test(
  "forward waits for a transform's promise of any kind, in order with what is written beside it",
  async (t) => {
    const from = tapOverNothing();
    const to = tapOverNothing();
    const controller = new AbortController();
    // Not one of JavaScript's own promises.
    const thenable = new Proxy(Promise.resolve([Buffer.alloc(62)]), {
      get: (promise, key) => Reflect.get(promise, key).bind(promise),
    });
    const stopped = forward(from.tap, to.tap, {
      signal: controller.signal,
      transform: () => thenable,
    });
    to.takes(0);
    to.tap.write(Buffer.alloc(61));
    from.burst(1, undefined, 0, 0);
    to.takes(9);
    await nextTurn();
    t.same(
      to.written.map(({ length }) => length),
      [61, 62],
    );
    controller.abort();
    t.same(await stopped, { frames: 1, lost: 0 });
    const wrong = forward(from.tap, to.tap, { transform: () => 5 as unknown as Uint8Array[] });
    from.burst(1, undefined, 0, 0);
    await t.rejects(wrong, { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'frames' });
    await Promise.all([from.tap.close(), to.tap.close()]);
  },
);

t.test(
  'forward counts what was sent, although the list of a transform says another length later',
  async (t) => {
    const from = tapOverNothing();
    const to = tapOverNothing();
    const controller = new AbortController();
    let asked = 0;
    const frames = new Proxy([Buffer.alloc(60)], {
      get: (array, key) => (key === 'length' ? Number(asked++ > 0) : Reflect.get(array, key)),
    });
    const stopped = forward(from.tap, to.tap, { signal: controller.signal, transform: () => frames });
    to.takes(9);
    from.burst(1, undefined, 0, 0);
    controller.abort();
    const { frames: sent } = to.tap.stats.sent;
    t.same(await stopped, { frames: sent, lost: 0 });
    await Promise.all([from.tap.close(), to.tap.close()]);
  },
);

t.test('a signal that throws leaves the device to others', async (t) => {
  const from = tapOverNothing();
  const to = tapOverNothing();
  const { signal } = new AbortController();
  signal.addEventListener = () => {
    throw new Error('no listeners');
  };
  await t.rejects(forward(from.tap, to.tap, { signal }), { message: 'no listeners' });
  const controller = new AbortController();
  const stopped = forward(from.tap, to.tap, { signal: controller.signal });
  controller.abort();
  t.same(await stopped, { frames: 0, lost: 0 });
  await Promise.all([from.tap.close(), to.tap.close()]);
});

t.test('forward fails with what waits when the other device ends', async (t) => {
  const from = tapOverNothing();
  const to = tapOverNothing();
  const failing = t.rejects(forward(from.tap, to.tap), { code: 'ERR_TAPFD_CLOSED', message: /^forward/ });
  to.answer(-constants.errno.EAGAIN);
  from.burst(1, Buffer.alloc(70), 0, 0);
  let late: unknown;
  to.tap.sendFrames([Buffer.alloc(60)], ({ ended }) => {
    // During the end: nothing may begin to wait any more.
    to.tap.sendFrames([Buffer.alloc(60)], (outcome) => {
      late = outcome.ended;
    });
    t.match(ended, { code: 'ERR_TAPFD_CLOSED' });
  });
  to.tap.destroy();
  await failing;
  await to.tap.close();
  t.match(late, { code: 'ERR_TAPFD_CLOSED' });
  from.tap.destroy();
});

t.test('forward ends with end() of the device it writes to, behind what waits there', async (t) => {
  const ended = { code: 'ERR_STREAM_WRITE_AFTER_END', message: /^forward/ };
  for (const waits of [true, false]) {
    const from = tapOverNothing();
    const to = tapOverNothing();
    const failing = t.rejects(forward(from.tap, to.tap), ended);
    if (waits) {
      to.answer(-constants.errno.EAGAIN);
      from.burst(2, undefined, 0, 0);
    }
    to.tap.end();
    to.answer(0);
    to.resume();
    await failing;
    t.equal(to.tap.stats.sent.frames, waits ? 1 : 0);
    await t.rejects(forward(from.tap, to.tap), ended);
    await Promise.all([from.tap.close(), to.tap.close()]);
  }
});

t.test('forward hears of the end of the other device whatever listeners a user removes', async (t) => {
  const from = tapOverNothing();
  const to = tapOverNothing();
  const failing = t.rejects(forward(from.tap, to.tap), { code: 'ERR_TAPFD_CLOSED' });
  to.tap.removeAllListeners();
  const closed = to.tap.close();
  to.tap.removeAllListeners();
  await Promise.all([failing, closed]);
  await from.tap.close();
});

t.test('any number of forwardings to one device, and with one signal, warn of no leak', async (t) => {
  const warnings: Error[] = [];
  const warned = (warning: Error) => warnings.push(warning);
  process.on('warning', warned);
  t.teardown(() => process.off('warning', warned));
  const to = tapOverNothing();
  const sources = Array.from({ length: 12 }, () => tapOverNothing());
  const controller = new AbortController();
  const { signal } = controller;
  const all = sources.map(({ tap }) => forward(tap, to.tap, { signal }));
  await nextTurn();
  t.same(warnings, []);
  controller.abort();
  for (const result of await Promise.all(all)) t.same(result, { frames: 0, lost: 0 });
  await Promise.all([to, ...sources].map(({ tap }) => tap.close()));
});

t.test(
  'forward ends with what its transform throws, at once or later, and releases the reading',
  async (t) => {
    const from = tapOverNothing();
    const to = tapOverNothing();
    const failure = new Error('from a transform');
    const transforms = [
      () => {
        throw failure;
      },
      () => Promise.reject(failure),
    ];
    for (const transform of transforms) {
      const failed = t.rejects(forward(from.tap, to.tap, { transform }), failure);
      from.burst(1, Buffer.alloc(70), 0, 0);
      await failed;
    }
    await from.tap.batches().return?.();
    for (const { tap } of [from, to]) tap.destroy();
  },
);

t.test('forward ends with the device it reads from, and with an idle one it writes to', async (t) => {
  const given = tapOverNothing();
  const to = tapOverNothing();
  const ended = forward(given.tap, to.tap);
  given.tap.handOff();
  t.same(await ended, { frames: 0, lost: 0 });
  const from = tapOverNothing();
  const failed = t.rejects(forward(from.tap, to.tap), { code: 'ERR_TAPFD_CLOSED' });
  from.tap.destroy();
  await failed;
  const other = tapOverNothing();
  const idle = t.rejects(forward(other.tap, to.tap), { code: 'ERR_TAPFD_CLOSED' });
  to.tap.destroy();
  await idle;
  given.tap.destroy();
  other.tap.destroy();
});

t.test(
  'forward ends at once when the device it writes to is handed off, and refuses one that has ended',
  async (t) => {
    const from = tapOverNothing();
    const idle = tapOverNothing();
    const failed = t.rejects(forward(from.tap, idle.tap), {
      code: 'ERR_TAPFD_HANDED_OFF',
      message: /^forward/,
    });
    idle.tap.handOff();
    await failed;
    const busy = tapOverNothing();
    busy.answer(-constants.errno.EAGAIN);
    const failing = t.rejects(forward(from.tap, busy.tap), { code: 'ERR_TAPFD_HANDED_OFF' });
    from.burst(1, Buffer.alloc(70), 0, 0);
    busy.tap.handOff();
    await failing;
    await t.rejects(forward(from.tap, busy.tap), { code: 'ERR_TAPFD_HANDED_OFF' });
    busy.tap.destroy();
    idle.tap.destroy();
    const closed = tapOverNothing();
    closed.tap.destroy();
    await t.rejects(forward(from.tap, closed.tap), { code: 'ERR_TAPFD_CLOSED' });
    const failedBefore = tapOverNothing();
    failedBefore.tap.on('error', () => undefined).destroy(new Error('enough'));
    await t.rejects(forward(from.tap, failedBefore.tap), { message: 'enough' });
    await from.tap.batches().return?.();
    from.tap.destroy();
  },
);

t.test(
  'forward: a batch under way at a hand-off is still written and counted; at a failure it is taken back',
  async (t) => {
    const from = tapOverNothing();
    const to = tapOverNothing();
    const handedOff = forward(from.tap, to.tap);
    to.answer(-constants.errno.EAGAIN);
    from.burst(2, undefined, 0, 0);
    let over = false;
    void handedOff.then(() => {
      over = true;
    });
    from.tap.handOff();
    await nextTurn();
    t.notOk(over, 'the batch still waits');
    to.answer(0);
    to.resume();
    t.same(await handedOff, { frames: 1, lost: 1 });
    const other = tapOverNothing();
    const failing = t.rejects(forward(other.tap, to.tap), { code: 'ERR_TAPFD_CLOSED' });
    to.answer(-constants.errno.EAGAIN);
    other.burst(2, undefined, 0, 0);
    other.tap.destroy();
    await failing;
    to.answer(0);
    to.resume();
    t.equal(to.tap.stats.sent.frames, 1, 'nothing is written after the end');
    t.equal(to.tap.stats.sent.drops.ended, 2);
    for (const { tap } of [from, to]) tap.destroy();
  },
);
