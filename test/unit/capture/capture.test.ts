/** capture() over devices without a kernel: filters, ends, failures, rings, several captures at once. */
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { encodeVnetHeader } from 'tapfd';
import { type Capture, capture } from 'tapfd/capture';
import { headerComments } from '#lib/capture/frame-headers.js';
import { Collected, ownDirectory, readBack, Stalled } from '../../kit/captures.js';
import { tapOverNothing } from '../../kit/scripted-tap.js';

const frame = (text: string) => Buffer.from(text.padEnd(60));
const textsOf = async (file: Collected) =>
  (await readBack(file.bytes)).frames.map(({ bytes }) => bytes.toString().trim());
const CLOSED = { code: 'ERR_TAPFD_CLOSED' };

/** Warnings of this process while the test runs. */
function warnings(t: Test): string[] {
  const seen: string[] = [];
  const listener = (warning: Error) => {
    if (warning.name === 'TapfdWarning') seen.push(warning.message);
  };
  process.on('warning', listener);
  t.teardown(() => process.off('warning', listener));
  return seen;
}

t.test('begun and ended in the middle of traffic; two at once', async (t) => {
  const { tap, arrive } = tapOverNothing();
  tap.resume();
  await nextTurn();
  const [first, second] = [new Collected(), new Collected()];
  arrive([frame('before')]);
  const one = await capture(tap, first);
  arrive([frame('a'), frame('b')]);
  tap.write(frame('c'));
  const two = await capture(tap, second);
  arrive([frame('d')]);
  await one.close();
  arrive([frame('e')], true);
  await two.close();
  arrive([frame('after')]);
  t.same(await textsOf(first), ['a', 'b', 'c', 'd']);
  t.same(await textsOf(second), ['d', 'e']);
  t.match(await one.close(), { seen: 4, written: 4, files: 1 }, 'again');
  tap.destroy();
});

t.test('of two captures the younger ends first', async (t) => {
  const { tap, arrive } = tapOverNothing();
  tap.resume();
  await nextTurn();
  const [first, second] = [new Collected(), new Collected()];
  const one = await capture(tap, first);
  const two = await capture(tap, second);
  arrive([frame('a')]);
  await two.close();
  arrive([frame('b')]);
  tap.write(frame('c'));
  await one.close();
  tap.write(frame('d'));
  t.same(await textsOf(second), ['a']);
  t.same(await textsOf(first), ['a', 'b', 'c']);
  tap.destroy();
});

t.test('a writable that throws, and one that fails before the capture has begun', async (t) => {
  const { tap } = tapOverNothing();
  const failure = new Error('thrown by write()');
  const throwing = new Writable();
  throwing.write = () => {
    throw failure;
  };
  const running = await capture(tap, throwing);
  const finished = t.rejects(running.finished, failure);
  t.equal(tap.write(frame('a')), true);
  await finished;
  await t.rejects(running.close(), failure);
  tap.write(frame('b'));
  t.equal(tap.stats.sent.frames, 2);
  const failing = new Writable({ write: (_chunk, _encoding, done) => done(failure) });
  // The kernel takes its time to say what it has dropped so far.
  tap.refreshStats = () => nextTurn(tap.stats);
  await t.rejects(capture(tap, failing), failure);
  t.equal(tap.destroyed, false);
  tap.destroy();
});

t.test('frames are captured from the call on', async (t) => {
  const { tap } = tapOverNothing();
  const file = new Collected();
  const starting = capture(tap, file);
  tap.write(frame('at once'));
  await (await starting).close();
  t.same(await textsOf(file), ['at once']);
  tap.destroy();
});

t.test('the rest of a super-frame at a hand-off belongs to it, and then the capture ends', async (t) => {
  const { tap, hold, arrive } = tapOverNothing();
  const file = new Collected();
  tap.resume();
  await nextTurn();
  const running = await capture(tap, file);
  arrive([frame('a')]);
  hold([frame('b'), frame('c')]);
  tap.handOff();
  t.match(await running.finished, { written: 3 });
  t.same(await textsOf(file), ['a', 'b', 'c']);
  t.ok(file.writableFinished);
  await t.rejects(capture(tap, new Collected()), { code: 'ERR_TAPFD_HANDED_OFF' });
  await tap.close();
});

