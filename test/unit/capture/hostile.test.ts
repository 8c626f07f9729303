/** Whatever a file's bytes are, PcapngReader reads them or says at which byte they are wrong, in bounded memory. */
import t from 'tap';
import { TapfdError } from 'tapfd';
import { PcapngReader, PcapngWriter } from 'tapfd/capture';
import { blocks, pcapFile } from '../../kit/capture-bytes.js';
import { Collected, only } from '../../kit/captures.js';
import { depth } from '../../kit/depth.js';
import { generator } from '../../kit/random.js';

const ROUNDS = depth({ brief: 1000, bounded: 30_000, deep: 300_000 });
const LIMIT = 4096;

/** Numbers that lengths and types are likely to be confused by. */
const ODD = [
  0, 1, 3, 4, 8, 11, 12, 16, 20, 28, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff,
];

async function seeds(): Promise<Buffer[]> {
  const file = new Collected();
  const writer = new PcapngWriter(file, { comment: ['one', 'two'] });
  writer.addInterface({ linkType: 'ethernet', name: 'a', mac: '02:00:00:00:00:01', filter: 'x', speed: 7 });
  writer.addInterface({ linkType: 'raw', name: 'b' });
  for (const bytes of [Buffer.alloc(60), Buffer.alloc(33, 1)]) {
    writer.writeFrame({ interface: 0, bytes, direction: 'in', comment: 'c', queue: 1, packetId: 2n });
    writer.writeFrame({ interface: 1, bytes, direction: 'out', dropCount: 3 });
  }
  writer.writeStatistics({ interface: 0, received: 1, startTime: 1n, comment: 'd' });
  await writer.close();
  const { section, interface: described, simple, obsolete, block, enhanced } = blocks('BE');
  const big = [section(), described(1, 9), simple(9, Buffer.alloc(9)), obsolete(0, 1, 1n, Buffer.alloc(5))];
  return [
    file.bytes,
    Buffer.concat([...big, block(99, Buffer.alloc(40)), enhanced(0, 1n, Buffer.alloc(7))]),
    pcapFile('LE', 0xa1b2c3d4, 1, [1, 2, 'three'], [4, 5, 'six']),
    pcapFile('BE', 0xa1b23c4d, 101, [1, 2, 'three'], [4, 5, 'six']),
  ];
}

/** One to four changes: a byte, a number, a piece cut out, doubled or appended. */
function damaged(seed: Buffer, random: () => number): Buffer {
  const below = (limit: number) => Math.floor(random() * limit);
  let bytes = Buffer.from(seed);
  for (let changes = 1 + below(4); changes > 0 && bytes.length > 4; changes--) {
    const at = below(bytes.length - 4);
    const kind = below(6);
    if (kind === 0) bytes[at] = below(256);
    else if (kind === 1) bytes.writeUInt32LE(ODD[below(ODD.length)] ?? 0, at & ~3);
    else if (kind === 2) bytes.writeUInt32BE(ODD[below(ODD.length)] ?? 0, at & ~3);
    else if (kind === 3) bytes = bytes.subarray(0, at);
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at & ~7)]);
    else bytes = Buffer.concat([bytes.subarray(0, at & ~3), bytes.subarray((at & ~3) + 4)]);
  }
  return bytes;
}

/** In pieces of any size. */
function* pieces(bytes: Buffer, random: () => number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + Math.floor(random() * 100);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

t.test('damaged files', async (t) => {
  const files = await seeds();
  const outcomes = { read: 0, refused: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const random = generator(round);
    const bytes = damaged(files[round % files.length] ?? Buffer.alloc(0), random);
    const reader = new PcapngReader(only(...pieces(bytes, random)), { maxBlockBytes: LIMIT });
    try {
      for await (const frame of reader) {
        if (frame.bytes.length > LIMIT) t.fail(`round ${round}: a frame over the limit`);
        if (frame.offset >= bytes.length) t.fail(`round ${round}: a frame at no byte of the file`);
      }
      outcomes.read += 1;
    } catch (error) {
      outcomes.refused += 1;
      const known = error instanceof TapfdError && error.code === 'ERR_TAPFD_CAPTURE_FORMAT';
      const inFile = known && error.offset !== undefined && error.offset <= bytes.length;
      if (!inFile) t.fail(`round ${round}: ${error instanceof Error ? error.stack : error}`);
    }
  }
  t.ok(outcomes.read > ROUNDS / 50 && outcomes.refused > ROUNDS / 10, JSON.stringify(outcomes));
});

t.test('random bytes behind a valid begin', async (t) => {
  const { section, interface: described } = blocks('LE');
  const head = Buffer.concat([section(), described(1, 0)]);
  for (let round = 0; round < ROUNDS / 10; round++) {
    const random = generator(round);
    const noise = Buffer.from(Array.from({ length: 64 }, () => Math.floor(random() * 256)));
    // A block whose own lengths are right.
    noise.writeUInt32LE([1, 2, 3, 5, 6][round % 5] ?? 0, 0);
    noise.writeUInt32LE(64, 4);
    noise.writeUInt32LE(64, 60);
    try {
      for await (const _frame of new PcapngReader(only(head, noise)));
    } catch (error) {
      if (!(error instanceof TapfdError && error.code === 'ERR_TAPFD_CAPTURE_FORMAT')) {
        t.fail(`round ${round}: ${error instanceof Error ? error.stack : error}`);
      }
    }
  }
});

t.test('a source that announces much and gives it byte by byte holds little memory', async (t) => {
  const { section } = blocks('LE');
  const announced = Buffer.alloc(8);
  announced.writeUInt32LE(6, 0);
  announced.writeUInt32LE(1024 * 1024, 4);
  let given = 0;
  async function* drip() {
    yield section();
    yield blocks('LE').interface(1, 0);
    yield announced;
    const byte = Buffer.alloc(1);
    for (given = 0; given < 200_000; given++) yield byte;
  }
  global.gc?.();
  const before = process.memoryUsage();
  await t.rejects(
    (async () => {
      for await (const _frame of new PcapngReader(drip()));
    })(),
    { code: 'ERR_TAPFD_CAPTURE_FORMAT', message: /ends within a block/ },
  );
  const after = process.memoryUsage();
  t.equal(given, 200_000);
  t.ok(
    after.arrayBuffers - before.arrayBuffers < 8 * 1024 * 1024,
    `${after.arrayBuffers - before.arrayBuffers}`,
  );
});

t.test('options and interfaces of no length take no more memory than maxBlockBytes', async (t) => {
  const { block, section } = blocks('LE');
  const options = Buffer.alloc(8 * 1024 * 1024);
  for (let at = 8; at < options.length; at += 4) options.writeUInt16LE(9999, at);
  const file = [section(), block(1, options), Buffer.concat(Array(2000).fill(block(1, Buffer.alloc(8))))];
  const reader = new PcapngReader(only(...file), { maxBlockBytes: 8 * 1024 * 1024 + 600_000 });
  global.gc?.();
  const before = process.memoryUsage().heapUsed;
  const failure = (async () => {
    for await (const _frame of reader);
  })();
  await t.rejects(failure, { message: /interfaces of a section take more than maxBlockBytes/ });
  const grown = process.memoryUsage().heapUsed - before;
  t.ok(grown < 32 * 1024 * 1024, `${grown} bytes`);
});
