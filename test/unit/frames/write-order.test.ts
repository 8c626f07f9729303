/** The order of writing is the order of the calls, whatever waits: frames, batches, corked or not, forwarded or not. */
import t from 'tap';
import { type FrameBatch, forward } from 'tapfd';
import { generator } from '../../kit/random.js';
import { tapOverNothing } from '../../kit/scripted-tap.js';
import { numberedFrame, numberOf, upTo } from '../../kit/tap-pair.js';

t.test(
  'a batch written behind frames that wait is sent behind them, and frames behind a batch',
  async (t) => {
    const { tap, takes, written } = tapOverNothing();
    takes(2);
    for (const i of upTo(5)) tap.write(numberedFrame(i));
    const batch = tap.writeBatch([numberedFrame(5), numberedFrame(6)]);
    tap.write(numberedFrame(7));
    takes(100);
    t.equal(await batch, 2);
    t.same(
      written.map((frame) => numberOf(Buffer.from(frame))),
      upTo(8),
    );
    await tap.close();
  },
);

t.test('a corked stream keeps a batch back, and what is forwarded, behind its frames', async (t) => {
  const { tap, written } = tapOverNothing();
  const from = tapOverNothing();
  tap.cork();
  tap.write(numberedFrame(0));
  const batch = tap.writeBatch([numberedFrame(1)]);
  const controller = new AbortController();
  const forwarding = forward(from.tap, tap, {
    signal: controller.signal,
    transform: () => [numberedFrame(2)],
  });
  from.burst(1, undefined, 0, 0);
  t.same(written, []);
  tap.uncork();
  t.same(
    written.map((frame) => numberOf(Buffer.from(frame))),
    upTo(3),
  );
  t.equal(await batch, 1);
  controller.abort();
  t.same(await forwarding, { frames: 1, lost: 0 });
  await Promise.all([tap.close(), from.tap.close()]);
});

t.test('any mix of calls, over a kernel that takes some frames now and then', async (t) => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = generator(seed);
    const { tap, takes, written } = tapOverNothing();
    const from = tapOverNothing();
    const pick = (below: number) => Math.floor(random() * below);
    let next = 0;
    const some = () => upTo(1 + pick(6)).map(() => numberedFrame(next++));
    const settled: Promise<unknown>[] = [];
    const calls: (() => void)[] = [
      () => {
        for (const frame of some()) tap.write(frame);
      },
      () => {
        const [frame] = some().slice(0, 1);
        next = numberOf(frame) + 1;
        settled.push(new Promise((resolve) => tap.write(frame, resolve)));
      },
      () => {
        settled.push(tap.writeBatch(some()));
      },
      () => tap.cork(),
      () => tap.uncork(),
      () => takes(pick(8)),
      () => from.burst(1, undefined, 0, 0),
    ];
    const controller = new AbortController();
    const forwarding = forward(from.tap, tap, {
      signal: controller.signal,
      transform: (_batch: FrameBatch) => some(),
    });
    takes(3);
    for (let step = 0; step < 300; step++) {
      // No burst comes while one is under way.
      const call = calls[pick(from.isReading() ? 7 : 6)];
      call();
      if (pick(10) === 0) await null;
    }
    while (tap.writableCorked > 0) tap.uncork();
    takes(Number.POSITIVE_INFINITY);
    await Promise.all(settled);
    controller.abort();
    const { lost } = await forwarding;
    t.equal(lost, 0);
    t.same(
      written.map((frame) => numberOf(Buffer.from(frame))),
      upTo(next),
      `seed ${seed}: ${next} frames`,
    );
    await Promise.all([tap.close(), from.tap.close()]);
  }
});
