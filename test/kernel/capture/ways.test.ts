/** Every way of reading and writing is seen by a capture, once and in order, on each kind of device. */
import { once } from 'node:events';
import t from 'tap';
import { type FrameStream, forward, openMacvtap, openTap, openTun, type Tap } from 'tapfd';
import { type Capture, type CaptureOptions, capture } from 'tapfd/capture';
import { fileNeeds } from '../../kit/capabilities.js';
import { Collected, readBack } from '../../kit/captures.js';
import { closedWith } from '../../kit/closed-with.js';
import { testFrame, textOf } from '../../kit/frames.js';
import { quietNamespace } from '../../kit/namespace.js';
import {
  isNumbered,
  numberedFrame,
  numberOf,
  TEST_ETHERTYPE,
  tapPair,
  upTo,
  written,
} from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device', 'netns', 'bridge', 'ip');

/** Starts a capture in memory. `numbers()` ends it: those of the test frames, by direction. */
async function captured(device: FrameStream | FrameStream[], options: CaptureOptions = {}) {
  const file = new Collected();
  const running = await capture(device, file, options);
  return { running, file, end: () => endOf(running, file) };
}

async function endOf(running: Capture, file: Collected) {
  const stats = await running.close();
  const { frames, section } = await readBack(file.bytes);
  const of = (wanted: string) =>
    frames
      .filter(({ direction, bytes }) => direction === wanted && isNumbered(bytes))
      .map(({ bytes }) => numberOf(bytes));
  return { stats, frames, section, in: of('in'), out: of('out') };
}

/** Reads until `count` test frames have come. */
const READERS: Record<string, (device: Tap, count: number, ready: () => void) => Promise<void>> = {
  async data(device, count, ready) {
    let left = count;
    const take = (frame: Buffer) => {
      if (isNumbered(frame)) left -= 1;
      if (left === 0) device.emit('enough');
    };
    device.on('data', take);
    ready();
    await once(device, 'enough');
    device.off('data', take).pause();
  },
  async 'for await'(device, count, ready) {
    let left = count;
    const frames = device.iterator({ destroyOnReturn: false });
    ready();
    for await (const frame of { [Symbol.asyncIterator]: () => frames }) {
      if (isNumbered(frame)) left -= 1;
      if (left === 0) break;
    }
  },
  async batches(device, count, ready) {
    let left = count;
    const batches = device.batches();
    ready();
    for await (const batch of batches) {
      for (const frame of batch) {
        if (isNumbered(frame)) left -= 1;
        // What readers do with their frames is no part of the capture.
        frame.fill(0);
      }
      if (left === 0) break;
    }
  },
  async readable(device, count, ready) {
    let left = count;
    const take = () => {
      for (let frame = device.read(); frame !== null; frame = device.read()) if (isNumbered(frame)) left -= 1;
      if (left === 0) device.emit('enough');
    };
    device.on('readable', take);
    ready();
    await once(device, 'enough');
    device.off('readable', take);
  },
};

for (const [name, read] of Object.entries(READERS)) {
  t.test(`reading by ${name}`, async (t) => {
    const { a, b } = await tapPair(t);
    const { end } = await captured(b);
    const sent = upTo(100).map((number) => numberedFrame(number, 60 + number * 10));
    await read(b, sent.length, () => a.writeBatch(sent));
    const { frames, in: seen, out } = await end();
    t.same(seen, upTo(100));
    t.same(out, []);
    t.same(
      frames.filter(({ bytes }) => isNumbered(bytes)).map(({ bytes }) => bytes),
      sent,
    );
  });
}

