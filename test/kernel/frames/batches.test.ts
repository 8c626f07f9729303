/** Batches: many frames at once, read, changed, written and forwarded. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { type FrameBatch, type FrameStream, forward, openTun } from 'tapfd';
import { closeFd } from '#lib/fd-socket/fd-source.js';
import { fileNeeds } from '../../kit/capabilities.js';
import { frameToB, macvtapPair } from '../../kit/macvtap-pair.js';
import { ownNamespace } from '../../kit/namespace.js';
import {
  collect,
  frameToUpper,
  heldUpTap,
  isNumbered,
  numberedFrame,
  numberOf,
  tapPair,
  upTo,
} from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

/** Numbers of the test frames in batches, until there are `count`. */
async function batchedNumbers(device: FrameStream, count: number): Promise<number[]> {
  const numbers: number[] = [];
  for await (const batch of device.batches()) {
    for (const frame of batch) if (isNumbered(frame)) numbers.push(numberOf(frame));
    if (numbers.length >= count) break;
  }
  return numbers;
}

t.test('frames arrive in batches, whole and in order, and are counted', async (t) => {
  const { a, b } = await tapPair(t);
  const frames = upTo(600).map((i) => numberedFrame(i, 60 + 2 * i));
  t.equal(await a.writeBatch(frames), 600);
  t.equal(a.stats.sent.frames, 600);
  const seen: Buffer[] = [];
  const lengths: number[] = [];
  for await (const batch of b.batches({ maxFrames: 100 })) {
    lengths.push(batch.length);
    t.equal(
      batch.bytes,
      [...batch].reduce((sum, frame) => sum + frame.length, 0),
    );
    for (const frame of batch) seen.push(Buffer.from(frame));
    if (seen.length === 600) break;
  }
  t.same(seen, frames);
  t.ok(
    lengths.every((length) => length <= 100),
    lengths.join(),
  );
  t.equal(b.stats.received.frames, 600);
  t.equal(b.stats.received.bytes, a.stats.sent.bytes);
});

t.test('the stream reads on where the batches end', async (t) => {
  const { a, b } = await tapPair(t);
  await a.writeBatch(upTo(3).map((i) => numberedFrame(i)));
  t.same(await batchedNumbers(b, 3), upTo(3));
  const rest = collect(b, 2);
  await a.writeBatch([numberedFrame(3), numberedFrame(4)]);
  t.same((await rest).map(numberOf), [3, 4]);
  t.throws(() => b.batches(), { code: 'ERR_TAPFD_INVALID_STATE' }, 'it is being read');
});

t.test('one reader at a time, and a listener waits until the batches end', async (t) => {
  const { a, b } = await tapPair(t);
  const batches = b.batches();
  t.throws(() => b.batches(), { code: 'ERR_TAPFD_INVALID_STATE' });
  const later = collect(b, 1);
  const first = batches.next();
  await t.rejects(batches.next(), { code: 'ERR_TAPFD_INVALID_STATE', message: /await it first/ });
  await a.writeBatch([numberedFrame(1)]);
  t.equal((await first).value?.length, 1);
  await batches.return?.();
  t.same(await batches.next(), { done: true, value: undefined });
  await a.writeBatch([numberedFrame(2)]);
  t.equal(numberOf((await later)[0]), 2);
});

