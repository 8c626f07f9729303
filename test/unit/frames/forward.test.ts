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
  to.answer(-constants.errno.EPERM);
  const forwarding = t.rejects(forward(from.tap, to.tap), { code: 'EPERM', syscall: 'write' });
  from.burst(1, Buffer.alloc(70), 0, 0);
  await forwarding;
  from.tap.destroy();
});

t.test(
  'forward: what waits for the kernel is finished after the signal, and fails with the device',
  async (t) => {
    const from = tapOverNothing();
    const to = tapOverNothing();
    const controller = new AbortController();
    const stopped = forward(from.tap, to.tap, { signal: controller.signal });
    to.answer(-constants.errno.EAGAIN);
    from.burst(2, undefined, 0, 0);
    controller.abort();
    to.answer(0);
    to.resume();
    t.same(await stopped, { frames: 1, lost: 1 });
    const failing = t.rejects(forward(from.tap, to.tap), { code: 'ERR_TAPFD_CLOSED' });
    to.answer(-constants.errno.EAGAIN);
    from.burst(1, Buffer.alloc(70), 0, 0);
    let late: unknown;
    to.tap.sendFrames([Buffer.alloc(60)], () => {
      // During the end: nothing may begin to wait any more.
      t.throws(() => to.tap.sendFrames([Buffer.alloc(60)], () => undefined), { code: 'ERR_TAPFD_CLOSED' });
      late = true;
    });
    to.tap.destroy();
    await failing;
    t.equal(late, true);
    from.tap.destroy();
  },
);

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
  'forward: a batch under way when the reading ends is still written, and counted after a hand-off',
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
    t.equal(to.tap.stats.sent.frames, 2);
    for (const { tap } of [from, to]) tap.destroy();
  },
);
