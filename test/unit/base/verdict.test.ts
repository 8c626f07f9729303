/** Functions of a caller that decide something: a promise would count as true. */
import { join } from 'node:path';
import t from 'tap';
import { capture } from 'tapfd/capture';
import { decodeFrame, matches } from 'tapfd/packets';
import { captureFrames, createFramePair, replay, wire } from 'tapfd/testing';
import { FrameBatch } from '#lib/frames/batch.js';
import { Collected } from '../../kit/captures.js';
import { closedWith } from '../../kit/closed-with.js';
import { numberedFrame, numberOf } from '../../kit/tap-pair.js';

const REFUSED = { code: 'ERR_TAPFD_INVALID_ARGUMENT', message: /must be a function that decides at once/ };

/** Functions that the types forbid: their promises are false, fail, or are not JavaScript's own. */
const UNDECIDED: Record<string, never> = {
  async: (async () => false) as never,
  failing: (async () => Promise.reject(new Error('nobody waits for it'))) as never,
  // biome-ignore lint/suspicious/noThenProperty: it is what is tried
  thenable: (() => ({ then: () => undefined })) as never,
};

for (const [name, undecided] of Object.entries(UNDECIDED)) {
  t.test(name, async (t) => {
    const batch = FrameBatch.of([numberedFrame(0), numberedFrame(1)]);
    t.throws(() => batch.filter(undecided), { ...REFUSED, argument: 'keep' });
    t.equal(batch.length, 2, 'nothing was decided of them');

    const packet = decodeFrame(numberedFrame(0));
    t.throws(() => matches(packet, { ethernet: { etherType: undecided } }), {
      ...REFUSED,
      argument: 'pattern',
    });

    const { a, b } = closedWith(t, await createFramePair());
    const log = closedWith(t, captureFrames(b));
    a.write(numberedFrame(3));
    await t.rejects(log.expect(undecided), { ...REFUSED, argument: 'match' });

    const path = join(t.testdir(), 'one.pcapng');
    await log.save(path);
    await t.rejects(replay(a, path, { filter: undecided }), { ...REFUSED, argument: 'filter' });

    const captured = await capture(b, new Collected(), { filter: undecided });
    a.write(numberedFrame(4));
    await log.expect((_packet, frame) => numberOf(frame) === 4);
    t.match(await captured.close(), { written: 1, filterErrors: 1 });

    log.close();
    const other = closedWith(t, await createFramePair());
    const line = closedWith(t, wire(b, other.a, { drop: undecided }));
    a.write(numberedFrame(5));
    await t.rejects(line.ended, { ...REFUSED, argument: 'drop' });
  });
}

t.test('a batch whose filter throws half way keeps what is not decided', (t) => {
  const batch = FrameBatch.of([0, 1, 2, 3].map((number) => Buffer.alloc(60, number)));
  const keep = (_frame: Buffer, index: number) => {
    if (index === 2) throw new Error('enough');
    return index !== 0;
  };
  t.throws(() => batch.filter(keep), { message: 'enough' });
  t.same(
    [...batch].map((frame) => frame[0]),
    [1, 2, 3],
  );
  t.end();
});
