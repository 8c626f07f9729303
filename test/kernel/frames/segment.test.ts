/** `segment: true`: the kernel moves super-frames, JavaScript sees frames of MTU size. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { adoptFd, type FrameBatch, type FrameStream, forward, openMacvtap, openTap, openTun } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { tcpFrame } from '../../kit/frames.js';
import { frameToB, macvtapPair } from '../../kit/macvtap-pair.js';
import { ownNamespace, vethPair } from '../../kit/namespace.js';
import { bridged, READERS, superFrame } from '../../kit/super-frames.js';
import { tapPair } from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

t.test('macvtap: offloads are granted, and no vnet header shows', async (t) => {
  const ns = await ownNamespace(t);
  const peer = await ownNamespace(t);
  await vethPair(ns, 'lower', peer, 'wire');
  const macvtap = await openMacvtap({ netns: ns.name, lower: 'lower', segment: true });
  t.equal(macvtap.vnetHeaderBytes, 0);
  t.equal(macvtap.flags.vnetHeader, true);
  t.ok(macvtap.features.offload.includes('tso4'));
  await macvtap[Symbol.asyncDispose]();
});

for (const [way, read] of Object.entries(READERS)) {
  t.test(`${way}: a malformed super-frame is counted, and what follows it is read`, async (t) => {
    const { writer, reader } = await bridged(t);
    const dropped = once(reader, 'drop');
    const reading = read(reader, 3);
    const payload = randomBytes(2500);
    writer.write(superFrame(payload, 1000, 9999));
    t.strictSame(await dropped, [{ direction: 'receive', reason: 'malformed', count: 1 }]);
    writer.write(superFrame(payload, 1000));
    t.strictSame(Buffer.concat(await reading), payload);
    t.equal(reader.stats.received.frames, 3);
    t.equal(reader.stats.received.drops.malformed, 1);
  });

  t.test(`${way}: segments longer than the MTU, which a bridge lets pass, are read whole`, async (t) => {
    const { writer, reader } = await bridged(t);
    const payloads = [9000, 30_000].map((segmentBytes) => ({ segmentBytes, payload: randomBytes(64_000) }));
    const reading = read(reader, 8 + 3);
    for (const { payload, segmentBytes } of payloads) writer.write(superFrame(payload, segmentBytes));
    const got = await reading;
    t.strictSame(
      got.map(({ length }) => length),
      [...Array(7).fill(9000), 1000, 30_000, 30_000, 4000],
    );
    t.ok(Buffer.concat(got).equals(Buffer.concat(payloads.map(({ payload }) => payload))));
  });
}

t.test('the rest of a super-frame arrives although the device goes down in the middle', async (t) => {
  const { ns, writer, reader } = await bridged(t);
  const payload = randomBytes(50_000);
  const reading = READERS.duplex(reader, 500);
  // Synchronous on purpose: it is down before the next burst.
  reader.once('data', () => execFileSync('ip', ['-netns', ns.name, 'link', 'set', reader.name, 'down']));
  writer.write(superFrame(payload, 100));
  t.ok(Buffer.concat(await reading).equals(payload));
});

t.test('the rest of a super-frame arrives although writing is held up', async (t) => {
  const ns = await ownNamespace(t);
  await ns.wire('lower', 'other');
  const common = { netns: ns.name, lower: 'lower' };
  const [sibling, reader, writer] = [
    await openMacvtap({ ...common, guestMac: '02:00:00:00:00:0b' }),
    await openMacvtap({
      ...common,
      guestMac: '02:00:00:00:00:0a',
      segment: true,
      sendBufferBytes: 64 * 1024,
    }),
    await openMacvtap({ ...common, guestMac: '02:00:00:00:00:01', vnetHeader: true }),
  ];
  t.teardown(() => Promise.all([sibling, reader, writer].map((device) => device[Symbol.asyncDispose]())));
  // The sibling is not read.
  while (reader.writableLength === 0) reader.write(frameToB(0));
  const sent = superFrame(randomBytes(50_000), 100);
  sent.write('02000000000a020000000001', 10, 'hex');
  writer.write(sent);
  let got = 0;
  for await (const frame of reader) {
    if (frame.readUInt16BE(12) === 0x0800) got += 1;
    if (got === 500) break;
  }
  t.equal(got, 500);
});

t.test('super-frames of many segments do not hold up the event loop', async (t) => {
  const { writer, reader } = await bridged(t);
  const all = 4 * 500;
  let inTurn = 0;
  let most = 0;
  let got = 0;
  reader.on('data', () => {
    got += 1;
    inTurn += 1;
    most = Math.max(most, inTurn);
  });
  for (let i = 0; i < 4; i++) writer.write(superFrame(randomBytes(50_000), 100));
  while (got < all) {
    await nextTurn();
    inTurn = 0;
  }
  t.equal(most, 64, 'one burst a turn');
});

t.test('options that exclude each other, and adoption', async (t) => {
  const invalid = { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'segment' };
  await t.rejects(openTun({ segment: true, vnetHeader: false }), invalid);
  await t.rejects(openTun({ segment: true, packetInfo: true }), invalid);
  await t.rejects(openTun({ segment: 'yes' as unknown as boolean }), invalid);
  const ns = await ownNamespace(t);
  const plain = await openTun({ netns: ns.name });
  const fd = plain.handOff();
  await t.rejects(adoptFd(fd, { netns: ns.name, segment: true, vnetHeader: false }), invalid);
  await t.rejects(adoptFd(fd, { netns: ns.name, segment: true }), { code: 'ERR_TAPFD_DEVICE_DIFFERS' });
  const sized = await openTun({ netns: ns.name, vnetHeader: true });
  const sizedFd = sized.handOff();
  setVnetHeaderBytes(sizedFd, 12);
  await t.rejects(adoptFd(sizedFd, { netns: ns.name, segment: true }), {
    code: 'ERR_TAPFD_DEVICE_DIFFERS',
    message: /leave out segment/,
  });
  closeSync(sizedFd);
  const again = await adoptFd(fd, { netns: ns.name });
  await again[Symbol.asyncDispose]();
  const whole = await openTun({ netns: ns.name, vnetHeader: true });
  const adopted = await adoptFd(whole.handOff(), { netns: ns.name, segment: true });
  t.equal(adopted.vnetHeaderBytes, 0);
  t.same(adopted.features.offload, [], 'what it was granted is not known');
  t.same(await adopted.setOffload(['csum', 'tso4']), ['csum', 'tso4']);
  await adopted[Symbol.asyncDispose]();

  await ns.wire('lower', 'other');
  const bare = await openMacvtap({ netns: ns.name, lower: 'lower' });
  t.equal(bare.flags.vnetHeader, false);
  const dressed = await adoptFd(bare.handOff(), { netns: ns.name, segment: true });
  t.equal(dressed.flags.vnetHeader, true, 'a macvtap can be given the header');
  await dressed[Symbol.asyncDispose]();
  await bare[Symbol.asyncDispose]();
});

/** As QEMU does with a descriptor that it was given. */
function setVnetHeaderBytes(fd: number, bytes: number): void {
  const TUNSETVNETHDRSZ = 0x400454d8;
  const script = `open(my $tun, '+<&=3') or die $!; my $size = pack('i', ${bytes});
    ioctl($tun, ${TUNSETVNETHDRSZ}, $size) or die $!;`;
  execFileSync('perl', ['-e', script], { stdio: ['ignore', 'inherit', 'inherit', fd] });
}

