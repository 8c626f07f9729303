/** Encodes packets, from the innermost header out: each needs to know what follows it. */
import { checkBytes, checkList, checkObject, checkOptionNames } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { pseudoSum } from './fields/checksum.js';
import { encodeArp } from './headers/arp.js';
import { encodeDhcp } from './headers/dhcp.js';
import { ETHERTYPE, encodeEthernet, encodeVlan, usualEtherTypes } from './headers/ethernet.js';
import { encodeIcmp } from './headers/icmp.js';
import { encodeIcmpv6 } from './headers/icmpv6.js';
import { Ipv4Encoder } from './headers/ipv4.js';
import { Ipv6Encoder } from './headers/ipv6.js';
import { encodeTcp } from './headers/tcp.js';
import { encodeUdp } from './headers/udp.js';
import { LAYER_NAMES, type Layers } from './layers.js';
import { PROTOCOL } from './outline.js';
import { Packet } from './packet.js';

/** More than any program means; an object that contains itself has no end. */
const MAX_QUOTED_DEPTH = 8;
const DEFAULT_HOP_LIMIT = 64;
const NOTHING = Buffer.alloc(0);

type Name = (typeof LAYER_NAMES)[number];
type Given = { readonly [name in Name]?: unknown };

/**
 * Encodes an Ethernet frame. Lengths, checksums, types and usual values are filled in unless they are given; what is given
 * stands, even where it is wrong.
 *
 * @param layers - The headers, with `ethernet`; or a {@link Packet}.
 * @returns A new Buffer.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for headers that do not go together, a header or field that does not
 *   exist, a required one that is missing, and a value out of range. `error.argument` names it: `ipv4.ttl`.
 *
 * @example
 * ```ts
 * import { encodeFrame } from 'tapfd/packets';
 *
 * const ping = encodeFrame({
 *   ethernet: { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' },
 *   ipv4: { source: '10.0.0.1', destination: '10.0.0.2' },
 *   icmp: { type: 'echo-request', identifier: 1, sequence: 1 },
 *   payload: Buffer.from('hello'),
 * });
 * ```
 */
export function encodeFrame(layers: Layers | Packet): Buffer {
  const given = checkLayers('encodeFrame', layers);
  if (given.ethernet === undefined) {
    throw invalidArgument('ethernet', 'given: encodePacket makes packets without it', given.ethernet);
  }
  const { network, bytes } = given.arp === undefined ? encodeIp(given, true, 0) : encodeOnlyArp(given);
  const tags = checkList('vlans', given.vlans ?? [], 'a list', (argument, value) => ({ argument, value }));
  const [etherType, ...tagTypes] = usualEtherTypes(tags.length, network);
  return Buffer.concat([
    encodeEthernet(given.ethernet, etherType),
    ...tags.map(({ argument, value }, place) => encodeVlan(argument, value, tagTypes[place])),
    bytes,
    bytesOf('trailer', given.trailer),
  ]);
}

/**
 * Encodes an IP packet, as TUN carries it. As {@link encodeFrame}, without Ethernet header, VLAN tags and ARP.
 *
 * @param layers - The headers, with `ipv4` or `ipv6`; or a {@link Packet}.
 * @returns A new Buffer.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`, as {@link encodeFrame}.
 *
 * @example
 * ```ts
 * import { encodePacket } from 'tapfd/packets';
 *
 * const syn = encodePacket({
 *   ipv6: { source: 'fd00::1', destination: 'fd00::2' },
 *   tcp: { sourcePort: 50_000, destinationPort: 80, flags: { syn: true }, options: [{ type: 'mss', value: 1440 }] },
 * });
 * ```
 */
export function encodePacket(layers: Layers | Packet): Buffer {
  return encodeIpPacket('encodePacket', '', layers, 0);
}

function encodeIpPacket(call: string, path: string, layers: unknown, depth: number): Buffer {
  const given = checkLayers(call, layers, path);
  for (const name of ['ethernet', 'vlans', 'arp'] as const)
    refuse(given, name, 'an IP packet has no such header');
  if (given.ipv4 === undefined && given.ipv6 === undefined) {
    throw invalidArgument('ipv4', 'given, or ipv6', undefined);
  }
  return Buffer.concat([encodeIp(given, false, depth).bytes, bytesOf('trailer', given.trailer)]);
}

function checkLayers(call: string, layers: unknown, path?: string): Given {
  const given: Given = layers instanceof Packet ? layers.layers() : checkObject(path || 'layers', layers);
  checkOptionNames(call, given, LAYER_NAMES, path || undefined);
  return { ...given };
}

function refuse(given: Given, name: Name, why: string): void {
  if (given[name] !== undefined) throw invalidArgument(name, `left out: ${why}`, given[name]);
}

function bytesOf(argument: string, value: unknown): Buffer {
  return value === undefined ? NOTHING : checkBytes(argument, value);
}

/** A network layer with everything in it. */
interface Encoded {
  readonly network: number | undefined;
  readonly bytes: Buffer;
}

