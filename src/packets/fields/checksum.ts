/** The Internet checksum (RFC 1071): of IP, ICMP, UDP and TCP. */
import { ipv4Bytes, ipv6Bytes } from '../../addresses/ip.js';
import { checkBytes, checkInteger, checkObject, checkOptionNames } from '../../base/checks.js';
import { invalidArgument } from '../../base/errors.js';

/** The sum of the 16-bit words from `start` to `end`, folded to 16 bits. An odd byte counts as the high one of a word. */
export function sumWords(bytes: Uint8Array, start: number, end: number, initial = 0): number {
  let sum = initial;
  const even = end - ((end - start) & 1);
  for (let at = start; at < even; at += 2) sum += (bytes[at] << 8) | bytes[at + 1];
  if (even < end) sum += bytes[even] << 8;
  // A number holds the sum of 2^37 words exactly; the operators for bits would cut it at 32.
  while (sum > 0xffff) sum = (sum % 0x1_0000) + Math.floor(sum / 0x1_0000);
  return sum;
}

/** The checksum that makes a folded sum come out right. */
export function complement(sum: number): number {
  return ~sum & 0xffff;
}

/**
 * Computes the Internet checksum (RFC 1071), which IPv4, ICMP, UDP and TCP use.
 *
 * Over bytes that contain their own, correct checksum, the result is 0.
 *
 * @param bytes - With zero where the checksum itself will stand. An odd length is fine.
 * @param initial - A sum to begin with, such as that of {@link pseudoHeaderSum}. Default 0. A part of even length that
 *   precedes `bytes` can be given as `0xffff - checksum(part)`.
 * @returns 0 to 65535. In UDP, 0 means "no checksum": send 0xffff, which is as right.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
 *
 * @example
 * ```ts
 * import { checksum } from 'tapfd/packets';
 *
 * const header = Buffer.from('4500001c00010000400100000a0000010a000002', 'hex');
 * header.writeUInt16BE(checksum(header), 10);
 * ```
 */
export function checksum(bytes: Uint8Array, initial = 0): number {
  const checked = checkBytes('bytes', bytes);
  return complement(sumWords(checked, 0, checked.length, checkInteger('initial', initial, 0, 0xffff_ffff)));
}

/**
 * Corrects a checksum after a part of what it covers has changed, without reading the rest (RFC 1624, equation 3): for
 * programs that rewrite an address, a port or a TTL.
 *
 * @param checksum - The checksum before.
 * @param before - The bytes that were there, from an even offset of what the checksum covers; or one 16-bit word.
 * @param after - What is there now: as many bytes, or a word.
 * @returns The checksum now. A UDP checksum of 0 ("none") must stay 0: do not call this; and a result of 0 is sent in UDP
 *   as 0xffff.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`, also for two lengths that differ.
 *
 * @example
 * ```ts
 * import { updateChecksum } from 'tapfd/packets';
 *
 * // One router further: the TTL shares its word with the protocol.
 * function decrementTtl(packet: Buffer): void {
 *   const before = packet.readUInt16BE(8);
 *   packet.writeUInt16BE(before - 0x0100, 8);
 *   packet.writeUInt16BE(updateChecksum(packet.readUInt16BE(10), before, before - 0x0100), 10);
 * }
 * ```
 */
export function updateChecksum(
  checksum: number,
  before: Uint8Array | number,
  after: Uint8Array | number,
): number {
  const old = checkInteger('checksum', checksum, 0, 0xffff);
  const [left, leftBytes] = partialSum('before', before);
  const [right, rightBytes] = partialSum('after', after);
  if (leftBytes !== rightBytes) throw invalidArgument('after', `${leftBytes} bytes, as before`, after);
  return complement(sumWords(new Uint8Array(0), 0, 0, complement(old) + complement(left) + right));
}

function partialSum(argument: string, value: Uint8Array | number): [sum: number, bytes: number] {
  if (typeof value === 'number') return [checkInteger(argument, value, 0, 0xffff), 2];
  const bytes = checkBytes(argument, value, 'a 16-bit word, or bytes');
  return [sumWords(bytes, 0, bytes.length), bytes.length];
}

/** What UDP, TCP and ICMPv6 sum besides their own bytes. */
export interface PseudoHeader {
  /** IPv4 or IPv6. */
  source: string;
  /** In the same family: the final destination, if there is a routing header. */
  destination: string;
  /** The protocol's number: 6 for TCP, 17 for UDP, 58 for ICMPv6. */
  protocol: number;
  /** Bytes of header and payload of that protocol. */
  length: number;
}

/**
 * Returns the sum of the pseudo-header that UDP, TCP and ICMPv6 include in their checksum (RFC 9293, RFC 8200): pass it to
 * {@link checksum} as `initial`. ICMP over IPv4 has none.
 *
 * @returns The folded sum, 0 to 65535, not complemented. This is also what the kernel leaves in the checksum field of a
 *   packet whose checksum is left to the device.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
 *
 * @example
 * ```ts
 * import { checksum, pseudoHeaderSum } from 'tapfd/packets';
 *
 * function udpChecksum(datagram: Buffer): number {
 *   const { length } = datagram;
 *   const pseudo = pseudoHeaderSum({ source: '10.0.0.1', destination: '10.0.0.2', protocol: 17, length });
 *   return checksum(datagram, pseudo) || 0xffff;
 * }
 * ```
 */
export function pseudoHeaderSum(header: PseudoHeader): number {
  const given: { [name in keyof PseudoHeader]?: unknown } = checkObject('header', header);
  checkOptionNames('pseudoHeaderSum', given, ['source', 'destination', 'protocol', 'length']);
  const source = anyIpBytes('source', given.source);
  const destination = anyIpBytes('destination', given.destination);
  if (source.length !== destination.length) {
    throw invalidArgument('destination', 'of the same family as source', given.destination);
  }
  const protocol = checkInteger('protocol', given.protocol, 0, 0xff);
  const length = checkInteger('length', given.length, 0, 0xffff_ffff);
  return pseudoSum(source, 0, destination, 0, source.length, protocol, length);
}

function anyIpBytes(argument: string, value: unknown): Buffer {
  const bytes = typeof value === 'string' ? (ipv4Bytes(value) ?? ipv6Bytes(value)) : undefined;
  if (bytes === undefined) throw invalidArgument(argument, 'an IPv4 or IPv6 address', value);
  return bytes;
}

/** As {@link pseudoHeaderSum}, of two addresses of `addressBytes` each, wherever they stand. */
export function pseudoSum(
  source: Uint8Array,
  sourceAt: number,
  destination: Uint8Array,
  destinationAt: number,
  addressBytes: number,
  protocol: number,
  length: number,
): number {
  const addresses = sumWords(
    destination,
    destinationAt,
    destinationAt + addressBytes,
    sumWords(source, sourceAt, sourceAt + addressBytes),
  );
  return sumWords(source, 0, 0, addresses + protocol + (length % 0x1_0000) + Math.floor(length / 0x1_0000));
}
