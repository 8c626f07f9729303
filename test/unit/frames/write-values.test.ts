/** What counts as a frame: bytes of any realm, and nothing that merely looks like bytes, whether the stream is corked or not. */
import t from 'tap';
import type { FrameBatch } from 'tapfd';
import { foreignBytes, LOOKS_LIKE_BYTES } from '../../kit/odd-values.js';
import { tapOverNothing } from '../../kit/scripted-tap.js';
import { written as result } from '../../kit/tap-pair.js';

const FRAME = Buffer.alloc(60);
const wrong = (argument: string) => ({ code: 'ERR_TAPFD_INVALID_ARGUMENT', argument });

for (const corked of [false, true]) {
  t.test(
    `${corked ? 'corked' : 'plain'}: what has no bytes is refused, and the writing goes on`,
    async (t) => {
      const { tap, written } = tapOverNothing();
      const foreign = foreignBytes(Array(60).fill(7));
      if (corked) tap.cork();
      const first = result(tap, FRAME);
      for (const value of LOOKS_LIKE_BYTES() as Buffer[]) {
        t.throws(() => tap.write(value), wrong('frame'));
        t.throws(() => tap.end(value), wrong('frame'));
        await t.rejects(tap.writeBatch([FRAME, value]), wrong('frames[1]'));
      }
      t.notOk(tap.writableEnded);
      const batch = tap.writeBatch([foreign, FRAME]);
      const last = result(tap, foreign);
      tap.uncork();
      t.same(await Promise.all([first, batch, last]), [null, 2, null]);
      t.same(
        written.map(([byte]) => byte),
        [0, 7, 0, 7],
      );
      t.same(tap.stats.sent.drops, {});
      await tap.close();
    },
  );
}

t.test('a batch takes bytes of any realm, and refuses what has none', async (t) => {
  const { tap, burst } = tapOverNothing();
  const next = tap.batches().next();
  burst(1, undefined, 0, 0);
  const batch = (await next).value as FrameBatch;
  for (const value of LOOKS_LIKE_BYTES()) t.throws(() => batch.append(value as Buffer), wrong('frame'));
  t.equal(batch.length, 1);
  batch.append(foreignBytes([1, 2, 3]));
  t.same([...batch.frame(1)], [1, 2, 3]);
  await tap.close();
});