t.test('a batch can be looked at, changed, thinned out, added to and kept', async (t) => {
  const { a, b } = await tapPair(t);
  await a.writeBatch(upTo(6).map((i) => numberedFrame(i)));
  const { value: batch } = await b.batches().next();
  if (!batch) throw new Error('no batch');
  const numbers = (one: FrameBatch) => [...one].map(numberOf);
  t.same(numbers(batch), upTo(6));
  const kept = batch.copy();
  batch.frame(0).writeUInt32BE(100, 14);
  batch.remove(2);
  t.same(numbers(batch), [100, 1, 3, 4, 5]);
  batch.filter((frame, i) => numberOf(frame) !== 4 && i !== 1);
  t.same(numbers(batch), [100, 3, 5]);
  for (const i of upTo(600)) batch.append(numberedFrame(1000 + i, 1500));
  t.equal(batch.length, 603);
  t.same(numbers(batch).slice(0, 4), [100, 3, 5, 1000]);
  t.equal(numberOf(batch.frame(602)), 1599);
  t.same(numbers(kept), upTo(6), 'the copy is as it was');
  t.equal(kept.bytes, 6 * 60);
  const empty = kept.copy();
  empty.filter(() => false);
  empty.append(numberedFrame(7));
  t.same(numbers(empty), [7]);
  for (const wrong of [-1, 603, 0.5, '0']) {
    t.throws(() => batch.frame(wrong as number), { code: 'ERR_TAPFD_INVALID_ARGUMENT' });
    t.throws(() => batch.remove(wrong as number), { code: 'ERR_TAPFD_INVALID_ARGUMENT' });
  }
  t.throws(() => batch.append('frame' as unknown as Buffer), { code: 'ERR_TAPFD_INVALID_ARGUMENT' });
});

t.test('a refused frame fails the batch that it is in, and nothing else', async (t) => {
  const { a, b } = await tapPair(t);
  const arriving = collect(b, 4);
  const frames = [
    numberedFrame(0),
    numberedFrame(1, 5),
    numberedFrame(2),
    numberedFrame(3, 1515),
    numberedFrame(4),
  ];
  await t.rejects(a.writeBatch(frames), {
    code: 'ERR_TAPFD_FRAME_TOO_SHORT',
    framesTaken: 3,
    recoverable: true,
  });
  t.equal(await a.writeBatch([numberedFrame(5)]), 1);
  t.same((await arriving).map(numberOf), [0, 2, 4, 5]);
  t.same(a.stats.sent.drops, { 'too-short': 1, 'too-long': 1 });
});

t.test('the same of a FrameBatch, whose spans may lie', async (t) => {
  const { a, b } = await tapPair(t);
  await a.writeBatch(upTo(4).map((i) => numberedFrame(i)));
  const { value: batch } = await b.batches().next();
  if (!batch) throw new Error('no batch');
  batch.spans[2 * 1] = 0xffff_fff0;
  batch.spans[2 * 2 + 1] = 0xffff_ffff;
  await t.rejects(b.writeBatch(batch), { code: 'ERR_TAPFD_FRAME_TOO_LONG', framesTaken: 2 });
});

t.test('a batch waits for the kernel, and single frames wait behind it', async (t) => {
  const { a, b } = await macvtapPair(t);
  const order: string[] = [];
  const noted = (name: string) => () => order.push(name);
  const batch = a.writeBatch(upTo(300).map(frameToB)).then(noted('batch'));
  a.write(frameToB(300), noted('frame'));
  const second = a.writeBatch([frameToB(301), frameToB(302)]).then(noted('second batch'));
  a.end();
  const finished = once(a, 'finish').then(noted('finish'));
  await nextTurn();
  t.same(order, [], 'all wait');
  t.same(await batchedNumbers(b, 303), upTo(303));
  await Promise.all([batch, second, finished]);
  t.same([...order].sort(), ['batch', 'finish', 'frame', 'second batch']);
  t.equal(order.at(-1), 'finish');
});

