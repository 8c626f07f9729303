/** TCP (RFC 9293). */
import { invalidArgument } from '../../base/errors.js';
import { complement, sumWords } from '../fields/checksum.js';
import { Given, padded } from '../fields/given.js';
import { type Fields, Header } from '../fields/header.js';
import { encodeTcpOption, readTcpOptions, type TcpOption } from './tcp-options.js';
import type { Surroundings } from './udp.js';

export const TCP_BYTES = 20;
const MAX_OPTION_BYTES = 40;

/** The flags of a TCP segment. */
export interface TcpFlags {
  /** The sender has no more data. */
  readonly fin: boolean;
  /** The first segment of a direction. */
  readonly syn: boolean;
  /** The connection is broken off. */
  readonly rst: boolean;
  /** Give the data to the program now. */
  readonly psh: boolean;
  /** `acknowledgment` counts. */
  readonly ack: boolean;
  /** `urgentPointer` counts. */
  readonly urg: boolean;
  /** ECN echo (RFC 3168). */
  readonly ece: boolean;
  /** Congestion window reduced (RFC 3168). */
  readonly cwr: boolean;
  /** Accurate ECN (RFC 9768), formerly the nonce sum. */
  readonly ae: boolean;
}

/** In the order of their bits, from the lowest. */
export const TCP_FLAG_NAMES = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr', 'ae'] as const;

/** The header of a TCP segment. */
export interface Tcp {
  /** 0 to 65535. */
  readonly sourcePort: number;
  /** 0 to 65535. */
  readonly destinationPort: number;
  /** Of the first byte of the payload, or of SYN or FIN. */
  readonly sequence: number;
  /** The sequence number that is expected next. */
  readonly acknowledgment: number;
  /** Bytes of header and options. */
  readonly headerLength: number;
  /** All of them, each true or false. */
  readonly flags: TcpFlags;
  /** As it stands in the header, before scaling. */
  readonly window: number;
  /** Of pseudo-header, header and payload. */
  readonly checksum: number;
  /** Where the urgent data ends, if `flags.urg`. */
  readonly urgentPointer: number;
  /** In their order, with `nop` and `end`. */
  readonly options: readonly TcpOption[];
}

export const TCP_NAMES = [
  'sourcePort',
  'destinationPort',
  'sequence',
  'acknowledgment',
  'headerLength',
  'flags',
  'window',
  'checksum',
  'urgentPointer',
  'options',
] as const;

export class TcpHeader extends Header implements Tcp {
  get names() {
    return TCP_NAMES;
  }
  get sourcePort() {
    return this.u16(0);
  }
  get destinationPort() {
    return this.u16(2);
  }
  get sequence() {
    return this.u32(4);
  }
  get acknowledgment() {
    return this.u32(8);
  }
  get headerLength() {
    return (this.u8(12) >> 4) * 4;
  }
  get flags() {
    const bits = this.u16(12);
    const isSet = (bit: number) => (bits & bit) !== 0;
    return {
      fin: isSet(0x001),
      syn: isSet(0x002),
      rst: isSet(0x004),
      psh: isSet(0x008),
      ack: isSet(0x010),
      urg: isSet(0x020),
      ece: isSet(0x040),
      cwr: isSet(0x080),
      ae: isSet(0x100),
    };
  }
  get window() {
    return this.u16(14);
  }
  get checksum() {
    return this.u16(16);
  }
  get urgentPointer() {
    return this.u16(18);
  }
  get options() {
    return readTcpOptions(this.bytes, this.at + TCP_BYTES, this.at + this.headerLength).options;
  }
}

/** A TCP header to encode: flags that are left out are false. */
export type TcpFields = Fields<Omit<Tcp, 'flags'>, 'sourcePort' | 'destinationPort'> & {
  readonly flags?: Fields<TcpFlags> | undefined;
};

export function encodeTcp(value: unknown, { payload, pseudoSum }: Surroundings): Buffer {
  const given = new Given('tcp', value, TCP_NAMES);
  const options = padded(given.list('options', encodeTcpOption), 4);
  if (options.length > MAX_OPTION_BYTES) {
    throw invalidArgument('tcp.options', `at most ${MAX_OPTION_BYTES} bytes`, given.value('options'));
  }
  const header = Buffer.alloc(TCP_BYTES + options.length);
  const headerLength = given.integer('headerLength', 60, header.length);
  if (headerLength % 4 !== 0) throw invalidArgument('tcp.headerLength', 'a multiple of 4', headerLength);
  header.writeUInt16BE(given.integer('sourcePort', 0xffff), 0);
  header.writeUInt16BE(given.integer('destinationPort', 0xffff), 2);
  header.writeUInt32BE(given.integer('sequence', 0xffff_ffff, 0), 4);
  header.writeUInt32BE(given.integer('acknowledgment', 0xffff_ffff, 0), 8);
  header.writeUInt16BE((headerLength << 10) | flagBits(given.value('flags')), 12);
  header.writeUInt16BE(given.integer('window', 0xffff, 0xffff), 14);
  header.writeUInt16BE(given.integer('urgentPointer', 0xffff, 0), 18);
  options.copy(header, TCP_BYTES);
  const pseudo = pseudoSum(header.length + payload.length);
  const sum = sumWords(payload, 0, payload.length, sumWords(header, 0, header.length, pseudo));
  header.writeUInt16BE(given.integer('checksum', 0xffff, complement(sum)), 16);
  return header;
}

function flagBits(value: unknown): number {
  if (value === undefined) return 0;
  const given = new Given('tcp.flags', value, TCP_FLAG_NAMES);
  return TCP_FLAG_NAMES.reduce((bits, name, place) => bits | given.bit(name, 1 << place), 0);
}