t.test('it ends when all its devices have', async (t) => {
  const [a, b] = [tapOverNothing().tap, tapOverNothing().tap];
  const file = new Collected();
  const running = await capture([a, b], file);
  a.write(frame('a'));
  await a.close();
  b.write(frame('b'));
  await b.close();
  t.match(await running.finished, { written: 2 });
  t.same(await textsOf(file), ['a', 'b']);
  const { section } = await readBack(file.bytes);
  const [ofA, ofB] = section.interfaces.map(({ statistics }) => statistics?.endTime ?? 0n);
  t.ok(ofA !== undefined && ofB !== undefined && ofA < ofB, 'each at its own time');
  t.throws(() => running.add(tapOverNothing().tap), CLOSED);
});

t.test('a device that has ended is refused before the target is touched', async (t) => {
  const { tap: closed } = tapOverNothing();
  await closed.close();
  const path = join(await ownDirectory(t), 'trace.pcapng');
  await writeFile(path, 'an older trace');
  const { tap } = tapOverNothing();
  await t.rejects(capture(closed, path), CLOSED);
  await t.rejects(capture([tap, closed], path), CLOSED);
  t.equal(await readFile(path, 'utf8'), 'an older trace');
  const ring = { bytes: 16_384, files: 2 };
  await t.rejects(capture(closed, `${path}-ring`, { ring }), CLOSED);
  t.same(await readdir(join(path, '..')), ['trace.pcapng']);
  const file = new Collected();
  await t.rejects(capture(closed, file), CLOSED);
  t.notOk(file.destroyed || file.writableEnded, "a Writable is still the caller's");
  const running = await capture(tap, file);
  tap.write(frame('a'));
  await running.close();
  t.same(await textsOf(file), ['a']);
  await tap.close();
});

t.test('add() devices to it, of none at first', async (t) => {
  const file = new Collected();
  const running = await capture([], file);
  for (const name of ['a', 'b']) {
    const { tap } = tapOverNothing();
    running.add(tap);
    t.throws(() => running.add(tap), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'device' });
    tap.write(frame(name));
    await tap.close();
    t.throws(() => running.add(tap), { code: /INVALID_ARGUMENT/ });
  }
  const { tap: closed } = tapOverNothing();
  await closed.close();
  t.throws(() => running.add(closed), CLOSED);
  t.throws(() => running.add(7 as never), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'device' });
  t.match(await running.close(), { written: 2 });
  t.equal((await readBack(file.bytes)).section.interfaces.length, 2);
});

t.test('the signal ends it; one aborted before lets nothing begin', async (t) => {
  const { tap } = tapOverNothing();
  const aborting = new AbortController();
  const file = new Collected();
  const running = await capture(tap, file, { signal: aborting.signal });
  tap.write(frame('a'));
  aborting.abort();
  tap.write(frame('b'));
  t.match(await running.finished, { written: 1 });
  const untouched = new Collected();
  await t.rejects(capture(tap, untouched, { signal: aborting.signal }), { name: 'AbortError' });
  t.equal(untouched.bytes.length, 0);
  t.equal(untouched.listenerCount('error'), 0);
  tap.destroy();
});

t.test('a filter that throws: the frame is kept, the device is not disturbed', async (t) => {
  const seen = warnings(t);
  const { tap, arrive } = tapOverNothing();
  const file = new Collected();
  const heard: string[] = [];
  tap.on('data', (one) => heard.push(one.toString().trim()));
  await nextTurn();
  const thrown: unknown[] = [new RangeError('out of range'), Object.create(null), 'text'];
  const running = await capture(tap, file, {
    filter: (one) => {
      if (one.toString().startsWith('no')) return false;
      throw thrown.shift();
    },
  });
  arrive([frame('a'), frame('no'), frame('b'), frame('c')]);
  await nextTurn();
  t.match(await running.close(), { seen: 4, written: 3, filtered: 1, filterErrors: 3 });
  t.same(heard, ['a', 'no', 'b', 'c']);
  const { frames } = await readBack(file.bytes);
  t.same(
    frames.map(({ comments }) => comments),
    [
      ['the filter threw: RangeError: out of range'],
      ['the filter threw: something without a text'],
      ['the filter threw: text'],
    ],
  );
  t.equal(seen.length, 1);
  t.match(seen[0], /filter of a capture threw: RangeError: out of range/);
  tap.destroy();
});