for (const options of [{}, { segment: true }]) {
  t.test(`${JSON.stringify(options)}: what waits when a device goes down is lost and counted`, async (t) => {
    const ns = await ownNamespace(t);
    const tap = await heldUpTap(t, { netns: ns.name, ...options });
    const frames = upTo(300).map(frameToUpper);
    const batch = tap.writeBatch(frames);
    const single = new Promise((resolve) => tap.write(frames[0], resolve));
    t.equal(tap.writableLength, 2, 'both wait');
    const heard = once(tap, 'link');
    await ns.ip('link', 'set', tap.name, 'down');
    t.match(await heard, [{ up: false }]);
    const taken = await batch;
    t.ok(taken > 0 && taken < 300, `${taken} were taken before`);
    t.equal(await single, null);
    t.equal(await tap.writeBatch(frames.slice(0, 10)), 0);
    t.same(tap.stats.sent, { frames: taken, bytes: taken * 1400, drops: { 'link-down': 311 - taken } });
    const up = once(tap, 'link');
    await ns.ip('link', 'set', tap.name, 'up');
    await up;
    const waits = tap.writeBatch(frames.slice(0, 1));
    await nextTurn();
    t.equal(tap.stats.sent.drops['link-down'], 311 - taken, 'up again, it waits again');
    const rejected = t.rejects(waits, { code: 'ERR_TAPFD_CLOSED' });
    tap.destroy();
    await rejected;
  });
}

t.test('what waits fails when the device is destroyed', async (t) => {
  const { a } = await macvtapPair(t);
  const waiting = a.writeBatch(upTo(300).map(frameToB));
  const rejected = t.rejects(waiting, { code: 'ERR_TAPFD_CLOSED' });
  await a[Symbol.asyncDispose]();
  await rejected;
  await t.rejects(a.writeBatch([]), { code: 'ERR_TAPFD_CLOSED' });
  t.throws(() => a.batches(), { code: 'ERR_TAPFD_CLOSED' });
});

t.test('batches end with their device', async (t) => {
  const alive = setInterval(() => undefined, 60_000);
  t.teardown(() => clearInterval(alive));
  const { ns, a, b } = await tapPair(t);
  const waiting = t.rejects(a.batches().next(), { code: 'ERR_TAPFD_DEVICE_GONE' });
  a.on('error', () => undefined);
  await ns.ip('link', 'delete', a.name);
  await waiting;
  const handedOver = b.batches();
  const next = handedOver.next();
  await closeFd(b.handOff());
  t.same(await next, { done: true, value: undefined });
  const { a: c } = await tapPair(t);
  const batches = c.batches();
  c.destroy();
  await t.rejects(batches.next(), { code: 'ERR_TAPFD_CLOSED' });
  t.same(await batches.next(), { done: true, value: undefined });
});

t.test('a writer of batches hears of the deletion', async (t) => {
  const { ns, a } = await tapPair(t);
  a.on('error', () => undefined);
  // Synchronous on purpose: the stream cannot know of it yet.
  execFileSync('ip', ['-netns', ns.name, 'link', 'delete', a.name]);
  await t.rejects(a.writeBatch([numberedFrame(1), numberedFrame(2)]), { code: 'ERR_TAPFD_DEVICE_GONE' });
});

t.test('forward: both directions, until the signal', async (t) => {
  const left = await tapPair(t);
  const right = await tapPair(t);
  const controller = new AbortController();
  const { signal } = controller;
  const there = forward(left.b, right.a, { signal });
  const back = forward(right.a, left.b, { signal });
  const arriving = collect(right.b, 500);
  await left.a.writeBatch(upTo(500).map((i) => numberedFrame(i, 60 + i)));
  t.same((await arriving).map(numberOf), upTo(500));
  const returning = collect(left.a, 20);
  await right.b.writeBatch(upTo(20).map((i) => numberedFrame(i)));
  t.same((await returning).map(numberOf), upTo(20));
  controller.abort();
  t.same(await there, { frames: 500, lost: 0 });
  t.same(await back, { frames: 20, lost: 0 });
  t.notOk(left.b.destroyed || right.a.destroyed);
  t.same(await forward(left.b, right.a, { signal }), { frames: 0, lost: 0 }, 'aborted before');
});

