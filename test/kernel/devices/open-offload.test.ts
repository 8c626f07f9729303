/** The option `offload` and `setOffload()`: what the kernel leaves to the reader, seen in frames. */
import { release } from 'node:os';
import t from 'tap';
import { type FrameStream, type Offload, openMacvtap, openTap } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import {
  framesUntil,
  hasTcpChecksum,
  isTcpFrame,
  send,
  TCP_FRAME_HEADER_BYTES,
  tcpFrame,
} from '../../kit/frames.js';
import { bridgeAndWire } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

t.test('offload', { skip: needs('root', 'tun-device', 'macvtap', 'bridge', 'veth', 'ip') }, async (t) => {
  const network = await bridgeAndWire(t);
  const netns = network.name;

  const FROM = '02:00:00:00:00:01';
  const TO = '02:00:00:00:00:02';
  const VNET = 10;
  const SEGMENT = VNET + TCP_FRAME_HEADER_BYTES + 1000;
  const SUPER_FRAME = VNET + TCP_FRAME_HEADER_BYTES + 3000;

  /** Sends one super-frame of three segments, and returns what came, up to the last byte of it. */
  async function throughKernel(sender: FrameStream, receiver: FrameStream): Promise<Buffer[]> {
    await send(sender, tcpFrame({ to: TO, from: FROM, payloadBytes: 3000, segmentBytes: 1000 }));
    let payload = 0;
    const frames = await framesUntil(receiver, (frame) => {
      if (isTcpFrame(frame)) payload += frame.length - VNET - TCP_FRAME_HEADER_BYTES;
      return payload === 3000;
    });
    return frames.filter(isTcpFrame);
  }

  const pairs = {
    tap: async (offload: Offload[] | undefined) => [
      await openTap({ netns, bridge: 'br0', vnetHeader: true }),
      await openTap({ netns, bridge: 'br0', vnetHeader: true, offload }),
    ],
    macvtap: async (offload: Offload[] | undefined) => [
      await openMacvtap({ netns, lower: 'wire', guestMac: FROM, vnetHeader: true }),
      await openMacvtap({ netns, lower: 'wire', guestMac: TO, vnetHeader: true, offload }),
    ],
  };

  for (const [kind, open] of Object.entries(pairs)) {
    t.test(`${kind}: without offload the kernel segments and sums`, async (t) => {
      const [sender, receiver] = await open(undefined);
      t.strictSame(receiver.features.offload, []);
      const frames = await throughKernel(sender, receiver);
      t.strictSame(
        frames.map(({ length }) => length),
        [SEGMENT, SEGMENT, SEGMENT],
      );
      for (const frame of frames) {
        t.strictSame([...frame.subarray(0, 2)], [0, 0], 'no checksum and no segmentation left to do');
        t.ok(hasTcpChecksum(frame));
      }
      await sender[Symbol.asyncDispose]();
      await receiver[Symbol.asyncDispose]();
    });

    t.test(`${kind}: csum leaves the checksum to the reader, tso4 the segmentation`, async (t) => {
      const [sender, receiver] = await open(['csum']);
      t.strictSame(receiver.features.offload, ['csum']);
      const segments = await throughKernel(sender, receiver);
      t.equal(segments.length, 3);
      await sender[Symbol.asyncDispose]();
      await receiver[Symbol.asyncDispose]();

      const [from, to] = await open(['csum', 'tso4']);
      t.strictSame(to.features.offload, ['csum', 'tso4']);
      const [whole] = await throughKernel(from, to);
      t.equal(whole.length, SUPER_FRAME);
      t.strictSame([...whole.subarray(0, 2)], [1, 1], 'VIRTIO_NET_HDR_F_NEEDS_CSUM, GSO_TCPV4');
      t.equal(whole.readUInt16LE(4), 1000, 'gso_size');
      t.notOk(hasTcpChecksum(whole));
      await from[Symbol.asyncDispose]();
      await to[Symbol.asyncDispose]();
    });

    t.test(`${kind}: setOffload() changes it while the device is open`, async (t) => {
      const [sender, receiver] = await open(undefined);
      t.strictSame(await receiver.setOffload(['csum', 'tso4', 'tso6']), ['csum', 'tso4', 'tso6']);
      t.strictSame(receiver.features.offload, ['csum', 'tso4', 'tso6']);
      t.equal((await throughKernel(sender, receiver))[0].length, SUPER_FRAME);
      t.strictSame(await receiver.setOffload([]), []);
      t.equal((await throughKernel(sender, receiver))[0].length, SEGMENT);
      await sender[Symbol.asyncDispose]();
      await receiver[Symbol.asyncDispose]();
    });

    t.test(`${kind}: what the kernel does not know is left out of what is granted`, async (t) => {
      const all: Offload[] = ['csum', 'tso4', 'tso6', 'tso-ecn', 'uso4', 'uso6'];
      const [sender, receiver] = await open(all);
      const [major, minor] = release().split('.').map(Number);
      const knowsUso = major > 6 || (major === 6 && minor >= 2);
      t.strictSame(receiver.features.offload, knowsUso ? all : all.slice(0, 4));
      await sender[Symbol.asyncDispose]();
      await receiver[Symbol.asyncDispose]();
    });
  }

  t.test('a further queue has the offloads of the device and leaves them alone', async (t) => {
    const sender = await openTap({ netns, bridge: 'br0', vnetHeader: true });
    const receiver = await openTap({ netns, bridge: 'br0', vnetHeader: true, multiQueue: true });
    await receiver.setOffload(['csum', 'tso4']);
    const queue = await receiver.openQueue();
    t.strictSame(queue.features.offload, ['csum', 'tso4']);
    await queue.detachQueue();
    t.equal((await throughKernel(sender, receiver))[0].length, SUPER_FRAME);
    for (const device of [queue, receiver, sender]) await device[Symbol.asyncDispose]();

    const far = await openMacvtap({ netns, lower: 'wire', guestMac: FROM, vnetHeader: true });
    const near = await openMacvtap({
      netns,
      lower: 'wire',
      guestMac: TO,
      vnetHeader: true,
      multiQueue: true,
    });
    await near.setOffload(['csum', 'tso4']);
    const further = await near.openQueue();
    t.strictSame(further.features.offload, ['csum', 'tso4']);
    await further.detachQueue();
    t.equal((await throughKernel(far, near))[0].length, SUPER_FRAME);
    for (const device of [further, near, far]) await device[Symbol.asyncDispose]();
  });

  t.test('setOffload() on one queue is true for all of them', async (t) => {
    const stranger = await openTap({ netns, vnetHeader: true, offload: ['csum'] });
    for (const device of [
      await openTap({ netns, vnetHeader: true, multiQueue: true }),
      await openMacvtap({ netns, lower: 'wire', vnetHeader: true }),
    ]) {
      const further = await device.openQueue();
      const last = await further.openQueue();
      const closed = await device.openQueue();
      await closed[Symbol.asyncDispose]();
      for (const [queue, list] of [
        [last, ['csum', 'tso4']],
        [device, []],
      ] as [FrameStream, Offload[]][]) {
        await queue.setOffload(list);
        for (const each of [device, further, last]) t.strictSame(each.features.offload, list);
      }
      for (const queue of [last, further, device]) await queue[Symbol.asyncDispose]();
    }
    t.strictSame(stranger.features.offload, ['csum']);
    await stranger[Symbol.asyncDispose]();
  });

  t.test('setOffload() without a vnet header is refused', async (t) => {
    const device = await openTap({ netns });
    await t.rejects(device.setOffload(['csum']), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'offload' });
    t.strictSame(await device.setOffload([]), []);
    await device[Symbol.asyncDispose]();
  });
});
