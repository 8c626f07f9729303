/** ICMP (RFC 792). */
import { ipv4Text } from '../../addresses/ip.js';
import { complement, sumWords } from '../fields/checksum.js';
import { Given, type NamesByNumber } from '../fields/given.js';
import { type Fields, Header } from '../fields/header.js';

export const ICMP_BYTES = 8;
const TIMESTAMP_BYTES = 20;

/** The kinds of ICMP messages that have a name here. */
export type IcmpType =
  | 'echo-reply'
  | 'destination-unreachable'
  | 'redirect'
  | 'echo-request'
  | 'router-advertisement'
  | 'router-solicitation'
  | 'time-exceeded'
  | 'parameter-problem'
  | 'timestamp-request'
  | 'timestamp-reply';

const TYPES: NamesByNumber<IcmpType> = {
  0: 'echo-reply',
  3: 'destination-unreachable',
  5: 'redirect',
  8: 'echo-request',
  9: 'router-advertisement',
  10: 'router-solicitation',
  11: 'time-exceeded',
  12: 'parameter-problem',
  13: 'timestamp-request',
  14: 'timestamp-reply',
};
const TIMESTAMP_REQUEST = 13;
const TIMESTAMP_REPLY = 14;

/** An ICMP message. Fields that its type does not have are undefined. */
export interface Icmp {
  /** A number if it has no name here. */
  readonly type: IcmpType | number;
  /** Says more about the type: of destination-unreachable, 0 network, 1 host, 3 port, 4 too long. */
  readonly code: number;
  /** Of header and payload. */
  readonly checksum: number;
  /** Echo and timestamp: tells one program's messages from another's. */
  readonly identifier: number | undefined;
  /** Echo and timestamp: counts up. */
  readonly sequence: number | undefined;
  /** Redirect: the better router. */
  readonly gateway: string | undefined;
  /** Parameter problem: the byte of the quoted packet that is wrong. */
  readonly pointer: number | undefined;
  /** Destination unreachable: how long a packet may be, with code 4; else 0. */
  readonly mtu: number | undefined;
  /** Destination unreachable, time exceeded, parameter problem: length of the quoted packet in words of 4 bytes, if extensions follow it (RFC 4884); else 0. */
  readonly length: number | undefined;
  /** Timestamp: when the request was sent, in milliseconds since midnight UTC. */
  readonly originate: number | undefined;
  /** Timestamp: when the request arrived. */
  readonly receive: number | undefined;
  /** Timestamp: when the reply was sent. */
  readonly transmit: number | undefined;
  /** Other types: the second four bytes of the header. */
  readonly rest: number | undefined;
}

export const ICMP_NAMES = [
  'type',
  'code',
  'checksum',
  'identifier',
  'sequence',
  'gateway',
  'pointer',
  'mtu',
  'length',
  'originate',
  'receive',
  'transmit',
  'rest',
] as const;

/** The fields that the types have, besides type, code and checksum. */
const ECHO = ['identifier', 'sequence'] as const;
const TIMESTAMP = [...ECHO, 'originate', 'receive', 'transmit'] as const;
type Special = Exclude<(typeof ICMP_NAMES)[number], 'type' | 'code' | 'checksum'>;
const FIELDS_BY_TYPE: Readonly<Partial<Record<IcmpType | number, readonly Special[]>>> = {
  'echo-request': ECHO,
  'echo-reply': ECHO,
  'timestamp-request': TIMESTAMP,
  'timestamp-reply': TIMESTAMP,
  redirect: ['gateway'],
  'parameter-problem': ['pointer', 'length'],
  'destination-unreachable': ['mtu', 'length'],
  'time-exceeded': ['length'],
};
const OTHER: readonly Special[] = ['rest'];

/** The types whose payload begins with the packet that caused them. */
export const ICMP_ERRORS: readonly (IcmpType | number)[] = [
  'destination-unreachable',
  'redirect',
  'time-exceeded',
  'parameter-problem',
];

/** How long the header of the message is whose first byte is `type`. */
export function icmpBytes(type: number): number {
  return type === TIMESTAMP_REQUEST || type === TIMESTAMP_REPLY ? TIMESTAMP_BYTES : ICMP_BYTES;
}

export class IcmpHeader extends Header implements Icmp {
  get names() {
    return ICMP_NAMES;
  }
  get type() {
    return TYPES[this.u8(0)] ?? this.u8(0);
  }
  get code() {
    return this.u8(1);
  }
  get checksum() {
    return this.u16(2);
  }
  get identifier() {
    return this.#has('identifier') ? this.u16(4) : undefined;
  }
  get sequence() {
    return this.#has('sequence') ? this.u16(6) : undefined;
  }
  get gateway() {
    return this.#has('gateway') ? ipv4Text(this.bytes, this.at + 4) : undefined;
  }
  get pointer() {
    return this.#has('pointer') ? this.u8(4) : undefined;
  }
  get mtu() {
    return this.#has('mtu') ? this.u16(6) : undefined;
  }
  get length() {
    return this.#has('length') ? this.u8(5) : undefined;
  }
  get originate() {
    return this.#has('originate') ? this.u32(8) : undefined;
  }
  get receive() {
    return this.#has('receive') ? this.u32(12) : undefined;
  }
  get transmit() {
    return this.#has('transmit') ? this.u32(16) : undefined;
  }
  get rest() {
    return this.#has('rest') ? this.u32(4) : undefined;
  }

  #has(name: Special): boolean {
    return (FIELDS_BY_TYPE[this.type] ?? OTHER).includes(name);
  }
}

/** An ICMP message to encode: without the fields that its type does not have. */
export type IcmpFields = Fields<Icmp, 'type'>;

export function encodeIcmp(value: unknown, payload: Buffer): Buffer {
  const given = new Given('icmp', value);
  const number = given.named('type', TYPES, 0xff);
  const type = TYPES[number] ?? number;
  const special = FIELDS_BY_TYPE[type] ?? OTHER;
  given.refuseOthers(['type', 'code', 'checksum', ...special], `ICMP ${type}`);
  const header = Buffer.alloc(icmpBytes(number));
  header.writeUInt8(number, 0);
  header.writeUInt8(given.integer('code', 0xff, 0), 1);
  for (const name of special) writeSpecial(given, header, name);
  const right = complement(sumWords(payload, 0, payload.length, sumWords(header, 0, header.length)));
  header.writeUInt16BE(given.integer('checksum', 0xffff, right), 2);
  return header;
}

function writeSpecial(given: Given, header: Buffer, name: Special): void {
  switch (name) {
    case 'gateway':
      given.ipv4(name).copy(header, 4);
      break;
    case 'pointer':
      header.writeUInt8(given.integer(name, 0xff, 0), 4);
      break;
    case 'length':
      header.writeUInt8(given.integer(name, 0xff, 0), 5);
      break;
    case 'identifier':
      header.writeUInt16BE(given.integer(name, 0xffff, 0), 4);
      break;
    case 'sequence':
    case 'mtu':
      header.writeUInt16BE(given.integer(name, 0xffff, 0), 6);
      break;
    default:
      header.writeUInt32BE(given.integer(name, 0xffff_ffff, 0), WORD_AT[name]);
  }
}

const WORD_AT = { rest: 4, originate: 8, receive: 12, transmit: 16 } as const;
