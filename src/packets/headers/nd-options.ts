/** The options of neighbour discovery (RFC 4861, RFC 8106). */
import { ipv6Text } from '../../addresses/ip.js';
import { macText } from '../../addresses/mac.js';
import { checkList } from '../../base/checks.js';
import { invalidArgument } from '../../base/errors.js';
import { checkIpv6, checkNamed, Given, type NamesByNumber, padded } from '../fields/given.js';
import { type Fields, u32 } from '../fields/header.js';
import { numbers } from './tcp-options.js';

/** Which addresses a link has, in a router advertisement. */
export interface PrefixInformation {
  /** Which option it is. */
  readonly type: 'prefix-information';
  /** 0 to 128. */
  readonly prefixLength: number;
  /** Addresses with this prefix are on the link itself. */
  readonly onLink: boolean;
  /** Hosts may make themselves addresses with this prefix. */
  readonly autonomous: boolean;
  /** Seconds; 4294967295 is without end. */
  readonly validLifetime: number;
  /** Seconds; 4294967295 is without end. */
  readonly preferredLifetime: number;
  /** An IPv6 address. */
  readonly prefix: string;
}

/** An option of neighbour discovery. What the library does not know, or is malformed, has its number as `type`, and `data`. */
export type NdOption =
  | {
      /** Which option it is. */
      readonly type: 'source-link-layer-address' | 'target-link-layer-address';
      /** The MAC. */
      readonly mac: string;
    }
  | PrefixInformation
  | {
      /** Which option it is. */
      readonly type: 'redirected-header';
      /** The beginning of the packet that caused the redirect. */
      readonly data: Buffer;
    }
  | {
      /** Which option it is. */
      readonly type: 'mtu';
      /** Bytes of a packet. */
      readonly mtu: number;
    }
  | {
      /** Which option it is. */
      readonly type: 'recursive-dns-server';
      /** Seconds; 4294967295 is without end. */
      readonly lifetime: number;

      /** IPv6, in their order. */
      readonly addresses: readonly string[];
    }
  | {
      /** Which option it is. */
      readonly type: number;
      /** What follows type and length: a view. */
      readonly data: Buffer;
    };

/** An option to encode: of a prefix, the length is 64, both flags are true, and the lifetimes without end. */
export type NdOptionFields = NdOption | Fields<PrefixInformation, 'type' | 'prefix'>;

const TYPES: NamesByNumber<string> = {
  1: 'source-link-layer-address',
  2: 'target-link-layer-address',
  3: 'prefix-information',
  4: 'redirected-header',
  5: 'mtu',
  25: 'recursive-dns-server',
};
const UNIT = 8;
const NO_END = 0xffff_ffff;

/** Where the options that begin at `at` end: before `end` if one has no possible length. */
export function ndOptionsEnd(bytes: Uint8Array, at: number, end: number): number {
  let place = at;
  while (place + UNIT <= end) {
    const length = bytes[place + 1] * UNIT;
    if (length === 0 || place + length > end) break;
    place += length;
  }
  return place;
}

/** The options from `at` to `end`, as {@link ndOptionsEnd} has found it. */
export function readNdOptions(bytes: Buffer, at: number, end: number): NdOption[] {
  const options: NdOption[] = [];
  let place = at;
  while (place < end) {
    const length = bytes[place + 1] * UNIT;
    options.push(readOption(bytes[place], bytes.subarray(place + 2, place + length)));
    place += length;
  }
  return options;
}

function readOption(number: number, data: Buffer): NdOption {
  switch (number) {
    case 1:
    case 2:
      if (data.length !== 6) break;
      return {
        type: number === 1 ? 'source-link-layer-address' : 'target-link-layer-address',
        mac: macText(data),
      };
    case 3:
      if (data.length !== 30) break;
      return {
        type: 'prefix-information',
        prefixLength: data[0],
        onLink: (data[1] & 0x80) !== 0,
        autonomous: (data[1] & 0x40) !== 0,
        validLifetime: u32(data, 2),
        preferredLifetime: u32(data, 6),
        prefix: ipv6Text(data, 14),
      };
    case 4:
      return { type: 'redirected-header', data: data.subarray(6) };
    case 5:
      if (data.length !== 6) break;
      return { type: 'mtu', mtu: u32(data, 2) };
    case 25:
      if (data.length < 22 || data.length % 16 !== 6) break;
      return { type: 'recursive-dns-server', lifetime: u32(data, 2), addresses: readAddresses(data, 6) };
  }
  return { type: number, data };
}

function readAddresses(data: Buffer, at: number): string[] {
  const addresses: string[] = [];
  for (let place = at; place < data.length; place += 16) addresses.push(ipv6Text(data, place));
  return addresses;
}

export function encodeNdOption(argument: string, value: unknown): Buffer {
  const given = new Given(argument, value);
  const type = given.value('type');
  const number = checkNamed(given.argument('type'), type, TYPES, 0xff);
  const data = padded(Buffer.concat([Buffer.from([number, 0]), encodeData(given, type)]), UNIT);
  const units = data.length / UNIT;
  if (units > 0xff) throw invalidArgument(argument, 'at most 2040 bytes', value);
  data.writeUInt8(units, 1);
  return data;
}

function encodeData(given: Given, type: unknown): Buffer {
  const refuse = (...names: string[]) => given.refuseOthers(['type', ...names], `option ${type}`);
  switch (type) {
    case 'source-link-layer-address':
    case 'target-link-layer-address':
      refuse('mac');
      return given.mac('mac');
    case 'prefix-information': {
      refuse('prefixLength', 'onLink', 'autonomous', 'validLifetime', 'preferredLifetime', 'prefix');
      const flags = given.bit('onLink', 0x80, true) | given.bit('autonomous', 0x40, true);
      const lifetimes = ['validLifetime', 'preferredLifetime'].map((name) =>
        given.integer(name, NO_END, NO_END),
      );
      const fixed = Buffer.from([given.integer('prefixLength', 128, 64), flags]);
      return Buffer.concat([fixed, numbers(4, ...lifetimes, 0), given.ipv6('prefix')]);
    }
    case 'redirected-header':
      refuse('data');
      return Buffer.concat([Buffer.alloc(6), given.bytes('data')]);
    case 'mtu':
      refuse('mtu');
      return Buffer.concat([Buffer.alloc(2), numbers(4, given.integer('mtu', 0xffff_ffff))]);
    case 'recursive-dns-server': {
      refuse('lifetime', 'addresses');
      const head = Buffer.concat([Buffer.alloc(2), numbers(4, given.integer('lifetime', NO_END, NO_END))]);
      const list = checkList(given.argument('addresses'), given.value('addresses'), 'a list', checkIpv6);
      return Buffer.concat([head, ...list]);
    }
    default:
      refuse('data');
      return given.bytes('data');
  }
}
