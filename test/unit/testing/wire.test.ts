/** A wire between two devices: losses, delay, order. */
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { captureFrames, createFramePair, type WireOptions, wire } from 'tapfd/testing';
import { closedWith } from '../../kit/closed-with.js';
import { numberedFrame, numberOf, upTo } from '../../kit/tap-pair.js';

/** `a` – `b` wired to `c` – `d`. */
async function wired(t: Test, options: WireOptions = {}) {
  const left = closedWith(t, await createFramePair());
  const right = closedWith(t, await createFramePair({ mtu: 100 }));
  const line = closedWith(t, wire(left.b, right.a, options));
  return { a: left.a, b: left.b, c: right.a, d: right.b, line };
}

async function nextTurns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await nextTurn();
}

async function received(t: Test, options: WireOptions, count: number): Promise<number[]> {
  const { a, d, line } = await wired(t, options);
  const log = closedWith(t, captureFrames(d));
  await a.writeBatch(upTo(count).map((number) => numberedFrame(number)));
  const arrived = () => {
    const { delivered, dropped } = line.stats['a-to-b'];
    return delivered + dropped;
  };
  while (arrived() < count || log.frames.length < line.stats['a-to-b'].delivered) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return log.frames.map(({ frame }) => numberOf(frame));
}

t.test('frames pass both ways, in order', async (t) => {
  const { a, d, line } = await wired(t);
  const [there, back] = [captureFrames(d), captureFrames(a)];
  a.write(numberedFrame(1));
  d.write(numberedFrame(2));
  await there.expect((_packet, frame) => numberOf(frame) === 1);
  await back.expect((_packet, frame) => numberOf(frame) === 2);
  a.write(numberedFrame(3, 200));
  a.write(numberedFrame(4));
  await there.expect((_packet, frame) => numberOf(frame) === 4);
  t.same(line.stats, {
    'a-to-b': { delivered: 2, dropped: 0, reordered: 0, lost: 1 },
    'b-to-a': { delivered: 1, dropped: 0, reordered: 0, lost: 0 },
  });
});

t.test('a seed makes the same losses and the same order each time', async (t) => {
  const options = { drop: 0.3, reorder: 0.3, seed: 11 };
  const first = await received(t, options, 200);
  t.same(await received(t, options, 200), first);
  t.strictNotSame(await received(t, { ...options, seed: 12 }, 200), first);
  t.ok(first.length > 100 && first.length < 180, `${first.length} of 200`);
  t.strictNotSame(
    first.toSorted((one, other) => one - other),
    first,
  );
  t.same(await received(t, { drop: 1 }, 20), []);
  t.same(await received(t, { reorder: 1 }, 4), [1, 0, 3, 2]);
  t.same(await received(t, { reorder: 1 }, 1), [0], 'the last is overtaken by nothing');
});

t.test('a function chooses what is lost', async (t) => {
  const ways = new Set<string>();
  const drop: WireOptions['drop'] = (frame, way, place) => {
    ways.add(way);
    t.equal(numberOf(frame), place);
    return place % 2 === 0;
  };
  t.same(await received(t, { drop }, 6), [1, 3, 5]);
  t.same([...ways], ['a-to-b']);
  const { a, line } = await wired(t, {
    drop: () => {
      throw new Error('in drop');
    },
  });
  const failing = t.rejects(line.ended, { message: 'in drop' });
  a.write(numberedFrame(1));
  await failing;
  await line.close();
});

t.test('a wire that ends, ends both ways', async (t) => {
  const failed = await wired(t, {
    drop: () => {
      throw new Error('in drop');
    },
  });
  const failing = t.rejects(failed.line.ended, { message: 'in drop' });
  failed.a.write(numberedFrame(1));
  await failing;
  await closedWith(t, wire(failed.b, failed.c)).close();
  const { b, c, line } = await wired(t);
  await b.close();
  await line.ended;
  t.equal(c.destroyed, false);
  c.resume();
});

