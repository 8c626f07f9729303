/** Numbers and options in a block, in the byte order of its section. */
import { TapfdError } from '../../base/errors.js';
import { OPTION, padded } from './format.js';

export type ByteOrder = 'LE' | 'BE';

/** What is wrong with a file, and at which of its bytes. */
export function formatError(message: string, offset: number): TapfdError {
  return new TapfdError('ERR_TAPFD_CAPTURE_FORMAT', `${message}, at byte ${offset}`, { offset });
}

/** A part of the file. */
export class Fields {
  readonly bytes: Buffer;
  /** Its first byte's place in the file. */
  readonly offset: number;
  readonly #isLittle: boolean;
  readonly #order: ByteOrder;

  constructor(bytes: Buffer, order: ByteOrder, offset: number) {
    this.bytes = bytes;
    this.offset = offset;
    this.#order = order;
    this.#isLittle = order === 'LE';
  }

  u16(at: number): number {
    return this.#isLittle ? this.bytes.readUInt16LE(at) : this.bytes.readUInt16BE(at);
  }

  u32(at: number): number {
    return this.#isLittle ? this.bytes.readUInt32LE(at) : this.bytes.readUInt32BE(at);
  }

  u64(at: number): bigint {
    return this.#isLittle ? this.bytes.readBigUInt64LE(at) : this.bytes.readBigUInt64BE(at);
  }

  i64(at: number): bigint {
    return BigInt.asIntN(64, this.u64(at));
  }

  /** A time: the high half first, in either byte order. */
  time(at: number): bigint {
    return (BigInt(this.u32(at)) << 32n) | BigInt(this.u32(at + 4));
  }

  /** `length` bytes, which must lie in this part. @param what - They are, for the error. */
  part(what: string, at: number, length: number): Buffer {
    if (at + length > this.bytes.length) {
      throw formatError(`${what} has ${length} bytes, more than its block`, this.offset + at);
    }
    return this.bytes.subarray(at, at + length);
  }

  /** The options from `at` to the end or the end mark. */
  options(at: number): Options {
    const found = new Map<number, Fields[]>();
    let next = at;
    while (next + 4 <= this.bytes.length) {
      const [code, length] = [this.u16(next), this.u16(next + 2)];
      if (code === OPTION.end) break;
      const value = new Fields(this.part('an option', next + 4, length), this.#order, this.offset + next + 4);
      const known = found.get(code);
      if (known) known.push(value);
      else found.set(code, [value]);
      next += 4 + padded(length);
    }
    return new Options(found);
  }
}

/** Options by code. */
export class Options {
  readonly #found: ReadonlyMap<number, readonly Fields[]>;

  constructor(found: ReadonlyMap<number, readonly Fields[]>) {
    this.#found = found;
  }

  texts(code: number): string[] {
    return (this.#found.get(code) ?? []).map(({ bytes }) => textOf(bytes));
  }

  text(code: number): string | undefined {
    return this.texts(code)[0];
  }

  /** The first with this code, if it has `length` bytes: else it is wrong. */
  fixed(code: number, length: number): Fields | undefined {
    const value = this.#found.get(code)?.[0];
    if (value !== undefined && value.bytes.length !== length) {
      throw formatError(`option ${code} has ${value.bytes.length} bytes, not ${length}`, value.offset);
    }
    return value;
  }

  /** As {@link text}, of whatever length. */
  bytes(code: number): Buffer | undefined {
    return this.#found.get(code)?.[0]?.bytes;
  }
}

/** UTF-8, up to a NUL: some writers end it so. */
function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}
