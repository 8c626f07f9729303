/** ICMPv6 (RFC 4443), neighbour discovery (RFC 4861) and multicast listener discovery (RFC 2710). */
import { ipv6Text } from '../../addresses/ip.js';
import { complement, sumWords } from '../fields/checksum.js';
import { Given } from '../fields/given.js';
import { type Fields, Header } from '../fields/header.js';
import {
  ICMPV6_NAMES,
  ICMPV6_TYPES,
  type Icmpv6,
  kindOf,
  PREFERENCES,
  type Special,
} from './icmpv6-types.js';
import { encodeNdOption, readNdOptions } from './nd-options.js';
import type { Surroundings } from './udp.js';

export class Icmpv6Header extends Header implements Icmpv6 {
  /** Of the options. */
  readonly #end: number;

  constructor(bytes: Buffer, at: number, end: number) {
    super(bytes, at);
    this.#end = end;
  }

  get names() {
    return ICMPV6_NAMES;
  }
  get type() {
    return ICMPV6_TYPES[this.u8(0)] ?? this.u8(0);
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
  get mtu() {
    return this.#has('mtu') ? this.u32(4) : undefined;
  }
  get pointer() {
    return this.#has('pointer') ? this.u32(4) : undefined;
  }
  get length() {
    return this.#has('length') ? this.u8(4) : undefined;
  }
  get hopLimit() {
    return this.#has('hopLimit') ? this.u8(4) : undefined;
  }
  get managed() {
    return this.#bit('managed', 5, 0x80);
  }
  get otherConfiguration() {
    return this.#bit('otherConfiguration', 5, 0x40);
  }
  get homeAgent() {
    return this.#bit('homeAgent', 5, 0x20);
  }
  get preference() {
    return this.#has('preference') ? PREFERENCES[(this.u8(5) >> 3) & 3] : undefined;
  }
  get routerLifetime() {
    return this.#has('routerLifetime') ? this.u16(6) : undefined;
  }
  get reachableTime() {
    return this.#has('reachableTime') ? this.u32(8) : undefined;
  }
  get retransTimer() {
    return this.#has('retransTimer') ? this.u32(12) : undefined;
  }
  get router() {
    return this.#bit('router', 4, 0x80);
  }
  get solicited() {
    return this.#bit('solicited', 4, 0x40);
  }
  get override() {
    return this.#bit('override', 4, 0x20);
  }
  get target() {
    return this.#has('target') ? ipv6Text(this.bytes, this.at + 8) : undefined;
  }
  get destination() {
    return this.#has('destination') ? ipv6Text(this.bytes, this.at + 24) : undefined;
  }
  get maximumResponseDelay() {
    return this.#has('maximumResponseDelay') ? this.u16(4) : undefined;
  }
  get multicastAddress() {
    return this.#has('multicastAddress') ? ipv6Text(this.bytes, this.at + 8) : undefined;
  }
  get rest() {
    return this.#has('rest') ? this.u32(4) : undefined;
  }
  get options() {
    if (!this.#has('options')) return undefined;
    return readNdOptions(this.bytes, this.at + kindOf(this.type).bytes, this.#end);
  }

  #has(name: Special): boolean {
    return kindOf(this.type).fields.includes(name);
  }

  #bit(name: Special, offset: number, bit: number): boolean | undefined {
    return this.#has(name) ? (this.u8(offset) & bit) !== 0 : undefined;
  }
}

/** An ICMPv6 message to encode: without the fields that its type does not have. */
export type Icmpv6Fields = Fields<Icmpv6, 'type'>;

/** The message without its payload; and the hop limit that its receiver demands, if it does. */
export function encodeIcmpv6(
  value: unknown,
  { payload, pseudoSum }: Surroundings,
): { header: Buffer; hopLimit: number | undefined } {
  const given = new Given('icmpv6', value);
  const number = given.named('type', ICMPV6_TYPES, 0xff);
  const type = ICMPV6_TYPES[number] ?? number;
  const { bytes, fields } = kindOf(type);
  given.refuseOthers(['type', 'code', 'checksum', ...fields], `ICMPv6 ${type}`);
  const fixed = Buffer.alloc(bytes);
  fixed.writeUInt8(number, 0);
  fixed.writeUInt8(given.integer('code', 0xff, 0), 1);
  for (const name of fields) writeSpecial(given, fixed, name);
  const header = fields.includes('options')
    ? Buffer.concat([fixed, given.list('options', encodeNdOption)])
    : fixed;
  const pseudo = pseudoSum(header.length + payload.length);
  const sum = sumWords(payload, 0, payload.length, sumWords(header, 0, header.length, pseudo));
  header.writeUInt16BE(given.integer('checksum', 0xffff, complement(sum)), 2);
  return { header, hopLimit: requiredHopLimit(number) };
}

/** RFC 4861: what came over a router is not believed. RFC 2710 and RFC 3810: a router must not pass it on. */
function requiredHopLimit(number: number): number | undefined {
  if (number >= 133 && number <= 137) return 255;
  return (number >= 130 && number <= 132) || number === 143 ? 1 : undefined;
}

function writeSpecial(given: Given, message: Buffer, name: Special): void {
  const setBit = (at: number, bit: number) => {
    message.writeUInt8(message.readUInt8(at) | given.bit(name, bit), at);
  };
  switch (name) {
    case 'identifier':
    case 'maximumResponseDelay':
      message.writeUInt16BE(given.integer(name, 0xffff, 0), 4);
      break;
    case 'sequence':
    case 'routerLifetime':
      message.writeUInt16BE(given.integer(name, 0xffff, name === 'sequence' ? 0 : undefined), 6);
      break;
    case 'mtu':
      message.writeUInt32BE(given.integer(name, 0xffff_ffff), 4);
      break;
    case 'pointer':
    case 'rest':
      message.writeUInt32BE(given.integer(name, 0xffff_ffff, 0), 4);
      break;
    case 'reachableTime':
    case 'retransTimer':
      message.writeUInt32BE(given.integer(name, 0xffff_ffff, 0), name === 'reachableTime' ? 8 : 12);
      break;
    case 'length':
    case 'hopLimit':
      message.writeUInt8(given.integer(name, 0xff, name === 'length' ? 0 : 64), 4);
      break;
    case 'managed':
      setBit(5, 0x80);
      break;
    case 'otherConfiguration':
      setBit(5, 0x40);
      break;
    case 'homeAgent':
      setBit(5, 0x20);
      break;
    case 'preference':
      message.writeUInt8(message.readUInt8(5) | (given.named(name, PREFERENCES, 3, 0) << 3), 5);
      break;
    case 'router':
      setBit(4, 0x80);
      break;
    case 'solicited':
      setBit(4, 0x40);
      break;
    case 'override':
      setBit(4, 0x20);
      break;
    case 'target':
    case 'multicastAddress':
      given.ipv6(name).copy(message, 8);
      break;
    case 'destination':
      given.ipv6(name).copy(message, 24);
      break;
    // Those follow the fixed part.
    case 'options':
  }
}
