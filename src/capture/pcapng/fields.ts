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
    this.#check(what, at, length);
    return this.bytes.subarray(at, at + length);
  }

  /** As many bytes, which do lie in this part. */
  fields(at: number, length: number): Fields {
    return new Fields(this.bytes.subarray(at, at + length), this.#order, this.offset + at);
  }

  /** The options from `at` to the end or the end mark, each of which must lie in this part. */
  options(at: number): Options {
    let end = at;
    while (end + 4 <= this.bytes.length && this.u16(end) !== OPTION.end) {
      const length = this.u16(end + 2);
      this.#check('an option', end + 4, length);
      end += 4 + padded(length);
    }
    return new Options(this, at, end);
  }

  #check(what: string, at: number, length: number): void {
    if (at + length <= this.bytes.length) return;
    throw formatError(`${what} has ${length} bytes, more than its block`, this.offset + at);
  }
}

/** Options by code. They are looked for when they are asked for: a block may have millions. */
export class Options {
  readonly #fields: Fields;
  readonly #at: number;
  readonly #end: number;

  constructor(fields: Fields, at: number, end: number) {
    this.#fields = fields;
    this.#at = at;
    this.#end = end;
  }

  texts(code: number): string[] {
    const texts: string[] = [];
    for (let at = this.#find(code, this.#at); at !== undefined; at = this.#find(code, this.#next(at))) {
      texts.push(textOf(this.#value(at).bytes));
    }
    return texts;
  }

  text(code: number): string | undefined {
    const bytes = this.bytes(code);
    return bytes && textOf(bytes);
  }

  /** The first with this code, if it has `length` bytes: else it is wrong. */
  fixed(code: number, length: number): Fields | undefined {
    const at = this.#find(code, this.#at);
    if (at === undefined) return undefined;
    const value = this.#value(at);
    if (value.bytes.length === length) return value;
    throw formatError(`option ${code} has ${value.bytes.length} bytes, not ${length}`, value.offset);
  }

  /** As {@link text}, of whatever length. */
  bytes(code: number): Buffer | undefined {
    const at = this.#find(code, this.#at);
    return at === undefined ? undefined : this.#value(at).bytes;
  }

  /** Where the first with this code is, from `at` on. */
  #find(code: number, at: number): number | undefined {
    for (let place = at; place < this.#end; place = this.#next(place)) {
      if (this.#fields.u16(place) === code) return place;
    }
    return undefined;
  }

  #next(at: number): number {
    return at + 4 + padded(this.#fields.u16(at + 2));
  }

  #value(at: number): Fields {
    return this.#fields.fields(at + 4, this.#fields.u16(at + 2));
  }
}

/** UTF-8, up to a NUL: some writers end it so. */
function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}
