/** The extension headers of IPv6 (RFC 8200; the authentication header: RFC 4302). */
import { invalidArgument } from '../../base/errors.js';
import { checkNamed, Given, type NamesByNumber, padded } from '../fields/given.js';
import { u16, u32 } from '../fields/header.js';
import { numbers } from './tcp-options.js';

/** An extension header of IPv6. Bytes are views of the packet's memory. */
export type Ipv6Extension =
  | {
      readonly type: 'hop-by-hop' | 'destination-options';
      /** The type of what follows. */
      readonly nextHeader: number;
      /** The options as they are, padding included. */
      readonly data: Buffer;
    }
  | {
      readonly type: 'routing';
      /** The type of what follows. */
      readonly nextHeader: number;
      /** 2: mobile IPv6, 4: segment routing. */
      readonly routingType: number;
      /** Addresses still to be visited. */
      readonly segmentsLeft: number;
      /** What the routing type says. */
      readonly data: Buffer;
    }
  | {
      readonly type: 'fragment';
      /** The type of what follows in the first fragment. */
      readonly nextHeader: number;
      /** Where the payload of this fragment begins in that of the packet, in bytes: a multiple of 8. */
      readonly fragmentOffset: number;
      /** A fragment other than the last. */
      readonly moreFragments: boolean;
      /** The same in all fragments of a packet. */
      readonly identification: number;
    }
  | {
      readonly type: 'authentication';
      /** The type of what follows. */
      readonly nextHeader: number;
      /** Security parameters index. */
      readonly spi: number;
      /** Counts up. */
      readonly sequence: number;
      /** The integrity check value. */
      readonly icv: Buffer;
    };

const TYPES: NamesByNumber<Ipv6Extension['type']> = {
  0: 'hop-by-hop',
  43: 'routing',
  44: 'fragment',
  51: 'authentication',
  60: 'destination-options',
};
export const FRAGMENT = 44;
export const ROUTING = 43;
const AUTHENTICATION = 51;
/** As much as each has. */
export const MIN_EXTENSION_BYTES = 8;
const AUTHENTICATION_FIXED_BYTES = 12;

export function isExtension(nextHeader: number): boolean {
  return TYPES[nextHeader] !== undefined;
}

/** Its length in bytes, from its first two. */
export function extensionBytes(bytes: Uint8Array, at: number, type: number): number {
  if (type === FRAGMENT) return MIN_EXTENSION_BYTES;
  const units = bytes[at + 1];
  // RFC 4302: in words of 4 bytes, minus 2.
  return type === AUTHENTICATION ? (units + 2) * 4 : (units + 1) * 8;
}

/** The `count` extensions that begin at `at`, all of them complete. */
export function readExtensions(bytes: Buffer, at: number, first: number, count: number): Ipv6Extension[] {
  const extensions: Ipv6Extension[] = [];
  let place = at;
  let type = first;
  while (extensions.length < count) {
    const end = place + extensionBytes(bytes, place, type);
    extensions.push(readExtension(bytes, place, end, type));
    type = bytes[place];
    place = end;
  }
  return extensions;
}

function readExtension(bytes: Buffer, at: number, end: number, number: number): Ipv6Extension {
  const nextHeader = bytes[at];
  const type = TYPES[number];
  switch (type) {
    case 'routing':
      return {
        type,
        nextHeader,
        routingType: bytes[at + 2],
        segmentsLeft: bytes[at + 3],
        data: bytes.subarray(at + 4, end),
      };
    case 'fragment':
      return {
        type,
        nextHeader,
        fragmentOffset: u16(bytes, at + 2) & 0xfff8,
        moreFragments: (u16(bytes, at + 2) & 1) !== 0,
        identification: u32(bytes, at + 4),
      };
    case 'authentication':
      return {
        type,
        nextHeader,
        spi: u32(bytes, at + 4),
        sequence: u32(bytes, at + 8),
        icv: bytes.subarray(at + AUTHENTICATION_FIXED_BYTES, end),
      };
    default:
      return {
        type: type === 'hop-by-hop' ? type : 'destination-options',
        nextHeader,
        data: bytes.subarray(at + 2, end),
      };
  }
}

/** An extension header to encode: `nextHeader` is filled in. */
export type Ipv6ExtensionFields = Ipv6Extension extends infer Each
  ? Each extends Ipv6Extension
    ? Omit<Each, 'nextHeader'> & { readonly nextHeader?: number | undefined }
    : never
  : never;

