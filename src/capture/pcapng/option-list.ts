/** The options at the end of a pcapng block, encoded. */
import { checkList, isList } from '../../base/checks.js';
import { invalidArgument } from '../../base/errors.js';
import { MAX_OPTION_BYTES, padded } from './format.js';

/** Collects options; one that is undefined is left out. */
export class OptionList {
  readonly #parts: Buffer[] = [];

  text(code: number, text: string | undefined): this {
    return text === undefined ? this : this.#add(code, Buffer.from(text));
  }

  texts(code: number, texts: readonly string[]): this {
    for (const text of texts) this.text(code, text);
    return this;
  }

  bytes(code: number, bytes: Uint8Array | undefined): this {
    return bytes === undefined ? this : this.#add(code, Buffer.from(bytes));
  }

  uint32(code: number, value: number | undefined): this {
    if (value === undefined) return this;
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32LE(value);
    return this.#add(code, bytes);
  }

  uint64(code: number, value: bigint | number | undefined): this {
    if (value === undefined) return this;
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return this.#add(code, bytes);
  }

  /** A time as interfaces' statistics have it: the high half first. */
  time(code: number, time: bigint | undefined): this {
    return time === undefined ? this : this.uint64(code, (time >> 32n) | ((time & 0xffff_ffffn) << 32n));
  }

  /** All of them with the end mark; nothing without any. */
  encode(): Buffer {
    return this.#parts.length === 0 ? Buffer.alloc(0) : Buffer.concat([...this.#parts, Buffer.alloc(4)]);
  }

  /** All of them, for a list that goes on. */
  encodeOpen(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #add(code: number, value: Buffer): this {
    const part = Buffer.alloc(4 + padded(value.length));
    part.writeUInt16LE(code, 0);
    part.writeUInt16LE(value.length, 2);
    value.copy(part, 4);
    this.#parts.push(part);
    return this;
  }
}

/** A whole block: its type and length, `body`, options, and the length again. */
export function encodeBlock(type: number, body: Buffer, options: OptionList): Buffer {
  const encoded = options.encode();
  const length = 12 + body.length + encoded.length;
  const block = Buffer.alloc(length);
  block.writeUInt32LE(type, 0);
  block.writeUInt32LE(length, 4);
  body.copy(block, 8);
  encoded.copy(block, 8 + body.length);
  block.writeUInt32LE(length, length - 4);
  return block;
}

/** Text for an option: it is written as UTF-8, whole or not at all. */
export function checkOptionText(argument: string, value: unknown): string {
  if (
    typeof value !== 'string' ||
    /\p{Surrogate}/u.test(value) ||
    Buffer.byteLength(value) > MAX_OPTION_BYTES
  ) {
    throw invalidArgument(argument, `text of at most ${MAX_OPTION_BYTES} bytes of UTF-8`, value);
  }
  return value;
}

/** One text or a list of them. */
export function checkComments(argument: string, value: unknown): string[] {
  if (value === undefined) return [];
  if (!isList(value)) return [checkOptionText(argument, value)];
  return checkList(argument, value, 'a text or a list of them', checkOptionText);
}
