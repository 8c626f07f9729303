/** The options of TCP (RFC 9293, RFC 7323, RFC 2018). */
import { invalidArgument } from '../../base/errors.js';
import { checkNamed, Given, type NamesByNumber } from '../fields/given.js';
import { u16, u32 } from '../fields/header.js';

/** A range of bytes that has arrived, in a `sack` option. */
export interface SackBlock {
  /** The first sequence number of the range. */
  readonly left: number;
  /** The sequence number after the last. */
  readonly right: number;
}

/** An option of TCP. What the library does not know, or is malformed, has its number as `type`, and `data`. */
export type TcpOption =
  | { readonly type: 'end' | 'nop' | 'sack-permitted' }
  | { readonly type: 'mss'; readonly value: number }
  | { readonly type: 'window-scale'; readonly shift: number }
  | { readonly type: 'sack'; readonly blocks: readonly SackBlock[] }
  | { readonly type: 'timestamps'; readonly value: number; readonly echo: number }
  | { readonly type: number; readonly data: Buffer };

const TYPES: NamesByNumber<string> = {
  0: 'end',
  1: 'nop',
  2: 'mss',
  3: 'window-scale',
  4: 'sack-permitted',
  5: 'sack',
  8: 'timestamps',
};
const END = 0;
const NOP = 1;

/** The options from `at` to `end`. `badAt` is where one begins that has no possible length. */
export function readTcpOptions(
  bytes: Buffer,
  at: number,
  end: number,
): { options: TcpOption[]; badAt: number | undefined } {
  const options: TcpOption[] = [];
  let place = at;
  while (place < end) {
    const kind = bytes[place];
    if (kind === END) {
      options.push({ type: 'end' });
      return { options, badAt: undefined };
    }
    if (kind === NOP) {
      options.push({ type: 'nop' });
      place += 1;
      continue;
    }
    const length = place + 1 < end ? bytes[place + 1] : 0;
    if (length < 2 || place + length > end) return { options, badAt: place };
    options.push(readOption(kind, bytes.subarray(place + 2, place + length)));
    place += length;
  }
  return { options, badAt: undefined };
}

function readOption(kind: number, data: Buffer): TcpOption {
  switch (kind) {
    case 2:
      if (data.length === 2) return { type: 'mss', value: u16(data, 0) };
      break;
    case 3:
      if (data.length === 1) return { type: 'window-scale', shift: data[0] };
      break;
    case 4:
      if (data.length === 0) return { type: 'sack-permitted' };
      break;
    case 5:
      if (data.length > 0 && data.length % 8 === 0) return { type: 'sack', blocks: readBlocks(data) };
      break;
    case 8:
      if (data.length === 8) return { type: 'timestamps', value: u32(data, 0), echo: u32(data, 4) };
      break;
  }
  return { type: kind, data };
}

function readBlocks(data: Buffer): SackBlock[] {
  const blocks: SackBlock[] = [];
  for (let at = 0; at < data.length; at += 8) blocks.push({ left: u32(data, at), right: u32(data, at + 4) });
  return blocks;
}

export function encodeTcpOption(argument: string, value: unknown): Buffer {
  const given = new Given(argument, value);
  const type = given.value('type');
  const kind = checkNamed(given.argument('type'), type, TYPES, 0xff);
  const name = `TCP option ${type}`;
  if (typeof type === 'number') {
    given.refuseOthers(['type', 'data'], name);
    if (kind <= NOP)
      throw invalidArgument(given.argument('type'), `'${TYPES[kind]}', which has no data`, type);
    return withLength(argument, kind, given.bytes('data'));
  }
  switch (type) {
    case 'mss':
      given.refuseOthers(['type', 'value'], name);
      return withLength(argument, kind, numbers(2, given.integer('value', 0xffff)));
    case 'window-scale':
      given.refuseOthers(['type', 'shift'], name);
      return withLength(argument, kind, numbers(1, given.integer('shift', 0xff)));
    case 'sack':
      given.refuseOthers(['type', 'blocks'], name);
      return withLength(argument, kind, given.list('blocks', encodeBlock));
    case 'timestamps':
      given.refuseOthers(['type', 'value', 'echo'], name);
      return withLength(
        argument,
        kind,
        numbers(4, given.integer('value', 0xffff_ffff), given.integer('echo', 0xffff_ffff)),
      );
    default:
      given.refuseOthers(['type'], name);
      return kind <= NOP ? Buffer.from([kind]) : withLength(argument, kind, Buffer.alloc(0));
  }
}

function encodeBlock(argument: string, value: unknown): Buffer {
  const given = new Given(argument, value, ['left', 'right']);
  return numbers(4, given.integer('left', 0xffff_ffff), given.integer('right', 0xffff_ffff));
}

function withLength(argument: string, kind: number, data: Buffer): Buffer {
  if (data.length > 0xff - 2) throw invalidArgument(`${argument}.data`, 'at most 253 bytes', data);
  return Buffer.concat([Buffer.from([kind, data.length + 2]), data]);
}

/** Each in that many bytes. */
export function numbers(bytes: 1 | 2 | 4, ...values: number[]): Buffer {
  const made = Buffer.alloc(bytes * values.length);
  values.forEach((value, place) => {
    made.writeUIntBE(value, place * bytes, bytes);
  });
  return made;
}
