/** Reading that changes hands, frames that are put back, loops that end: over devices without a kernel. */
import { getEventListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import type { FrameStream, Tap } from 'tapfd';
import { forward } from 'tapfd';
import { runChild } from '../../kit/child.js';
import { tapOverNothing } from '../../kit/scripted-tap.js';

const frames = (...texts: string[]) => texts.map((text) => Buffer.from(text.padEnd(60)));
const text = (frame: Uint8Array | undefined) => frame && Buffer.from(frame).toString().trim();
const texts = (batch: Iterable<Buffer> | undefined) => [...(batch ?? [])].map(text);

async function textOfNext(loop: AsyncIterator<Buffer>): Promise<string | undefined> {
  return text((await loop.next()).value);
}

t.test("a loop begun in a 'data' listener after pause(): the rest of the burst comes first", async (t) => {
  const { tap, arrive, isReading } = tapOverNothing();
  const read: (string | undefined)[] = [];
  let loop: AsyncIterator<Buffer> | undefined;
  let first: Promise<string | undefined> | undefined;
  // The listener stays: frames of the loop are not for it.
  tap.on('data', (frame) => {
    read.push(text(frame));
    if (read.length !== 2) return;
    tap.pause();
    loop = tap[Symbol.asyncIterator]();
    first = textOfNext(loop);
  });
  await nextTurn();
  arrive(frames('0', '1', '2', '3', '4'));
  t.notOk(isReading(), 'a rest is left');
  t.equal(await first, '2');
  if (!loop) throw new Error('no loop');
  const more = [await textOfNext(loop), await textOfNext(loop)];
  t.same([...read, '2', ...more], upToText(5));
  const next = textOfNext(loop);
  t.ok(isReading());
  arrive(frames('5'));
  t.equal(await next, '5');
  t.equal(tap.stats.received.frames, 6);
  t.same(read, ['0', '1']);
  tap.destroy();
});

t.test('the same with a hand-off there', async (t) => {
  const { tap, arrive, hold } = tapOverNothing();
  const read: (string | undefined)[] = [];
  let looping: Promise<void> | undefined;
  const listener = (frame: Buffer) => {
    read.push(text(frame));
    tap.off('data', listener).pause();
    looping = (async () => {
      for await (const later of tap) read.push(text(later));
    })();
    hold(frames('5', '6'));
    tap.handOff();
  };
  tap.on('data', listener);
  await nextTurn();
  arrive(frames('0', '1', '2', '3', '4'), true);
  await looping;
  t.same(read, upToText(7));
  t.notOk(tap.destroyed);
  tap.destroy();
});

t.test("frames in a paused stream are the loop's, not those of a listener that is still there", async (t) => {
  for (const once of [false, true]) {
    const { tap, arrive } = tapOverNothing();
    const heard: (string | undefined)[] = [];
    const listener = (frame: Buffer) => heard.push(text(frame));
    tap.pause();
    if (once) tap.once('data', listener);
    else tap.on('data', listener);
    tap.read(0);
    arrive(frames('0', '1', '2'));
    t.equal(tap.readableLength, 3);
    const batches = tap.batches();
    t.same(texts((await batches.next()).value), upToText(3));
    t.same(heard, []);
    await batches.return?.();
    tap.resume();
    arrive(frames('3'));
    await nextTurn();
    t.same(heard, ['3'], 'which hears of the next ones');
    tap.off('data', listener);
    t.equal(tap.listenerCount('data'), 0);
    tap.destroy();
  }
});

t.test('a listener that throws: nothing is read before the rest of its burst has come', async (t) => {
  const { tap, arrive, isReading } = tapOverNothing();
  const read: (string | undefined)[] = [];
  tap.on('data', (frame) => {
    read.push(text(frame));
    if (read.length === 2) throw new Error('from a listener');
  });
  await nextTurn();
  t.ok(isReading());
  t.throws(() => arrive(frames('0', '1', '2', '3')), { message: 'from a listener' });
  t.notOk(isReading());
  // As Readable does it by itself, in the next tick.
  tap.read(0);
  await nextTurn();
  t.same(read, upToText(4));
  t.ok(isReading());
  arrive(frames('4'));
  t.same(read, upToText(5));
  tap.destroy();
});

t.test('a loop left after a hand-off leaves what it did not get to', async (t) => {
  const { tap, arrive } = tapOverNothing();
  const loop = tap[Symbol.asyncIterator]();
  const first = textOfNext(loop);
  arrive(frames('0', '1', '2'), true);
  t.equal(await first, '0');
  tap.handOff();
  await loop.return?.();
  t.equal(tap.stats.received.frames, 1, 'the others count when somebody gets them');
  t.same([text(tap.read() ?? undefined), text(tap.read() ?? undefined)], ['1', '2']);
  t.equal(tap.stats.received.frames, 3);
  t.equal(tap.stats.received.bytes, 180);
  tap.destroy();
});

t.test('what destroy() finds and nobody was given does not count as received', async (t) => {
  const { tap, arrive } = tapOverNothing();
  const next = tap.batches().next();
  arrive(frames('0', '1', '2'), true);
  t.same(texts((await next).value), ['0', '1']);
  tap.destroy();
  await nextTurn();
  t.equal(tap.stats.received.frames, 2);
  t.equal(tap.stats.received.bytes, 120);
});

t.test(
  'iterator({ destroyOnReturn: false }) leaves the stream and its frames to the next reader',
  async (t) => {
    const { tap, arrive } = tapOverNothing();
    const loop = tap.iterator({ destroyOnReturn: false });
    const first = textOfNext(loop);
    arrive(frames('0', '1', '2'));
    t.equal(await first, '0');
    await loop.return?.();
    t.notOk(tap.destroyed);
    t.equal(tap.stats.received.frames, 1);
    t.same(texts((await tap.batches().next()).value), ['1', '2']);
    const bad = (options: unknown) => () => Reflect.apply(tap.iterator, tap, [options]);
    const code = 'ERR_TAPFD_INVALID_ARGUMENT';
    t.throws(bad({ destroyOnReturn: 1 }), { code, argument: 'destroyOnReturn' });
    t.throws(bad({ destroy: false }), { code, argument: 'destroy' });
    t.throws(bad(null), { code, argument: 'options' });
    tap.destroy();
  },
);

t.test('beside a listener the same: left, the stream is destroyed unless it is not to be', async (t) => {
  for (const destroyOnReturn of [true, false]) {
    const { tap, arrive } = tapOverNothing();
    tap.on('readable', () => undefined);
    const loop = tap.iterator({ destroyOnReturn });
    const first = textOfNext(loop);
    await nextTurn();
    arrive(frames('0', '1'));
    t.equal(await first, '0');
    await loop.return?.();
    t.equal(tap.destroyed, destroyOnReturn);
    tap.destroy();
  }
});

t.test('unshift() puts a frame before all others, whoever reads', async (t) => {
  for (const way of ['read', 'for await', 'batches'] as const) {
    const { tap, arrive } = tapOverNothing();
    const read = reader(tap, way);
    const first = read();
    arrive(way === 'batches' ? frames('1') : frames('1', '2'));
    t.same(await first, '1', way);
    tap.unshift(new Uint8Array(Buffer.from('0')));
    t.equal(await read(), '0', way);
    const third = read();
    if (way === 'batches') arrive(frames('2'));
    t.equal(await third, '2', way);
    const waiting = read();
    tap.unshift(Buffer.from('3'));
    t.equal(await waiting, '3', `${way}: a reader that waits has it at once`);
    t.equal(tap.stats.received.frames, 2);
    for (const wrong of ['text', null, {}, 7]) {
      t.throws(() => Reflect.apply(tap.unshift, tap, [wrong]), { code: 'ERR_TAPFD_INVALID_ARGUMENT' });
    }
    tap.destroy();
  }
});

t.test('a frame stays bytes: setEncoding() is refused', (t) => {
  const { tap } = tapOverNothing();
  t.throws(() => tap.setEncoding('hex'), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'encoding' });
  tap.destroy();
  t.end();
});