t.test('forward: a transform changes, drops, adds and replaces', async (t) => {
  const left = await tapPair(t);
  const right = await tapPair(t);
  const transforms = [
    (batch: FrameBatch) => {
      batch.filter((frame) => numberOf(frame) % 2 === 0);
      batch.append(numberedFrame(77));
      return undefined;
    },
    (batch: FrameBatch) => [numberedFrame(50), Buffer.alloc(3), ...batch],
    async (batch: FrameBatch) => {
      await nextTurn();
      return batch.copy();
    },
    async (batch: FrameBatch) => {
      await nextTurn();
      batch.remove(0);
    },
  ];
  const expected = [[0, 2, 77], [50, 0, 1, 2], upTo(3), [1, 2]];
  for (const [i, transform] of transforms.entries()) {
    const controller = new AbortController();
    const forwarding = forward(left.b, right.a, { signal: controller.signal, transform });
    const arriving = collect(right.b, expected[i].length);
    await left.a.writeBatch(upTo(3).map((n) => numberedFrame(n)));
    t.same((await arriving).map(numberOf), expected[i]);
    controller.abort();
    t.same(await forwarding, { frames: expected[i].length, lost: i === 1 ? 1 : 0 });
  }
});

t.test('forward ends when either device does, and refuses anything else', async (t) => {
  const left = await tapPair(t);
  const right = await tapPair(t);
  const running = t.rejects(forward(left.b, right.a), { code: 'ERR_TAPFD_CLOSED' });
  right.a.destroy();
  await left.a.writeBatch([numberedFrame(1)]);
  await running;
  const wrong = (...args: unknown[]) => Reflect.apply(forward, undefined, args) as Promise<unknown>;
  const code = 'ERR_TAPFD_INVALID_ARGUMENT';
  await t.rejects(wrong({}, left.a), { code, argument: 'from' });
  await t.rejects(wrong(left.a, process.stdout), { code, argument: 'to' });
  await t.rejects(wrong(left.a, left.b, 7), { code, argument: 'options' });
  await t.rejects(wrong(left.a, left.b, { transform: 'x' }), { code, argument: 'transform' });
  await t.rejects(wrong(left.a, left.b, { signal: {} }), { code, argument: 'signal' });
  for (const maxFrames of [0, 4097, 1.5, '8']) {
    await t.rejects(wrong(left.a, left.b, { maxFrames }), { code, argument: 'maxFrames' });
  }
  const write = (frames: unknown) => Reflect.apply(left.a.writeBatch, left.a, [frames]) as Promise<number>;
  await t.rejects(write('frames'), { code, argument: 'frames' });
  await t.rejects(write([Buffer.alloc(20), 7]), { code, argument: 'frames[1]' });
});

t.test('TUN packets go in batches too', async (t) => {
  const ns = await ownNamespace(t);
  const tun: FrameStream = await openTun({ netns: ns.name, addresses: ['10.9.0.1/24'] });
  t.teardown(() => tun[Symbol.asyncDispose]());
  const pinging = ns.ping('10.9.0.2');
  for await (const batch of tun.batches()) {
    const requests = [...batch].filter((packet) => packet[0] === 0x45 && packet[9] === 1);
    if (requests.length === 0) continue;
    for (const packet of requests) {
      // An echo reply differs in type and, by as much, in checksum.
      packet.writeUInt8(0, 20);
      packet.writeUInt16BE((packet.readUInt16BE(22) + 0x0800) & 0xffff, 22);
      const from = Buffer.from(packet.subarray(12, 16));
      packet.copy(packet, 12, 16, 20);
      from.copy(packet, 16);
    }
    t.equal(await tun.writeBatch(requests), requests.length);
    break;
  }
  t.equal(await pinging, 1);
});

t.test('a flood does not hold up the event loop', async (t) => {
  const { a, b } = await tapPair(t);
  const controller = new AbortController();
  const echo = forward(b, a, { signal: controller.signal });
  await a.writeBatch(upTo(200).map((i) => numberedFrame(i)));
  // Frames go round and round: the event loop must turn all the same.
  const reading = forward(a, b, { signal: controller.signal });
  for (let turn = 0; turn < 50; turn++) await nextTurn();
  controller.abort();
  await Promise.all([echo, reading]);
  t.ok(a.stats.sent.frames > 200);
});
