/** Captures for tests, with much traffic and several who wait for it. */
import t from 'tap';
import { captureFrames, createFramePair } from 'tapfd/testing';
import { closedWith } from '../../kit/closed-with.js';
import { numberedFrame, numberOf, upTo } from '../../kit/tap-pair.js';

const ANY = () => true;

t.test('a frame is found by one of those who wait for it', async (t) => {
  const { a, b } = closedWith(t, await createFramePair());
  const log = closedWith(t, captureFrames(b));
  const waiting = [log.expect(ANY), log.expect(ANY)];
  a.write(numberedFrame(1));
  a.write(numberedFrame(2));
  const found = await Promise.all(waiting);
  t.same(
    found.map(({ frame }) => numberOf(frame)),
    [1, 2],
  );
  await a.writeBatch([numberedFrame(3), numberedFrame(4)]);
  await log.expect((_packet, frame) => numberOf(frame) === 4);
  const left = [log.expect(ANY), log.expect(ANY, { within: 20 })];
  t.equal(numberOf((await left[0]).frame), 3);
  await t.rejects(left[1], { code: 'ERR_TAPFD_FRAME_EXPECTED' });
});

t.test('one who has found a frame takes no other that has come meanwhile', async (t) => {
  const { a } = closedWith(t, await createFramePair());
  const log = closedWith(t, captureFrames(a, { read: false }));
  const found = log.expect(ANY, { direction: 'out' });
  a.write(numberedFrame(1));
  a.write(numberedFrame(2));
  t.equal(numberOf((await found).frame), 1);
  t.equal(numberOf((await log.expect(ANY, { direction: 'out' })).frame), 2);
});

t.test('each frame is looked at once', async (t) => {
  const { a, b } = closedWith(t, await createFramePair());
  const log = closedWith(t, captureFrames(b));
  const asked: number[] = [];
  const last = log.expect((_packet, frame) => asked.push(numberOf(frame)) === 30);
  for (const number of upTo(30)) {
    await new Promise((resolve) => a.write(numberedFrame(number), resolve));
    await new Promise(setImmediate);
  }
  t.equal(numberOf((await last).frame), 29);
  t.same(asked, upTo(30));
});

t.test('of many frames the newest are kept', async (t) => {
  const { a, b } = closedWith(t, await createFramePair());
  const length = numberedFrame(0).length;
  const log = closedWith(t, captureFrames(b, { maxBytes: 100 * length }));
  for (let first = 0; first < 1000; first += 50) {
    await a.writeBatch(upTo(50).map((place) => numberedFrame(first + place)));
  }
  await log.expect((_packet, frame) => numberOf(frame) === 999);
  t.same(
    log.frames.map(({ frame }) => numberOf(frame)),
    upTo(100).map((place) => 900 + place),
  );
  t.equal(numberOf((await log.expect(ANY)).frame), 900);
});

t.test('expected bytes are read as the device has its frames', async (t) => {
  const headers = Buffer.from('00000000000000000000', 'hex');
  const { a, b } = closedWith(t, await createFramePair({ vnetHeader: true }));
  const log = closedWith(t, captureFrames(b));
  a.write(Buffer.concat([headers, numberedFrame(1)]));
  await log.expect(ANY);
  const expected = Buffer.concat([headers, numberedFrame(2)]);
  expected[0] = 1;
  const error = await log.expect(expected, { within: 0 }).catch((error: unknown) => error);
  const message = String(error);
  t.match(message, /^expected: \d+ bytes: ethertype 0x88b5, length/m);
  t.match(message, /^ {2}ethernet\.etherType +34997 +34997/m, 'the fields are those behind the header');
  t.match(message, /actual bytes\n.* 0000 {2}00\*/, 'the bytes are all');
});
