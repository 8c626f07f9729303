/** UDP (RFC 768). */
import { invalidArgument } from '../../base/errors.js';
import { complement, sumWords } from '../fields/checksum.js';
import { Given } from '../fields/given.js';
import { type Fields, Header } from '../fields/header.js';

export const UDP_BYTES = 8;

/** The header of a UDP datagram. */
export interface Udp {
  /** 0 to 65535. */
  readonly sourcePort: number;
  /** 0 to 65535. */
  readonly destinationPort: number;
  /** Bytes of header and payload. */
  readonly length: number;
  /** 0 over IPv4: none. */
  readonly checksum: number;
}

export const UDP_NAMES = ['sourcePort', 'destinationPort', 'length', 'checksum'] as const;

export class UdpHeader extends Header implements Udp {
  get names() {
    return UDP_NAMES;
  }
  get sourcePort() {
    return this.u16(0);
  }
  get destinationPort() {
    return this.u16(2);
  }
  get length() {
    return this.u16(4);
  }
  get checksum() {
    return this.u16(6);
  }
}

/** A UDP header to encode. The ports may be left out before `dhcp`, which has its own. */
export type UdpFields = Fields<Udp>;

/** What a header needs to know of the packet around it. */
export interface Surroundings {
  /** Everything after the header. */
  readonly payload: Buffer;
  /** The sum of the pseudo-header, for that many bytes. */
  readonly pseudoSum: (length: number) => number;
}

export function encodeUdp(
  value: unknown,
  { payload, pseudoSum }: Surroundings,
  ports: { source?: number; destination?: number },
): Buffer {
  const given = new Given('udp', value, UDP_NAMES);
  const header = Buffer.alloc(UDP_BYTES);
  const length = UDP_BYTES + payload.length;
  if (length > 0xffff && !given.has('length')) {
    throw invalidArgument('payload', `at most ${0xffff - UDP_BYTES} bytes over UDP`, payload.length);
  }
  header.writeUInt16BE(given.integer('sourcePort', 0xffff, ports.source), 0);
  header.writeUInt16BE(given.integer('destinationPort', 0xffff, ports.destination), 2);
  header.writeUInt16BE(given.integer('length', 0xffff, length), 4);
  const sum = sumWords(payload, 0, payload.length, sumWords(header, 0, UDP_BYTES, pseudoSum(length)));
  // 0 would mean that there is no checksum.
  header.writeUInt16BE(given.integer('checksum', 0xffff, complement(sum) || 0xffff), 6);
  return header;
}
