/** The stream over a queue that answers what a healthy kernel does not. */
import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { forward, Tap } from 'tapfd';
import type { NativeBurstCallback, NativeFrameRules } from '#lib/base/native-queue.js';
import type { OpenedDevice } from '#lib/descriptor/device-handle.js';
import type { LinkSubscriber } from '#lib/links/watch.js';

const LINK = {
  name: 'tap9',
  index: 9,
  mac: '02:00:00:00:00:09',
  mtu: 1500,
  carrier: true,
  flags: 1,
  stats: { txDropped: 0, rxDropped: 0 },
};

/** What the addon reads to: four frames of ten bytes. */
const slab = Buffer.from('0'.repeat(10) + '1'.repeat(10) + '2'.repeat(10) + '3'.repeat(10));
const spans = Uint32Array.of(0, 10, 10, 10, 20, 10, 30, 10);

/** A Tap whose descriptor is not there; `burst` is what the addon would call. */
function tapOverNothing(flags = 0x5002, offload = { mask: 0 }) {
  let burst: NativeBurstCallback = () => undefined;
  let subscriber: LinkSubscriber | undefined;
  let outcome = 0;
  let writable: () => void = () => undefined;
  const rules: NativeFrameRules[] = [];
  const watch = {
    ns: {},
    get: () => undefined,
    subscribe: (_index: number, follower: LinkSubscriber) => {
      subscriber = follower;
    },
    unsubscribe: () => undefined,
    // There is no link whose counters could be read.
    share: () => {
      throw new Error('no link');
    },
    release: () => undefined,
  };
  const queue = {
    fd: 99,
    onBurst: (callback: NativeBurstCallback) => {
      burst = callback;
    },
    onWritable: (callback: () => void) => {
      writable = callback;
    },
    setRules: (next: NativeFrameRules) => rules.push(next),
    setOffload: ([mask]: number[]) => Promise.resolve(mask),
    startReading: () => undefined,
    stopReading: () => undefined,
    write: () => outcome,
    close: () => Promise.resolve(),
    release: () => 99,
    takePending: () => [],
    useOwnMemory: () => undefined,
    awaitWritable: () => undefined,
    // Takes all but one frame, which is lost, or none at all.
    writeFrames: (_slab: Buffer, _spans: Uint32Array, first: number, end: number, report: Int32Array) => {
      report.set(outcome === 0 ? [end, 60, 1, -constants.errno.EIO, 1] : [first, 0, 0]);
      return outcome;
    },
  };
  const device = {
    opened: { kind: 'tap', flags, features: 0, offload: 0, vnetHeaderBytes: 10, link: LINK, queue },
    watch,
    offload,
    settings: {
      readableHighWaterMark: 4,
      writableHighWaterMark: 4,
      copyFrames: false,
      segment: true,
      macCheck: 'off',
    },
    openFurther: () => Promise.reject(new Error('no')),
  };
  const tap = Tap.wrap(device as unknown as OpenedDevice);
  return {
    tap,
    rules,
    burst: (count: number, last: Buffer | undefined, error: number, faults: number) =>
      burst(slab, spans, count, last, error, faults),
    resume: () => writable(),
    loseWatch: () => subscriber?.watchFailed?.(new Error('the socket is gone')),
    answer: (next: number) => {
      outcome = next;
    },
  };
}

t.test('malformed super-frames are counted and told of', async (t) => {
  const { tap, burst } = tapOverNothing();
  const dropped = new Promise((resolve) => tap.once('drop', resolve));
  burst(0, undefined, 0, 3);
  t.same(await dropped, { direction: 'receive', reason: 'malformed', count: 3 });
  t.same(tap.stats.received.drops, { malformed: 3 });
  tap.destroy();
});

t.test('a read that fails for good ends the stream; a link that is down does not', async (t) => {
  const { tap, burst } = tapOverNothing();
  burst(0, undefined, -constants.errno.EIO, 0);
  t.notOk(tap.destroyed);
  const failed = new Promise((resolve) => tap.once('error', resolve));
  burst(0, undefined, -constants.errno.EPERM, 0);
  t.match(await failed, { code: 'EPERM', syscall: 'read', interface: 'tap9' });
});

