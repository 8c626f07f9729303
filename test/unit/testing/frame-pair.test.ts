/** Frame pairs: devices in memory that behave as those of the kernel do. */
import { once } from 'node:events';
import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { type FrameDrop, FrameStream, forward, type LinkChange, Macvtap, Tap, Tun } from 'tapfd';
import { captureFrames, createFramePair } from 'tapfd/testing';
import { MemoryLink, MemoryNamespace, newLink } from '#lib/testing/frame-pair/memory-link.js';
import { MemoryQueue } from '#lib/testing/frame-pair/memory-queue.js';
import { runChild } from '../../kit/child.js';
import { closedWith } from '../../kit/closed-with.js';
import { revokedProxy } from '../../kit/odd-values.js';
import { numberedFrame, numberOf, upTo, written } from '../../kit/tap-pair.js';

/** An IPv4 packet of a header and nothing else, and one of IPv6. */
const IPV4 = Buffer.from('4500001400000000400100000a0000010a000002', 'hex');
const IPV6 = Buffer.alloc(40);
IPV6[0] = 0x60;
IPV6[6] = 59;

/** Reads frames, and leaves the stream as it is. */
async function take(device: FrameStream, count: number): Promise<Buffer[]> {
  const frames: Buffer[] = [];
  for await (const frame of device.iterator({ destroyOnReturn: false })) {
    frames.push(frame);
    if (frames.length === count) break;
  }
  return frames;
}

t.test('what is written to one is read from the other, in order, as frames to keep', async (t) => {
  const pair = closedWith(t, await createFramePair());
  const [a, b] = pair;
  t.same([...pair], [a, b]);
  t.ok(a instanceof FrameStream);
  t.ok(a instanceof Tap);
  t.match(a, { kind: 'tap', name: 'tap0', index: 1, mac: '02:00:00:00:00:0a', mtu: 1500, fd: -1 });
  t.match(b, { name: 'tap1', index: 2, mac: '02:00:00:00:00:0b' });
  const frame = numberedFrame(7);
  a.write(frame);
  frame.fill(0);
  for (const number of upTo(200)) a.write(numberedFrame(number));
  const received = await take(b, 201);
  t.same(received.map(numberOf), [7, ...upTo(200)]);
  b.write(numberedFrame(1, 100));
  const [back] = await take(a, 1);
  t.equal(back.length, 100);
  t.match(a.stats, { sent: { frames: 201 }, received: { frames: 1, bytes: 100 } });
  t.match(b.stats, { received: { frames: 201 }, sent: { frames: 1 } });
  t.same(await a.diagnose(), []);
  t.equal(await a.isAlive(), true);
  t.same((await a.refreshStats()).received.drops, {});
  t.ok(a.features.supported.includes('vnetHeader'));
});

t.test('batches, and forward() between two pairs', async (t) => {
  const left = closedWith(t, await createFramePair());
  const right = closedWith(t, await createFramePair({ queueFrames: 10 }));
  const controller = new AbortController();
  const forwarding = forward(left.b, right.a, { signal: controller.signal });
  const sent = left.a.writeBatch(upTo(1000).map((number) => numberedFrame(number)));
  const numbers: number[] = [];
  for await (const batch of right.b.batches({ maxFrames: 7 })) {
    t.ok(batch.length <= 7);
    for (const frame of batch) numbers.push(numberOf(frame));
    if (numbers.length === 1000) break;
  }
  t.same(numbers, upTo(1000));
  t.equal(await sent, 1000);
  controller.abort();
  t.same(await forwarding, { frames: 1000, lost: 0 });
});

t.test('a full queue makes the writer wait, and nothing is lost', async (t) => {
  const pair = closedWith(t, await createFramePair({ queueFrames: 3, writableHighWaterMark: 2 }));
  const taken: number[] = [];
  const results = upTo(6).map((number) => pair.a.write(numberedFrame(number), () => taken.push(number)));
  t.same(results, [true, true, true, true, false, false]);
  await nextTurn();
  t.same(taken, [0, 1, 2]);
  const drained = once(pair.a, 'drain');
  t.same((await take(pair.b, 6)).map(numberOf), upTo(6));
  await drained;
  t.same(taken, upTo(6));
});