function encodeOnlyArp(given: Given): Encoded {
  for (const name of ['ipv4', 'ipv6', 'icmp', 'icmpv6', 'udp', 'tcp', 'dhcp', 'quoted', 'payload'] as const) {
    refuse(given, name, 'nothing follows arp, except trailer');
  }
  const { source, destination }: { source?: unknown; destination?: unknown } = checkObject(
    'ethernet',
    given.ethernet,
  );
  return { network: ETHERTYPE.arp, bytes: encodeArp(given.arp, source, destination) };
}

function encodeIp(given: Given, isFrame: boolean, depth: number): Encoded {
  const payload = encodePayload(given, depth);
  if (given.ipv4 !== undefined) {
    refuse(given, 'ipv6', 'a packet has one IP header');
    refuse(given, 'icmpv6', 'over IPv4 it is icmp');
    const ip = new Ipv4Encoder(given.ipv4);
    const { protocol, bytes } = encodeTransport(given, ip, payload);
    return { network: ETHERTYPE.ipv4, bytes: Buffer.concat([ip.encode(protocol, bytes.length), bytes]) };
  }
  if (given.ipv6 !== undefined) {
    refuse(given, 'icmp', 'over IPv6 it is icmpv6');
    refuse(given, 'dhcp', 'over IPv6 it is another protocol');
    const ip = new Ipv6Encoder(given.ipv6);
    const { protocol, bytes, hopLimit } = encodeTransport(given, ip, payload);
    const header = ip.encode(protocol, bytes.length, hopLimit ?? DEFAULT_HOP_LIMIT);
    return { network: ETHERTYPE.ipv6, bytes: Buffer.concat([header, bytes]) };
  }
  for (const name of ['icmp', 'icmpv6', 'udp', 'tcp', 'dhcp', 'quoted'] as const) {
    refuse(given, name, 'there is no IP header for it');
  }
  return { network: undefined, bytes: isFrame ? payload : NOTHING };
}

function encodePayload(given: Given, depth: number): Buffer {
  if (given.quoted === undefined) return bytesOf('payload', given.payload);
  refuse(given, 'payload', 'quoted takes its place');
  if (given.icmp === undefined && given.icmpv6 === undefined) {
    throw invalidArgument('quoted', 'left out: only icmp and icmpv6 quote a packet', given.quoted);
  }
  if (depth === MAX_QUOTED_DEPTH) {
    throw invalidArgument('quoted', `at most ${MAX_QUOTED_DEPTH} packets deep`, given.quoted);
  }
  return encodeIpPacket('a quoted packet', 'quoted', given.quoted, depth + 1);
}

/** A transport header with everything after it. */
interface EncodedTransport {
  readonly protocol: number | undefined;
  readonly bytes: Buffer;
  readonly hopLimit?: number | undefined;
}

function encodeTransport(given: Given, ip: Ipv4Encoder | Ipv6Encoder, inner: Buffer): EncodedTransport {
  const names = (['icmp', 'icmpv6', 'udp', 'tcp'] as const).filter((name) => given[name] !== undefined);
  const [name, second] = names;
  if (second) throw invalidArgument(second, `left out: there is ${name}`, given[second]);
  if (given.dhcp !== undefined && name !== undefined && name !== 'udp')
    refuse(given, 'dhcp', `it goes over udp, not ${name}`);
  const isUdp = name === 'udp' || given.dhcp !== undefined;
  if (ip.isLaterFragment && (isUdp || name)) {
    refuse(given, name ?? 'dhcp', 'a later fragment has no header after that of IP');
  }
  const sumFor = (protocol: number) => (length: number) =>
    pseudoSum(ip.source, 0, ip.destination, 0, ip.source.length, protocol, length);
  if (isUdp) {
    const dhcp = given.dhcp === undefined ? undefined : encodeDhcp(given.dhcp, sourceMac(given));
    const payload = dhcp ? Buffer.concat([dhcp.message, inner]) : inner;
    const around = { payload, pseudoSum: sumFor(PROTOCOL.udp) };
    const header = encodeUdp(given.udp ?? {}, around, dhcp?.ports ?? {});
    return { protocol: PROTOCOL.udp, bytes: Buffer.concat([header, payload]) };
  }
  if (name === 'tcp') {
    const header = encodeTcp(given.tcp, { payload: inner, pseudoSum: sumFor(PROTOCOL.tcp) });
    return { protocol: PROTOCOL.tcp, bytes: Buffer.concat([header, inner]) };
  }
  if (name === 'icmp') {
    return { protocol: PROTOCOL.icmp, bytes: Buffer.concat([encodeIcmp(given.icmp, inner), inner]) };
  }
  if (name === 'icmpv6') {
    const around = { payload: inner, pseudoSum: sumFor(PROTOCOL.icmpv6) };
    const { header, hopLimit } = encodeIcmpv6(given.icmpv6, around);
    return { protocol: PROTOCOL.icmpv6, bytes: Buffer.concat([header, inner]), hopLimit };
  }
  return { protocol: undefined, bytes: inner };
}

/** The sender's MAC, for a header that repeats it. */
function sourceMac(given: Given): unknown {
  if (given.ethernet === undefined) return undefined;
  const { source }: { source?: unknown } = checkObject('ethernet', given.ethernet);
  return source;
}