t.test('every loop over a destroyed device throws the same', async (t) => {
  const loops: Record<string, (tap: Tap) => Promise<unknown>> = {
    'for await': (tap) => tap[Symbol.asyncIterator]().next(),
    iterator: (tap) => tap.iterator({ destroyOnReturn: false }).next(),
    batches: (tap) => tap.batches().next(),
    // Bun's own map() ends as if the stream had (docs/runtimes.md).
    ...(process.versions.bun === undefined && {
      map: (tap: Tap) => tap.map((frame: Buffer) => frame).toArray(),
    }),
    'beside a listener': (tap) =>
      tap
        .on('readable', () => undefined)
        [Symbol.asyncIterator]()
        .next(),
    forward: (tap) => forward(tap, tapOverNothing().tap),
  };
  for (const [name, loop] of Object.entries(loops)) {
    const { tap } = tapOverNothing();
    const ended = t.rejects(loop(tap), { code: 'ERR_TAPFD_CLOSED' }, name);
    tap.destroy();
    await ended;
    if (name !== 'batches') await t.rejects(loop(tap), { code: 'ERR_TAPFD_CLOSED' }, `${name}, begun later`);
    const failed = tapOverNothing();
    failed.tap.on('error', () => undefined);
    const lost = t.rejects(loop(failed.tap), { message: 'enough' }, `${name}: what ended the stream`);
    failed.tap.destroy(new Error('enough'));
    await lost;
    const given = tapOverNothing();
    const over = loop(given.tap);
    given.tap.handOff();
    await t.resolves(over, `${name}: a hand-off ends it`);
    given.tap.destroy();
  }
});