t.test('who waits for room goes on when the other end can take no frame any more', async (t) => {
  for (const way of ['down', 'detached', 'deleted', 'closed']) {
    const pair = await createFramePair({ kind: 'macvtap', macCheck: 'off', queueFrames: 2 });
    const { a, b } = closedWith(t, pair);
    const writing = a.writeBatch(upTo(5).map((number) => numberedFrame(number)));
    await nextTurn();
    if (way === 'down') pair.setLink(b, { up: false });
    else if (way === 'detached') await b.detachQueue();
    else if (way === 'deleted') {
      const failed = once(b, 'error');
      pair.remove(b);
      t.match(await failed, [{ code: 'ERR_TAPFD_DEVICE_GONE' }]);
    } else await b.close();
    t.equal(await writing, 5, way);
  }
});

t.test('the longest frames, read one at a time', async (t) => {
  const { a, b } = closedWith(t, await createFramePair({ mtu: 65_535, vnetHeader: true }));
  const longest = Buffer.alloc(10 + 14 + 65_535);
  a.writeBatch([longest, longest]);
  const lengths: number[] = [];
  for await (const batch of b.batches({ maxFrames: 1 })) {
    for (const { length } of batch) lengths.push(length);
    if (lengths.length === 2) break;
  }
  t.same(lengths, [longest.length, longest.length]);
});

t.test('forward() both ways, and an end that closes in the middle', async (t) => {
  const left = closedWith(t, await createFramePair({ queueFrames: 4 }));
  const right = closedWith(t, await createFramePair({ queueFrames: 4 }));
  const log = closedWith(t, captureFrames(right.a, { read: false }));
  const there = forward(left.b, right.a);
  const back = forward(right.a, left.b);
  const [sent, answered] = [
    left.a.writeBatch(upTo(100).map((number) => numberedFrame(number))),
    right.b.writeBatch(upTo(100).map((number) => numberedFrame(number))),
  ];
  t.same((await take(right.b, 100)).map(numberOf), upTo(100));
  t.same((await take(left.a, 100)).map(numberOf), upTo(100));
  t.same(await Promise.all([sent, answered]), [100, 100]);
  const passed = log.frames.filter(({ direction }) => direction === 'out');
  t.same(
    passed.map(({ frame }) => numberOf(frame)),
    upTo(100),
  );
  const more = left.a.writeBatch(upTo(100).map((number) => numberedFrame(number)));
  await take(right.b, 10);
  await right.a.close();
  const [one, other] = await Promise.allSettled([there, back]);
  t.match(one, { status: 'rejected', reason: { code: 'ERR_TAPFD_CLOSED' } });
  t.match(other, { status: 'rejected', reason: { code: 'ERR_TAPFD_CLOSED' } });
  t.equal(left.b.destroyed, false);
  left.b.resume();
  t.equal(await more, 100, 'what waited has gone on');
});

t.test('a batch larger than the memory of the reader comes in parts', async (t) => {
  const pair = closedWith(t, await createFramePair({ mtu: 60_000 }));
  await pair.a.writeBatch(upTo(40).map((number) => numberedFrame(number, 50_000)));
  const numbers: number[] = [];
  for await (const batch of pair.b.batches({ maxFrames: 10 })) {
    for (const frame of batch) numbers.push(numberOf(frame));
    if (numbers.length === 40) break;
  }
  t.same(numbers, upTo(40));
});

