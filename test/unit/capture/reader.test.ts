/** PcapngReader: files of other programs, in either byte order, and hostile ones. */
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { type CaptureSource, PcapngReader, PcapngWriter } from 'tapfd/capture';
import { blocks, numbers, pcapFile } from '../../kit/capture-bytes.js';
import { Collected, only, ownDirectory, readBack } from '../../kit/captures.js';

const ORDERS = ['LE', 'BE'] as const;
const FRAME = Buffer.from('a frame');

/** What reading throws. */
async function failureOf(source: CaptureSource, options = {}): Promise<unknown> {
  try {
    for await (const _frame of new PcapngReader(source, options));
    return undefined;
  } catch (error) {
    return error;
  }
}

const wrong = (offset: number, message: RegExp) => ({ code: 'ERR_TAPFD_CAPTURE_FORMAT', offset, message });

for (const order of ORDERS) {
  const made = blocks(order);
  const { u16, u32, u64, time } = numbers(order);
  const { option } = made;

  t.test(`every kind of block, ${order}`, async (t) => {
    const file = Buffer.concat([
      made.section(
        option(1, 'a comment'),
        option(2, 'machine'),
        option(3, 'system'),
        option(4, 'program'),
        made.end,
      ),
      made.interface(
        1,
        0,
        option(2, 'eth0'),
        option(3, 'the first'),
        option(6, Buffer.from('020000000001', 'hex')),
        option(8, u64(1000n)),
        option(11, '\0tcp'),
        option(12, 'its system'),
        option(15, 'its hardware'),
        option(1, 'one'),
        option(1, 'two'),
      ),
      // A program as a filter is no text; neither is one without bytes.
      made.interface(101, 5, option(11, Buffer.of(1, 2, 3))),
      made.interface(147, 5, option(11, '')),
      made.enhanced(
        0,
        1_500_000n,
        FRAME,
        option(2, u32(0x22)),
        option(1, 'in a frame'),
        option(4, u64(7n)),
        option(5, u64(8n)),
        option(6, u32(9)),
        made.end,
      ),
      made.block(0x0bad, Buffer.from('unknown!')),
      made.obsolete(1, 3, 2n, FRAME, option(2, u32(1))),
      made.obsolete(1, 0xffff, 2n, FRAME),
      made.simple(7, FRAME),
      made.statistics(
        0,
        10n,
        option(1, 'so far'),
        option(2, time(1n)),
        option(3, time(2n ** 33n)),
        option(4, u64(4n)),
        option(5, u64(5n)),
        option(6, u64(6n)),
        option(7, u64(7n)),
        option(8, u64(8n)),
      ),
    ]);
    const { frames, section } = await readBack(file);
    t.match(section, { byteOrder: order, application: 'program', os: 'system', hardware: 'machine' });
    t.same(section.comments, ['a comment']);
    t.same(section.interfaces[0], {
      id: 0,
      name: 'eth0',
      description: 'the first',
      linkType: 'ethernet',
      snapLength: 0,
      mac: '02:00:00:00:00:01',
      speed: 1000n,
      filter: 'tcp',
      os: 'its system',
      hardware: 'its hardware',
      comments: ['one', 'two'],
      statistics: {
        timestamp: 10_000n,
        startTime: 1000n,
        endTime: 2n ** 33n * 1000n,
        received: 4n,
        dropped: 5n,
        accepted: 6n,
        osDropped: 7n,
        delivered: 8n,
        comments: ['so far'],
      },
    });
    t.match(section.interfaces[1], { id: 1, linkType: 'raw', filter: undefined, statistics: undefined });
    t.match(section.interfaces[2], { id: 2, linkType: 147, filter: undefined });
    t.equal(frames.length, 4);
    t.ok(frames.every(({ bytes }) => bytes.equals(FRAME)));
    t.match(frames[0], {
      interface: { id: 0 },
      timestamp: 1_500_000_000n,
      direction: 'out',
      comments: ['in a frame'],
      dropCount: 7n,
      packetId: 8n,
      queue: 9,
    });
    t.match(frames[1], { interface: { id: 1 }, timestamp: 2000n, direction: 'in', dropCount: 3n });
    t.equal(frames[2]?.dropCount, undefined);
    t.match(frames[3], { interface: { id: 0 }, timestamp: undefined, originalLength: 7 });
    t.equal(file.readUInt32LE(frames[3]?.offset), order === 'LE' ? 3 : 0x03000000);
  });

  t.test(`resolutions and offsets of times, ${order}`, async (t) => {
    const cases: [number, bigint, bigint, bigint][] = [
      [0, 0n, 5n, 5_000_000_000n],
      [3, 0n, 5n, 5_000_000n],
      [9, 0n, 5n, 5n],
      [12, 0n, 5_999n, 5n],
      [0x80, 0n, 5n, 5_000_000_000n],
      [0x81, 0n, 5n, 2_500_000_000n],
      [0xbf, 0n, 2n ** 63n, 1_000_000_000n],
      [0xff, 0n, 2n ** 64n - 1n, 0n],
      [127, 0n, 2n ** 64n - 1n, 0n],
      [9, 100n, 5n, 100_000_000_005n],
      [9, -1n, 5n, -999_999_995n],
    ];
    const file = Buffer.concat([
      made.section(),
      ...cases.flatMap(([resolution, offset, ticks], id) => [
        made.interface(1, 0, option(9, Buffer.of(resolution)), option(14, u64(offset))),
        made.enhanced(id, ticks, FRAME),
      ]),
    ]);
    const { frames } = await readBack(file);
    t.same(
      frames.map(({ timestamp }) => timestamp),
      cases.map(([, , , nanoseconds]) => nanoseconds),
    );
  });

  t.test(`a simple packet block is cut at the snap length of the first interface, ${order}`, async (t) => {
    const file = Buffer.concat([made.section(), made.interface(1, 5), made.simple(7, FRAME.subarray(0, 5))]);
    const { frames } = await readBack(file);
    t.same(frames[0]?.bytes, FRAME.subarray(0, 5));
    t.equal(frames[0]?.originalLength, 7);
  });

  t.test(`classic pcap, ${order}`, async (t) => {
    const micro = pcapFile(order, 0xa1b2c3d4, 1, [7, 5, 'one'], [8, 6, 'two!']);
    const read = await readBack(micro);
    t.match(read.section, { format: 'pcap', byteOrder: order, application: undefined });
    t.match(read.section.interfaces, [{ id: 0, linkType: 'ethernet', snapLength: 65_535 }]);
    t.same(
      read.frames.map(({ timestamp, bytes, originalLength, offset }) => [
        timestamp,
        bytes.toString(),
        originalLength,
        offset,
      ]),
      [
        [7_000_005_000n, 'one', 13, 24],
        [8_000_006_000n, 'two!', 14, 43],
      ],
    );
    // The check sequence's length stands in the upper bits of the link type.
    const nano = await readBack(pcapFile(order, 0xa1b23c4d, 0xf000_0065, [7, 5, 'one']));
    t.equal(nano.frames[0]?.timestamp, 7_000_000_005n);
    t.equal(nano.section.interfaces[0]?.linkType, 'raw');
    t.same((await readBack(pcapFile(order, 0xa1b23c4d, 1))).frames, []);
    for (let length = 4; length < 24; length++) {
      t.match(await failureOf(only(micro.subarray(0, length))), wrong(length, /ends within its header/));
    }
    for (const length of [25, 39, 40, 42, 44, 60]) {
      t.match(await failureOf(only(micro.subarray(0, length))), wrong(length, /ends within a frame/));
    }
    const long = Buffer.from(micro);
    u32(0xffff_fff0).copy(long, 32);
    t.match(await failureOf(only(long)), wrong(32, /over maxBlockBytes/));
  });

  t.test(`damage, ${order}`, async (t) => {
    const head = Buffer.concat([made.section(), made.interface(1, 0)]);
    const at = head.length;
    const bad: [string, Buffer, number, RegExp, object?][] = [
      ['a length under 12', Buffer.concat([u32(6), u32(8), u32(8)]), at + 4, /has 8 bytes/],
      ['one that is not a multiple of 4', Buffer.concat([u32(6), u32(13), u32(8)]), at + 4, /has 13 bytes/],
      ['a section under 28', Buffer.concat([u32(0x0a0d0d0a), u32(24), u32(0x1a2b3c4d)]), at + 4, /24 bytes/],
      [
        'a section without byte order',
        Buffer.concat([u32(0x0a0d0d0a), u32(28), u32(7)]),
        at + 8,
        /no byte order/,
      ],
      ['two lengths', Buffer.concat([u32(6), u32(12), u32(16)]), at + 8, /ends with the length 16/],
      ['two lengths, unknown', Buffer.concat([u32(77), u32(12), u32(16)]), at + 8, /ends with the length 16/],
      ['half a header', u32(6), at + 4, /ends within a block/],
      ['half a section header', Buffer.concat([u32(0x0a0d0d0a), u32(28)]), at + 8, /ends within a block/],
      ['half a block', Buffer.concat([u32(6), u32(64), u32(0)]), at + 12, /ends within a block that begins/],
      ['half an unknown block', Buffer.concat([u32(77), u32(64), u32(0)]), at + 12, /ends within a block/],
      ['an unknown block without its end', Buffer.concat([u32(77), u32(16), u32(0)]), at + 12, /ends within/],
      ['a short body', made.block(6, u32(0)), at, /body of 4 bytes, not 20/],
      ['a short interface', made.block(1, u32(0)), at, /body of 4 bytes, not 8/],
      ['an unknown interface', made.enhanced(1, 0n, FRAME), at + 8, /interface 1 is not described/],
      ['the same in statistics', made.statistics(1, 0n), at + 8, /interface 1 is not described/],
      [
        'a frame longer than its block',
        made.block(6, u32(0), u64(0n), u32(0x7fff_ffff), u32(5), u64(0n)),
        at + 28,
        /a frame has 2147483647 bytes/,
      ],
      ['a simple one', made.block(3, u32(77), u32(0)), at + 12, /a frame has 77 bytes/],
      [
        'an option longer than its block',
        made.enhanced(0, 0n, FRAME, u16(1), u16(400), u32(0)),
        at + 8 + 20 + 8 + 4,
        /an option has 400 bytes/,
      ],
      [
        'an option of another length',
        made.enhanced(0, 0n, FRAME, option(2, u64(0n))),
        at + 8 + 20 + 8 + 4,
        /option 2 has 8 bytes, not 4/,
      ],
      ['a MAC of 5 bytes', made.interface(1, 0, option(6, 'macs!')), at + 20, /option 6 has 5 bytes, not 6/],
      [
        'a large block',
        made.enhanced(0, 0n, Buffer.alloc(5000)),
        at + 4,
        /is over maxBlockBytes, 4096/,
        { maxBlockBytes: 4096 },
      ],
      [
        'many interfaces',
        Buffer.concat(Array(600).fill(made.interface(1, 0))),
        at + 6 * 20 + 8,
        /interfaces of a section take more than maxBlockBytes/,
        { maxBlockBytes: 4096 },
      ],
    ];
    for (const [name, bytes, offset, message, options] of bad) {
      t.match(await failureOf(only(head, bytes), options), wrong(offset, message), name);
    }
    t.match(await failureOf(only(made.simple(7, FRAME))), wrong(0, /neither pcapng nor pcap/));
    t.match(await failureOf(only(made.section(), made.simple(7, FRAME))), wrong(36, /interface 0 is not/));
    const version = made.section();
    u16(2).copy(version, 12);
    t.match(await failureOf(only(version)), wrong(12, /version 2/));
  });

  t.test(`an unknown block may be large, and statistics come again and again, ${order}`, async (t) => {
    const unknown = made.block(77, Buffer.alloc(1024 * 1024));
    const again = Array(500).fill(made.statistics(0, 0n, option(1, 'as before')));
    const file = [made.section(), made.interface(1, 0), unknown, ...again, made.enhanced(0, 1n, FRAME)];
    t.equal(await failureOf(only(...file), { maxBlockBytes: 4096 }), undefined);
  });
}

