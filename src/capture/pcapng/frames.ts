/** The frames of a pcapng file. */

import { SectionReader } from './blocks.js';
import type { ByteSource } from './byte-source.js';
import { type ByteOrder, Fields, formatError } from './fields.js';
import { BLOCK, BYTE_ORDER_MAGIC } from './format.js';
import type { CapturedFrame, CapturedSection } from './records.js';

/** Type and length. */
const HEADER_BYTES = 8;
const MIN_SECTION_BYTES = 28;

export interface ReadingLimits {
  maxBlockBytes: number;
  /** Called for each section, when its header has been read. */
  section: (section: CapturedSection) => void;
}

/** The block that comes next in the source. */
interface BlockHeader {
  type: number;
  length: number;
  order: ByteOrder;
  offset: number;
}

export async function* pcapngFrames(
  source: ByteSource,
  limits: ReadingLimits,
): AsyncGenerator<CapturedFrame, void, undefined> {
  let section: SectionReader | undefined;
  for (;;) {
    const header = await nextHeader(source, section?.order ?? 'LE');
    if (header === undefined) return;
    if (header.type === BLOCK.section) {
      section = new SectionReader(await body(source, header, limits), header.order, limits.maxBlockBytes);
      limits.section(section.section);
    } else if (SectionReader.knows(header.type) && section !== undefined) {
      const frame = section.block(header.type, await body(source, header, limits), header.offset);
      if (frame !== undefined) yield frame;
    } else {
      await skipBlock(source, header);
    }
  }
}

/** Undefined at the end of the file. */
async function nextHeader(source: ByteSource, order: ByteOrder): Promise<BlockHeader | undefined> {
  const { offset } = source;
  if (!(await source.ensure(HEADER_BYTES))) {
    if (source.buffered === 0) return undefined;
    throw endsWithin(source, offset);
  }
  const type = new Fields(source.peek(HEADER_BYTES), order, offset).u32(0);
  if (type !== BLOCK.section) return checked(source, type, order);
  // Its own byte order, which may be another than that of the section before. The type reads the same in both.
  if (!(await source.ensure(HEADER_BYTES + 4))) throw endsWithin(source, offset);
  const bytes = source.peek(HEADER_BYTES + 4);
  const own = (['LE', 'BE'] as const).find(
    (one) => new Fields(bytes, one, offset).u32(8) === BYTE_ORDER_MAGIC,
  );
  if (own === undefined) throw formatError('a section has no byte order', offset + 8);
  return checked(source, type, own);
}

function checked(source: ByteSource, type: number, order: ByteOrder): BlockHeader {
  const { offset } = source;
  const length = new Fields(source.peek(HEADER_BYTES), order, offset).u32(4);
  const min = type === BLOCK.section ? MIN_SECTION_BYTES : HEADER_BYTES + 4;
  if (length < min || length % 4 !== 0) {
    throw formatError(`a block of type ${type} has ${length} bytes`, offset + 4);
  }
  return { type, length, order, offset };
}

/** Takes a block, and returns what stands between its lengths. */
async function body(
  source: ByteSource,
  header: BlockHeader,
  { maxBlockBytes }: ReadingLimits,
): Promise<Fields> {
  const { length, order, offset } = header;
  if (length > maxBlockBytes) {
    throw formatError(`a block of ${length} bytes is over maxBlockBytes, ${maxBlockBytes}`, offset + 4);
  }
  if (!(await source.ensure(length))) throw endsWithin(source, offset);
  const block = source.take(length);
  checkLastLength(new Fields(block.subarray(length - 4), order, offset + length - 4), length);
  return new Fields(block.subarray(HEADER_BYTES, length - 4), order, offset + HEADER_BYTES);
}

/** Takes a block that is not to be decoded, of whatever size. */
async function skipBlock(source: ByteSource, { length, order, offset }: BlockHeader): Promise<void> {
  if (!(await source.skip(length - 4)) || !(await source.ensure(4))) throw endsWithin(source, offset);
  checkLastLength(new Fields(source.take(4), order, offset + length - 4), length);
}

function checkLastLength(last: Fields, length: number): void {
  const again = last.u32(0);
  if (again !== length)
    throw formatError(`a block of ${length} bytes ends with the length ${again}`, last.offset);
}

function endsWithin(source: ByteSource, offset: number): Error {
  return formatError(
    `the file ends within a block that begins at byte ${offset}`,
    source.offset + source.buffered,
  );
}