t.test('a filter that writes to the device, ends the capture, or destroys the device', async (t) => {
  const { tap } = tapOverNothing();
  const file = new Collected();
  let running: Capture | undefined;
  let asked = 0;
  running = await capture(tap, file, {
    filter: (one) => {
      asked += 1;
      if (one.toString().startsWith('answer me')) tap.write(frame('answer'));
      if (one.toString().startsWith('end')) running?.close();
      return true;
    },
  });
  tap.write(frame('answer me'));
  t.equal(asked, 1, 'it is not asked about what it writes itself');
  tap.write(frame('end'));
  tap.write(frame('more'));
  await running.close();
  t.same(await textsOf(file), ['answer', 'answer me']);

  const last = new Collected();
  const ending = await capture(tap, last, { filter: () => Boolean(tap.destroy()) });
  tap.write(frame('the last'));
  await ending.finished;
});

t.test('a slow writable costs frames of the capture, and each is told', async (t) => {
  const { tap } = tapOverNothing();
  const file = new Stalled();
  const running = await capture(tap, file, { bufferBytes: 1024 * 1024 });
  const large = Buffer.alloc(1500, 7);
  for (let i = 0; i < 1000; i++) tap.write(large);
  const { written, dropped, seen } = running.stats;
  t.equal(seen, 1000);
  t.ok(dropped > 300 && written + dropped === 1000, `${dropped}`);
  t.equal(tap.stats.sent.frames, 1000);
  file.flow();
  await nextTurn();
  await nextTurn();
  tap.write(frame('again'));
  await running.close();
  const { frames, section } = await readBack(file.bytes);
  t.equal(frames.length, written + 1);
  t.equal(frames.at(-1)?.dropCount, BigInt(dropped));
  t.match(section.interfaces[0]?.statistics, {
    received: 1001n,
    accepted: 1001n,
    osDropped: BigInt(dropped),
    delivered: BigInt(written + 1),
  });
  tap.destroy();
});

t.test('a writable that fails ends the capture, not the device; who does not ask is warned', async (t) => {
  const seen = warnings(t);
  const failure = new Error('the disk is full');
  const failing = () =>
    new Writable({
      write: (chunk: Buffer, _encoding, done) => done(chunk.length > 300 ? failure : null),
    });
  const { tap } = tapOverNothing();
  for (const asks of [true, false]) {
    const running = await capture(tap, failing());
    await nextTurn();
    const finished = asks ? t.rejects(running.finished, failure) : undefined;
    for (let i = 0; i < 10; i++) tap.write(frame('a'));
    await nextTurn();
    await finished;
    tap.write(frame('b'));
    await t.rejects(running.close(), failure);
    t.equal(running.stats.written, 10);
  }
  await nextTurn();
  t.same(seen, ['a capture has ended: Error: the disk is full']);
  t.equal(tap.stats.sent.frames, 22);
  await t.rejects(capture(tap, '/nowhere/trace.pcapng'), { code: 'ENOENT' });
  t.equal(tap.destroyed, false);
  tap.destroy();
});

t.test('a full disk', async (t) => {
  const { tap } = tapOverNothing();
  const running = await capture(tap, '/dev/full');
  tap.write(frame('a'));
  await t.rejects(running.close(), { code: 'ENOSPC' });
  tap.destroy();
});

t.test('a writable that has failed, and says so only later', async (t) => {
  const failure = new Error('the disk is full');
  const file = new Writable({
    write: (_chunk, _encoding, done) => done(failure),
    destroy: (error, done) => setTimeout(done, 50, error),
  });
  const { tap } = tapOverNothing();
  const running = await capture(tap, file);
  await nextTurn();
  tap.write(frame('a'));
  t.equal(await running.close().catch((error: unknown) => error), failure);
  tap.destroy();
});

