/** Streams over devices without a kernel: reads and writes that fail, frames that do not fit, hand-offs in between. */
import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { tapOverNothing } from '../../kit/scripted-tap.js';

t.test('malformed super-frames are counted and reported', async (t) => {
  const { tap, burst } = tapOverNothing();
  const dropped = new Promise((resolve) => tap.once('drop', resolve));
  burst(0, undefined, 0, 3);
  t.same(await dropped, { direction: 'receive', reason: 'malformed', count: 3 });
  t.same(tap.stats.received.drops, { malformed: 3 });
  tap.destroy();
});

t.test('a read that fails for good ends the stream; a link that is down does not', async (t) => {
  const { tap, burst } = tapOverNothing();
  burst(0, undefined, -constants.errno.EIO, 0);
  t.notOk(tap.destroyed);
  const failed = new Promise((resolve) => tap.once('error', resolve));
  burst(0, undefined, -constants.errno.EPERM, 0);
  t.match(await failed, { code: 'EPERM', syscall: 'read', interface: 'tap9' });
});

t.test('a write that fails for good ends the stream, and its callback and batch say so', async (t) => {
  const { tap, answer } = tapOverNothing();
  const failed = new Promise((resolve) => tap.once('error', resolve));
  answer(-constants.errno.EBADF);
  const told = new Promise((resolve) => tap.write(Buffer.alloc(60), resolve));
  t.match(await told, { code: 'EBADF', syscall: 'write' });
  t.match(await failed, { code: 'EBADF', syscall: 'write' });
  const again = tapOverNothing();
  again.tap.on('error', () => undefined);
  again.answer(-constants.errno.EBADF);
  await t.rejects(again.tap.writeBatch([Buffer.alloc(60), Buffer.alloc(60)]), {
    code: 'EBADF',
    framesTaken: 0,
  });
});

t.test('a frame that did not fit the slab is delivered in memory of its own', async (t) => {
  const { tap, burst } = tapOverNothing();
  const frame = Buffer.alloc(70, 7);
  const read = new Promise((resolve) => tap.once('data', resolve));
  burst(1, frame, 0, 0);
  t.equal(await read, frame);
  tap.destroy();
  const batched = tapOverNothing(0x4002);
  t.equal(batched.tap.flags.packetInfo, true);
  const next = batched.tap.batches().next();
  batched.burst(1, frame, 0, 0);
  const { value } = await next;
  t.same(value && [...value], [frame]);
  batched.tap.destroy();
  const looped = tapOverNothing();
  const first = looped.tap[Symbol.asyncIterator]().next();
  looped.burst(1, frame, 0, 0);
  t.same(await first, { done: false, value: frame });
  t.equal(looped.tap.stats.received.bytes, 70);
  looped.tap.destroy();
});

t.test(
  'behind the frames of a batch it comes by itself, and none is lost by leaving the loop or by a hand-off',
  async (t) => {
    const frame = Buffer.alloc(70, 7);
    const texts = (batch: Iterable<Buffer> | undefined) => [...(batch ?? [])].map(String);
    const { tap, burst } = tapOverNothing();
    const batches = tap.batches();
    let next = batches.next();
    burst(3, frame, 0, 0);
    t.same(texts((await next).value), ['0000000000', '1111111111']);
    t.same([...((await batches.next()).value ?? [])], [frame]);
    t.equal(tap.stats.received.frames, 3);
    t.equal(tap.stats.received.bytes, 90);
    next = batches.next();
    burst(2, frame, 0, 0);
    await next;
    await batches.return?.();
    t.equal(tap.read(), frame, 'left in the stream');
    tap.destroy();

    const given = tapOverNothing();
    const rest = given.tap.batches();
    next = rest.next();
    given.burst(2, frame, 0, 0);
    await next;
    given.tap.handOff();
    t.same([...((await rest.next()).value ?? [])], [frame]);
    t.same(await rest.next(), { done: true, value: undefined });
    given.tap.destroy();

    const left = tapOverNothing();
    const loop = left.tap.batches();
    next = loop.next();
    left.burst(2, frame, 0, 0);
    await next;
    left.tap.handOff();
    await loop.return?.();
    t.equal(left.tap.read(), frame, 'a loop left after the hand-off leaves it in the stream');
    t.notOk(left.tap.destroyed);
    left.tap.destroy();

    const again = tapOverNothing();
    const first = again.tap.batches();
    next = first.next();
    again.burst(2, frame, 0, 0);
    await next;
    await first.return?.();
    const second = await again.tap.batches().next();
    t.same([...(second.value ?? [])], [frame], 'the next loop has it first');
    again.tap.destroy();
  },
);

t.test(
  'for await over a stream that had frames already: they come first, and no burst comes unasked',
  async (t) => {
    const { tap, burst, isReading } = tapOverNothing();
    t.equal(tap.read(), null);
    burst(2, undefined, 0, 0);
    t.ok(isReading());
    const loop = tap[Symbol.asyncIterator]();
    t.notOk(isReading(), 'the loop has asked for nothing yet');
    t.same(String((await loop.next()).value), '0000000000');
    t.same(String((await loop.next()).value), '1111111111');
    const third = loop.next();
    t.ok(isReading());
    burst(3, undefined, 0, 0);
    t.notOk(isReading(), 'not while frames of a burst are left');
    t.same(String((await third).value), '0000000000');
    tap.destroy();
  },
);

