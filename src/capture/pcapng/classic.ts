/** The frames of a classic pcap file. */

import { linkTypeName, nothingSaid } from './blocks.js';
import type { ByteSource } from './byte-source.js';
import { type ByteOrder, Fields, formatError } from './fields.js';
import type { ReadingLimits } from './frames.js';
import type { CapturedFrame, CapturedInterface } from './records.js';
import { timeScale } from './time.js';

const FILE_HEADER_BYTES = 24;
const FRAME_HEADER_BYTES = 16;
const SECOND = 1_000_000_000n;
/** What a file begins with, by the resolution of the times behind the seconds. */
const MICROSECONDS = 0xa1b2_c3d4;
const NANOSECONDS = 0xa1b2_3c4d;
/** The rest says whether frames end with their check sequence. */
const LINK_TYPE_BITS = 0xffff;

/** The byte order of a pcap file that begins with these 4 bytes; undefined for any other file. */
export function pcapByteOrder(magic: Buffer): ByteOrder | undefined {
  return (['LE', 'BE'] as const).find((order) =>
    [MICROSECONDS, NANOSECONDS].includes(new Fields(magic, order, 0).u32(0)),
  );
}

export async function* pcapFrames(
  source: ByteSource,
  order: ByteOrder,
  limits: ReadingLimits,
): AsyncGenerator<CapturedFrame, void, undefined> {
  if (!(await source.ensure(FILE_HEADER_BYTES))) throw endsWithin('its header', source);
  const header = new Fields(source.take(FILE_HEADER_BYTES), order, 0);
  const scale = timeScale(header.u32(0) === NANOSECONDS ? 9 : 6, 0n);
  const facts = interfaceOf(header);
  limits.section({
    format: 'pcap',
    byteOrder: order,
    application: undefined,
    os: undefined,
    hardware: undefined,
    comments: [],
    interfaces: [facts],
  });
  for (;;) {
    const { offset } = source;
    if (!(await source.ensure(FRAME_HEADER_BYTES))) {
      if (source.buffered === 0) return;
      throw endsWithin('a frame', source);
    }
    const fields = new Fields(source.take(FRAME_HEADER_BYTES), order, offset);
    const captured = fields.u32(8);
    if (captured > limits.maxBlockBytes) {
      throw formatError(
        `a frame of ${captured} bytes is over maxBlockBytes, ${limits.maxBlockBytes}`,
        offset + 8,
      );
    }
    if (!(await source.ensure(captured))) throw endsWithin('a frame', source);
    yield {
      ...nothingSaid(),
      interface: facts,
      timestamp: BigInt(fields.u32(0)) * SECOND + scale(BigInt(fields.u32(4))),
      bytes: source.take(captured),
      originalLength: fields.u32(12),
      offset,
    };
  }
}

function interfaceOf(header: Fields): CapturedInterface {
  return {
    id: 0,
    name: undefined,
    description: undefined,
    linkType: linkTypeName(header.u32(20) & LINK_TYPE_BITS),
    snapLength: header.u32(16),
    mac: undefined,
    speed: undefined,
    filter: undefined,
    os: undefined,
    hardware: undefined,
    comments: [],
    statistics: undefined,
  };
}

function endsWithin(what: string, source: ByteSource): Error {
  return formatError(`the file ends within ${what}`, source.offset + source.buffered);
}