t.test('an error that a loop throws is reported: it ends no process', async (t) => {
  const { code, output, errors } = await runChild(`
    import { tapOverNothing } from ${JSON.stringify(new URL('../../kit/scripted-tap.js', import.meta.url).href)};
    const { tap } = tapOverNothing();
    setTimeout(() => tap.destroy(new Error('enough')), 1);
    try {
      for await (const batch of tap.batches());
    } catch (error) {
      setTimeout(() => console.log('caught', error.message), 1);
    }
  `);
  t.same([code, output, errors], [0, 'caught enough\n', '']);
});

t.test('a signal ends batches() by its reason, and leaves the device and the signal', async (t) => {
  const { tap, arrive } = tapOverNothing();
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = tap.batches({ signal }).next();
  controller.abort();
  await t.rejects(waiting, { name: 'AbortError' });
  t.throws(() => tap.batches({ signal }), { name: 'AbortError' });
  t.notOk(tap.destroyed);

  const reason = new Error('time is up');
  const later = new AbortController();
  const batches = tap.batches({ signal: later.signal });
  const next = batches.next();
  arrive(frames('0'));
  const { value } = await next;
  later.abort(reason);
  t.same(texts(value), ['0'], 'the batch in hand is still valid');
  await t.rejects(batches.next(), reason);
  t.same(await batches.next(), { done: true, value: undefined });

  const unused = new AbortController();
  const left = tap.batches({ signal: unused.signal });
  t.equal(getEventListeners(unused.signal, 'abort').length, 1);
  await left.return?.();
  t.equal(getEventListeners(unused.signal, 'abort').length, 0);
  tap.destroy();
});

t.test('batches() and forward() refuse options that they do not have', async (t) => {
  const { tap } = tapOverNothing();
  const to = tapOverNothing().tap;
  const code = 'ERR_TAPFD_INVALID_ARGUMENT';
  const batches = (options: unknown) => () => Reflect.apply(tap.batches, tap, [options]);
  t.throws(batches({ maxframes: 3 }), { code, argument: 'maxframes' });
  t.throws(batches({ transform: () => undefined }), { code, argument: 'transform' });
  t.throws(batches({ signal: 'x' }), { code, argument: 'signal' });
  await t.rejects(Reflect.apply(forward, undefined, [tap, to, { Signal: 1 }]) as Promise<unknown>, {
    code,
    argument: 'Signal',
  });
  tap.destroy();
  to.destroy();
});

