/** The answer to a packet: the same headers the other way round. */
import { checkMac } from '../addresses/mac.js';
import { checkObject, checkOptionNames, optional } from '../base/checks.js';
import { checkPacket } from './fields.js';
import type { Layers } from './layers.js';
import type { Packet } from './packet.js';

/** Options of {@link replyTo}. */
export interface ReplyOptions {
  /**
   * The MAC of the replying host. Default: the one that the frame was sent to; without it there is no reply to what was sent
   * to a group, as most ARP requests and neighbour solicitations are.
   */
  mac?: string | undefined;
}

const ALL_NODES = 'ff02::1';
const ALL_NODES_MAC = '33:33:00:00:00:01';
const NO_ADDRESS = '::';

/**
 * Returns the reply to a packet, to encode as it is or with changes. Addresses and ports are swapped, VLAN tags stay, and
 * hop limits, options and extension headers do not: the reply begins anew.
 *
 * - An ARP request gets the reply that `mac` has the address; a neighbour solicitation, the advertisement.
 * - An echo request (ICMP and ICMPv6) gets the echo reply with the same payload.
 * - TCP gets `ack` with the sequence numbers that follow; UDP its ports. Neither gets a payload.
 *
 * @returns `undefined` if there is nothing to reply to: another kind of packet, a fragment, one sent from a group or, without
 *   `mac`, to a group, and any that a host would drop because of its `problems` (except `partial-checksum`).
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
 *
 * @example
 * ```ts
 * import { openTun } from 'tapfd';
 * import { decodePacket, encodePacket, replyTo } from 'tapfd/packets';
 *
 * const tun = await openTun({ addresses: ['10.77.0.1/24'] });
 * for await (const bytes of tun) {
 *   const packet = decodePacket(bytes);
 *   const reply = replyTo(packet);
 *   if (packet.icmp?.type === 'echo-request' && reply) tun.write(encodePacket(reply));
 * }
 * ```
 */
export function replyTo(packet: Packet, options: ReplyOptions = {}): Layers | undefined {
  const { mac: given }: { mac?: unknown } = checkObject('options', options);
  checkOptionNames('replyTo', options, ['mac']);
  const from = checkPacket(packet);
  const mac = optional(given, (value) => {
    checkMac('mac', value);
    return String(value);
  });
  if (from.isFragment || from.problems.some(({ code }) => code !== 'partial-checksum')) return undefined;
  const link = linkReply(from, mac);
  const rest = link && (arpReply(from, link) ?? neighborReply(from, link) ?? ipReply(from));
  return rest && { ...link, ...rest };
}

function linkReply({ ethernet, vlans }: Packet, mac: string | undefined): Layers | undefined {
  if (ethernet === undefined) return {};
  const own = mac ?? ethernet.destination;
  if (isGroup(own) || isGroup(ethernet.source)) return undefined;
  return {
    ethernet: { source: own, destination: ethernet.source },
    ...(vlans && { vlans: vlans.map(({ priority, id }) => ({ priority, id })) }),
  };
}

function isGroup(mac: string): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
}

function arpReply({ arp }: Packet, { ethernet }: Layers): Layers | undefined {
  if (arp?.operation !== 'request' || ethernet === undefined) return undefined;
  return {
    arp: {
      operation: 'reply',
      senderMac: ethernet.source,
      senderAddress: arp.targetAddress,
      targetMac: arp.senderMac,
      targetAddress: arp.senderAddress,
    },
  };
}

function neighborReply({ ipv6, icmpv6 }: Packet, { ethernet }: Layers): Layers | undefined {
  const target = icmpv6?.type === 'neighbor-solicitation' ? icmpv6.target : undefined;
  if (ipv6 === undefined || target === undefined || ethernet === undefined) return undefined;
  // RFC 4861, section 7.2.4: who checks whether an address is taken has none yet to be answered at.
  const isProbe = ipv6.source === NO_ADDRESS;
  return {
    ...(isProbe && { ethernet: { ...ethernet, destination: ALL_NODES_MAC } }),
    ipv6: { source: target, destination: isProbe ? ALL_NODES : ipv6.source },
    icmpv6: {
      type: 'neighbor-advertisement',
      solicited: !isProbe,
      override: true,
      target,
      options: [{ type: 'target-link-layer-address', mac: ethernet.source }],
    },
  };
}

function ipReply(packet: Packet): Layers | undefined {
  const { ipv4, ipv6 } = packet;
  const transport = transportReply(packet);
  const ip = ipv4 ?? ipv6;
  if (transport === undefined || ip === undefined) return undefined;
  const { source, destination } = ip;
  if (isNoHost(source) || isNoHost(destination)) return undefined;
  const swapped = { source: destination, destination: source };
  return { ...(ipv4 ? { ipv4: swapped } : { ipv6: swapped }), ...transport };
}

/** A group, everyone, or nobody. */
function isNoHost(address: string): boolean {
  if (address.includes(':')) return address.startsWith('ff') || address === NO_ADDRESS;
  const first = Number.parseInt(address, 10);
  return first === 0 || first >= 224;
}

function transportReply({ icmp, icmpv6, udp, tcp, payload }: Packet): Layers | undefined {
  const echo = { type: 'echo-reply' } as const;
  if (icmp?.type === 'echo-request') {
    return { icmp: { ...echo, identifier: icmp.identifier, sequence: icmp.sequence }, payload };
  }
  if (icmpv6?.type === 'echo-request') {
    return { icmpv6: { ...echo, identifier: icmpv6.identifier, sequence: icmpv6.sequence }, payload };
  }
  if (udp) return { udp: { sourcePort: udp.destinationPort, destinationPort: udp.sourcePort } };
  if (tcp === undefined || tcp.flags.rst) return undefined;
  const taken = payload.length + Number(tcp.flags.syn) + Number(tcp.flags.fin);
  return {
    tcp: {
      sourcePort: tcp.destinationPort,
      destinationPort: tcp.sourcePort,
      sequence: tcp.acknowledgment,
      acknowledgment: (tcp.sequence + taken) % 0x1_0000_0000,
      flags: { ack: true },
    },
  };
}