t.test('a write that fails for good ends the stream, and its callback and batch say so', async (t) => {
  const { tap, answer } = tapOverNothing();
  const failed = new Promise((resolve) => tap.once('error', resolve));
  answer(-constants.errno.EPERM);
  const told = new Promise((resolve) => tap.write(Buffer.alloc(60), resolve));
  t.match(await told, { code: 'EPERM', syscall: 'write' });
  t.match(await failed, { code: 'EPERM', syscall: 'write' });
  const again = tapOverNothing();
  again.tap.on('error', () => undefined);
  again.answer(-constants.errno.EPERM);
  await t.rejects(again.tap.writeBatch([Buffer.alloc(60), Buffer.alloc(60)]), {
    code: 'EPERM',
    framesTaken: 0,
  });
});

t.test('a frame that did not fit the slab is delivered in memory of its own', async (t) => {
  const { tap, burst } = tapOverNothing();
  const frame = Buffer.alloc(70, 7);
  const read = new Promise((resolve) => tap.once('data', resolve));
  burst(1, frame, 0, 0);
  t.equal(await read, frame);
  tap.destroy();
  const batched = tapOverNothing(0x4002);
  t.equal(batched.tap.flags.packetInfo, true);
  const next = batched.tap.batches().next();
  batched.burst(1, frame, 0, 0);
  const { value } = await next;
  t.same(value && [...value], [frame]);
  batched.tap.destroy();
  const looped = tapOverNothing();
  const first = looped.tap[Symbol.asyncIterator]().next();
  looped.burst(1, frame, 0, 0);
  t.same(await first, { done: false, value: frame });
  t.equal(looped.tap.stats.received.bytes, 70);
  looped.tap.destroy();
});

t.test(
  'behind the frames of a batch it comes by itself, and none is lost by leaving the loop or by a hand-off',
  async (t) => {
    const frame = Buffer.alloc(70, 7);
    const texts = (batch: Iterable<Buffer> | undefined) => [...(batch ?? [])].map(String);
    const { tap, burst } = tapOverNothing();
    const batches = tap.batches();
    let next = batches.next();
    burst(3, frame, 0, 0);
    t.same(texts((await next).value), ['0000000000', '1111111111']);
    t.same([...((await batches.next()).value ?? [])], [frame]);
    t.equal(tap.stats.received.frames, 3);
    t.equal(tap.stats.received.bytes, 90);
    next = batches.next();
    burst(2, frame, 0, 0);
    await next;
    await batches.return?.();
    t.equal(tap.read(), frame, 'left in the stream');
    tap.destroy();

    const given = tapOverNothing();
    const rest = given.tap.batches();
    next = rest.next();
    given.burst(2, frame, 0, 0);
    await next;
    given.tap.handOff();
    t.same([...((await rest.next()).value ?? [])], [frame]);
    t.same(await rest.next(), { done: true, value: undefined });
    given.tap.destroy();
  },
);

t.test('a hand-off by who is being given a frame: those read with it come too, and the end', async (t) => {
  const { tap, burst } = tapOverNothing();
  const got: Buffer[] = [];
  tap.on('data', (frame: Buffer) => {
    if (got.push(frame) === 2) t.equal(tap.handOff(), 99);
  });
  const ended = new Promise((resolve) => tap.once('end', resolve));
  const last = Buffer.alloc(70, 7);
  burst(4, last, 0, 0);
  await ended;
  t.equal(got.length, 4);
  t.equal(got[3], last);
  t.equal(tap.stats.received.frames, 4);
  tap.destroy();
});

t.test('frames of a joined write that were lost are not counted as taken', async (t) => {
  const { tap, burst } = tapOverNothing();
  const batches = tap.batches();
  const next = batches.next();
  burst(1, Buffer.alloc(70), 0, 0);
  const { value } = await next;
  if (!value) throw new Error('no batch');
  value.append(Buffer.alloc(60));
  t.equal(await tap.writeBatch(value), 1);
  t.same(tap.stats.sent, { frames: 1, bytes: 60, drops: { 'link-down': 1 } });
  tap.destroy();
});

