/** Options that shape the stream and its queue: send buffer, NAPI, high water marks, copied frames. */
import t from 'tap';
import { type FrameStream, openMacvtap, openTap, openTun, type Tap } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { framesUntil, send, takenAtOnce, testFrame, textOf, textsUntil } from '../../kit/frames.js';
import { bridgeAndWire } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

t.test(
  'stream options',
  { skip: needs('root', 'tun-device', 'macvtap', 'bridge', 'veth', 'ip') },
  async (t) => {
    const network = await bridgeAndWire(t);
    const netns = network.name;

    const FROM = '02:00:00:00:00:01';
    const TO = '02:00:00:00:00:02';
    const FRAME = testFrame({ to: TO, from: FROM, text: 'one of many', length: 1400 });
    /** Under 500, the length of a macvtap's queue. */
    const COUNT = 300;
    /** 20,000 bytes of them are under 20; a reader has taken as many as its buffer holds before the loop turned. */
    const FEW = COUNT / 3;

    async function close(...devices: FrameStream[]): Promise<void> {
      for (const device of devices) await device[Symbol.asyncDispose]();
    }

    /** Reads `count` test frames. */
    async function receive(stream: FrameStream, count: number): Promise<void> {
      let left = count;
      await framesUntil(stream, (frame) => {
        if (textOf(frame) !== undefined) left -= 1;
        return left === 0;
      });
    }

    t.test(
      'sendBufferBytes: an unread sibling stalls a macvtap with a small one, and not the default',
      async (t) => {
        const reader = await openMacvtap({ netns, lower: 'wire', guestMac: TO });
        const small = await openMacvtap({ netns, lower: 'wire', guestMac: FROM, sendBufferBytes: 20_000 });
        const taken = await takenAtOnce(small, FRAME, COUNT);
        t.ok(taken > 0 && taken < FEW, `${taken} taken of ${COUNT}`);
        await receive(reader, COUNT);
        t.equal(small.stats.sent.frames, COUNT, 'all of them in the end, as room came');
        await close(small);

        const large = await openMacvtap({ netns, lower: 'wire', guestMac: FROM });
        t.equal(await takenAtOnce(large, FRAME, COUNT), COUNT);
        await receive(reader, COUNT);
        await close(large, reader);
      },
    );

    t.test('sendBufferBytes and setSendBuffer() of a TAP', async (t) => {
      // A macvtap on the TAP that is not read keeps what is written, at the TAP's expense.
      const tap = await openTap({ netns, name: 'narrow', sendBufferBytes: 20_000 });
      const reader = await openMacvtap({ netns, lower: 'narrow', guestMac: TO });
      const taken = await takenAtOnce(tap, FRAME, COUNT);
      t.ok(taken > 0 && taken < FEW, `${taken} taken of ${COUNT}`);
      await receive(reader, COUNT);

      await tap.setSendBuffer(0x7fff_ffff);
      t.equal(await takenAtOnce(tap, FRAME, COUNT), COUNT);
      await receive(reader, COUNT);
      await tap.setSendBuffer(20_000);
      t.ok((await takenAtOnce(tap, FRAME, COUNT)) < FEW);
      await receive(reader, COUNT);
      await close(reader, tap);

      const wide = await openTap({ netns, name: 'wide' });
      const sink = await openMacvtap({ netns, lower: 'wide', guestMac: TO });
      t.equal(await takenAtOnce(wide, FRAME, COUNT), COUNT, 'the default is the largest');
      await close(sink, wide);
    });

    t.test('napi: frames still arrive, and the kernel has the flag', async (t) => {
      const IFF_NAPI = 0x10;
      const IFF_NAPI_FRAGS = 0x20;
      const receiver = await openTap({ netns, bridge: 'br0' });
      const flags = async (device: FrameStream) => Number(await network.sysfs(device.name, 'tun_flags'));
      for (const [napi, mask] of [
        [undefined, 0],
        [false, 0],
        [true, IFF_NAPI],
        ['frags', IFF_NAPI | IFF_NAPI_FRAGS],
      ] as const) {
        const sender = await openTap({ netns, bridge: 'br0', napi });
        t.equal((await flags(sender)) & (IFF_NAPI | IFF_NAPI_FRAGS), mask, `${napi}`);
        t.equal(sender.flags.napi, mask !== 0);
        t.equal(sender.flags.napiFrags, napi === 'frags');
        await send(sender, testFrame({ to: TO, from: FROM, text: `through ${napi}` }));
        await textsUntil(receiver, `through ${napi}`);
        await close(sender);
      }
      const tun = await openTun({ netns, napi: true });
      t.equal((await flags(tun)) & (IFF_NAPI | IFF_NAPI_FRAGS), IFF_NAPI);
      await close(tun, receiver);
    });

    /** A TAP for which the kernel holds `count` frames. */
    async function withWaitingFrames(count: number, options: object): Promise<Tap> {
      const sender = await openTap({ netns, bridge: 'br0' });
      const receiver = await openTap({ netns, bridge: 'br0', ...options });
      for (let i = 1; i <= count; i += 1) {
        await send(sender, testFrame({ to: TO, from: FROM, text: `frame ${i}` }));
      }
      await close(sender);
      return receiver;
    }

    t.test('readableHighWaterMark: reading stops at it, give or take one burst', async (t) => {
      const BURST = 64;
      const LAST = 'frame 400';
      for (const [readableHighWaterMark, most] of [
        [undefined, 64 + BURST],
        [1, 1 + BURST],
        [100, 100 + BURST],
      ] as const) {
        const receiver = await withWaitingFrames(400, { readableHighWaterMark });
        t.equal(receiver.readableHighWaterMark, readableHighWaterMark ?? 64);
        receiver.read(0);
        await new Promise((resolve) => receiver.once('readable', resolve));
        for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
        t.ok(
          receiver.readableLength >= 1 && receiver.readableLength <= most,
          `${receiver.readableLength} waiting`,
        );
        t.equal((await textsUntil(receiver, LAST)).length, 400, 'and none is lost');
        await close(receiver);
      }
      const receiver = await withWaitingFrames(400, { readableHighWaterMark: 10_000 });
      receiver.read(0);
      for (;;) {
        await new Promise(setImmediate);
        if (receiver.readableLength >= 400) break;
      }
      t.pass('a mark above them lets all of them in');
      await close(receiver);
    });

    t.test('writableHighWaterMark: write() returns false when so many frames wait', async (t) => {
      for (const writableHighWaterMark of [undefined, 1, 5]) {
        const reader = await openMacvtap({ netns, lower: 'wire', guestMac: TO });
        const writer = await openMacvtap({
          netns,
          lower: 'wire',
          guestMac: FROM,
          sendBufferBytes: 20_000,
          writableHighWaterMark,
        });
        t.equal(writer.writableHighWaterMark, writableHighWaterMark ?? 64);
        let taken = 0;
        while (writer.write(FRAME) && writer.writableLength === 0) taken += 1;
        let waiting = 1;
        while (writer.writableLength < writer.writableHighWaterMark) {
          const more = writer.write(FRAME);
          waiting += 1;
          t.equal(more, waiting < writer.writableHighWaterMark);
        }
        const drained = new Promise((resolve) => writer.once('drain', resolve));
        await receive(reader, taken + waiting);
        await drained;
        await close(writer, reader);
      }
    });

    t.test('copyFrames: memory of its own for each frame, else a view of a shared slab', async (t) => {
      for (const copyFrames of [undefined, false, true]) {
        const receiver = await withWaitingFrames(3, { copyFrames });
        const frames = await framesUntil(receiver, (frame) => textOf(frame) === 'frame 3');
        const own = frames.every((frame) => frame.buffer.byteLength === frame.length);
        t.equal(own, copyFrames === true, `${copyFrames}`);
        t.strictSame(
          frames.map((frame) => textOf(frame)).filter((text) => text),
          ['frame 1', 'frame 2', 'frame 3'],
        );
        await close(receiver);
      }
    });
  },
);