t.test('a batch is of no use any more when the next one was asked for', async (t) => {
  const { tap, arrive } = tapOverNothing();
  const batches = tap.batches();
  const first = batches.next();
  arrive(frames('0', '1'));
  const { value: batch } = await first;
  if (!batch) throw new Error('no batch');
  const kept = batch.copy();
  const iterator = batch[Symbol.iterator]();
  iterator.next();
  const second = batches.next();
  const uses: Record<string, () => unknown> = {
    length: () => batch.length,
    bytes: () => batch.bytes,
    frame: () => batch.frame(0),
    iterating: () => [...batch],
    'iterating on': () => iterator.next(),
    remove: () => batch.remove(0),
    filter: () => batch.filter(() => true),
    append: () => batch.append(Buffer.alloc(60)),
    copy: () => batch.copy(),
  };
  for (const [name, use] of Object.entries(uses)) {
    t.throws(use, { code: 'ERR_TAPFD_INVALID_STATE', message: /copy\(\)/ }, name);
  }
  await t.rejects(tap.writeBatch(batch), { code: 'ERR_TAPFD_INVALID_STATE' });
  t.same(texts(kept), ['0', '1']);
  arrive(frames('2'));
  const { value: last } = await second;
  await batches.return?.();
  t.same(texts(last), ['2'], 'leaving the loop asks for no other');
  tap.destroy();
});

t.test('frames that were just removed can be appended again, in any order', async (t) => {
  const { tap, arrive } = tapOverNothing();
  const next = tap.batches().next();
  arrive(frames('1', '2', '3', '4'));
  const { value: batch } = await next;
  if (!batch) throw new Error('no batch');
  const removed: Buffer[] = [];
  batch.filter((frame, index) => {
    if (index >= 2) removed.unshift(frame);
    return index < 2;
  });
  for (const frame of removed) batch.append(frame);
  t.same(texts(batch), ['1', '2', '4', '3']);
  const small = batch.copy();
  const all = [...small].reverse();
  small.filter(() => false);
  for (const frame of all) small.append(frame);
  t.same(texts(small), ['3', '4', '2', '1'], 'with memory that grows');
  for (let i = 0; i < 10_000; i++) {
    small.remove(0);
    small.append(Buffer.alloc(60, 'x'));
  }
  t.ok(small.memory.length < 2048, 'but not without end');
  tap.destroy();
});

function upToText(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i));
}

/** Reads one frame after the other. */
function reader(
  device: FrameStream,
  way: 'read' | 'for await' | 'batches',
): () => Promise<string | undefined> {
  if (way === 'batches') {
    const batches = device.batches({ maxFrames: 1 });
    return async () => texts((await batches.next()).value)[0];
  }
  if (way === 'for await') {
    const loop = device[Symbol.asyncIterator]();
    return () => textOfNext(loop);
  }
  return async () => {
    let frame = device.read();
    while (frame === null) {
      await nextTurn();
      frame = device.read();
    }
    return text(frame);
  };
}

t.test(
  'events are typed: one that does not exist, or a listener of other arguments, does not compile',
  (t) => {
    const { tap } = tapOverNothing();
    const listener = () => undefined;
    // @ts-expect-error there is no such event
    tap.on('nonsense', listener).once('nonsense', listener).off('nonsense', listener);
    // @ts-expect-error
    tap.addListener('nonsense', listener).prependListener('nonsense', listener);
    // @ts-expect-error a frame is a Buffer
    tap.on('data', (frame: string) => frame);
    // @ts-expect-error there are no such things to send
    tap.on('drop', ({ direction }) => direction === 'up');
    tap.once('link', ({ changed }) => changed.includes('mtu')).on('close', listener);
    void new Promise((resolve) => tap.once('close', resolve));
    void new Promise<void>((resolve) => tap.once('close', resolve));
    tap.destroy();
    t.end();
  },
);

t.test("nothing is told after 'close'", async (t) => {
  const { tap, burst } = tapOverNothing();
  tap.on('drop', () => t.fail());
  tap.on('data', () => t.fail());
  await tap.close();
  burst(2, undefined, 0, 3);
  await nextTurn();
  t.equal(tap.stats.received.frames, 0);
});

t.test('who has not been lent the reading gets nothing by asking', async (t) => {
  const { tap, arrive, isReading } = tapOverNothing();
  const receiver = tap.receiverFor('test');
  receiver.ask();
  t.notOk(isReading());
  const got: Buffer[] = [];
  tap.on('data', (frame: Buffer) => got.push(frame));
  arrive([Buffer.from('a frame')]);
  await nextTurn();
  t.same(got.map(String), ['a frame']);
  await tap.close();
});
