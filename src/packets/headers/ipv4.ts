/** IPv4 (RFC 791). */
import { ipv4Text } from '../../addresses/ip.js';
import { invalidArgument } from '../../base/errors.js';
import { complement, sumWords } from '../fields/checksum.js';
import { Given, padded } from '../fields/given.js';
import { type Fields, Header } from '../fields/header.js';

export const IPV4_BYTES = 20;
const MAX_OPTION_BYTES = 40;

/** The header of an IPv4 packet. */
export interface Ipv4 {
  /** Bytes of header and options. */
  readonly headerLength: number;
  /** Differentiated services code point: 0 to 63. */
  readonly dscp: number;
  /** Explicit congestion notification: 0 to 3. */
  readonly ecn: number;
  /** Bytes of header and payload. */
  readonly totalLength: number;
  /** The same in all fragments of a packet. */
  readonly identification: number;
  /** DF: routers must not split the packet. */
  readonly dontFragment: boolean;
  /** MF: a fragment other than the last. */
  readonly moreFragments: boolean;
  /** Where the payload of this fragment begins in that of the packet, in bytes: a multiple of 8. */
  readonly fragmentOffset: number;
  /** Time to live: how many routers the packet may still pass. */
  readonly ttl: number;
  /** 1 ICMP, 6 TCP, 17 UDP. */
  readonly protocol: number;
  /** Of the header. */
  readonly checksum: number;
  /** The address of the sender. */
  readonly source: string;
  /** The address of the receiver. */
  readonly destination: string;
  /** As they are, padding included: a view of the packet's memory. */
  readonly options: Buffer;
}

export const IPV4_NAMES = [
  'headerLength',
  'dscp',
  'ecn',
  'totalLength',
  'identification',
  'dontFragment',
  'moreFragments',
  'fragmentOffset',
  'ttl',
  'protocol',
  'checksum',
  'source',
  'destination',
  'options',
] as const;

export class Ipv4Header extends Header implements Ipv4 {
  get names() {
    return IPV4_NAMES;
  }
  get headerLength() {
    return (this.u8(0) & 0x0f) * 4;
  }
  get dscp() {
    return this.u8(1) >> 2;
  }
  get ecn() {
    return this.u8(1) & 3;
  }
  get totalLength() {
    return this.u16(2);
  }
  get identification() {
    return this.u16(4);
  }
  get dontFragment() {
    return (this.u8(6) & 0x40) !== 0;
  }
  get moreFragments() {
    return (this.u8(6) & 0x20) !== 0;
  }
  get fragmentOffset() {
    return (this.u16(6) & 0x1fff) * 8;
  }
  get ttl() {
    return this.u8(8);
  }
  get protocol() {
    return this.u8(9);
  }
  get checksum() {
    return this.u16(10);
  }
  get source() {
    return ipv4Text(this.bytes, this.at + 12);
  }
  get destination() {
    return ipv4Text(this.bytes, this.at + 16);
  }
  get options() {
    return this.bytes.subarray(this.at + IPV4_BYTES, this.at + this.headerLength);
  }
}

/** An IPv4 header to encode. */
export type Ipv4Fields = Fields<Ipv4, 'source' | 'destination'>;

/** The given fields, checked before the payload is known, as its checksum needs the addresses. */
export class Ipv4Encoder {
  readonly source: Buffer;
  readonly destination: Buffer;
  readonly isLaterFragment: boolean;
  readonly isFragment: boolean;
  readonly #given: Given;

  constructor(value: unknown) {
    const given = new Given('ipv4', value, IPV4_NAMES);
    this.#given = given;
    this.source = given.ipv4('source');
    this.destination = given.ipv4('destination');
    const offset = given.integer('fragmentOffset', 0x1fff * 8, 0);
    if (offset % 8 !== 0) throw invalidArgument('ipv4.fragmentOffset', 'a multiple of 8', offset);
    this.isLaterFragment = offset > 0;
    this.isFragment = this.isLaterFragment || given.flag('moreFragments');
  }

  /** `protocol` is that of what follows, if the library knows it. */
  encode(protocol: number | undefined, payloadBytes: number): Buffer {
    const given = this.#given;
    const options = padded(given.bytes('options'), 4);
    if (options.length > MAX_OPTION_BYTES) {
      throw invalidArgument('ipv4.options', `at most ${MAX_OPTION_BYTES} bytes`, given.value('options'));
    }
    const header = Buffer.alloc(IPV4_BYTES + options.length);
    const headerLength = given.integer('headerLength', 60, header.length);
    if (headerLength % 4 !== 0) throw invalidArgument('ipv4.headerLength', 'a multiple of 4', headerLength);
    const length = header.length + payloadBytes;
    if (length > 0xffff && !given.has('totalLength')) {
      throw invalidArgument('payload', `at most ${0xffff - header.length} bytes over IPv4`, payloadBytes);
    }
    header.writeUInt8(0x40 | (headerLength / 4), 0);
    header.writeUInt8((given.integer('dscp', 63, 0) << 2) | given.integer('ecn', 3, 0), 1);
    header.writeUInt16BE(given.integer('totalLength', 0xffff, length), 2);
    header.writeUInt16BE(given.integer('identification', 0xffff, 0), 4);
    const flags = given.bit('dontFragment', 0x4000) | given.bit('moreFragments', 0x2000);
    header.writeUInt16BE(flags | (given.integer('fragmentOffset', 0xffff, 0) / 8), 6);
    header.writeUInt8(given.integer('ttl', 0xff, 64), 8);
    header.writeUInt8(given.integer('protocol', 0xff, protocol), 9);
    this.source.copy(header, 12);
    this.destination.copy(header, 16);
    options.copy(header, IPV4_BYTES);
    const right = complement(sumWords(header, 0, header.length));
    header.writeUInt16BE(given.integer('checksum', 0xffff, right), 10);
    return header;
  }
}