t.test('or, as a network card does, drops what has no room and counts it', async (t) => {
  for (const kind of ['tap', 'macvtap'] as const) {
    const options = { queueFrames: 2, whenFull: 'drop', macCheck: 'off' } as const;
    const pair =
      kind === 'tap' ? await createFramePair(options) : await createFramePair({ ...options, kind });
    const drops: FrameDrop[] = [];
    pair.b.on('drop', (drop) => drops.push(drop));
    for (const number of upTo(5)) pair.a.write(numberedFrame(number));
    const received = await take(pair.b, 2);
    t.same(received.map(numberOf), [0, 1]);
    t.same((await pair.b.refreshStats()).received.drops, { kernel: 3 });
    await nextTurn();
    t.same(drops, [{ direction: 'receive', reason: 'kernel', count: 3 }]);
    t.equal(pair.a.stats.sent.frames, 5);
    await pair.close();
  }
});

t.test('frames that no device takes are refused, as by a device with a descriptor', async (t) => {
  const pair = closedWith(t, await createFramePair());
  const { a } = pair;
  const tagged = (tags: number, payload: number) => {
    const frame = Buffer.alloc(14 + 4 * tags + payload);
    for (const tag of upTo(tags)) frame.writeUInt16BE(tag === 0 ? 0x88a8 : 0x8100, 12 + 4 * tag);
    return frame;
  };
  t.match(await written(a, Buffer.alloc(13)), { code: 'ERR_TAPFD_FRAME_TOO_SHORT', recoverable: true });
  t.match(await written(a, Buffer.alloc(1515)), { code: 'ERR_TAPFD_FRAME_TOO_LONG' });
  t.equal(await written(a, Buffer.alloc(1514)), null);
  t.equal(await written(a, tagged(2, 1500)), null);
  t.match(await written(a, tagged(2, 1501)), { code: 'ERR_TAPFD_FRAME_TOO_LONG' });
  t.match(await written(a, tagged(3, 1500)), { code: 'ERR_TAPFD_FRAME_TOO_LONG' });
  t.same(a.stats.sent.drops, { 'too-short': 1, 'too-long': 3 });
  const error = await a.writeBatch([Buffer.alloc(60), Buffer.alloc(3), Buffer.alloc(60)]).catch((e) => e);
  t.match(error, { code: 'ERR_TAPFD_FRAME_TOO_SHORT', framesTaken: 2 });
});

t.test('a TUN takes packets of IP that have the length of their header', async (t) => {
  const pair = closedWith(t, await createFramePair({ kind: 'tun' }));
  const { a, b } = pair;
  t.ok(a instanceof Tun);
  t.equal(a.mac, undefined);
  const invalid = { code: 'ERR_TAPFD_FRAME_INVALID' };
  t.match(await written(a, Buffer.alloc(0)), { code: 'ERR_TAPFD_FRAME_TOO_SHORT' });
  t.match(await written(a, Buffer.alloc(1501)), { code: 'ERR_TAPFD_FRAME_TOO_LONG' });
  t.match(await written(a, Buffer.alloc(60)), invalid);
  t.match(await written(a, IPV4.subarray(0, 19)), invalid);
  t.match(await written(a, Buffer.concat([IPV4, IPV4])), invalid);
  t.match(await written(a, IPV6.subarray(0, 39)), invalid);
  t.match(await written(a, Buffer.concat([IPV6, IPV4])), invalid);
  const jumbo = Buffer.concat([IPV6, IPV4]);
  jumbo[6] = 0;
  for (const packet of [IPV4, IPV6, jumbo]) t.equal(await written(a, packet), null);
  t.same(await take(b, 3), [IPV4, IPV6, jumbo]);
});

