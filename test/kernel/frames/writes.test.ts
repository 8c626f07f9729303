/** Writing to the real kernel: the order of the calls while it is full again and again, what is lost, odd Buffers. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { forward, links } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { linkEvent } from '../../kit/link-changes.js';
import { frameToB, macvtapPair } from '../../kit/macvtap-pair.js';
import { foreignBytes } from '../../kit/odd-values.js';
import { generator } from '../../kit/random.js';
import { collect, isNumbered, numberedFrame, numberOf, tapPair, upTo, written } from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const LAST = 0xffff_ffff;

t.test('any mix of calls, over a kernel that is full again and again, keeps the order', async (t) => {
  for (let seed = 1; seed <= 3; seed++) {
    const { a, b } = await macvtapPair(t);
    const source = await tapPair(t);
    const random = generator(seed);
    const pick = (below: number) => Math.floor(random() * below);
    let next = 0;
    const some = () => upTo(1 + pick(40)).map(() => frameToB(next++));
    const settled: Promise<unknown>[] = [];
    let bursts = 0;
    let waited = 0;
    const calls: (() => void)[] = [
      () => {
        for (const frame of some()) settled.push(written(a, frame));
      },
      () => {
        settled.push(a.writeBatch(some()));
      },
      () => a.cork(),
      () => a.uncork(),
      () => {
        bursts += 1;
        source.a.write(numberedFrame(bursts));
      },
    ];
    const controller = new AbortController();
    const { signal } = controller;
    const forwarding = forward(source.b, a, { signal, maxFrames: 1, transform: () => some() });
    const got: number[] = [];
    const reading = (async () => {
      for await (const batch of b.batches({ maxFrames: 8 })) {
        for (const frame of batch) if (isNumbered(frame)) got.push(numberOf(frame));
        if (got.at(-1) === LAST) return;
        await nextTurn();
      }
    })();
    for (let step = 0; step < 200; step++) {
      calls[pick(calls.length)]();
      if (a.writableCorked === 0 && a.writableLength > 0) waited += 1;
      if (pick(8) === 0) await nextTurn();
    }
    while (a.writableCorked > 0) a.uncork();
    while (source.b.stats.received.frames < bursts) await nextTurn();
    await Promise.all(settled);
    await written(a, frameToB(LAST));
    await reading;
    t.same(got, [...upTo(next), LAST], `seed ${seed}: ${next} frames`);
    t.ok(waited > 0, 'the kernel was full');
    controller.abort();
    t.match(await forwarding, { lost: 0 });
    t.same(a.stats.sent.drops, {});
    await Promise.all([a.close(), b.close()]);
  }
});

t.test('a macvtap that is down: a batch and forward() count what it takes as lost', async (t) => {
  const { a, netns } = await macvtapPair(t);
  const source = await tapPair(t);
  const set = async (up: boolean) => {
    const change = linkEvent(a, 'up');
    await links.set(a.name, { netns, up });
    await change;
  };
  const three = [frameToB(0), frameToB(1), frameToB(2)];
  await set(false);
  t.equal(await a.writeBatch(three), 0);
  const controller = new AbortController();
  const forwarding = forward(source.b, a, { signal: controller.signal });
  source.a.write(three[0]);
  source.a.write(three[1]);
  while ((a.stats.sent.drops['link-down'] ?? 0) < 5) await nextTurn();
  controller.abort();
  t.same(await forwarding, { frames: 0, lost: 2 });
  t.same(a.stats.sent, { frames: 0, bytes: 0, drops: { 'link-down': 5 } });
  await set(true);
  t.equal(await a.writeBatch(three), 3);
});

for (const segment of [false, true]) {
  t.test(`${segment ? 'segment' : 'plain'}: Buffers of another realm, and those that are gone`, async (t) => {
    const { a, b } = await tapPair(t, { segment });
    const foreign = (number: number) => foreignBytes([...numberedFrame(number)]);
    const moved = new Uint8Array(numberedFrame(99));
    const arriving = collect(b, 4);
    a.cork();
    const told = [written(a, foreign(0)), written(a, moved), written(a, foreign(1))];
    const batch = a.writeBatch([foreign(2), foreign(3)]);
    structuredClone(moved.buffer, { transfer: [moved.buffer] });
    a.uncork();
    t.match(await Promise.all(told), [null, { code: 'ERR_TAPFD_FRAME_TOO_SHORT' }, null]);
    t.equal(await batch, 2);
    t.same((await arriving).map(numberOf), upTo(4));
  });
}