t.test('`await using`, and end: false', async (t) => {
  const { tap } = tapOverNothing();
  const file = new Collected();
  {
    await using _running = await capture(tap, file, { end: false });
    tap.write(frame('a'));
  }
  t.notOk(file.writableEnded);
  t.same(await textsOf(file), ['a']);
  tap.destroy();
});

t.test('a ring of files', async (t) => {
  const directory = await ownDirectory(t);
  const path = join(directory, 'trace.pcapng');
  const { tap } = tapOverNothing();
  const running = await capture(tap, path, { ring: { bytes: 16_384, files: 3 }, comment: 'of a ring' });
  const large = Buffer.alloc(1500);
  for (let i = 0; i < 100; i++) {
    large.writeUInt32BE(i, 20);
    tap.write(large);
    if (i % 7 === 0) await nextTurn();
  }
  const stats = await running.close();
  const names = (await readdir(directory)).sort();
  t.equal(names.length, 3);
  t.equal(names.at(-1), `trace-${String(stats.files).padStart(5, '0')}.pcapng`);
  t.ok(stats.files >= 9, `${stats.files}`);
  const numbers: number[] = [];
  let bytes = 0;
  for (const name of names) {
    const { size } = await stat(join(directory, name));
    t.ok(size <= 16_384, `${name} has ${size} bytes`);
    bytes += size;
    const { frames, section } = await readBack(join(directory, name));
    t.same(section.comments, ['of a ring']);
    const numbersHere = frames.map((one) => one.bytes.readUInt32BE(20));
    const count = BigInt(numbersHere.at(-1) ?? 0) + 1n;
    t.match(
      section.interfaces[0]?.statistics,
      { received: count, accepted: count, delivered: count, osDropped: 0n, dropped: 0n },
      `${name} has counted the frames up to its last`,
    );
    numbers.push(...frames.map((one) => one.bytes.readUInt32BE(20)));
  }
  t.same(
    numbers,
    Array.from(numbers, (_, i) => 100 - numbers.length + i),
    'the last frames, none missing between the files',
  );
  t.ok(stats.bytes > bytes);
  t.equal(stats.written, 100);
  tap.destroy();
});

t.test('a ring of one file, of frames that are larger than it', async (t) => {
  const directory = await ownDirectory(t);
  const { tap } = tapOverNothing();
  const running = await capture(tap, join(directory, 'x'), { ring: { bytes: 16_384, files: 1 } });
  for (const text of ['a', 'b', 'c']) tap.write(Buffer.alloc(60_000, text));
  t.match(await running.close(), { files: 3, written: 3 });
  t.same(await readdir(directory), ['x-00003']);
  const { frames } = await readBack(await readFile(join(directory, 'x-00003')));
  t.equal(frames[0]?.bytes.toString('latin1', 0, 1), 'c');
  tap.destroy();
});

t.test('a ring whose next file cannot be made', async (t) => {
  const directory = await ownDirectory(t);
  const { tap } = tapOverNothing();
  const running = await capture(tap, join(directory, 'x'), { ring: { bytes: 16_384, files: 2 } });
  const { mkdir } = await import('node:fs/promises');
  await mkdir(join(directory, 'x-00002'));
  for (let i = 0; i < 30; i++) tap.write(Buffer.alloc(1500));
  await t.rejects(running.finished, { code: 'EISDIR' });
  tap.write(frame('the device lives on'));
  t.equal(tap.stats.sent.frames, 31);
  tap.destroy();
});

