/** `segment: true`: a device counts and refuses as a plain one does, also in the middle of a batch. */
import { on } from 'node:events';
import { closeSync } from 'node:fs';
import t, { type Test } from 'tap';
import { type Macvtap, openMacvtap, type TapOptions } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { tcpFrame } from '../../kit/frames.js';
import { linkEvent } from '../../kit/link-changes.js';
import { quietNamespace, type TestNamespace } from '../../kit/namespace.js';
import { superFrame } from '../../kit/super-frames.js';
import { tapPair } from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap', 'bridge');
t.setTimeout(120_000);

const UPPER = '02:00:00:00:00:0b';
const OTHER = '02:00:00:00:00:0c';
const VNET_BYTES = 10;
const BATCH = 200;
const FRAME_BYTES = 1454;

/** TCP segments of one flow, which are joined. Each is a whole frame of {@link FRAME_BYTES}. */
function flow(count: number, to: string): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const frame = tcpFrame({ to, from: OTHER, payloadBytes: 1400, segmentBytes: 0 }).subarray(VNET_BYTES);
    const { buffer, byteOffset, length } = frame;
    const own = Buffer.from(buffer.slice(byteOffset, byteOffset + length));
    own.writeUInt32BE(1 + i * 1400, 38);
    own.writeUInt16BE(i, 18);
    completeChecksums(own);
    return own;
  });
}

function completeChecksums(frame: Buffer): void {
  frame.writeUInt16BE(0, 24);
  frame.writeUInt16BE(~sum(frame.subarray(14, 34)) & 0xffff, 24);
  frame.writeUInt16BE(0, 50);
  const pseudo = Buffer.concat([frame.subarray(26, 34), Buffer.from([0, 6, 0, 0]), frame.subarray(34)]);
  pseudo.writeUInt16BE(frame.length - 34, 10);
  frame.writeUInt16BE(~sum(pseudo) & 0xffff, 50);
}