t.test('a driver that takes few parts in a frame (IFF_NAPI_FRAGS) gets the pieces', async (t) => {
  const { a: seer, b: joiner } = await tapPair(
    t,
    { vnetHeader: true, offload: ['csum', 'tso4'] },
    { segment: true, napi: 'frags' },
  );
  const batches = joiner.batches({ maxFrames: 30 });
  const [to, from] = ['02:00:00:00:00:02', '02:00:00:00:00:01'];
  seer.write(tcpFrame({ to, from, payloadBytes: 3000, segmentBytes: 100 }));
  const { value: batch } = await batches.next();
  t.equal(batch?.length, 30);
  const seen = READERS.duplex(seer, 30);
  t.equal(await joiner.writeBatch(batch as FrameBatch), 30, 'none is lost');
  t.equal((await seen).length, 30);
  t.equal(joiner.features.joins, false);
  await batches.return?.();
});

t.test('a batch whose memory JavaScript has given away is refused', async (t) => {
  const { writer, reader } = await bridged(t);
  for (const device of [writer, reader]) {
    const batches = reader.batches();
    writer.write(superFrame(randomBytes(200), 100));
    const { value } = await batches.next();
    const batch = (value as FrameBatch).copy();
    structuredClone(batch.spans.buffer, { transfer: [batch.spans.buffer as ArrayBuffer] });
    await t.rejects(device.writeBatch(batch), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'frames' });
    await batches.return?.();
    const forwarding = forward(reader, device, {
      transform: (received) => {
        const given = received.copy();
        structuredClone(given.spans.buffer, { transfer: [given.spans.buffer as ArrayBuffer] });
        return given;
      },
    });
    writer.write(superFrame(randomBytes(200), 100));
    await t.rejects(forwarding, { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'frames' });
  }
});