/** One extension, checked: what follows it is known only later. */
export interface EncodedExtension {
  readonly number: number;
  readonly bytes: Buffer;
  readonly nextHeader: number | undefined;
  /** `fragmentOffset` is not 0: no header follows. */
  readonly isLaterFragment: boolean;
  readonly isFragment: boolean;
  /** Of a routing header with segments left, the address that checksums use. */
  readonly finalDestination: Buffer | undefined;
}

export function encodeExtension(argument: string, value: unknown): EncodedExtension {
  const given = new Given(argument, value);
  const type = given.value('type');
  if (typeof type !== 'string') {
    throw invalidArgument(given.argument('type'), `one of ${Object.values(TYPES).join(', ')}`, type);
  }
  const number = checkNamed(given.argument('type'), type, TYPES, 0xff);
  const nextHeader = given.has('nextHeader') ? given.integer('nextHeader', 0xff) : undefined;
  const bytes = encodeBody(given, number, type);
  const isLaterFragment = number === FRAGMENT && u16(bytes, 2) >= 8;
  return {
    number,
    bytes,
    nextHeader,
    isLaterFragment,
    isFragment: isLaterFragment || (number === FRAGMENT && (u16(bytes, 2) & 1) !== 0),
    finalDestination: number === ROUTING ? finalDestination(bytes, 0) : undefined,
  };
}

function encodeBody(given: Given, number: number, type: string): Buffer {
  const refuse = (...names: string[]) => given.refuseOthers(['type', 'nextHeader', ...names], type);
  switch (number) {
    case ROUTING: {
      refuse('routingType', 'segmentsLeft', 'data');
      const fixed = [0, 0, given.integer('routingType', 0xff), given.integer('segmentsLeft', 0xff, 0)];
      return inUnits(given, Buffer.concat([Buffer.from(fixed), given.bytes('data')]), 8, 1);
    }
    case FRAGMENT: {
      refuse('fragmentOffset', 'moreFragments', 'identification');
      const offset = given.integer('fragmentOffset', 0xfff8, 0);
      if (offset % 8 !== 0)
        throw invalidArgument(given.argument('fragmentOffset'), 'a multiple of 8', offset);
      const word = offset | given.bit('moreFragments', 1);
      return Buffer.concat([
        numbers(2, 0, word),
        numbers(4, given.integer('identification', 0xffff_ffff, 0)),
      ]);
    }
    case AUTHENTICATION: {
      refuse('spi', 'sequence', 'icv');
      const fixed = numbers(4, 0, given.integer('spi', 0xffff_ffff), given.integer('sequence', 0xffff_ffff));
      return inUnits(given, Buffer.concat([fixed, given.bytes('icv')]), 4, 2);
    }
    default:
      refuse('data');
      return inUnits(given, paddedOptions(Buffer.concat([Buffer.alloc(2), given.bytes('data')])), 8, 1);
  }
}

/** Fills up to a multiple of 8 with Pad1 or PadN (RFC 8200, section 4.2). */
function paddedOptions(bytes: Buffer): Buffer {
  const missing = (8 - (bytes.length % 8)) % 8;
  if (missing === 0) return bytes;
  const pad =
    missing === 1
      ? Buffer.alloc(1)
      : Buffer.concat([Buffer.from([1, missing - 2]), Buffer.alloc(missing - 2)]);
  return Buffer.concat([bytes, pad]);
}

function inUnits(given: Given, bytes: Buffer, unit: number, uncounted: number): Buffer {
  const whole = padded(bytes, unit);
  const units = whole.length / unit - uncounted;
  if (units > 0xff) throw invalidArgument(given.argument('data'), 'shorter: the header is too long', units);
  whole.writeUInt8(units, 1);
  return whole;
}

/**
 * The last address that a routing header leads to while segments are left: types 0 and 2 have it last, segment routing
 * (RFC 8754) first. It is the destination that checksums use (RFC 8200, section 8.1).
 */
export function finalDestination(bytes: Buffer, at: number): Buffer | undefined {
  const end = at + extensionBytes(bytes, at, ROUTING);
  const [routingType, segmentsLeft] = [bytes[at + 2], bytes[at + 3]];
  if (segmentsLeft === 0 || end > bytes.length || end < at + 24) return undefined;
  if (routingType === 4) return bytes.subarray(at + 8, at + 24);
  return routingType === 0 || routingType === 2 ? bytes.subarray(end - 16, end) : undefined;
}