function sum(bytes: Buffer): number {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += bytes.readUInt16BE(at);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

/** The frame, behind a vnet header that is adjusted if there is one, with so many 802.1Q tags. */
function tagged(frame: Buffer, tags: number, vnetBytes = VNET_BYTES): Buffer {
  const vnet = Buffer.from(frame.subarray(0, vnetBytes));
  if (vnetBytes > 0) for (const at of [2, 6]) vnet.writeUInt16LE(vnet.readUInt16LE(at) + 4 * tags, at);
  const macs = frame.subarray(vnetBytes, vnetBytes + 12);
  const tag = Buffer.from('81000005', 'hex');
  return Buffer.concat([vnet, macs, ...Array(tags).fill(tag), frame.subarray(vnetBytes + 12)]);
}

const BOTH: [string, { segment?: boolean }][] = [
  ['plain', {}],
  ['segment', { segment: true }],
];

/** Two macvtaps on one wire: `sibling` is not read, so frames to it wait once some have been taken. */
async function heldUp(t: Test, options: { segment?: boolean }) {
  const ns = await quietNamespace(t);
  await ns.wire('lower', 'far');
  const common = { netns: ns.name, lower: 'lower' };
  const sibling = closedWith(t, await openMacvtap({ ...common, guestMac: UPPER }));
  const device = closedWith(
    t,
    await openMacvtap({ ...common, guestMac: OTHER, sendBufferBytes: 64 * 1024, ...options }),
  );
  return { ns, device, sibling };
}

for (const [how, options] of BOTH) {
  t.test(`${how}: frames taken before handOff() while a batch waits are counted`, async (t) => {
    const { device, sibling } = await heldUp(t, options);
    const writing = device.writeBatch(flow(BATCH, UPPER));
    const { frames, bytes } = device.stats.sent;
    t.ok(frames > 0 && frames < BATCH, `${frames} of ${BATCH}`);
    t.equal(bytes, frames * FRAME_BYTES);
    const rejected = t.rejects(writing, { code: 'ERR_TAPFD_HANDED_OFF' });
    const fd = device.handOff();
    await rejected;
    t.equal(device.stats.sent.frames, frames);
    let got = 0;
    for await (const [frame] of on(sibling, 'data') as AsyncIterable<[Buffer]>) {
      if (frame.length === FRAME_BYTES) got += 1;
      if (got === frames) break;
    }
    closeSync(fd);
    await new Promise(setImmediate);
    t.equal(sibling.readableLength, 0, 'no more than were counted');
  });

  t.test(`${how}: frames taken before destroy() while a batch waits are counted`, async (t) => {
    const { device } = await heldUp(t, options);
    const writing = device.writeBatch(flow(BATCH, UPPER));
    const { frames } = device.stats.sent;
    const rejected = t.rejects(writing, { code: 'ERR_TAPFD_CLOSED' });
    device.destroy();
    await rejected;
    t.ok(frames > 0 && device.stats.sent.frames === frames, `${frames} of ${BATCH}`);
  });

  t.test(`${how}: what is not sent when the MTU or the MAC changes goes by the new one`, async (t) => {
    const changes: [string, string, (ns: TestNamespace, device: Macvtap) => Promise<unknown>][] = [
      [
        'FRAME_TOO_LONG',
        'too-long',
        (ns, device) =>
          Promise.all([linkEvent(device, 'mtu'), ns.ip('link', 'set', device.name, 'mtu', '1000')]),
      ],
      ['MAC_MISMATCH', 'source-mac', (_ns, device) => device.setMac('02:00:00:00:00:0d')],
    ];
    for (const [code, reason, change] of changes) {
      const { ns, device, sibling } = await heldUp(t, options);
      const writing = device.writeBatch(flow(BATCH, UPPER));
      const { frames } = device.stats.sent;
      await change(ns, device);
      const rejected = t.rejects(writing, {
        code: `ERR_TAPFD_${code}`,
        framesTaken: frames,
        message: new RegExp(`${FRAME_BYTES} bytes`),
      });
      sibling.resume();
      await rejected;
      t.same(device.stats.sent.drops, { [reason]: BATCH - frames });
    }
  });
}

t.test('super-frames with many VLAN tags are split', async (t) => {
  const takesSuperFrames = { vnetHeader: true, offload: ['csum', 'tso4', 'tso6'] } satisfies TapOptions;
  for (const options of [{}, { segment: true }] satisfies TapOptions[]) {
    const { a: writer, b: reader } = await tapPair(t, takesSuperFrames, options);
    for (const tags of [1, 2, 3, 7]) {
      const frame = tagged(superFrame(Buffer.alloc(4000, tags), 1000), tags);
      const got: Buffer[] = [];
      writer.write(frame);
      for await (const [part] of on(reader, 'data') as AsyncIterable<[Buffer]>) {
        if (got.push(part) === 4) break;
      }
      t.same(
        got.map(({ length }) => length),
        Array(4).fill(54 + 4 * tags + 1000),
        `${tags} tags`,
      );
    }
    t.same(reader.stats.received.drops, {});
  }
});

t.test('joined frames with several VLAN tags arrive as they were written', async (t) => {
  const { a: joiner, b: reader } = await tapPair(t, { segment: true }, {});
  // The kernel follows seven: frames with more are written one by one.
  for (const tags of [0, 2, 3, 7, 8, 9]) {
    const frames = flow(8, UPPER).map((frame) => tagged(frame, tags, 0));
    t.equal(await joiner.writeBatch(frames), 8, `${tags} tags`);
    const got: Buffer[] = [];
    for await (const [part] of on(reader, 'data') as AsyncIterable<[Buffer]>) {
      if (got.push(part) === 8) break;
    }
    t.same(got, frames, `${tags} tags`);
  }
  t.equal(joiner.features.joins, true);
  t.equal(await joiner.writeBatch([]), 0);
});