t.test('what was read as long frames comes out after the MTU has shrunk', async (t) => {
  const ns = await ownNamespace(t);
  const tun = await openTun({
    netns: ns.name,
    segment: true,
    mtu: 9000,
    addresses: ['10.6.0.1/24'],
  });
  t.teardown(() => tun[Symbol.asyncDispose]());
  // Three of them do not fit in one slab, and its rest would hold a frame of the later MTU.
  const ping = ['ping', '-n', '-c', '5', '-i', '0.01', '-W', '1', '-s', '5900', '10.6.0.2'];
  await ns.exec(ping[0], ...ping.slice(1)).catch(() => undefined); // there is no answer
  const alive = setInterval(() => undefined, 60_000);
  t.teardown(() => clearInterval(alive));
  const changed = once(tun, 'link');
  await ns.ip('link', 'set', tun.name, 'mtu', '1500');
  await changed;
  let long = 0;
  for await (const frame of tun) {
    if (frame.length === 5928) long += 1;
    if (long === 5) break;
  }
  t.equal(long, 5);
});

t.test('a batch that waits cannot be changed, and is written before later ones', async (t) => {
  const { a, b, netns } = await macvtapPair(t, { segment: true });
  const other = await openTap({ netns });
  t.teardown(() => other[Symbol.asyncDispose]());
  const batchOf = async (first: number, count: number) => {
    const batch = await someBatch(other);
    batch.filter(() => false);
    for (let i = 0; i < count; i++) batch.append(frameToB(first + i));
    return batch.copy();
  };
  const waits = await batchOf(0, 200);
  const written = a.writeBatch(waits);
  const second = a.writeBatch(await batchOf(1000, 3));
  t.throws(() => waits.filter(() => false), { code: 'ERR_TAPFD_INVALID_STATE' });
  const numbers: number[] = [];
  for await (const frame of b) {
    if (frame.readUInt16BE(12) !== 0x88b5) continue;
    numbers.push(frame.readUInt32BE(14));
    if (numbers.at(-1) === 1002) break;
  }
  t.same(numbers, [...Array.from({ length: 200 }, (_, i) => i), 1000, 1001, 1002]);
  t.equal(await second, 3);
  t.equal(await written, 200);
});

/** Any batch of a device's own frames: the neighbour discovery that Linux begins with. */
async function someBatch(device: FrameStream): Promise<FrameBatch> {
  const batches = device.batches();
  const { value } = await batches.next();
  await batches.return?.();
  if (!value) throw new Error('no batch');
  return value;
}