t.test('several sections, each with its byte order and its interfaces', async (t) => {
  const [little, big] = [blocks('LE'), blocks('BE')];
  const file = [
    little.section(little.option(4, 'first')),
    little.interface(1, 0, little.option(2, 'a')),
    little.enhanced(0, 1n, FRAME),
    big.section(big.option(4, 'second')),
    big.interface(101, 0, big.option(2, 'b')),
    big.enhanced(0, 2n, FRAME),
    // Of no interface of its own.
    little.section(),
    little.block(77),
  ];
  const reader = new PcapngReader(only(...file));
  t.equal(reader.section, undefined);
  const seen: unknown[] = [];
  for await (const frame of reader) {
    seen.push([reader.section?.application, frame.interface.name, frame.timestamp]);
  }
  t.same(seen, [
    ['first', 'a', 1000n],
    ['second', 'b', 2000n],
  ]);
  t.same(reader.section?.interfaces, []);
  t.match(
    await failureOf(only(...file.slice(0, 3), little.section(), little.enhanced(0, 1n, FRAME))),
    { message: /interface 0 is not described/ },
    'the interfaces of the section before are gone',
  );
});

t.test('however the bytes come', async (t) => {
  const file = new Collected();
  const writer = new PcapngWriter(file, { comment: 'cut' });
  writer.addInterface({ linkType: 'ethernet' });
  const lengths = [60, 0, 1, 1500, 700, 3];
  for (const length of lengths) writer.writeFrame({ interface: 0, bytes: Buffer.alloc(length, length) });
  await writer.close();
  const { bytes } = file;
  for (const step of [1, 2, 3, 7, 64, 1000, bytes.length]) {
    const chunks = [];
    for (let at = 0; at < bytes.length; at += step)
      chunks.push(bytes.subarray(at, at + step), Buffer.alloc(0));
    const frames = [];
    for await (const frame of new PcapngReader(only(...chunks))) frames.push(frame);
    t.same(
      frames.map((frame) => frame.bytes),
      lengths.map((length) => Buffer.alloc(length, length)),
      `${step} bytes at a time`,
    );
  }
});