t.test('forward ends with what ends the other device', async (t) => {
  const from = tapOverNothing();
  const to = tapOverNothing();
  to.tap.on('error', () => undefined);
  to.answer(-constants.errno.EPERM);
  const forwarding = t.rejects(forward(from.tap, to.tap), { code: 'EPERM', syscall: 'write' });
  from.burst(1, Buffer.alloc(70), 0, 0);
  await forwarding;
  from.tap.destroy();
});

t.test('a callback ends the stream while the next frame is begun: each is called once', async (t) => {
  const { tap, answer, resume } = tapOverNothing();
  tap.on('error', (error) => t.fail(error));
  answer(-constants.errno.EAGAIN);
  const told: unknown[] = [];
  const closed = new Promise((resolve) => tap.once('close', resolve));
  for (let i = 0; i < 3; i++) {
    tap.write(Buffer.alloc(60), (error) => {
      told.push(error);
      if (i === 0) tap.destroy();
    });
  }
  answer(0);
  resume();
  await closed;
  t.equal(told.length, 3);
  t.match(told, [null, Error, Error]);
  t.equal(tap.stats.sent.frames, 1);
});

t.test('a frame that waits and shows that the device is lost is told so, once', async (t) => {
  const { tap, answer, resume } = tapOverNothing();
  answer(-constants.errno.EAGAIN);
  const told: unknown[] = [];
  tap.write(Buffer.alloc(60), (error) => told.push(error));
  tap.write(Buffer.alloc(60));
  answer(-constants.errno.EPERM);
  const failed = new Promise((resolve) => tap.once('error', resolve));
  resume();
  t.match(await failed, { code: 'EPERM', syscall: 'write' });
  await nextTurn();
  t.match(told, [{ code: 'EPERM', syscall: 'write' }]);
});

t.test('a lost watch ends the stream; a handed-off one reads no more', async (t) => {
  const { tap, loseWatch } = tapOverNothing();
  const failed = new Promise((resolve) => tap.once('error', resolve));
  loseWatch();
  t.match(await failed, { code: 'ERR_TAPFD_WATCH_LOST' });
  const other = tapOverNothing();
  t.equal(other.tap.handOff(), 99);
  other.tap._read();
  t.equal(other.tap.stats.received.frames, 0);
  other.tap.destroy();
});

t.test(
  'forward: what waits for the kernel is finished after the signal, and fails with the device',
  async (t) => {
    const from = tapOverNothing();
    const to = tapOverNothing();
    const controller = new AbortController();
    const stopped = forward(from.tap, to.tap, { signal: controller.signal });
    to.answer(-constants.errno.EAGAIN);
    from.burst(2, undefined, 0, 0);
    controller.abort();
    to.answer(0);
    to.resume();
    t.same(await stopped, { frames: 1, lost: 1 });
    const failing = t.rejects(forward(from.tap, to.tap), { code: 'ERR_TAPFD_CLOSED' });
    to.answer(-constants.errno.EAGAIN);
    from.burst(1, Buffer.alloc(70), 0, 0);
    let late: unknown;
    to.tap.sendFrames([Buffer.alloc(60)], () => {
      // In the middle of the end: nothing may begin to wait any more.
      t.throws(() => to.tap.sendFrames([Buffer.alloc(60)], () => undefined), { code: 'ERR_TAPFD_CLOSED' });
      late = true;
    });
    to.tap.destroy();
    await failing;
    t.equal(late, true);
    from.tap.destroy();
  },
);

t.test(
  'forward ends with what its transform throws, at once or later, and gives the reading back',
  async (t) => {
    const from = tapOverNothing();
    const to = tapOverNothing();
    const failure = new Error('from a transform');
    const transforms = [
      () => {
        throw failure;
      },
      () => Promise.reject(failure),
    ];
    for (const transform of transforms) {
      const failed = t.rejects(forward(from.tap, to.tap, { transform }), failure);
      from.burst(1, Buffer.alloc(70), 0, 0);
      await failed;
    }
    await from.tap.batches().return?.();
    for (const { tap } of [from, to]) tap.destroy();
  },
);

