/** `segment: true`, and a hand-off in the middle of a super-frame: its rest is not lost. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type ForwardTransform, type FrameBatch, forward, openTap, type Tap } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { bridged, superFrame } from '../../kit/super-frames.js';
import { uncaught } from '../../kit/uncaught.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

t.test('a hand-off in the middle of a super-frame gives out the rest of it', async (t) => {
  const { writer, reader } = await bridged(t);
  const got: Buffer[] = [];
  let fd = -1;
  reader.on('data', (frame: Buffer) => {
    // More segments than a burst has frames.
    if (got.push(frame.subarray(54)) === 100) fd = reader.handOff();
  });
  const payload = randomBytes(50_000);
  writer.write(superFrame(payload, 100));
  await once(reader, 'end');
  t.equal(got.length, 500);
  t.ok(Buffer.concat(got).equals(payload));
  t.equal(reader.stats.received.frames, 500);
  closeSync(fd);
});

/** A reader that has read a super-frame of 500 frames and delivered the first 64 of them, and the payload of all. */
async function inSuperFrame<T>(t: Test, takeFirst: (reader: Tap) => T) {
  const { writer, reader } = await bridged(t);
  const taken = takeFirst(reader);
  const payload = randomBytes(50_000);
  writer.write(superFrame(payload, 100));
  return { reader, taken, payload };
}

t.test('a hand-off in the middle of a super-frame: a loop gets the rest, waiting or not', async (t) => {
  for (const waits of [true, false]) {
    const { reader, taken, payload } = await inSuperFrame(t, (device) => device[Symbol.asyncIterator]());
    const got: Buffer[] = [];
    const add = ({ value }: IteratorResult<Buffer>) => got.push(value.subarray(54));
    while (got.length < 64) add(await taken.next());
    const waiting = waits ? taken.next() : undefined;
    closeSync(reader.handOff());
    if (waiting) add(await waiting);
    for await (const frame of taken) got.push(frame.subarray(54));
    t.ok(Buffer.concat(got).equals(payload));
    t.equal(reader.stats.received.frames, 500);
  }
});

t.test('a hand-off in the middle of a super-frame: batches get the rest, waited for or not', async (t) => {
  for (const waits of [true, false]) {
    const { reader, taken, payload } = await inSuperFrame(t, (device) => device.batches({ maxFrames: 64 }));
    const got: Buffer[] = [];
    const lengths: number[] = [];
    const add = (batch: FrameBatch) => {
      lengths.push(batch.length);
      for (const frame of batch) got.push(Buffer.from(frame.subarray(54)));
    };
    add((await taken.next()).value as FrameBatch);
    const waiting = waits ? taken.next() : undefined;
    closeSync(reader.handOff());
    if (waiting) add((await waiting).value as FrameBatch);
    for await (const batch of taken) add(batch);
    t.same(lengths, [...Array(7).fill(64), 52]);
    t.ok(Buffer.concat(got).equals(payload));
    t.equal(reader.stats.received.frames, 500);
  }
});

t.test(
  'a hand-off in the middle of a super-frame: a reader that leaves the batches finds the rest in the stream',
  async (t) => {
    const { reader, taken } = await inSuperFrame(t, (device) => device.batches({ maxFrames: 64 }));
    await taken.next();
    closeSync(reader.handOff());
    await taken.return?.();
    let rest = 0;
    reader.on('data', () => {
      rest += 1;
    });
    await once(reader, 'end');
    t.equal(rest, 436);
  },
);

t.test('a hand-off in the middle of a super-frame: the rest is forwarded, byte for byte', async (t) => {
  // Within the transform, behind it, in the promise it returns, and in a later turn of that.
  const ways: ((handOff: () => void, batch: FrameBatch) => ReturnType<ForwardTransform>)[] = [
    (handOff) => handOff(),
    (handOff) => queueMicrotask(handOff),
    async (handOff) => handOff(),
    (handOff) => nextTurn().then(handOff),
    (handOff, batch) => {
      handOff();
      return [...batch];
    },
  ];
  for (const way of ways) {
    for (const maxFrames of [undefined, 7, 64]) {
      const { ns, writer, reader } = await bridged(t);
      const to = await openTap({ netns: ns.name });
      t.teardown(() => to[Symbol.asyncDispose]());
      const payload = randomBytes(50_000);
      const got: Buffer[] = [];
      const handOff = () => {
        if (!reader.handedOff) closeSync(reader.handOff());
      };
      const transform: ForwardTransform = async (batch) => {
        const frames = await way(handOff, batch);
        for (const frame of frames ?? batch) got.push(Buffer.from(frame.subarray(54)));
        return frames;
      };
      const forwarding = forward(reader, to, { maxFrames, transform });
      writer.write(superFrame(payload, 100));
      t.same(await forwarding, { frames: 500, lost: 0 });
      t.ok(Buffer.concat(got).equals(payload));
      const all = { frames: 500, bytes: 500 * 154, drops: {} };
      t.same(reader.stats.received, all);
      t.same(to.stats.sent, all);
    }
  }
});

t.test(
  "a hand-off in the middle of a super-frame: a listener's error costs neither the number nor the rest",
  async (t) => {
    const { writer, reader } = await bridged(t);
    const thrown = uncaught(t, 1);
    const got: Buffer[] = [];
    reader.on('data', (frame: Buffer) => {
      got.push(frame.subarray(54));
      if (got.length === 70) throw new Error('from a listener');
    });
    const payload = randomBytes(50_000);
    writer.write(superFrame(payload, 100));
    // Between two bursts: the rest is given out within the call.
    while (got.length === 0) await nextTurn();
    t.ok(got.length < 70);
    const ended = once(reader, 'end');
    closeSync(reader.handOff());
    await ended;
    t.match(await thrown, [{ message: 'from a listener' }]);
    t.ok(Buffer.concat(got).equals(payload));
  },
);