t.test('headers in front of the frames pass as they are', async (t) => {
  const pi = closedWith(t, await createFramePair({ kind: 'tun', packetInfo: true }));
  t.equal(pi.a.flags.packetInfo, true);
  const of = (protocol: number, packet: Buffer) => {
    const header = Buffer.alloc(4);
    header.writeUInt16BE(protocol, 2);
    return Buffer.concat([header, packet]);
  };
  t.match(await written(pi.a, Buffer.alloc(3)), { code: 'ERR_TAPFD_FRAME_TOO_SHORT' });
  t.match(await written(pi.a, of(0x86dd, IPV4)), { code: 'ERR_TAPFD_FRAME_INVALID' });
  t.match(await written(pi.a, of(0x0800, IPV6)), { code: 'ERR_TAPFD_FRAME_INVALID' });
  for (const frame of [of(0x0800, IPV4), of(0x86dd, IPV6), of(0x8847, Buffer.alloc(9))]) {
    t.equal(await written(pi.a, frame), null);
    t.same(await take(pi.b, 1), [frame]);
  }
  const vnet = closedWith(t, await createFramePair({ vnetHeader: true }));
  t.equal(vnet.a.vnetHeaderBytes, 10);
  t.match(await written(vnet.a, Buffer.alloc(23)), { code: 'ERR_TAPFD_FRAME_TOO_SHORT' });
  t.equal(await written(vnet.a, Buffer.alloc(24)), null);
  t.same(await take(vnet.b, 1), [Buffer.alloc(24)]);
});

t.test('a macvtap writes with its own source MAC', async (t) => {
  const pair = closedWith(t, await createFramePair({ kind: 'macvtap' }));
  const { a, b } = pair;
  t.ok(a instanceof Macvtap);
  const frame = numberedFrame(1);
  t.match(await written(a, frame), { code: 'ERR_TAPFD_MAC_MISMATCH' });
  frame.write('02000000000a', 6, 'hex');
  t.equal(await written(a, frame), null);
  await a.setMac('02:00:00:00:00:0c');
  t.match(await written(a, frame), { code: 'ERR_TAPFD_MAC_MISMATCH' });
  t.equal((await take(b, 1)).length, 1);
  pair.setLink(a, { up: false });
  await once(a, 'link');
  frame.write('02000000000c', 6, 'hex');
  t.equal(await written(a, frame), null, 'the kernel takes it');
  t.equal(a.stats.sent.drops['link-down'], 1);
  await t.rejects(a.openQueue(), { code: 'ENOTSUP' });
});

t.test('a writer that waits is told when there is room, and not before', async (t) => {
  const namespace = new MemoryNamespace();
  const settings = { kind: 'tap', flags: 0, queueFrames: 2, whenFull: 'wait' } as const;
  const [a, b] = [1, 2].map((index) => {
    const link = new MemoryLink(
      namespace,
      newLink({ index, name: `memory${index}`, kind: 'tun', mtu: 1500 }),
    );
    return new MemoryQueue(settings, link);
  });
  a.join(b);
  b.join(a);
  let told = 0;
  a.onWritable(() => {
    told += 1;
  });
  t.same(
    [1, 2, 3].map((number) => a.write(numberedFrame(number))),
    [0, 0, -constants.errno.EAGAIN],
  );
  a.awaitWritable();
  for (let turn = 0; turn < 10; turn++) await nextTurn();
  t.equal(told, 0, 'the queue is full');
  const read: number[] = [];
  b.onBurst((memory, spans, count) => {
    for (let i = 0; i < count; i++) read.push(numberOf(memory.subarray(spans[2 * i])));
    b.stopReading();
  }, 1);
  b.startReading();
  while (told === 0) await nextTurn();
  t.same(read, [1], 'one has gone');
  t.equal(a.write(numberedFrame(3)), 0);
  for (let turn = 0; turn < 10; turn++) await nextTurn();
  t.equal(told, 1, 'and who does not wait is told nothing');
  a.awaitWritable();
  await b.setAttached(false);
  while (told === 1) await nextTurn();
  t.equal(a.write(numberedFrame(4)), 0, 'nobody receives, and nothing is waited for');
  for (const queue of [a, b]) await queue.close();
});