t.test(
  'writing by write(), writeBatch() of Buffers and of a FrameBatch; refused frames are not shown',
  async (t) => {
    const { a, b } = await tapPair(t);
    const { end } = await captured(a);
    const batches = b.batches();
    await written(a, numberedFrame(0));
    t.match(await written(a, Buffer.alloc(10)), { code: 'ERR_TAPFD_FRAME_TOO_SHORT' });
    await t.rejects(
      a.writeBatch([numberedFrame(1), Buffer.alloc(13), numberedFrame(2), Buffer.alloc(4000)]),
      {
        code: 'ERR_TAPFD_FRAME_TOO_SHORT',
        framesTaken: 2,
      },
    );
    // Back to where it came from: a batch as it was read.
    const { value: batch } = await batches.next();
    t.ok(batch !== undefined && (await a.writeBatch(batch)) > 0);
    await batches.return?.();
    const { out, section, stats } = await end();
    t.same(out.slice(0, 3), [0, 1, 2]);
    t.equal(out.length, 3 + (batch?.length ?? 0));
    t.equal(stats.written, out.length);
    t.same(section.interfaces[0]?.statistics?.comments, ['written but not sent: too-short 2, too-long 1']);
  },
);

t.test('a device that is down: what it drops is not shown as sent', async (t) => {
  const { ns, a } = await tapPair(t);
  const { end } = await captured(a);
  await ns.ip('link', 'set', a.name, 'down');
  t.equal(await a.writeBatch([numberedFrame(0), numberedFrame(1)]), 0);
  await written(a, numberedFrame(2));
  await ns.ip('link', 'set', a.name, 'up');
  await written(a, numberedFrame(3));
  const { out, section } = await end();
  t.same(out, [3]);
  t.match(section.interfaces[0]?.statistics?.comments, [/link-down 3/]);
});

for (const transform of [false, true]) {
  t.test(`forward() ${transform ? 'with' : 'without'} a transform, captured at both ends`, async (t) => {
    const { ns, a, b } = await tapPair(t);
    const far = closedWith(t, await openTap({ netns: ns.name }));
    const { end } = await captured([b, far]);
    const aborting = new AbortController();
    let left = 50;
    const forwarding = forward(b, far, {
      signal: aborting.signal,
      transform: (batch) => {
        for (const frame of batch) if (isNumbered(frame)) left -= 1;
        // Even numbers only, and one changed.
        if (transform) batch.filter((frame) => isNumbered(frame) && numberOf(frame) % 2 === 0);
        if (transform) for (const frame of batch) frame.writeUInt32BE(numberOf(frame) + 1000, 14);
        if (left === 0) setImmediate(() => aborting.abort());
      },
    });
    await a.writeBatch(upTo(50).map((number) => numberedFrame(number)));
    const { frames: forwarded } = await forwarding;
    const { in: seen, out, frames, stats } = await end();
    t.same(seen, upTo(50));
    t.same(out, transform ? upTo(25).map((number) => 1000 + 2 * number) : upTo(50));
    t.equal(stats.written, frames.length);
    t.ok(forwarded >= out.length);
    t.ok(
      frames.every(({ direction, interface: { name } }) => name === (direction === 'in' ? b.name : far.name)),
    );
  });
}

t.test('frames that had to wait for the kernel are seen when it took them', async (t) => {
  const ns = await quietNamespace(t);
  const upper = '02:00:00:00:00:0b';
  const tap = closedWith(t, await openTap({ netns: ns.name, sendBufferBytes: 64 * 1024 }));
  const macvtap = closedWith(t, await openMacvtap({ netns: ns.name, lower: tap.name, guestMac: upper }));
  const { end } = await captured([tap, macvtap]);
  const frame = (number: number) => {
    const made = numberedFrame(number, 1400);
    made.write(upper.replaceAll(':', ''), 0, 'hex');
    return made;
  };
  const writing = [
    tap.writeBatch(upTo(150).map(frame)),
    written(tap, frame(150)),
    tap.writeBatch([frame(151)]),
  ];
  const batches = macvtap.batches();
  let got = 0;
  while (got < 152) {
    const { value } = await batches.next();
    got += [...(value ?? [])].filter(isNumbered).length;
  }
  await Promise.all(writing);
  const { in: seen, out, section } = await end();
  t.same(out, upTo(152));
  t.same(seen, upTo(152));
  t.match(section.interfaces, [
    { name: tap.name, linkType: 'ethernet', mac: tap.mac },
    { name: macvtap.name, linkType: 'ethernet', mac: upper },
  ]);
});

