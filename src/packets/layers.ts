/** The headers of a packet as plain objects: what the encoder takes. */
import type { Fields } from './fields/header.js';
import { ARP_NAMES, type Arp, type ArpFields } from './headers/arp.js';
import { DHCP_NAMES, type Dhcp, type DhcpFields } from './headers/dhcp.js';
import {
  ETHERTYPE,
  type Ethernet,
  type EthernetFields,
  usualEtherTypes,
  VLAN_NAMES,
  type Vlan,
  type VlanFields,
} from './headers/ethernet.js';
import { ICMP_NAMES, type Icmp, type IcmpFields } from './headers/icmp.js';
import type { Icmpv6Fields } from './headers/icmpv6.js';
import { ICMPV6_NAMES, type Icmpv6 } from './headers/icmpv6-types.js';
import { IPV4_NAMES, type Ipv4, type Ipv4Fields } from './headers/ipv4.js';
import { IPV6_BYTES, IPV6_NAMES, type Ipv6, type Ipv6Fields } from './headers/ipv6.js';
import { TCP_NAMES, type Tcp, type TcpFields } from './headers/tcp.js';
import { UDP_NAMES, type Udp, type UdpFields } from './headers/udp.js';
import type { Outline } from './outline.js';
import type { ChecksumCheck } from './verify.js';

/**
 * A packet to encode, as `packet.layers()` gives it and {@link encodeFrame} and {@link encodePacket} take it. Fields that
 * are left out are filled in: lengths, checksums, types, and usual values. One that is given stands as it is, so a packet
 * with a wrong checksum is possible.
 */
export interface Layers {
  /** {@link encodeFrame} needs it, {@link encodePacket} refuses it. */
  readonly ethernet?: EthernetFields | undefined;
  /** From the outermost. */
  readonly vlans?: readonly VlanFields[] | undefined;
  /** In place of IP, without payload. */
  readonly arp?: ArpFields | undefined;
  /** Either this or `ipv6`. */
  readonly ipv4?: Ipv4Fields | undefined;
  /** Either this or `ipv4`. */
  readonly ipv6?: Ipv6Fields | undefined;
  /** Over `ipv4`. */
  readonly icmp?: IcmpFields | undefined;
  /** Over `ipv6`. */
  readonly icmpv6?: Icmpv6Fields | undefined;
  /** Over either. */
  readonly udp?: UdpFields | undefined;
  /** Over either. */
  readonly tcp?: TcpFields | undefined;
  /** Over `ipv4`. `udp` may be left out: the ports are known. */
  readonly dhcp?: DhcpFields | undefined;
  /** The packet that an ICMP error quotes, from its IP header: in place of `payload`. */
  readonly quoted?: Layers | undefined;
  /** What follows the headers. Default: nothing. */
  readonly payload?: Uint8Array | undefined;
  /** What follows the end of the packet, outside all lengths and checksums: Ethernet padding. Default: nothing. */
  readonly trailer?: Uint8Array | undefined;
}

/** Named in the order of the bytes. */
export const LAYER_NAMES = [
  'ethernet',
  'vlans',
  'arp',
  'ipv4',
  'ipv6',
  'icmp',
  'icmpv6',
  'udp',
  'tcp',
  'dhcp',
  'quoted',
  'payload',
  'trailer',
] as const;

/** The headers that were decoded. */
export interface DecodedLayers {
  readonly ethernet: Ethernet | undefined;
  readonly vlans: readonly Vlan[] | undefined;
  readonly arp: Arp | undefined;
  readonly ipv4: Ipv4 | undefined;
  readonly ipv6: Ipv6 | undefined;
  readonly icmp: Icmp | undefined;
  readonly icmpv6: Icmpv6 | undefined;
  readonly udp: Udp | undefined;
  readonly tcp: Tcp | undefined;
  readonly dhcp: Dhcp | undefined;
  readonly payload: Buffer;
  readonly trailer: Buffer;
}

/** What the encoder is to be told, because it would fill in something else: true for each such field. */
interface Unusual {
  readonly ipv4Checksum: boolean;
  readonly transportChecksum: boolean;
  readonly tcpHeaderLength: boolean;
}