t.test('the link changes as an administrator changes it', async (t) => {
  const pair = closedWith(t, await createFramePair());
  const { a, b } = pair;
  const changes: LinkChange[] = [];
  a.on('link', (change) => changes.push(change));
  const changed = once(a, 'link');
  pair.setLink(a, { name: 'renamed', mtu: 100, mac: '02:00:00:00:00:99' });
  await changed;
  t.match(changes, [{ changed: ['name', 'mac', 'mtu'], name: 'renamed', mtu: 100, up: true }]);
  t.match(await written(a, Buffer.alloc(115)), { code: 'ERR_TAPFD_FRAME_TOO_LONG' });
  const down = once(a, 'link');
  pair.setLink(a, { up: false, carrier: false });
  await down;
  a.write(numberedFrame(1));
  t.same(a.stats.sent.drops, { 'too-long': 1, 'link-down': 1 });
  t.match(await a.diagnose(), [{ code: 'link-down' }, { code: 'no-carrier' }]);
  b.write(numberedFrame(2));
  const up = once(a, 'link');
  pair.setLink(a, { up: true, carrier: true });
  await up;
  b.write(numberedFrame(3));
  t.same((await take(a, 1)).map(numberOf), [3], 'what came while it was down is lost');
});

t.test('a device that is deleted ends both ways, and one that is closed lets the other go on', async (t) => {
  const pair = closedWith(t, await createFramePair({ queueFrames: 1 }));
  const { a, b } = pair;
  b.write(numberedFrame(1));
  const waits = written(b, numberedFrame(2));
  const ended = once(a, 'error');
  const reading = a.iterator({ destroyOnReturn: false });
  pair.remove(a);
  t.match(await ended, [{ code: 'ERR_TAPFD_DEVICE_GONE' }]);
  await t.rejects(Promise.resolve(reading.next()), { code: 'ERR_TAPFD_DEVICE_GONE' });
  t.equal(await waits, null, 'the other end does not wait for ever');
  t.equal(await written(b, numberedFrame(3)), null);
  t.match(await written(a, numberedFrame(3)), { code: 'ERR_TAPFD_DEVICE_GONE' });
  const other = closedWith(t, await createFramePair());
  other.remove(other.a);
  other.a.on('error', () => undefined);
  t.match(await written(other.a, numberedFrame(1)), { code: 'ERR_TAPFD_DEVICE_GONE' });
});

t.test('what needs a descriptor is refused, and the rest of a device is there', async (t) => {
  const pair = closedWith(t, await createFramePair());
  const { a, b } = pair;
  t.throws(() => a.handOff(), { code: 'ERR_TAPFD_INVALID_STATE', message: /no descriptor/ });
  await t.rejects(a.openQueue(), { code: 'ERR_TAPFD_INVALID_STATE' });
  await t.rejects(a.setFilterProgram(null), { code: 'ENOTSUP' });
  await t.rejects(a.setSteeringProgram(null), { code: 'ENOTSUP' });
  await a.setPersist(true);
  await a.setOwner(0);
  await a.setGroup(0);
  await a.setSendBuffer(1);
  await a.setCarrier(false);
  t.match(await a.diagnose(), [{ code: 'no-carrier' }]);
  t.same(await (await closedWith(t, await createFramePair({ vnetHeader: true }))).a.setOffload(['csum']), []);
  await b.setTxFilter({ addresses: ['02:00:00:00:00:0b'], allMulticast: true });
  const to = (mac: string, number: number) => {
    const frame = numberedFrame(number);
    frame.write(mac.replaceAll(':', ''), 0, 'hex');
    return frame;
  };
  await a.writeBatch([to('02:00:00:00:00:0c', 1), to('02:00:00:00:00:0b', 2), to('01:00:5e:00:00:01', 3)]);
  t.same((await take(b, 2)).map(numberOf), [2, 3]);
  await b.setTxFilter(null);
  await a.writeBatch([to('02:00:00:00:00:0c', 4)]);
  t.same((await take(b, 1)).map(numberOf), [4]);
  const macvtaps = closedWith(t, await createFramePair({ kind: 'macvtap', macCheck: 'off' }));
  await macvtaps.b.detachQueue();
  await t.rejects(macvtaps.b.detachQueue(), { code: 'EINVAL', syscall: 'ioctl TUNSETQUEUE' });
  macvtaps.a.write(numberedFrame(1));
  await macvtaps.b.attachQueue();
  macvtaps.a.write(numberedFrame(2));
  t.same((await take(macvtaps.b, 1)).map(numberOf), [2]);
});

