/** Frames behind their lengths, through byte streams that are cut anywhere and peers that lie. */
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import t from 'tap';
import { FrameDecoder, FrameEncoder } from 'tapfd';

const FRAMES = [60, 1514, 1, 14, 67_584, 300].map((length, i) => Buffer.alloc(length, i + 1));

/** What comes out of `stream` for these chunks. */
async function through(stream: FrameDecoder | FrameEncoder, chunks: unknown[]): Promise<Buffer[]> {
  const got: Buffer[] = [];
  await pipeline(Readable.from(chunks), stream, async (source: AsyncIterable<Buffer>) => {
    for await (const chunk of source) got.push(chunk);
  });
  return got;
}

/** The same bytes in pieces of `step`. */
function cut(bytes: Buffer, step: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += step) pieces.push(bytes.subarray(at, at + step));
  return pieces;
}

/** The bytes of a frame's length alone. */
function lengthOf(bytes: number): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes);
  return length;
}

t.test('each frame goes behind its length, and comes out whole however the stream is cut', async (t) => {
  const bytes = Buffer.concat(await through(new FrameEncoder(), FRAMES));
  t.ok(bytes.equals(Buffer.concat(FRAMES.flatMap((frame) => [lengthOf(frame.length), frame]))));
  for (const step of [1, 3, 4, 5, 61, 1000, 65_536, bytes.length]) {
    t.same(await through(new FrameDecoder(), cut(bytes, step)), FRAMES, `in pieces of ${step} bytes`);
  }
  t.same(await through(new FrameEncoder(), [new Uint8Array([7])]), [Buffer.from([0, 0, 0, 1, 7])]);
});

t.test('a frame is kept by the reader, whatever comes after it', async (t) => {
  const bytes = Buffer.concat(await through(new FrameEncoder(), FRAMES));
  for (const step of [7, 5000]) {
    const kept = await through(new FrameDecoder(), cut(Buffer.from(bytes), step));
    t.same(kept, FRAMES);
  }
});

t.test('a peer that lies about a length is told apart, before its bytes are kept', async (t) => {
  for (const length of [0, 67_585, 0xffff_ffff]) {
    const lie = through(new FrameDecoder(), [lengthOf(length), Buffer.alloc(10)]);
    await t.rejects(lie, { code: 'ERR_TAPFD_FRAMING', message: new RegExp(`of ${length} bytes`) });
  }
  const bound = new FrameDecoder({ maxFrameBytes: 100 });
  await t.rejects(through(bound, [lengthOf(100), Buffer.alloc(100), lengthOf(101)]), {
    code: 'ERR_TAPFD_FRAMING',
  });
  t.equal(bound.destroyed, true);
});

t.test('a stream that ends within a frame has lost some of it', async (t) => {
  const [whole] = await through(new FrameEncoder(), [Buffer.alloc(60)]);
  const ends: [number, RegExp][] = [
    [2, /after 2 bytes of the length/],
    [4, /after 0 bytes of a frame of 60/],
    [63, /after 59 bytes of a frame of 60/],
  ];
  for (const [bytes, message] of ends) {
    const decoder = new FrameDecoder();
    await t.rejects(through(decoder, [whole.subarray(0, bytes)]), { code: 'ERR_TAPFD_FRAMING', message });
  }
  t.same(await through(new FrameDecoder(), []), []);
});

t.test('what cannot be encoded ends the encoder', async (t) => {
  const refused: [unknown, string][] = [
    [Buffer.alloc(0), 'ERR_TAPFD_FRAME_TOO_SHORT'],
    [Buffer.alloc(67_585), 'ERR_TAPFD_FRAME_TOO_LONG'],
    ['text', 'ERR_TAPFD_INVALID_ARGUMENT'],
    [Object.create(Buffer.prototype), 'ERR_TAPFD_INVALID_ARGUMENT'],
  ];
  for (const [frame, code] of refused) await t.rejects(through(new FrameEncoder(), [frame]), { code });
});

t.test('wrong options are refused', async (t) => {
  const invalid = { code: 'ERR_TAPFD_INVALID_ARGUMENT' };
  for (const Framing of [FrameEncoder, FrameDecoder]) {
    for (const maxFrameBytes of [0, -1, 1.5, 2 ** 31, '9', null]) {
      t.throws(() => new Framing({ maxFrameBytes: maxFrameBytes as number }), invalid);
    }
    t.throws(() => new Framing({ maxFrames: 1 } as object), { ...invalid, argument: 'maxFrames' });
    t.throws(() => new Framing(null as unknown as object), invalid);
    t.ok(new Framing({ maxFrameBytes: undefined }));
  }
});

t.test('a slow reader holds the bytes back', async (t) => {
  const decoder = new FrameDecoder();
  const source = new PassThrough();
  source.pipe(decoder);
  const bytes = Buffer.concat([lengthOf(1000), Buffer.alloc(1000)]);
  let written = 0;
  while (source.write(bytes) && written < 10_000) {
    written += 1;
    await new Promise(setImmediate);
  }
  t.ok(written < 1000, `${written} frames were taken of a source that nobody reads`);
  decoder.destroy();
});

t.test("VPNKit's lengths: 2 bytes, the low one first", async (t) => {
  const length = 'u16le';
  const frames = [Buffer.alloc(60, 1), Buffer.alloc(65_535, 2), Buffer.from([3])];
  const bytes = Buffer.concat(await through(new FrameEncoder({ length }), frames));
  t.equal(bytes.subarray(0, 3).toString('hex'), '3c0001');
  for (const step of [1, 2, 3, 1000])
    t.same(await through(new FrameDecoder({ length }), cut(bytes, step)), frames);
  const long = through(new FrameEncoder({ length }), [Buffer.alloc(65_536)]);
  await t.rejects(long, { code: 'ERR_TAPFD_FRAME_TOO_LONG' });
  await t.rejects(through(new FrameDecoder({ length }), [Buffer.from([0, 0])]), {
    code: 'ERR_TAPFD_FRAMING',
  });
  for (const Framing of [FrameEncoder, FrameDecoder]) {
    t.throws(() => new Framing({ length, maxFrameBytes: 65_536 }), { code: 'ERR_TAPFD_INVALID_ARGUMENT' });
    t.throws(() => new Framing({ length: 'u8' as 'u16le' }), {
      code: 'ERR_TAPFD_INVALID_ARGUMENT',
      argument: 'length',
    });
  }
});
