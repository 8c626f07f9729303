/** PcapngWriter: what it writes comes back, what it cannot write is said, and what it is given is checked. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { PcapngReader, PcapngWriter } from 'tapfd/capture';
import { Collected, ownDirectory, readBack, Stalled } from '../../kit/captures.js';
import { runChild } from '../../kit/child.js';
import { revokedProxy } from '../../kit/odd-values.js';

const FRAME = Buffer.from('a frame of sixty bytes'.padEnd(60));

t.test('everything that is written comes back', async (t) => {
  const file = new Collected();
  const writer = new PcapngWriter(file, {
    application: 'the test',
    os: 'Ostrich 1.0',
    hardware: 'größer',
    comment: ['one', 'two 💡'],
  });
  const wire = writer.addInterface({
    name: 'wire0',
    description: 'a wire',
    linkType: 'ethernet',
    snapLength: 100,
    mac: '02-00-00-00-00-01',
    speed: 10_000_000_000,
    filter: 'tcp port 80',
    os: 'Linux',
    hardware: 'copper',
    comment: 'of copper',
  });
  const tunnel = writer.addInterface({ linkType: 'raw' });
  t.same([wire, tunnel, writer.addInterface({ linkType: 147 })], [0, 1, 2]);
  const timestamp = 1_796_043_168_892_347_522n;
  t.ok(
    writer.writeFrame({
      interface: wire,
      timestamp,
      bytes: FRAME,
      originalLength: 1514,
      direction: 'in',
      comment: ['first', 'ä'],
      dropCount: 7,
      queue: 3,
      packetId: 2n ** 64n - 1n,
    }),
  );
  for (const length of [0, 1, 2, 3, 4, 5]) {
    writer.writeFrame({ interface: tunnel, bytes: FRAME.subarray(0, length), direction: 'out' });
  }
  writer.writeFrame({ interface: tunnel, bytes: new Uint8Array(FRAME) });
  writer.writeStatistics({
    interface: wire,
    timestamp,
    startTime: 1n,
    endTime: 2n ** 63n,
    received: 10,
    dropped: 2n ** 40n,
    accepted: 8,
    osDropped: 3,
    delivered: 5,
    comment: 'kernel 2',
  });
  const { frames: count, dropped, bytes } = writer.stats;
  t.same([count, dropped], [8, 0]);
  await writer.close();
  t.equal(bytes, file.bytes.length);
  t.equal(writer.stats.pendingBytes, 0);
  t.ok(file.writableFinished);

  const { frames, section } = await readBack(file.bytes);
  t.match(section, {
    format: 'pcapng',
    byteOrder: 'LE',
    application: 'the test',
    os: 'Ostrich 1.0',
    hardware: 'größer',
    comments: ['one', 'two 💡'],
  });
  t.same(section.interfaces[0], {
    id: 0,
    name: 'wire0',
    description: 'a wire',
    linkType: 'ethernet',
    snapLength: 100,
    mac: '02:00:00:00:00:01',
    speed: 10_000_000_000n,
    filter: 'tcp port 80',
    os: 'Linux',
    hardware: 'copper',
    comments: ['of copper'],
    statistics: {
      timestamp,
      startTime: 1n,
      endTime: 2n ** 63n,
      received: 10n,
      dropped: 2n ** 40n,
      accepted: 8n,
      osDropped: 3n,
      delivered: 5n,
      comments: ['kernel 2'],
    },
  });
  t.match(section.interfaces[1], { linkType: 'raw', snapLength: 262144, name: undefined, comments: [] });
  t.equal(section.interfaces[2]?.linkType, 147);
  const [first, ...others] = frames;
  t.equal(first?.interface, section.interfaces[0]);
  t.match(first, {
    timestamp,
    originalLength: 1514,
    direction: 'in',
    comments: ['first', 'ä'],
    dropCount: 7n,
    queue: 3,
    packetId: 2n ** 64n - 1n,
  });
  t.same(first?.bytes, FRAME);
  t.same(
    others.map(({ bytes, direction }) => [bytes.length, direction]),
    [...[0, 1, 2, 3, 4, 5].map((length) => [length, 'out']), [60, undefined]],
  );
  t.ok(others.every(({ bytes }) => bytes.equals(FRAME.subarray(0, bytes.length))));
});

t.test('without options, the file says what wrote it and where; times are now', async (t) => {
  const file = new Collected();
  const writer = new PcapngWriter(file);
  const before = BigInt(Date.now()) * 1_000_000n;
  writer.addInterface({ linkType: 'ethernet' });
  writer.writeFrame({ interface: 0, bytes: FRAME });
  writer.writeStatistics({ interface: 0 });
  await writer.close();
  const after = BigInt(Date.now() + 1) * 1_000_000n;
  const { frames, section } = await readBack(file.bytes);
  t.match(section, { application: 'tapfd', os: /^\w+ \d/, hardware: process.arch, comments: [] });
  const times = [frames[0]?.timestamp, section.interfaces[0]?.statistics?.timestamp];
  for (const time of times) t.ok(time !== undefined && time >= before && time <= after, String(time));
});

t.test('bytes may change once they are written', async (t) => {
  const file = new Collected();
  const writer = new PcapngWriter(file);
  writer.addInterface({ linkType: 'ethernet' });
  const bytes = Buffer.from(FRAME);
  writer.writeFrame({ interface: 0, bytes });
  bytes.fill(0);
  await writer.close();
  t.same((await readBack(file.bytes)).frames[0]?.bytes, FRAME);
});

t.test('what is written in a turn reaches the writable at its end, in one piece', async (t) => {
  const file = new Collected();
  const writer = new PcapngWriter(file);
  writer.addInterface({ linkType: 'ethernet' });
  for (let i = 0; i < 10; i++) writer.writeFrame({ interface: 0, bytes: FRAME });
  t.equal(file.chunks.length, 0);
  await nextTurn();
  t.equal(file.chunks.length, 1);
  t.equal((await readBack(file.bytes)).frames.length, 10);
  writer.writeFrame({ interface: 0, bytes: FRAME });
  await nextTurn();
  t.equal((await readBack(file.bytes)).frames.length, 11);
  await writer.close();
});

t.test(
  'a slow writable costs frames, not memory; each loss is counted, and told by the next frame',
  async (t) => {
    const file = new Stalled();
    const writer = new PcapngWriter(file, { bufferBytes: 1024 * 1024 });
    writer.addInterface({ linkType: 'ethernet' });
    writer.addInterface({ linkType: 'ethernet', name: 'idle' });
    const big = Buffer.alloc(100_000, 7);
    let written = 0;
    while (writer.writeFrame({ interface: 0, bytes: big })) written += 1;
    t.equal(written, 10);
    t.notOk(writer.writeFrame({ interface: 0, bytes: big, dropCount: 5 }));
    t.notOk(writer.writeFrame({ interface: 1, bytes: big }));
    t.match(writer.stats, { frames: 10, dropped: 3 });
    t.ok(writer.stats.pendingBytes <= 1024 * 1024);
    await nextTurn();
    t.ok(writer.stats.pendingBytes > 900_000, 'nothing was taken');
    const ready = writer.ready();
    file.flow();
    await ready;
    t.ok(writer.writeFrame({ interface: 0, bytes: FRAME, comment: 'after' }));
    await writer.close();
    const { frames, section } = await readBack(file.bytes);
    t.equal(frames.length, 11);
    t.match(frames.at(-1), { dropCount: 7n, comments: ['after'] });
    t.same(
      frames.slice(0, -1).map(({ dropCount }) => dropCount),
      Array(10).fill(undefined),
    );
    t.equal(section.interfaces[0]?.statistics, undefined, 'told by the frame');
    t.equal(section.interfaces[1]?.statistics?.osDropped, 1n, 'told at the end');
  },
);

t.test('a program that awaits ready() loses nothing', async (t) => {
  const file = new (class extends Collected {
    override _write(chunk: Buffer, encoding: BufferEncoding, done: () => void): void {
      setImmediate(() => super._write(chunk, encoding, done));
    }
  })({ highWaterMark: 1000 });
  await using writer = new PcapngWriter(file, { bufferBytes: 1024 * 1024 });
  writer.addInterface({ linkType: 'ethernet' });
  const big = Buffer.alloc(50_000, 7);
  for (let i = 0; i < 100; i++) {
    await writer.ready();
    t.ok(writer.writeFrame({ interface: 0, bytes: big }));
  }
  await writer.close();
  t.equal((await readBack(file.bytes)).frames.length, 100);
});

t.test('frames larger than a chunk of memory', async (t) => {
  const file = new Collected();
  const writer = new PcapngWriter(file);
  writer.addInterface({ linkType: 'ethernet' });
  const lengths = [60, 262_144, 60, 65_000, 1500, 262_143];
  for (const length of lengths) writer.writeFrame({ interface: 0, bytes: Buffer.alloc(length, length) });
  await writer.close();
  const { frames } = await readBack(file.bytes);
  t.same(
    frames.map(({ bytes }) => bytes.length),
    lengths,
  );
  t.ok(frames.every(({ bytes }) => bytes.equals(Buffer.alloc(bytes.length, bytes.length))));
});

t.test('a writable that fails: frames are dropped and counted, ready() and close() say why', async (t) => {
  const failure = new Error('the disk is full');
  const file = new Writable({ write: (_chunk, _encoding, done) => done(failure) });
  const writer = new PcapngWriter(file);
  writer.addInterface({ linkType: 'ethernet' });
  writer.writeFrame({ interface: 0, bytes: FRAME });
  await t.rejects(writer.close(), failure);
  await t.rejects(writer.close(), failure, 'again');

  const later = new PcapngWriter(new Writable({ write: (_chunk, _encoding, done) => done(failure) }));
  later.addInterface({ linkType: 'ethernet' });
  await nextTurn();
  t.notOk(later.writeFrame({ interface: 0, bytes: FRAME }));
  t.match(later.stats, { frames: 0, dropped: 1, pendingBytes: 0 });
  await t.rejects(later.ready(), failure);
  await t.rejects(later.close(), failure);
});

t.test('one whose own code throws', async (t) => {
  const failure = new Error('not today');
  const throwing = () => {
    const file = new Writable();
    file._write = () => {
      throw failure;
    };
    return file;
  };
  await t.rejects(new PcapngWriter(throwing()).close(), failure);
  const writer = new PcapngWriter(throwing());
  writer.addInterface({ linkType: 'ethernet' });
  // More than a piece of memory: the second write is not tried.
  for (let left = 3; left > 0; left--) writer.writeFrame({ interface: 0, bytes: Buffer.alloc(60_000) });
  await t.rejects(writer.close(), failure);
  t.equal(writer.stats.pendingBytes, 0);
});

t.test('one that is closed by others, before or while it is written', async (t) => {
  const closed = { code: 'ERR_TAPFD_CLOSED' };
  const before = new Collected();
  before.destroy();
  await t.rejects(new PcapngWriter(before).close(), closed);

  const ended = new Collected();
  ended.end();
  await t.rejects(new PcapngWriter(ended).close(), closed);

  const stalled = new Stalled();
  const writer = new PcapngWriter(stalled);
  const closing = writer.close();
  stalled.destroy();
  await t.rejects(closing, closed);

  const borrowed = new Stalled();
  const other = new PcapngWriter(borrowed, { end: false });
  await nextTurn();
  const waiting = t.rejects(other.close(), closed);
  borrowed.destroy();
  await waiting;

  const meanwhile = new Collected();
  const third = new PcapngWriter(meanwhile);
  third.addInterface({ linkType: 'ethernet' });
  await nextTurn();
  meanwhile.end();
  third.writeFrame({ interface: 0, bytes: FRAME });
  await t.rejects(third.close(), closed);
});

t.test('end: false leaves the writable open, and its later errors to its owner', async (t) => {
  const file = new Stalled();
  const writer = new PcapngWriter(file, { end: false });
  writer.addInterface({ linkType: 'ethernet' });
  writer.writeFrame({ interface: 0, bytes: FRAME });
  const closing = writer.close();
  await nextTurn();
  file.flow();
  await closing;
  t.notOk(file.writableEnded);
  t.same(
    ['error', 'close', 'drain'].map((event) => file.listenerCount(event)),
    [0, 0, 0],
  );
  const second = new PcapngWriter(file, { end: false, comment: 'the second section' });
  await second.close();
  t.equal((await readBack(file.bytes)).section.comments[0], 'the second section');
});

t.test('process.stdout is never ended', async (t) => {
  const { code, output } = await runChild(`
    import { PcapngWriter } from 'tapfd/capture';
    await new PcapngWriter(process.stdout).close();
    process.stdout.write('still there');
  `);
  t.equal(code, 0);
  t.match(output, /tapfd[\s\S]*still there/);
});

t.test('toFile() takes the options as they were when it was called', async (t) => {
  const path = join(await ownDirectory(t), 'frames.pcapng');
  const options = { comment: ['then'], end: true, application: 'then' };
  const writing = PcapngWriter.toFile(path, options);
  options.comment.push('x'.repeat(70_000));
  Object.assign(options, { end: 'never', application: 5 });
  await (await writing).close();
  t.match((await readBack(path)).section, { comments: ['then'], application: 'then' });
});

t.test('what is written after a failure is not kept', async (t) => {
  const file = new Collected();
  const writer = new PcapngWriter(file);
  const id = writer.addInterface({ linkType: 'raw' });
  file.destroy();
  await once(file, 'close');
  await t.rejects(writer.ready(), { code: 'ERR_TAPFD_CLOSED' });
  for (let i = 0; i < 10; i++) writer.writeStatistics({ interface: id, received: i });
  t.equal(writer.stats.pendingBytes, 0);
  await t.rejects(writer.close(), { code: 'ERR_TAPFD_CLOSED' });
});

t.test('toFile() makes the file, or says why not', async (t) => {
  const directory = await ownDirectory(t);
  const path = join(directory, 'frames.pcapng');
  const writer = await PcapngWriter.toFile(path, { comment: 'a file' });
  await writer.close();
  t.same((await readBack(path)).section.comments, ['a file']);
  await t.rejects(PcapngWriter.toFile(join(directory, 'none', 'frames.pcapng')), { code: 'ENOENT' });
  await t.rejects(PcapngWriter.toFile(''), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'path' });
  await t.rejects(PcapngWriter.toFile(path, { end: 1 } as never), {
    code: 'ERR_TAPFD_INVALID_ARGUMENT',
    argument: 'end',
  });
  // @ts-expect-error: a third argument
  await t.rejects(PcapngWriter.toFile(path, {}, {}), { argument: 'argument 3' });
});

t.test('a full disk', async (t) => {
  const writer = await PcapngWriter.toFile('/dev/full');
  await t.rejects(writer.close(), { code: 'ENOSPC' });
});

t.test('after close(), nothing is written', async (t) => {
  const writer = new PcapngWriter(new Collected());
  writer.addInterface({ linkType: 'ethernet' });
  await writer.close();
  const closed = { code: 'ERR_TAPFD_CLOSED' };
  t.throws(() => writer.writeFrame({ interface: 0, bytes: FRAME }), closed);
  t.throws(() => writer.addInterface({ linkType: 'raw' }), closed);
  t.throws(() => writer.writeStatistics({ interface: 0 }), closed);
});

t.test('what is no Writable, and wrong options', async (t) => {
  const wrong = (argument: string) => ({ code: 'ERR_TAPFD_INVALID_ARGUMENT', argument });
  for (const value of [undefined, null, 7, 'path', {}, { write() {} }]) {
    t.throws(() => new PcapngWriter(value as never), wrong('writable'));
  }
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  t.throws(() => new PcapngWriter(proxy as never), wrong('writable'));
  const options: [string, unknown][] = [
    ['application', 7],
    ['os', '\ud800'],
    ['hardware', 'x'.repeat(65_536)],
    ['comment', 7],
    ['comment[1]', ['one', 2]],
    ['comment', revokedProxy()],
    ['bufferBytes', 1000],
    ['end', 'yes'],
    ['snapLength', 60],
  ];
  for (const [argument, value] of options) {
    const name = argument.replace('[1]', '');
    t.throws(() => new PcapngWriter(new PassThrough(), { [name]: value }), wrong(argument));
  }
  t.throws(() => new PcapngWriter(new PassThrough(), 7 as never), wrong('options'));
});

t.test('wrong interfaces, frames and statistics', async (t) => {
  const writer = new PcapngWriter(new Collected());
  const wrong = (argument: string) => ({ code: 'ERR_TAPFD_INVALID_ARGUMENT', argument });
  t.throws(() => writer.writeFrame({ interface: 0, bytes: FRAME }), wrong('frame.interface'));
  const interfaces: [string, unknown][] = [
    ['name', 7],
    ['linkType', 'wifi'],
    ['linkType', 65_536],
    ['linkType', undefined],
    ['snapLength', 0],
    ['mac', '02:00'],
    ['speed', -1],
    ['speed', 2n ** 64n],
    ['speed', 'fast'],
    ['comment', {}],
    ['color', 'red'],
  ];
  for (const [name, value] of interfaces) {
    const given = { linkType: 'ethernet', [name]: value };
    t.throws(() => writer.addInterface(given as never), wrong(`interface.${name}`), name);
  }
  t.throws(() => writer.addInterface(undefined as never), wrong('interface'));
  writer.addInterface({ linkType: 'ethernet', snapLength: 60 });
  const frames: [string, unknown][] = [
    ['interface', 1],
    ['interface', '0'],
    ['timestamp', 1],
    ['timestamp', -1n],
    ['timestamp', 2n ** 64n],
    ['bytes', 'text'],
    ['bytes', Buffer.alloc(61)],
    ['originalLength', 59],
    ['direction', 'both'],
    ['comment', '\udc00'],
    ['dropCount', -1],
    ['queue', -1],
    ['packetId', 1.5],
    ['offset', 0],
  ];
  for (const [name, value] of frames) {
    const given = { interface: 0, bytes: FRAME, [name]: value };
    t.throws(() => writer.writeFrame(given as never), wrong(`frame.${name}`), name);
  }
  for (const [name, value] of [
    ['interface', 1],
    ['startTime', 7],
    ['received', 'all'],
    ['seen', 1],
  ]) {
    const given = { interface: 0, [String(name)]: value };
    t.throws(() => writer.writeStatistics(given as never), wrong(`statistics.${name}`));
  }
  t.match(writer.stats, { frames: 0, dropped: 0 });
  await writer.close();
});

t.test('a file that is read while it is written', async (t) => {
  const pipe = new PassThrough();
  const writer = new PcapngWriter(pipe);
  writer.addInterface({ linkType: 'ethernet' });
  const reading = new PcapngReader(pipe)[Symbol.asyncIterator]();
  for (const text of ['one', 'two']) {
    writer.writeFrame({ interface: 0, bytes: Buffer.from(text) });
    t.equal((await reading.next()).value?.bytes.toString(), text);
  }
  await writer.close();
  t.ok((await reading.next()).done);
});

t.test('createWriteStream, not open yet', async (t) => {
  const path = join(await ownDirectory(t), 'frames.pcapng');
  const writer = new PcapngWriter(createWriteStream(path));
  writer.addInterface({ linkType: 'raw' });
  await writer.close();
  t.equal((await readBack(path)).section.interfaces.length, 1);
});
