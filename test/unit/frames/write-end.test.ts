/** What becomes of writes at the end of the writing: a hand-off, end(), destroy(); and of callbacks that throw there. */
import { once } from 'node:events';
import { constants } from 'node:os';
import { PassThrough, Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Tap } from 'tapfd';
import { HAND_OVER } from '#lib/base/hand-over.js';
import { tapOverNothing } from '../../kit/scripted-tap.js';
import { uncaught } from '../../kit/uncaught.js';

const FRAME = Buffer.alloc(60);
const HANDED_OFF = { code: 'ERR_TAPFD_HANDED_OFF' };

/** A device of which nothing may come, once it has been handed off, but what its callers are told. */
function givenAway(t: Test) {
  const device = tapOverNothing();
  device.tap.on('error', (error) => t.fail('no error of the stream', { error }));
  return device;
}

/** Nothing but the hand-off itself has reached the descriptor; close() still does. */
async function untouched(t: Test, { tap, released }: ReturnType<typeof tapOverNothing>): Promise<void> {
  for (let i = 0; i < 3; i++) await nextTurn();
  t.notOk(tap.destroyed);
  t.same(released, ['released']);
  await tap.close();
  t.same(released, ['released', 'closed']);
}

const result = (tap: Tap) =>
  new Promise<unknown>((resolve) => {
    tap.write(FRAME, resolve);
  });

t.test('after a hand-off a late write fails alone, and so do end(), a batch and a pipe', async (t) => {
  const device = givenAway(t);
  const { tap } = device;
  tap.handOff();
  t.equal(tap.fd, -1);
  t.match(await result(tap), HANDED_OFF);
  t.equal(tap.write(FRAME), false);
  await t.rejects(tap.writeBatch([FRAME, FRAME]), { ...HANDED_OFF, framesTaken: 0 });
  tap.cork();
  tap.write(FRAME);
  tap.uncork();
  tap.end(FRAME);
  tap.end();
  Readable.from([FRAME]).pipe(tap);
  tap.destroy(new Error('of no effect'));
  await nextTurn();
  t.equal(tap.stats.sent.drops.ended, 7, 'each is counted');
  await untouched(t, device);
});

t.test('a hand-off fails what waits: a frame, queued ones, corked ones, a batch', async (t) => {
  for (const corked of [false, true]) {
    const device = givenAway(t);
    const { tap, takes, written } = device;
    takes(1);
    if (corked) tap.cork();
    const told = [result(tap), result(tap), result(tap)];
    const batch = tap.writeBatch([FRAME, FRAME]);
    tap.write(FRAME);
    tap.handOff();
    t.match(await Promise.all(told), [corked ? HANDED_OFF : null, HANDED_OFF, HANDED_OFF]);
    await t.rejects(batch, { ...HANDED_OFF, framesTaken: 0 });
    t.equal(written.length, corked ? 0 : 1);
    t.equal(tap.stats.sent.drops.ended, corked ? 6 : 5);
    await untouched(t, device);
  }
});

t.test('a hand-off behind a batch of which some was taken says how much', async (t) => {
  const device = givenAway(t);
  device.takes(2);
  const batch = device.tap.writeBatch([FRAME, FRAME, FRAME]);
  device.tap.handOff();
  await t.rejects(batch, { ...HANDED_OFF, framesTaken: 2 });
  await untouched(t, device);
});

t.test('a hand-off after end(), with frames in the queue or without', async (t) => {
  for (const waiting of [0, 2]) {
    const device = givenAway(t);
    const { tap, takes } = device;
    takes(0);
    const told = Array.from({ length: waiting }, () => result(tap));
    tap.end();
    tap.handOff();
    for (const error of await Promise.all(told)) t.match(error, HANDED_OFF);
    // Read to its end, both sides have ended: Node would destroy the stream.
    tap.resume();
    await untouched(t, device);
  }
});

t.test(
  'loops that end with a hand-off end in peace, and what is piped into the device is unpiped',
  async (t) => {
    const loops: ((tap: Tap) => AsyncIterable<unknown>)[] = [
      (tap) => tap,
      (tap) => tap.iterator(),
      (tap) => tap.batches(),
    ];
    for (const loop of loops) {
      const device = givenAway(t);
      const { tap, burst } = device;
      const over = (async () => {
        for await (const _ of loop(tap)) if (!tap.handedOff) tap.handOff();
      })();
      await nextTurn();
      burst(1, undefined, 0, 0);
      await over;
      await untouched(t, device);
    }
    const device = givenAway(t);
    const source = new PassThrough({ objectMode: true });
    source.pipe(device.tap);
    const unpiped = once(device.tap, 'unpipe');
    source.write(FRAME);
    await nextTurn();
    device.tap.handOff();
    t.equal((await unpiped)[0], source);
    await untouched(t, device);
  },
);