t.test('sources: a path, a Readable, anything that gives Uint8Arrays', async (t) => {
  const file = new Collected();
  await new PcapngWriter(file, { comment: 'source' }).close();
  const path = join(await ownDirectory(t), 'file.pcapng');
  await writeFile(path, file.bytes);
  const sources = [
    path,
    createReadStream(path),
    Readable.from([file.bytes]),
    only(new Uint8Array(file.bytes)),
  ];
  for (const source of sources) {
    const reader = new PcapngReader(source);
    for await (const _frame of reader) t.fail('there is none');
    t.same(reader.section?.comments, ['source']);
  }
  t.match(await failureOf(join(path, 'none')), { code: 'ENOTDIR' });
  const failing = new PassThrough();
  const reading = failureOf(failing);
  failing.destroy(new Error('gone'));
  t.match(await reading, { message: 'gone' });
  t.match(await failureOf(Readable.from(['text'])), {
    code: 'ERR_TAPFD_INVALID_ARGUMENT',
    argument: 'source',
  });
  t.match(await failureOf(only()), wrong(0, /before it says what it is/));
  t.match(await failureOf(only(Buffer.from('abc'))), wrong(3, /before it says what it is/));
  t.match(await failureOf(only(Buffer.from('PK\x03\x04 a zip'))), wrong(0, /neither/));
});

