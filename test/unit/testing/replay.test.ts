/** Traffic of tests in files: recorded, saved, replayed. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type CapturedFrame, PcapngReader, PcapngWriter } from 'tapfd/capture';
import { encodeFrame } from 'tapfd/packets';
import { captureFrames, createFramePair, frameDifference, replay } from 'tapfd/testing';
import { closedWith } from '../../kit/closed-with.js';
import { numberedFrame, numberOf, upTo } from '../../kit/tap-pair.js';

interface Entry {
  bytes: Buffer;
  atMs?: number;
  direction?: 'in' | 'out';
  originalLength?: number;
}

async function fileOf(t: Test, entries: Entry[], linkType: 'ethernet' | 'raw' = 'ethernet'): Promise<string> {
  const path = join(t.testdir(), 'frames.pcapng');
  const writer = await PcapngWriter.toFile(path);
  const id = writer.addInterface({ linkType });
  for (const { bytes, atMs = 0, direction, originalLength } of entries) {
    const timestamp = BigInt(1_700_000_000_000 + atMs) * 1_000_000n;
    writer.writeFrame({ interface: id, bytes, timestamp, direction, originalLength });
  }
  await writer.close();
  return path;
}

async function read(path: string): Promise<CapturedFrame[]> {
  const frames: CapturedFrame[] = [];
  for await (const frame of new PcapngReader(path)) frames.push(frame);
  return frames;
}

t.test('a capture is saved, and replayed as it was', async (t) => {
  const { a, b } = closedWith(t, await createFramePair());
  const log = closedWith(t, captureFrames(b));
  await a.writeBatch(upTo(5).map((number) => numberedFrame(number)));
  b.write(numberedFrame(99));
  await log.expect((_packet, frame) => numberOf(frame) === 4);
  const path = join(t.testdir(), 'saved.pcapng');
  await log.save(path);
  const saved = await read(path);
  t.same(
    saved.map(({ bytes }) => numberOf(bytes)).toSorted((one, other) => one - other),
    [...upTo(5), 99],
  );
  t.equal(saved.filter(({ direction }) => direction === 'out').length, 1);
  t.match(saved[0], { interface: { name: 'tap1', linkType: 'ethernet' } });
  t.same(await replay(a, path, { direction: 'in' }), { frames: 5, refused: 0 });
  t.same(await replay(a, path, { filter: ({ bytes }) => numberOf(bytes) > 2 }), { frames: 3, refused: 0 });
});

t.test('headers of the device are not saved', async (t) => {
  const { a, b } = closedWith(t, await createFramePair({ vnetHeader: true }));
  const log = closedWith(t, captureFrames(b));
  a.write(Buffer.concat([Buffer.alloc(10), numberedFrame(3)]));
  await log.expect(() => true);
  const path = join(t.testdir(), 'saved.pcapng');
  await log.save(path);
  t.same(
    (await read(path)).map(({ bytes }) => bytes),
    [numberedFrame(3)],
  );
  await t.rejects(replay(a, path), { code: 'ERR_TAPFD_DEVICE_DIFFERS' });
  const tun = closedWith(t, await createFramePair({ kind: 'tun' }));
  await t.rejects(replay(tun.a, path), { code: 'ERR_TAPFD_DEVICE_DIFFERS', message: /link type ethernet/ });
  const packet = Buffer.from('4500001400000000400100000a0000010a000002', 'hex');
  const pi = closedWith(t, await createFramePair({ kind: 'tun', packetInfo: true }));
  const withInfo = captureFrames(pi.b);
  pi.a.write(Buffer.concat([Buffer.from('00000800', 'hex'), packet]));
  await withInfo.expect({ ipv4: {} });
  await withInfo.save(path);
  t.same(
    (await read(path)).map(({ bytes }) => bytes),
    [packet],
  );
  const packets = captureFrames(tun.b);
  t.same(await replay(tun.a, await fileOf(t, [{ bytes: packet }], 'raw')), { frames: 1, refused: 0 });
  await packets.expect({ ipv4: { destination: '10.0.0.2' } });
});

t.test('with the pauses of the file, or without', async (t) => {
  const { a } = closedWith(t, await createFramePair());
  const path = await fileOf(t, [
    { bytes: numberedFrame(1), atMs: 0 },
    { bytes: numberedFrame(2), atMs: 150 },
  ]);
  const start = performance.now();
  t.same(await replay(a, path, { timing: 'original' }), { frames: 2, refused: 0 });
  t.ok(performance.now() - start >= 149);
  const long = await fileOf(t, [
    { bytes: numberedFrame(1), atMs: 0 },
    { bytes: numberedFrame(2), atMs: 3_600_000 },
  ]);
  t.same(await replay(a, long), { frames: 2, refused: 0 });
  const controller = new AbortController();
  const waiting = replay(a, long, { timing: 'original', signal: controller.signal });
  controller.abort(new Error('enough'));
  await t.rejects(waiting);
  await t.rejects(replay(a, long, { signal: controller.signal }), { message: 'enough' });
});

t.test('what the device refuses is counted, and its end ends the replay', async (t) => {
  const pair = closedWith(t, await createFramePair({ mtu: 100 }));
  const path = await fileOf(t, [
    { bytes: numberedFrame(1, 500) },
    { bytes: numberedFrame(2) },
    { bytes: numberedFrame(3), originalLength: 500 },
  ]);
  t.same(await replay(pair.a, path), { frames: 1, refused: 2 });
  await pair.a.close();
  await t.rejects(replay(pair.a, path), { code: 'ERR_TAPFD_CLOSED' });
  await t.rejects(replay(pair.b, join(t.testdir(), 'missing')), { code: 'ENOENT' });
  const invalid = { code: 'ERR_TAPFD_INVALID_ARGUMENT' };
  for (const options of [{ timing: 'slow' }, { direction: 'up' }, { filter: 1 }, { speed: 2 }]) {
    await t.rejects(
      Reflect.apply(replay, undefined, [pair.b, path, options]),
      invalid,
      JSON.stringify(options),
    );
  }
  await t.rejects(Reflect.apply(replay, undefined, [{}, path]), invalid);
});

t.test('a hostile file', async (t) => {
  const { a, b } = closedWith(t, await createFramePair());
  const log = closedWith(t, captureFrames(b));
  const good = await readFile(await fileOf(t, [{ bytes: numberedFrame(1) }, { bytes: numberedFrame(2) }]));
  const path = join(t.testdir(), 'hostile');
  for (let at = 0; at < good.length; at++) {
    const bytes = Buffer.from(good);
    bytes[at] ^= 0xff;
    await writeFile(path, bytes);
    const outcome = await replay(a, path).catch((error: unknown) => error);
    if (outcome instanceof Error) t.match(outcome, { code: /^ERR_TAPFD_(CAPTURE_FORMAT|DEVICE_DIFFERS)$/ });
    else t.match(outcome, { frames: Number, refused: Number });
  }
  for (const length of [0, 1, 27, good.readUInt32LE(4), good.length - 1]) {
    await writeFile(path, good.subarray(0, length));
    const cut = replay(a, path);
    if (length === good.readUInt32LE(4)) t.same(await cut, { frames: 0, refused: 0 });
    else await t.rejects(cut, { code: 'ERR_TAPFD_CAPTURE_FORMAT' }, `${length}`);
  }
  t.equal(a.destroyed, false);
  const failing = replay(a, await fileOf(t, [{ bytes: numberedFrame(1) }]), {
    filter: () => {
      throw new Error('in the filter');
    },
  });
  await t.rejects(failing, { message: 'in the filter' });
  t.ok(log.frames.every(({ frame }) => frame.length <= 1514));
});

t.test('frameDifference', async (t) => {
  const arp = (targetAddress: string) =>
    encodeFrame({
      ethernet: { source: '02:00:00:00:00:01', destination: 'ff:ff:ff:ff:ff:ff' },
      arp: { operation: 'request', senderMac: '02:00:00:00:00:01', senderAddress: '10.0.0.1', targetAddress },
    });
  t.equal(frameDifference(arp('10.0.0.2'), arp('10.0.0.2')), '');
  const text = frameDifference(arp('10.0.0.2'), arp('10.0.0.3'));
  t.match(text, /^> arp\.targetAddress +10\.0\.0\.3 +10\.0\.0\.2/m);
  t.equal(text.split('\n').filter((line) => line.startsWith('>')).length, 1);
  t.match(text, /02\*/);
  t.match(frameDifference(arp('10.0.0.2'), Buffer.alloc(3)), /^> arp\.operation +- +request/m);
  const packet = Buffer.from('4500001400000000400100000a0000010a000002', 'hex');
  const other = Buffer.from(packet);
  other[8] = 9;
  t.match(frameDifference(packet, other, { linkType: 'raw' }), /^> ipv4\.ttl +9 +64/m);
  const options = Buffer.alloc(60, 1);
  packet.copy(options);
  t.type(frameDifference(options, packet, { linkType: 'raw' }), 'string');
  const invalid = { code: 'ERR_TAPFD_INVALID_ARGUMENT' };
  t.throws(() => Reflect.apply(frameDifference, undefined, ['x', packet]), invalid);
  t.throws(() => Reflect.apply(frameDifference, undefined, [packet, packet, { linkType: 'x' }]), invalid);
});