t.test('a callback that throws while the stream is destroyed costs the descriptor nothing', async (t) => {
  const { tap, takes, released } = tapOverNothing();
  const thrown = uncaught(t, 2);
  takes(0);
  const told: string[] = [];
  const write = (name: string) =>
    tap.write(FRAME, (error) => {
      told.push(name);
      if (error) throw new Error(`callback ${name}`);
    });
  write('first');
  write('second');
  const batch = t.rejects(tap.writeBatch([FRAME]), { code: 'ERR_TAPFD_CLOSED' });
  tap.destroy();
  await Promise.all([batch, tap.close()]);
  t.same(released, ['closed']);
  t.same(told, ['first', 'second']);
  t.match(await thrown, [{ message: 'callback first' }, { message: 'callback second' }]);
});

t.test('listeners and callbacks that throw at a hand-off do not keep the number', async (t) => {
  const device = givenAway(t);
  const { tap, takes, burst } = device;
  const thrown = uncaught(t, 3);
  takes(0);
  tap.write(FRAME, () => {
    throw new Error('callback');
  });
  tap.on('drop', () => {
    throw new Error('drop');
  });
  const batches = tap.batches();
  const next = batches.next();
  burst(2, Buffer.alloc(70), 0, 0);
  await next;
  tap.on('data', () => {
    throw new Error('data');
  });
  await batches.return?.();
  t.equal(tap.handOff(), 99);
  const messages = (await thrown).map(({ message }) => message).sort();
  t.same(messages, ['callback', 'data', 'drop']);
  await untouched(t, device);
});

t.test("a listener of 'drain' that throws costs the next frame nothing", async (t) => {
  const { tap, takes, written } = tapOverNothing();
  takes(0);
  const thrown = uncaught(t, 1);
  tap.once('drain', () => {
    throw new Error('drain');
  });
  const told = Array.from({ length: 6 }, () => result(tap));
  takes(10);
  t.same(await Promise.all(told), [null, null, null, null, null, null]);
  t.equal(written.length, 6);
  t.match(await thrown, [{ message: 'drain' }]);
  await tap.close();
});

t.test('after end() nothing is written: frames and batches fail alone and are counted', async (t) => {
  const { tap, takes, written } = tapOverNothing();
  tap.on('error', (error) => t.fail('no error of the stream', { error }));
  takes(0);
  const before = result(tap);
  let finished = false;
  tap.once('finish', () => {
    finished = true;
  });
  tap.end();
  t.match(await result(tap), { code: 'ERR_STREAM_WRITE_AFTER_END', recoverable: true });
  await t.rejects(tap.writeBatch([FRAME]), { code: 'ERR_STREAM_WRITE_AFTER_END', framesTaken: 0 });
  t.notOk(finished);
  takes(10);
  t.equal(await before, null);
  await nextTurn();
  t.ok(finished);
  t.equal(written.length, 1);
  t.same(tap.stats.sent.drops, { ended: 2 });
  t.notOk(tap.destroyed);
  await tap.close();
});

t.test('an array that changes while its batch waits', async (t) => {
  const { tap, takes, written } = tapOverNothing();
  takes(1);
  const frames: Uint8Array[] = Array.from({ length: 4 }, (_, i) => Buffer.alloc(60, i));
  const longer = [...frames];
  const batch = tap.writeBatch(frames);
  const second = tap.writeBatch(longer);
  frames[1] = undefined as unknown as Buffer;
  frames.length = 2;
  longer.push(Buffer.alloc(60, 9));
  takes(100);
  t.equal(await batch, 4);
  t.equal(await second, 4);
  t.same(
    written.map(([first]) => first),
    [0, 1, 2, 3, 0, 1, 2, 3],
  );
  await tap.close();
});