t.test('leaving the loop closes the source', async (t) => {
  const made = blocks('LE');
  const pipe = new PassThrough();
  pipe.write(Buffer.concat([made.section(), made.interface(1, 0), made.enhanced(0, 1n, FRAME)]));
  for await (const _frame of new PcapngReader(pipe)) break;
  t.ok(pipe.destroyed);
  let left = false;
  async function* endless() {
    try {
      for (;;) yield await nextTurn(made.section());
    } finally {
      left = true;
    }
  }
  const reader = new PcapngReader(endless());
  const first = reader[Symbol.asyncIterator]().next();
  await nextTurn();
  await reader.close();
  await t.rejects(first, { code: 'ERR_TAPFD_CLOSED' });
  await nextTurn();
  t.ok(left);
});

t.test('close() and the signal end a loop that waits', async (t) => {
  const pipe = new PassThrough();
  await using reader = new PcapngReader(pipe);
  const waiting = reader[Symbol.asyncIterator]().next();
  await nextTurn();
  await reader.close();
  await t.rejects(waiting, { code: 'ERR_TAPFD_CLOSED' });
  t.ok(pipe.destroyed);

  const reason = new Error('enough');
  const aborting = new AbortController();
  const other = new PassThrough();
  const aborted = failureOf(other, { signal: aborting.signal });
  await nextTurn();
  aborting.abort(reason);
  t.equal(await aborted, reason);
  t.ok(other.destroyed);
  t.equal(await failureOf(new PassThrough(), { signal: AbortSignal.abort(reason) }), reason);

  const unread = new PcapngReader('/nowhere');
  await unread.close();
  await t.rejects(unread[Symbol.asyncIterator]().next(), { code: 'ERR_TAPFD_CLOSED' });
  // What cannot be left is left to itself.
  const stuck = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
  const third = new PcapngReader(stuck);
  const next = third[Symbol.asyncIterator]().next();
  await third.close();
  await t.rejects(next, { code: 'ERR_TAPFD_CLOSED' });
  const throwing = {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: true, value: undefined }) as const,
      return: () => {
        throw new Error('no');
      },
    }),
  };
  t.match(await failureOf(throwing), wrong(0, /before it says/));
});

t.test('a reader is read once', async (t) => {
  const reader = new PcapngReader(only(blocks('LE').section()));
  for await (const _frame of reader) t.fail('there is none');
  t.throws(() => reader[Symbol.asyncIterator](), { code: 'ERR_TAPFD_INVALID_STATE' });
});

t.test('wrong arguments', async (t) => {
  const wrongArgument = (argument: string) => ({ code: 'ERR_TAPFD_INVALID_ARGUMENT', argument });
  for (const source of [undefined, null, 7, {}, [Buffer.alloc(1)]]) {
    t.throws(() => new PcapngReader(source as never), wrongArgument('source'));
  }
  t.throws(() => new PcapngReader(''), wrongArgument('source'));
  t.throws(() => new PcapngReader('x', { maxBlockBytes: 10 }), wrongArgument('maxBlockBytes'));
  t.throws(() => new PcapngReader('x', { signal: 7 as never }), wrongArgument('signal'));
  t.throws(() => new PcapngReader('x', { limit: 7 } as never), wrongArgument('limit'));
  t.throws(() => new PcapngReader('x', 7 as never), wrongArgument('options'));
});