t.test('a ring whose oldest file is not there any more, or cannot be removed', async (t) => {
  const directory = await ownDirectory(t);
  const { tap } = tapOverNothing();
  const running = await capture(tap, join(directory, 'x'), { ring: { bytes: 16_384, files: 1 } });
  const { mkdir, rename, rm } = await import('node:fs/promises');
  await rename(join(directory, 'x-00001'), join(directory, 'kept'));
  tap.write(Buffer.alloc(15_000));
  tap.write(Buffer.alloc(15_000));
  while (!(await readdir(directory)).includes('x-00002')) await nextTurn();
  await rm(join(directory, 'x-00002'));
  await mkdir(join(directory, 'x-00002', 'full'), { recursive: true });
  tap.write(Buffer.alloc(15_000));
  // Deno's unlink() removes directories, unless they are full.
  const code = process.versions.deno === undefined ? 'EISDIR' : 'ENOTEMPTY';
  await t.rejects(running.finished, { code, syscall: 'unlink' });
  t.equal((await readBack(join(directory, 'kept'))).frames.length, 1);
  tap.destroy();
});

t.test('what packet information and vnet headers say', async (t) => {
  const tun = { kind: 'tun', packetInfo: true, vnetHeaderBytes: 0 } as const;
  const info = (flags: number, protocol: number) => Buffer.of(flags, 0, protocol >> 8, protocol & 0xff, 0x45);
  t.same(headerComments(tun, info(0, 0x0800)), []);
  t.same(headerComments(tun, info(0, 0x86dd)), []);
  t.same(headerComments(tun, info(0, 0x8847)), ['packet info: protocol 0x8847']);
  t.same(headerComments(tun, info(1, 0x0800)), ['packet info: cut by the kernel']);
  t.same(headerComments({ ...tun, kind: 'tap' }, info(0, 0x8847)), []);
  t.same(headerComments(tun, Buffer.of(0)), [], 'too short for one');
  const vnet = { kind: 'tap', packetInfo: false, vnetHeaderBytes: 10 } as const;
  const said = (header: Parameters<typeof encodeVnetHeader>[0]) =>
    headerComments(vnet, encodeVnetHeader(header));
  t.same(said({}), []);
  t.same(said({ dataValid: true }), []);
  t.same(said({ segmentation: 'udp', segmentBytes: 1400, headerBytes: 42, ecn: true }), [
    'vnet: gso udp size 1400 headers 42 ecn',
  ]);
  const both = { packetInfo: true, vnetHeaderBytes: 12, kind: 'tun' } as const;
  const unknown = Buffer.concat([info(1, 0x8847).subarray(0, 4), Buffer.of(0, 77), Buffer.alloc(10)]);
  t.same(headerComments(both, unknown), [
    'packet info: cut by the kernel, protocol 0x8847',
    'vnet: gso type 77 is unknown',
  ]);
});

t.test('wrong arguments begin nothing', async (t) => {
  const { tap } = tapOverNothing();
  const file = new Collected();
  const wrong = (argument: string) => ({ code: 'ERR_TAPFD_INVALID_ARGUMENT', argument });
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  for (const device of [undefined, null, 7, 'tap0', {}, proxy]) {
    await t.rejects(capture(device as never, file), wrong('device'));
  }
  await t.rejects(capture([tap, 7 as never], file), wrong('device[1]'));
  await t.rejects(capture([tap, tap], file), wrong('device[1]'));
  for (const target of [undefined, 7, '', {}])
    await t.rejects(capture(tap, target as never), wrong('target'));
  await t.rejects(capture(tap, file, { ring: { bytes: 16_384, files: 2 } }), wrong('target'));
  const options: [string, unknown][] = [
    ['filter', 'tcp'],
    ['snapLength', 0],
    ['ring', 7],
    ['ring.bytes', { bytes: 1, files: 2 }],
    ['ring.files', { bytes: 16_384, files: 0 }],
    ['ring.size', { bytes: 16_384, files: 1, size: 1 }],
    ['signal', {}],
    ['bufferBytes', 7],
    ['snaplen', 60],
  ];
  for (const [argument, value] of options) {
    const name = argument.split('.')[0] ?? '';
    await t.rejects(capture(tap, 'x', { [name]: value }), wrong(argument), argument);
  }
  // @ts-expect-error: a fourth argument
  await t.rejects(capture(tap, file, {}, {}), wrong('argument 4'));
  t.equal(file.bytes.length, 0);
  const closed = once(tap, 'close');
  tap.destroy();
  await closed;
});