t.test('a FrameBatch that waits refuses to be changed, and the next one gets other memory', async (t) => {
  const from = tapOverNothing();
  const { tap, answer, resume } = tapOverNothing();
  const batches = from.tap.batches();
  const first = batches.next();
  from.burst(2, undefined, 0, 0);
  const { value: batch } = await first;
  if (!batch) throw new Error('no batch');
  const memories = from.memories.length;
  answer(-constants.errno.EAGAIN);
  const waiting = tap.writeBatch(batch);
  const wrong = { code: 'ERR_TAPFD_INVALID_STATE', message: /await it first/ };
  t.throws(() => batch.remove(0), wrong);
  t.throws(() => batch.filter(() => false), wrong);
  t.throws(() => batch.append(FRAME), wrong);
  const second = batches.next();
  t.equal(from.memories.length, memories + 1);
  t.not(from.memories.at(-1), from.memories.at(-2));
  from.burst(1, undefined, 0, 0);
  const { value: next } = await second;
  answer(0);
  resume();
  t.equal(await waiting, 1, 'of two: this kernel loses one');
  next?.append(FRAME);
  batches.next().catch(() => undefined); // it ends with the device
  t.equal(from.memories.length, memories + 1, 'nothing waits any more: the memory is used again');
  await Promise.all([tap.close(), from.tap.close()]);
});

t.test('a FrameBatch that waits behind others, or in a corked stream, is held as well', async (t) => {
  for (const way of ['behind a frame', 'corked']) {
    const from = tapOverNothing();
    const { tap, answer, resume } = tapOverNothing();
    const batches = from.tap.batches();
    const first = batches.next();
    from.burst(2, undefined, 0, 0);
    const { value: batch } = await first;
    if (!batch) throw new Error('no batch');
    if (way === 'corked') tap.cork();
    else answer(-constants.errno.EAGAIN);
    tap.write(FRAME);
    const waiting = tap.writeBatch(batch);
    t.throws(() => batch.remove(0), { code: 'ERR_TAPFD_INVALID_STATE', message: /await it first/ }, way);
    batches.next().catch(() => undefined); // it ends with the device
    t.equal(from.memories.length, 2, `${way}: the next batch gets other memory`);
    answer(0);
    if (way === 'corked') tap.uncork();
    else resume();
    t.equal(await waiting, 1, 'of two: this kernel loses one');
    batch.remove(0);
    await Promise.all([tap.close(), from.tap.close()]);
  }
});

t.test(
  'a FrameBatch that is no longer valid is refused at the call, also where it would have to wait',
  async (t) => {
    const from = tapOverNothing();
    const { tap, written } = tapOverNothing();
    const batches = from.tap.batches();
    const first = batches.next();
    from.burst(2, undefined, 0, 0);
    const { value: batch } = await first;
    if (!batch) throw new Error('no batch');
    batches.next().catch(() => undefined); // it ends with the device
    tap.cork();
    await t.rejects(tap.writeBatch(batch), { code: 'ERR_TAPFD_INVALID_STATE', message: /no longer valid/ });
    const sent = new Promise((resolve) => tap.write(FRAME, resolve));
    tap.uncork();
    t.equal(await sent, null);
    t.same(written, [FRAME]);
    await Promise.all([tap.close(), from.tap.close()]);
  },
);

t.test('a device that is being handed over has an owner: nobody else gets it', async (t) => {
  const device = givenAway(t);
  const { tap } = device;
  const handOver = tap[HAND_OVER];
  const busy = { code: 'ERR_TAPFD_INVALID_STATE', message: /is being handed over/ };
  handOver.suspend();
  t.throws(() => tap.handOff(), busy);
  t.throws(() => handOver.suspend(), busy);
  handOver.resume();
  handOver.suspend();
  t.equal(await handOver.handOffWhenIdle(), 99);
  await untouched(t, device);
});

t.test('a call made again and again does not keep a device from being handed off', async (t) => {
  const device = givenAway(t);
  const { tap } = device;
  let calls = 0;
  const asking = (async () => {
    for (;;) {
      await tap.setOffload([]);
      calls += 1;
    }
  })();
  while (calls < 5) await nextTurn();
  const handOver = tap[HAND_OVER];
  handOver.suspend();
  const number = handOver.handOffWhenIdle();
  t.ok(tap.handedOff, 'from here on the device is the next owner’s');
  t.equal(tap.fd, -1);
  t.equal(await number, 99);
  await t.rejects(asking, HANDED_OFF);
  await untouched(t, device);
});

t.test('a batch that waited, and whose next frame ends the device', async (t) => {
  const { tap, answer, takes, resume } = tapOverNothing();
  takes(1);
  const writing = tap.writeBatch([FRAME, FRAME, FRAME]);
  const behind = tap.writeBatch([FRAME]);
  const ended = once(tap, 'error');
  answer(-constants.errno.EBADF);
  resume();
  await t.rejects(writing, { code: 'EBADF', framesTaken: 1 });
  await t.rejects(behind, { code: 'EBADF', framesTaken: 0 });
  t.match(await ended, [{ code: 'EBADF', syscall: 'write' }]);
  t.match(tap.stats.sent, { frames: 1, drops: { ended: 3 } });
});
