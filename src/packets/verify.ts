/** The checks that read a whole packet: checksums and options. */
import { complement, pseudoSum, sumWords } from './fields/checksum.js';
import { u16 } from './fields/header.js';
import { IPV6_BYTES } from './headers/ipv6.js';
import { extensionBytes, finalDestination, ROUTING } from './headers/ipv6-extensions.js';
import { TCP_BYTES } from './headers/tcp.js';
import { readTcpOptions } from './headers/tcp-options.js';
import { type Outline, PROTOCOL } from './outline.js';
import type { LayerName, Problem } from './problem.js';

/** A checksum that a packet has, and the one that it should have: undefined if that cannot be known. */
export interface ChecksumCheck {
  readonly layer: LayerName;
  readonly found: number;
  readonly right: number | undefined;
  /** The sum of the pseudo-header. */
  readonly partial: number | undefined;
}

/** The checksum of the IPv4 header. */
export function checkIpv4(bytes: Buffer, outline: Outline): ChecksumCheck {
  const at = outline.ipv4;
  const end = at + (bytes[at] & 0x0f) * 4;
  const found = u16(bytes, at + 10);
  return { layer: 'ipv4', found, right: rightChecksum(bytes, at, end, at + 10, 0), partial: undefined };
}

/** The checksum of the transport header, if there is one. */
export function checkTransport(bytes: Buffer, outline: Outline): ChecksumCheck | undefined {
  const { icmp, icmpv6, udp, tcp } = outline;
  if (udp !== -1) return checkSum('udp', bytes, outline, udp, 6, PROTOCOL.udp);
  if (tcp !== -1) return checkSum('tcp', bytes, outline, tcp, 16, PROTOCOL.tcp);
  if (icmp !== -1) return checkSum('icmp', bytes, outline, icmp, 2, undefined);
  if (icmpv6 !== -1) return checkSum('icmpv6', bytes, outline, icmpv6, 2, PROTOCOL.icmpv6);
  return undefined;
}

function checkSum(
  layer: LayerName,
  bytes: Buffer,
  outline: Outline,
  at: number,
  offset: number,
  protocol: number | undefined,
): ChecksumCheck {
  const found = u16(bytes, at + offset);
  const isWhole = !outline.isFragment && !outline.isTruncated;
  if (
    !isWhole ||
    outline.problems.some((problem) => problem.layer === layer && problem.code === 'bad-length')
  ) {
    return { layer, found, right: undefined, partial: undefined };
  }
  const partial =
    protocol === undefined ? undefined : pseudoSumOf(bytes, outline, protocol, outline.end - at);
  const right = rightChecksum(bytes, at, outline.end, at + offset, partial ?? 0);
  return { layer, found, right: layer === 'udp' ? right || 0xffff : right, partial };
}

function pseudoSumOf(
  bytes: Buffer,
  { ipv4, ipv6, ...outline }: Outline,
  protocol: number,
  length: number,
): number {
  if (ipv4 !== -1) return pseudoSum(bytes, ipv4 + 12, bytes, ipv4 + 16, 4, protocol, length);
  let place = ipv6 + IPV6_BYTES;
  let next = bytes[ipv6 + 6];
  let final: Buffer | undefined;
  for (let count = 0; count < outline.extensionCount; count++) {
    if (next === ROUTING) final ??= finalDestination(bytes, place);
    const length = extensionBytes(bytes, place, next);
    next = bytes[place];
    place += length;
  }
  return pseudoSum(bytes, ipv6 + 8, final ?? bytes, final ? 0 : ipv6 + 24, 16, protocol, length);
}

/** The checksum of these bytes, the two at `fieldAt` left out. */
function rightChecksum(bytes: Buffer, at: number, end: number, fieldAt: number, initial: number): number {
  return complement(sumWords(bytes, fieldAt + 2, end, sumWords(bytes, at, fieldAt, initial)));
}

/** Whether a checksum is one that the sender could mean. 0xffff and 0 are the same to a receiver. */
export function isRight({ found, right }: ChecksumCheck): boolean {
  return right === undefined || found === right || (right === 0 && found === 0xffff);
}

/** Everything that is wrong. */
export function problemsOf(bytes: Buffer, outline: Outline): Problem[] {
  const problems = [...outline.problems];
  if (outline.ipv4 !== -1) noteChecksum(problems, checkIpv4(bytes, outline));
  const transport = checkTransport(bytes, outline);
  if (transport?.layer === 'udp' && transport.found === 0) {
    // RFC 768: there is none.
    if (outline.ipv6 !== -1) problems.push({ layer: 'udp', code: 'no-checksum', text: 'no checksum' });
  } else if (transport) noteChecksum(problems, transport);
  if (outline.tcp !== -1) {
    const { badAt } = readTcpOptions(bytes, outline.tcp + TCP_BYTES, outline.payload);
    if (badAt !== undefined) {
      problems.push({ layer: 'tcp', code: 'bad-option', text: `option ${bytes[badAt]} does not fit` });
    }
  }
  return problems;
}

function noteChecksum(problems: Problem[], check: ChecksumCheck): void {
  const { layer, found, right, partial } = check;
  if (right === undefined || isRight(check)) return;
  const isPartial = found === partial;
  problems.push({
    layer,
    code: isPartial ? 'partial-checksum' : 'bad-checksum',
    text: isPartial
      ? 'the checksum is left to the device'
      : `the checksum is ${hex(found)}, ${hex(right)} would be right`,
  });
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(4, '0')}`;
}