t.test('a loop that is left after a hand-off does not destroy the stream', async (t) => {
  for (const frames of [1, 3]) {
    const { tap, burst } = tapOverNothing();
    const loop = tap[Symbol.asyncIterator]();
    const first = loop.next();
    burst(frames, undefined, 0, 0);
    await first;
    tap.handOff();
    await loop.return?.();
    t.notOk(tap.destroyed);
    tap.destroy();
  }
});

t.test('a hand-off by a listener: the frames read with this one still come, then the end', async (t) => {
  const { tap, burst } = tapOverNothing();
  const got: Buffer[] = [];
  tap.on('data', (frame: Buffer) => {
    if (got.push(frame) === 2) t.equal(tap.handOff(), 99);
  });
  const ended = new Promise((resolve) => tap.once('end', resolve));
  const last = Buffer.alloc(70, 7);
  burst(4, last, 0, 0);
  await ended;
  t.equal(got.length, 4);
  t.equal(got[3], last);
  t.equal(tap.stats.received.frames, 4);
  tap.destroy();
});

t.test('frames of a joined write that were lost are not counted as taken', async (t) => {
  const { tap, burst } = tapOverNothing();
  const batches = tap.batches();
  const next = batches.next();
  burst(1, Buffer.alloc(70), 0, 0);
  const { value } = await next;
  if (!value) throw new Error('no batch');
  value.append(Buffer.alloc(60));
  t.equal(await tap.writeBatch(value), 1);
  t.same(tap.stats.sent, { frames: 1, bytes: 60, drops: { 'link-down': 1 } });
  tap.destroy();
});

t.test('a callback that ends the stream comes when the frames that could be sent are', async (t) => {
  const { tap, answer, resume } = tapOverNothing();
  tap.on('error', (error) => t.fail(error));
  answer(-constants.errno.EAGAIN);
  const told: unknown[] = [];
  const closed = new Promise((resolve) => tap.once('close', resolve));
  for (let i = 0; i < 3; i++) {
    tap.write(Buffer.alloc(60), (error) => {
      told.push(error);
      if (i === 0) tap.destroy();
    });
  }
  answer(0);
  resume();
  await closed;
  t.equal(told.length, 3);
  t.same(told, [null, null, null], 'each is called once');
  t.equal(tap.stats.sent.frames, 3);
});

t.test('a waiting frame that reveals the loss of the device fails once', async (t) => {
  const { tap, answer, resume } = tapOverNothing();
  answer(-constants.errno.EAGAIN);
  const told: unknown[] = [];
  tap.write(Buffer.alloc(60), (error) => told.push(error));
  tap.write(Buffer.alloc(60));
  answer(-constants.errno.EBADF);
  const failed = new Promise((resolve) => tap.once('error', resolve));
  resume();
  t.match(await failed, { code: 'EBADF', syscall: 'write' });
  await nextTurn();
  t.match(told, [{ code: 'EBADF', syscall: 'write' }]);
});

t.test('a device that says it was deleted ends the stream; a handed-off one reads no more', async (t) => {
  const { tap, deleteDevice } = tapOverNothing();
  const failed = new Promise((resolve) => tap.once('error', resolve));
  await nextTurn();
  deleteDevice();
  t.match(await failed, { code: 'ERR_TAPFD_DEVICE_GONE' });
  const other = tapOverNothing();
  t.equal(other.tap.handOff(), 99);
  other.tap._read();
  t.equal(other.tap.stats.received.frames, 0);
  other.tap.destroy();
});

t.test('a loop over a stream that ends without an error ends too', async (t) => {
  const { tap } = tapOverNothing();
  const next = tap[Symbol.asyncIterator]().next();
  tap.push(null);
  tap.resume();
  t.same(await next, { done: true, value: undefined });
  t.ok(tap.destroyed);
});

t.test(
  'close() resolves when the descriptor is closed: twice at once, after destroy(), and again',
  async (t) => {
    const { tap } = tapOverNothing();
    let closed = false;
    tap.once('close', () => {
      closed = true;
    });
    await Promise.all([tap.close(), tap.close(), tap[Symbol.asyncDispose]()]);
    t.ok(closed);
    await tap.close();
    const other = tapOverNothing();
    other.tap.destroy();
    await other.tap.close();
    t.ok(other.tap.closed);
  },
);

t.test('what one queue is granted changes what all queues of its device join', async (t) => {
  const shared = { offloadMask: 0, filters: new Set<never>() };
  const [first, second] = [tapOverNothing(0x5002, shared), tapOverNothing(0x5002, shared)];
  const stranger = tapOverNothing();
  await first.tap.setOffload(['csum', 'uso4', 'uso6']);
  for (const { rules } of [first, second]) t.equal(rules.at(-1)?.joinsUdp, true);
  t.equal(stranger.rules.at(-1)?.joinsUdp, false);
  for (const { tap } of [first, second, stranger]) tap.destroy();
});