t.test('a function that cuts the wire', async (t) => {
  let cut: (() => void) | undefined;
  const drop = () => {
    cut?.();
    return false;
  };
  for (const options of [{ delayMs: 1 }, { reorder: 1 }, {}]) {
    const { a, d, line } = await wired(t, { drop, ...options });
    const log = closedWith(t, captureFrames(d));
    cut = () => void line.close();
    a.write(numberedFrame(1));
    await line.ended;
    await log.none(() => true, { for: 30 });
    t.match(line.stats['a-to-b'], { delivered: 0, dropped: 0, lost: 1 });
  }
  const { a, line } = await wired(t, {
    delayMs: 600_000,
    drop: (_frame, _way, place) => place === 1023 && !line.close(),
  });
  a.writeBatch(upTo(2000).map((number) => numberedFrame(number))).catch(() => undefined);
  await line.ended;
  t.match(line.stats['a-to-b'], { delivered: 0, lost: 1024 });
});

t.test('delay', async (t) => {
  const { a, d, line } = await wired(t, { delayMs: 60 });
  const log = closedWith(t, captureFrames(d));
  const start = performance.now();
  a.write(numberedFrame(1));
  a.write(numberedFrame(2));
  await log.expect((_packet, frame) => numberOf(frame) === 2);
  t.ok(performance.now() - start >= 59);
  t.same(
    log.frames.map(({ frame }) => numberOf(frame)),
    [1, 2],
  );
  a.write(numberedFrame(3));
  await line.close();
  t.ok(line.stats['a-to-b'].lost <= 1);
  await log.none((_packet, frame) => numberOf(frame) === 3, { for: 80 });
});

t.test('many under way make the reader wait', async (t) => {
  t.equal((await received(t, { delayMs: 1500 }, 1100)).length, 1100);
  const { a, line } = await wired(t, {
    delayMs: 600_000,
    drop: (_frame, _way, place) => {
      if (place === 1023) void nextTurns(20).then(() => line.close());
      return false;
    },
  });
  a.writeBatch(upTo(2000).map((number) => numberedFrame(number))).catch(() => undefined);
  await line.ended;
  t.match(line.stats['a-to-b'], { delivered: 0, lost: 1024 });
});

t.test('a frame that waits to be overtaken is lost when the wire is cut', async (t) => {
  const { a, line } = await wired(t, {
    reorder: 1,
    drop: () => {
      queueMicrotask(() => line.close());
      return false;
    },
  });
  a.write(numberedFrame(1));
  await line.ended;
  t.match(line.stats['a-to-b'], { delivered: 0, dropped: 0, lost: 1 });
});

t.test('it ends with either device, and the other stays open', async (t) => {
  const { a, b, c, line } = await wired(t, { delayMs: 30, reorder: 1 });
  a.write(numberedFrame(1));
  a.write(numberedFrame(2));
  a.write(numberedFrame(3));
  await once(b, 'close', { signal: AbortSignal.timeout(50) }).catch(() => undefined);
  await b.close();
  c.end();
  a.write(numberedFrame(4));
  await line.close();
  await line.ended;
  t.equal(c.destroyed, false);
  const second = await wired(t);
  second.c.end();
  second.a.write(numberedFrame(1));
  while (second.line.stats['a-to-b'].lost === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await second.line.close();
});

t.test('bad arguments', async (t) => {
  const { a, b } = closedWith(t, await createFramePair());
  const invalid = { code: 'ERR_TAPFD_INVALID_ARGUMENT' };
  for (const options of [
    { drop: 2 },
    { drop: '1' },
    { delayMs: -1 },
    { reorder: -0.1 },
    { seed: 0.5 },
    { loss: 1 },
  ]) {
    t.throws(() => Reflect.apply(wire, undefined, [a, b, options]), invalid, JSON.stringify(options));
  }
  t.throws(() => wire(a, a), { ...invalid, argument: 'b' });
  t.throws(() => Reflect.apply(wire, undefined, [a, {}]), invalid);
  b.resume();
  t.throws(() => wire(a, b), { code: 'ERR_TAPFD_INVALID_STATE' });
});
