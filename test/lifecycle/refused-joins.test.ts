/**
 * A kernel that refuses joined frames gets their pieces from then on. None here does, so the file runs itself again
 * with a preloaded library that makes system calls fail.
 */
import { constants } from 'node:os';
import t from 'tap';
import type { FrameBatch, Tap, TapOptions } from 'tapfd';
import { fileNeeds, needs } from '../kit/capabilities.js';
import { FailingSyscalls, rerunWithFailingSyscalls } from '../kit/failing-syscalls.js';
import { tcpFrame } from '../kit/frames.js';
import { tapPair } from '../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device', 'bridge');

const PIECES = 4;
const SEGMENT_BYTES = 1000;
const HEADER_BYTES = 10 + 14 + 40;

/** The sizes of what comes out of `device`, until all the pieces' bytes have. */
function payloadSizes(device: Tap): Promise<number[]> {
  return new Promise((resolve) => {
    const sizes: number[] = [];
    let bytes = 0;
    device.on('data', function onFrame(frame: Buffer) {
      sizes.push(frame.length - HEADER_BYTES);
      bytes += frame.length - HEADER_BYTES;
      if (bytes < PIECES * SEGMENT_BYTES) return;
      device.off('data', onFrame);
      resolve(sizes);
    });
  });
}

async function pieces(joiner: Tap, seer: Tap): Promise<FrameBatch> {
  const batches = joiner.batches({ maxFrames: PIECES });
  const next = batches.next();
  seer.write(
    tcpFrame({
      to: '02:00:00:00:00:02',
      from: '02:00:00:00:00:01',
      payloadBytes: PIECES * SEGMENT_BYTES,
      segmentBytes: SEGMENT_BYTES,
    }),
  );
  const { value } = await next;
  const batch = (value as FrameBatch).copy();
  await batches.return?.();
  return batch;
}

const failing = FailingSyscalls.attach();
if (failing === undefined) {
  t.test('in a process whose system calls can fail', { skip: needs('root', 'tun-device', 'bridge') }, (t) =>
    rerunWithFailingSyscalls(t, import.meta.filename),
  );
} else {
  t.test('pieces instead of what was refused, and from then on', async (t) => {
    const takesSuperFrames = { vnetHeader: true, offload: ['csum', 'tso4'] } satisfies TapOptions;
    const { a: joiner, b: seer } = await tapPair(t, { segment: true }, takesSuperFrames);
    t.equal(seer.features.joins, false, 'without `segment` nothing is joined');
    const batch = await pieces(joiner, seer);
    t.equal(batch.length, PIECES);

    let seen = payloadSizes(seer);
    t.equal(await joiner.writeBatch(batch), PIECES);
    t.same(await seen, [PIECES * SEGMENT_BYTES], 'as one');
    t.equal(joiner.features.joins, true);
    seen = payloadSizes(seer);
    t.equal(await joiner.writeBatch([...batch]), PIECES);
    t.same(await seen, [PIECES * SEGMENT_BYTES], 'also from an array');

    // Another call of the addon, about the links, may come before the one that is to fail: then once more.
    for (let failed: string | undefined; failed !== 'writev'; ) {
      seen = payloadSizes(seer);
      failing.arm(1, constants.errno.EINVAL);
      const written = joiner.writeBatch(batch);
      ({ failed } = failing.disarm());
      t.equal(await written, PIECES, 'none is lost');
      const sizes = failed === 'writev' ? Array(PIECES).fill(SEGMENT_BYTES) : [PIECES * SEGMENT_BYTES];
      t.same(await seen, sizes);
    }
    t.equal(joiner.features.joins, false);

    seen = payloadSizes(seer);
    t.equal(await joiner.writeBatch(batch), PIECES);
    t.same(await seen, Array(PIECES).fill(SEGMENT_BYTES), 'it is not asked again');
  });
}