t.test('bad arguments', async (t) => {
  const invalid = { code: 'ERR_TAPFD_INVALID_ARGUMENT' };
  for (const options of [
    { kind: 'veth' },
    { unknown: 1 },
    { names: ['one'] },
    { names: ['same', 'same'] },
    { names: ['a', 'far too long a name'] },
    { macs: ['02:00:00:00:00:0a', '01:00:5e:00:00:01'] },
    { kind: 'tun', macs: ['02:00:00:00:00:0a', '02:00:00:00:00:0b'] },
    { kind: 'macvtap', packetInfo: true },
    { mtu: 67 },
    { queueFrames: 0 },
    { whenFull: 'lose' },
    { readableHighWaterMark: 0 },
  ]) {
    await t.rejects(Reflect.apply(createFramePair, undefined, [options]), invalid, JSON.stringify(options));
  }
  const names = revokedProxy();
  await t.rejects(Reflect.apply(createFramePair, undefined, [{ names }]), { ...invalid, argument: 'names' });
  const pair = closedWith(t, await createFramePair());
  const other = closedWith(t, await createFramePair());
  t.throws(() => pair.setLink(other.a, { up: false }), { ...invalid, argument: 'device' });
  t.throws(() => pair.remove(other.b), invalid);
  t.throws(() => Reflect.apply(pair.setLink, pair, [pair.a, { index: 1 }]), invalid);
  t.throws(() => pair.setLink(pair.a, { mtu: 1 }), invalid);
  t.throws(() => pair.setLink(pair.a, { mac: 'x' }), invalid);
});

t.test('ref() and unref(), before it reads and while it does', async (t) => {
  const { a, b } = closedWith(t, await createFramePair());
  a.unref().ref();
  b.resume();
  b.unref().ref();
  await nextTurn();
  b.unref().ref();
  b.pause();
  a.write(numberedFrame(1));
  t.same((await take(b, 1)).map(numberOf), [1]);
});

t.test('it keeps the process running as a device does, and needs no addon', async (t) => {
  const make = `
    import { createFramePair } from 'tapfd/testing';
    const pair = await createFramePair();
    setTimeout(() => process.exit(7), 300);`;
  const keeps = await runChild(`${make} pair.b.resume(); setImmediate(() => {});`);
  t.equal(keeps.code, 7, 'it was still running');
  const unref = `import { createFramePair } from 'tapfd/testing';
    const pair = await createFramePair();
    pair.b.unref(); pair.b.resume(); pair.a.unref(); pair.a.ref();`;
  const ends = await runChild(`${unref} process.on('exit', () => console.log('ended'));`);
  t.match(ends, { code: 0, output: 'ended\n' });
  const refed = await runChild(`${unref} pair.b.ref(); setTimeout(() => process.exit(8), 300).unref();`);
  t.equal(refed.code, 8);
  const elsewhere = await runChild(
    `Object.defineProperty(process, 'platform', { value: 'darwin' });
     const { createFramePair } = await import('tapfd/testing');
     const { openTap } = await import('tapfd');
     const pair = await createFramePair();
     pair.a.write(Buffer.alloc(60));
     for await (const frame of pair.b) { console.log(frame.length); break; }
     await pair.close();
     await openTap().catch((error) => console.log(error.code));`,
  );
  t.equal(elsewhere.printed, '60\nERR_TAPFD_UNSUPPORTED_PLATFORM\n');
});
