/** `segment: true`, and a hand-off in the middle of a super-frame: its rest is not lost. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import t, { type Test } from 'tap';
import { type FrameBatch, forward, openTap, type Tap } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { bridged, superFrame } from '../../kit/super-frames.js';

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

t.test('a hand-off in the middle of a super-frame: the rest is forwarded', async (t) => {
  // With a batch in hand, and while waiting for the next.
  for (const soon of [(act: () => void) => act(), queueMicrotask]) {
    const { ns, writer, reader } = await bridged(t);
    const to = await openTap({ netns: ns.name });
    t.teardown(() => to[Symbol.asyncDispose]());
    const transform = () => {
      if (!reader.handedOff) soon(() => closeSync(reader.handOff()));
    };
    const forwarding = forward(reader, to, { maxFrames: 64, transform });
    writer.write(superFrame(randomBytes(50_000), 100));
    t.same(await forwarding, { frames: 500, lost: 0 });
  }
});
