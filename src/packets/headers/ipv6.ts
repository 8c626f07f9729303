/** IPv6 (RFC 8200). */
import { ipv6Text } from '../../addresses/ip.js';
import { checkList } from '../../base/checks.js';
import { invalidArgument } from '../../base/errors.js';
import { Given } from '../fields/given.js';
import { type Fields, Header } from '../fields/header.js';
import {
  type EncodedExtension,
  encodeExtension,
  type Ipv6Extension,
  type Ipv6ExtensionFields,
  readExtensions,
} from './ipv6-extensions.js';

export const IPV6_BYTES = 40;
const NO_NEXT_HEADER = 59;

/** The header of an IPv6 packet. */
export interface Ipv6 {
  /** Differentiated services code point: 0 to 63. */
  readonly dscp: number;
  /** Explicit congestion notification: 0 to 3. */
  readonly ecn: number;
  /** The same in all packets of a flow: 0 to 1048575. */
  readonly flowLabel: number;
  /** Bytes after the header, extension headers included. */
  readonly payloadLength: number;
  /** What follows this header: 6 TCP, 17 UDP, 58 ICMPv6, or an extension header. */
  readonly nextHeader: number;
  /** How many routers the packet may still pass. */
  readonly hopLimit: number;
  /** The address of the sender. */
  readonly source: string;
  /** The address of the receiver. */
  readonly destination: string;
  /** In their order. Those after a later fragment's header are payload. */
  readonly extensions: readonly Ipv6Extension[];
}

export const IPV6_NAMES = [
  'dscp',
  'ecn',
  'flowLabel',
  'payloadLength',
  'nextHeader',
  'hopLimit',
  'source',
  'destination',
  'extensions',
] as const;

export class Ipv6Header extends Header implements Ipv6 {
  readonly #extensionCount: number;

  constructor(bytes: Buffer, at: number, extensionCount: number) {
    super(bytes, at);
    this.#extensionCount = extensionCount;
  }

  get names() {
    return IPV6_NAMES;
  }
  get dscp() {
    return (this.u16(0) >> 6) & 63;
  }
  get ecn() {
    return (this.u16(0) >> 4) & 3;
  }
  get flowLabel() {
    return ((this.u8(1) & 0x0f) << 16) | this.u16(2);
  }
  get payloadLength() {
    return this.u16(4);
  }
  get nextHeader() {
    return this.u8(6);
  }
  get hopLimit() {
    return this.u8(7);
  }
  get source() {
    return ipv6Text(this.bytes, this.at + 8);
  }
  get destination() {
    return ipv6Text(this.bytes, this.at + 24);
  }
  get extensions() {
    return readExtensions(this.bytes, this.at + IPV6_BYTES, this.nextHeader, this.#extensionCount);
  }
}

/** An IPv6 header to encode. */
export type Ipv6Fields = Fields<Omit<Ipv6, 'extensions'>, 'source' | 'destination'> & {
  readonly extensions?: readonly Ipv6ExtensionFields[] | undefined;
};

/** The given fields, checked before the payload is known, as its checksum needs the addresses. */
export class Ipv6Encoder {
  readonly source: Buffer;
  /** The one that checksums use. */
  readonly destination: Buffer;
  readonly isLaterFragment: boolean;
  readonly isFragment: boolean;
  readonly #given: Given;
  readonly #extensions: readonly EncodedExtension[];

  constructor(value: unknown) {
    const given = new Given('ipv6', value, IPV6_NAMES);
    this.#given = given;
    this.source = given.ipv6('source');
    const list = given.value('extensions') ?? [];
    this.#extensions = checkList(given.argument('extensions'), list, 'a list', encodeExtension);
    const final = this.#extensions.find(({ finalDestination }) => finalDestination !== undefined);
    this.destination = final?.finalDestination ?? given.ipv6('destination');
    this.isFragment = this.#extensions.some(({ isFragment }) => isFragment);
    const later = this.#extensions.findIndex(({ isLaterFragment }) => isLaterFragment);
    this.isLaterFragment = later !== -1;
    if (this.isLaterFragment && later < this.#extensions.length - 1) {
      throw invalidArgument(
        `ipv6.extensions[${later + 1}]`,
        'left out: nothing is read after the header of a later fragment, so what follows it is payload',
        list,
      );
    }
  }

  /** `protocol` is that of what follows, if the library knows it; `hopLimit` what it is to be sent with. */
  encode(protocol: number | undefined, payloadBytes: number, hopLimit: number): Buffer {
    const given = this.#given;
    let next = protocol ?? (payloadBytes === 0 ? NO_NEXT_HEADER : undefined);
    const extensions: Buffer[] = [];
    for (const [place, extension] of [...this.#extensions.entries()].reverse()) {
      const nextHeader = extension.nextHeader ?? next;
      if (nextHeader === undefined) {
        throw invalidArgument(
          `ipv6.extensions[${place}].nextHeader`,
          'given: what follows has no header of its own here',
          undefined,
        );
      }
      extension.bytes.writeUInt8(nextHeader, 0);
      extensions.unshift(extension.bytes);
      next = extension.number;
    }
    const extensionBytes = extensions.reduce((sum, { length }) => sum + length, 0);
    const length = extensionBytes + payloadBytes;
    if (length > 0xffff && !given.has('payloadLength')) {
      throw invalidArgument('payload', `at most ${0xffff - extensionBytes} bytes over IPv6`, payloadBytes);
    }
    const header = Buffer.alloc(IPV6_BYTES);
    const trafficClass = (given.integer('dscp', 63, 0) << 2) | given.integer('ecn', 3, 0);
    header.writeUInt16BE(0x6000 | (trafficClass << 4) | (given.integer('flowLabel', 0xf_ffff, 0) >> 16), 0);
    header.writeUInt16BE(given.integer('flowLabel', 0xf_ffff, 0) & 0xffff, 2);
    header.writeUInt16BE(given.integer('payloadLength', 0xffff, length), 4);
    header.writeUInt8(given.integer('nextHeader', 0xff, next), 6);
    header.writeUInt8(given.integer('hopLimit', 0xff, hopLimit), 7);
    this.source.copy(header, 8);
    given.ipv6('destination').copy(header, 24);
    return Buffer.concat([header, ...extensions]);
  }
}