t.test('TUN is raw IP, with packet information or without', async (t) => {
  const ns = await quietNamespace(t);
  for (const packetInfo of [false, true]) {
    const tun = closedWith(t, await openTun({ netns: ns.name, packetInfo, addresses: ['10.9.0.1/24'] }));
    const { end } = await captured(tun);
    const arrived = once(tun, 'data');
    const pinging = ns.ping('10.9.0.2').catch(() => 0);
    const [packet]: [Buffer] = (await arrived) as [Buffer];
    const answer = Buffer.from(packet);
    const at = packetInfo ? 4 : 0;
    answer[at + 20] = 0;
    packet.copy(answer, at + 12, at + 16, at + 20);
    packet.copy(answer, at + 16, at + 12, at + 16);
    // The checksum of an answer: type 0 in place of 8.
    answer.writeUInt16BE((packet.readUInt16BE(at + 22) + 0x0800) % 0xffff, at + 22);
    await written(tun, answer);
    t.equal(await pinging, 1, 'the kernel takes it for an answer');
    const { frames, section } = await end();
    t.equal(section.interfaces[0]?.linkType, 'raw');
    const [asked, answered] = frames;
    t.match(asked, { direction: 'in', comments: [], bytes: packet.subarray(at) });
    t.match(answered, { direction: 'out', comments: [], bytes: answer.subarray(at) });
    await tun.close();
  }
});

t.test('further queues are interfaces of one capture', async (t) => {
  const ns = await quietNamespace(t);
  const tap = closedWith(t, await openTap({ netns: ns.name, multiQueue: true }));
  const queue = closedWith(t, await tap.openQueue());
  const { end } = await captured([tap, queue]);
  await written(tap, numberedFrame(1));
  await written(queue, numberedFrame(2));
  const { frames } = await end();
  t.same(
    frames.map((frame) => [frame.interface.id, frame.interface.name, numberOf(frame.bytes)]),
    [
      [0, tap.name, 1],
      [1, tap.name, 2],
    ],
  );
});

t.test('snapLength and filter', async (t) => {
  const { a, b } = await tapPair(t);
  const asked: [number, string][] = [];
  const { end } = await captured([a, b], {
    snapLength: 20,
    filter: (frame, direction) => {
      if (frame.readUInt16BE(12) !== TEST_ETHERTYPE) return false;
      asked.push([frame.length, direction]);
      return direction === 'in' || numberOf(frame) === 1;
    },
  });
  b.resume();
  await a.writeBatch([numberedFrame(0), numberedFrame(1, 100)]);
  await READERS.data?.(b, 1, () => a.write(numberedFrame(2)));
  const { frames, section, stats } = await end();
  t.same(
    frames.map(({ bytes, originalLength, direction }) => [bytes.length, originalLength, direction]).sort(),
    [
      [20, 100, 'in'],
      [20, 100, 'out'],
      [20, 60, 'in'],
      [20, 60, 'in'],
    ].sort(),
  );
  t.ok(
    asked.some(([length]) => length === 100),
    'the filter sees whole frames',
  );
  t.equal(section.interfaces[0]?.snapLength, 20);
  t.equal(stats.filtered, stats.seen - stats.written);
  t.match(section.interfaces[0]?.comments, [/function/]);
});

t.test('a macvtap that is down takes frames and loses them: they are not shown', async (t) => {
  const ns = await quietNamespace(t);
  await ns.wire('wire', 'far');
  const macvtap = closedWith(t, await openMacvtap({ netns: ns.name, lower: 'wire' }));
  const { end } = await captured(macvtap);
  const mac = macvtap.mac ?? '';
  const frame = testFrame({ to: 'ff:ff:ff:ff:ff:ff', from: mac, text: 'seen' });
  await written(macvtap, frame);
  const down = once(macvtap, 'link');
  await ns.ip('link', 'set', macvtap.name, 'down');
  await down;
  await macvtap.writeBatch([frame, frame]);
  await written(macvtap, frame);
  const { frames } = await end();
  t.same(
    frames.map(({ bytes }) => textOf(bytes)),
    ['seen'],
  );
});