t.test('forward ends with the device it reads from, and with an idle one it writes to', async (t) => {
  const given = tapOverNothing();
  const to = tapOverNothing();
  const ended = forward(given.tap, to.tap);
  given.tap.handOff();
  t.same(await ended, { frames: 0, lost: 0 });
  const from = tapOverNothing();
  const failed = t.rejects(forward(from.tap, to.tap), { code: 'ERR_TAPFD_CLOSED' });
  from.tap.destroy();
  await failed;
  const other = tapOverNothing();
  const idle = t.rejects(forward(other.tap, to.tap), { code: 'ERR_TAPFD_CLOSED' });
  to.tap.destroy();
  await idle;
  given.tap.destroy();
  other.tap.destroy();
});

t.test(
  'forward ends at once when the device it writes to is handed off, and refuses one that has ended',
  async (t) => {
    const from = tapOverNothing();
    const idle = tapOverNothing();
    const failed = t.rejects(forward(from.tap, idle.tap), {
      code: 'ERR_TAPFD_HANDED_OFF',
      message: /^forward/,
    });
    idle.tap.handOff();
    await failed;
    const busy = tapOverNothing();
    busy.answer(-constants.errno.EAGAIN);
    const failing = t.rejects(forward(from.tap, busy.tap), { code: 'ERR_TAPFD_HANDED_OFF' });
    from.burst(1, Buffer.alloc(70), 0, 0);
    busy.tap.handOff();
    await failing;
    await t.rejects(forward(from.tap, busy.tap), { code: 'ERR_TAPFD_HANDED_OFF' });
    busy.tap.destroy();
    idle.tap.destroy();
    const closed = tapOverNothing();
    closed.tap.destroy();
    await t.rejects(forward(from.tap, closed.tap), { code: 'ERR_TAPFD_CLOSED' });
    const failedBefore = tapOverNothing();
    failedBefore.tap.on('error', () => undefined).destroy(new Error('enough'));
    await t.rejects(forward(from.tap, failedBefore.tap), { message: 'enough' });
    await from.tap.batches().return?.();
    from.tap.destroy();
  },
);

t.test(
  'forward: a batch under way when the reading ends is still written, and counted after a hand-off',
  async (t) => {
    const from = tapOverNothing();
    const to = tapOverNothing();
    const handedOff = forward(from.tap, to.tap);
    to.answer(-constants.errno.EAGAIN);
    from.burst(2, undefined, 0, 0);
    let over = false;
    void handedOff.then(() => {
      over = true;
    });
    from.tap.handOff();
    await nextTurn();
    t.notOk(over, 'the batch still waits');
    to.answer(0);
    to.resume();
    t.same(await handedOff, { frames: 1, lost: 1 });
    const other = tapOverNothing();
    const failing = t.rejects(forward(other.tap, to.tap), { code: 'ERR_TAPFD_CLOSED' });
    to.answer(-constants.errno.EAGAIN);
    other.burst(2, undefined, 0, 0);
    other.tap.destroy();
    await failing;
    to.answer(0);
    to.resume();
    t.equal(to.tap.stats.sent.frames, 2);
    for (const { tap } of [from, to]) tap.destroy();
  },
);

t.test('a loop over a stream that ends without an error ends too', async (t) => {
  const { tap } = tapOverNothing();
  const next = tap[Symbol.asyncIterator]().next();
  tap.push(null);
  tap.resume();
  t.same(await next, { done: true, value: undefined });
  t.ok(tap.destroyed);
});

t.test('what one queue is granted changes what all queues of its device join', async (t) => {
  const shared = { mask: 0 };
  const [first, second] = [tapOverNothing(0x5002, shared), tapOverNothing(0x5002, shared)];
  const stranger = tapOverNothing();
  await first.tap.setOffload(['csum', 'uso4', 'uso6']);
  for (const { rules } of [first, second]) t.equal(rules.at(-1)?.joinsUdp, true);
  t.equal(stranger.rules.at(-1)?.joinsUdp, false);
  for (const { tap } of [first, second, stranger]) tap.destroy();
});