/** The fields that cannot be derived from others, and those that have another value than the encoder fills in. */
export function layersOf(
  from: DecodedLayers,
  outline: Outline,
  checks: { ipv4: ChecksumCheck | undefined; transport: ChecksumCheck | undefined; badTcpOptions: boolean },
): Layers {
  const isUnusual = (check: ChecksumCheck | undefined) => check !== undefined && check.found !== check.right;
  const unusual: Unusual = {
    ipv4Checksum: isUnusual(checks.ipv4),
    transportChecksum: isUnusual(checks.transport),
    tcpHeaderLength: checks.badTcpOptions,
  };
  const transport = unusual.transportChecksum ? [] : (['checksum'] as const);
  return {
    ...linkLayers(from),
    ...(from.ipv4 && { ipv4: ipv4Fields(from.ipv4, from, outline, unusual) }),
    ...(from.ipv6 && { ipv6: ipv6Fields(from.ipv6, from, outline) }),
    ...(from.icmp && { icmp: { ...pick(from.icmp, ICMP_NAMES, transport), type: from.icmp.type } }),
    ...(from.icmpv6 && { icmpv6: { ...pick(from.icmpv6, ICMPV6_NAMES, transport), type: from.icmpv6.type } }),
    ...(from.udp && { udp: udpFields(from.udp, outline, transport) }),
    ...(from.tcp && { tcp: tcpFields(from.tcp, transport, unusual) }),
    ...(from.dhcp && {
      dhcp: { ...pick(from.dhcp, DHCP_NAMES, ['messageType']), operation: from.dhcp.operation },
    }),
    ...(from.payload.length > 0 && { payload: from.payload }),
    ...(from.trailer.length > 0 && { trailer: from.trailer }),
  };
}

function linkLayers({ ethernet, vlans, arp, ipv4, ipv6 }: DecodedLayers): Layers {
  if (ethernet === undefined) return {};
  const network = (arp && ETHERTYPE.arp) ?? (ipv4 && ETHERTYPE.ipv4) ?? (ipv6 && ETHERTYPE.ipv6);
  const usual = usualEtherTypes(vlans?.length ?? 0, network);
  const { source, destination, etherType } = ethernet;
  return {
    ethernet: { destination, source, ...(etherType !== usual[0] && { etherType }) },
    ...(vlans && {
      vlans: vlans.map((tag, place) => ({
        ...pick(tag, VLAN_NAMES, tag.etherType === usual[place + 1] ? ['etherType'] : []),
        id: tag.id,
      })),
    }),
    ...(arp && {
      arp: {
        ...pick(arp, ARP_NAMES),
        operation: arp.operation,
        senderAddress: arp.senderAddress,
        targetAddress: arp.targetAddress,
      },
    }),
  };
}

function hasTransport({ icmp, icmpv6, udp, tcp }: DecodedLayers): boolean {
  return (icmp ?? icmpv6 ?? udp ?? tcp) !== undefined;
}

function ipv4Fields(header: Ipv4, from: DecodedLayers, outline: Outline, unusual: Unusual): Ipv4Fields {
  const derived: (keyof Ipv4)[] = ['headerLength'];
  if (outline.ipv4 + header.totalLength === outline.end) derived.push('totalLength');
  if (hasTransport(from)) derived.push('protocol');
  if (!unusual.ipv4Checksum) derived.push('checksum');
  if (header.options.length === 0) derived.push('options');
  return {
    ...pick(header, IPV4_NAMES, derived),
    source: header.source,
    destination: header.destination,
  };
}

function ipv6Fields(header: Ipv6, from: DecodedLayers, outline: Outline): Ipv6Fields {
  const { extensions } = header;
  const derived: (keyof Ipv6)[] = ['extensions'];
  if (outline.ipv6 + IPV6_BYTES + header.payloadLength === outline.end) derived.push('payloadLength');
  if (extensions.length > 0 || hasTransport(from)) derived.push('nextHeader');
  return {
    ...pick(header, IPV6_NAMES, derived),
    source: header.source,
    destination: header.destination,
    ...(extensions.length > 0 && {
      extensions: extensions.map(({ nextHeader, ...extension }, place) => {
        const isDerived = place < extensions.length - 1 || hasTransport(from);
        return isDerived ? extension : { ...extension, nextHeader };
      }),
    }),
  };
}

function udpFields(header: Udp, outline: Outline, derived: readonly 'checksum'[]): UdpFields {
  const isWhole = outline.udp + header.length === outline.end;
  return pick(header, UDP_NAMES, isWhole ? [...derived, 'length'] : derived);
}

function tcpFields(header: Tcp, derived: readonly 'checksum'[], unusual: Unusual): TcpFields {
  const { sourcePort, destinationPort } = header;
  const left = unusual.tcpHeaderLength ? derived : ([...derived, 'headerLength'] as const);
  return { ...pick(header, TCP_NAMES, left), sourcePort, destinationPort };
}

/** The named fields that have a value, without some. */
function pick<T extends object>(
  from: T,
  names: readonly (keyof T)[],
  without: readonly (keyof T)[] = [],
): Fields<T> {
  const picked: { [name in keyof T]?: T[name] } = {};
  for (const name of names) {
    if (!without.includes(name) && from[name] !== undefined) picked[name] = from[name];
  }
  return picked;
}
