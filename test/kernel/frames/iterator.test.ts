/**
 * `for await` over a device: what Readable's own iterator promises, and what happens when a loop meets other readers.
 */
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import type { Tap } from 'tapfd';
import { closeFd } from '#lib/fd-socket/fd-source.js';
import { fileNeeds } from '../../kit/capabilities.js';
import { numberedFrame, numberOf, tapPair, upTo } from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device');

/** Sends frames 0 to `count` - 1, and returns the iterator of the other end. */
function sendAndIterate(a: Tap, b: Tap, count: number): NodeJS.AsyncIterator<Buffer> {
  const iterator = b[Symbol.asyncIterator]();
  for (const i of upTo(count)) a.write(numberedFrame(i));
  return iterator;
}

async function numberFrom(iterator: NodeJS.AsyncIterator<Buffer>): Promise<number> {
  const { value } = await iterator.next();
  return numberOf(value);
}

t.test('frames of many bursts, in order, each to keep, while the loop rests in between', async (t) => {
  const { a, b } = await tapPair(t);
  const kept: Buffer[] = [];
  for (const i of upTo(300)) a.write(numberedFrame(i, 60 + i));
  for await (const frame of b) {
    kept.push(frame);
    if (kept.length % 50 === 0) await nextTurn();
    if (kept.length === 300) break;
  }
  t.same(
    kept,
    upTo(300).map((i) => numberedFrame(i, 60 + i)),
  );
  t.equal(
    b.stats.received.frames,
    320 - (320 % 300),
    'and no more was read than was asked for, by bursts of 64',
  );
  t.ok(b.destroyed);
});

t.test('a loop that has not begun reads nothing; one that rests reads one burst at most', async (t) => {
  const { a, b } = await tapPair(t);
  const iterator = sendAndIterate(a, b, 200);
  await nextTurn();
  t.equal(b.stats.received.frames, 0);
  t.equal(await numberFrom(iterator), 0);
  await nextTurn();
  t.equal(b.stats.received.frames, 64);
});

t.test('several next() at once are served in order, and return() ends those that wait', async (t) => {
  const { a, b } = await tapPair(t);
  const iterator = b[Symbol.asyncIterator]();
  t.equal(iterator[Symbol.asyncIterator](), iterator);
  const asked = upTo(4).map(() => iterator.next());
  for (const i of upTo(3)) a.write(numberedFrame(i));
  const frames = await Promise.all(asked.slice(0, 3));
  t.same(
    frames.map(({ value }) => numberOf(value)),
    upTo(3),
  );
  t.same(await iterator.return?.(), { done: true, value: undefined });
  t.same(await asked[3], { done: true, value: undefined });
  t.same(await iterator.next(), { done: true, value: undefined });
  t.ok(b.destroyed);
});

t.test('what the stream had read before comes first', async (t) => {
  const { a, b } = await tapPair(t);
  for (const i of upTo(70)) a.write(numberedFrame(i));
  b.read();
  while (b.readableLength < 64) await nextTurn();
  let next = 0;
  for await (const frame of b) {
    t.equal(numberOf(frame), next);
    next += 1;
    if (next === 70) break;
  }
});

t.test('a device that is deleted ends the loop with its error, after what was read', async (t) => {
  const { ns, a, b } = await tapPair(t);
  const iterator = sendAndIterate(a, b, 2);
  t.equal(await numberFrom(iterator), 0);
  const closed = new Promise((resolve) => b.once('close', resolve));
  await ns.ip('link', 'delete', b.name);
  await closed;
  t.equal(await numberFrom(iterator), 1);
  await t.rejects(iterator.next(), { code: 'ERR_TAPFD_DEVICE_GONE' });
  t.same(await iterator.next(), { done: true, value: undefined });
});

t.test('destroy() in the middle ends the loop with ERR_TAPFD_CLOSED, and so one begun later', async (t) => {
  const { b } = await tapPair(t);
  const waiting = t.rejects(b[Symbol.asyncIterator]().next(), { code: 'ERR_TAPFD_CLOSED' });
  b.destroy();
  await waiting;
  await t.rejects(b[Symbol.asyncIterator]().next(), { code: 'ERR_TAPFD_CLOSED' });
});

t.test('handOff() ends the loop after what was read, and does not destroy', async (t) => {
  const { a, b } = await tapPair(t);
  const iterator = sendAndIterate(a, b, 3);
  t.equal(await numberFrom(iterator), 0);
  const ended = once(b, 'end');
  const fd = b.handOff();
  t.same([await numberFrom(iterator), await numberFrom(iterator)], [1, 2]);
  t.same(await iterator.next(), { done: true, value: undefined });
  await ended;
  t.notOk(b.destroyed);
  await closeFd(fd);
});

t.test('handOff() by a listener: the rest of the burst still comes, then the end', async (t) => {
  const { a, b } = await tapPair(t);
  const numbers: number[] = [];
  let fd = -1;
  b.on('data', (frame) => {
    numbers.push(numberOf(frame));
    if (fd < 0) fd = b.handOff();
  });
  for (const i of upTo(5)) a.write(numberedFrame(i));
  await once(b, 'end');
  t.same(numbers, upTo(5));
  await closeFd(fd);
});

t.test('destroy() by a listener: nothing comes after it', async (t) => {
  const { a, b } = await tapPair(t);
  let frames = 0;
  b.on('data', () => {
    frames += 1;
    b.destroy();
  });
  for (const i of upTo(5)) a.write(numberedFrame(i));
  await once(b, 'close');
  t.equal(frames, 1);
  t.equal(b.stats.received.frames, 1);
});

t.test('beside other readers the loop is one more, as with every stream', async (t) => {
  const { a, b } = await tapPair(t);
  let seen = 0;
  b.on('readable', () => {
    seen += 1;
  });
  const iterator = sendAndIterate(a, b, 2);
  t.same([await numberFrom(iterator), await numberFrom(iterator)], [0, 1]);
  t.ok(seen > 0);
  const other = await tapPair(t);
  const batches = other.b.batches();
  const first = batches.next();
  other.a.write(numberedFrame(0));
  t.equal((await first).value?.length, 1);
  const waiting = numberFrom(other.b[Symbol.asyncIterator]());
  await batches.return?.();
  other.a.write(numberedFrame(1));
  t.equal(await waiting, 1, 'it continues when the batches end');
});

t.test('with copyFrames each frame has memory of its own', async (t) => {
  const { a, b } = await tapPair(t, { copyFrames: true });
  const iterator = sendAndIterate(a, b, 1);
  const { value } = await iterator.next();
  t.equal(value.buffer.byteLength, 60);
  await iterator[Symbol.asyncDispose]();
  t.ok(b.destroyed);
});
