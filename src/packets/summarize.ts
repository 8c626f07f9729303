/** One line for a packet, much as tcpdump prints it. */
import { checkBoolean, checkObject, checkOptionNames } from '../base/checks.js';
import { checkPacket } from './fields.js';
import type { Dhcp } from './headers/dhcp.js';
import type { Icmp } from './headers/icmp.js';
import type { Icmpv6 } from './headers/icmpv6-types.js';
import type { Tcp } from './headers/tcp.js';
import type { TcpOption } from './headers/tcp-options.js';
import type { Packet } from './packet.js';

/** Options of {@link summarize}. */
export interface SummarizeOptions {
  /** Whether the line begins with the MACs: `02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff, `. Default false. */
  macs?: boolean | undefined;
}

/**
 * Describes a packet in one line, much as tcpdump does: addresses, ports, flags, lengths, and what is wrong with it.
 * The length is that of the payload, of an ICMP or ICMPv6 message that of the whole message.
 *
 * @returns Printable ASCII only, whatever the bytes are:
 *   `IP 10.0.0.1.40000 > 10.0.0.2.53: UDP, length 12`, `ARP, request who-has 10.0.0.2 tell 10.0.0.1`.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
 *
 * @example
 * ```ts
 * import { openTap } from 'tapfd';
 * import { decodeFrame, summarize } from 'tapfd/packets';
 *
 * const tap = await openTap();
 * for await (const frame of tap) console.log(summarize(decodeFrame(frame), { macs: true }));
 * ```
 */
export function summarize(packet: Packet, options: SummarizeOptions = {}): string {
  const { macs = false }: { macs?: unknown } = checkObject('options', options);
  checkOptionNames('summarize', options, ['macs']);
  const given = checkPacket(packet);
  const { ethernet, vlans = [] } = given;
  const link = checkBoolean('macs', macs) && ethernet ? `${ethernet.source} > ${ethernet.destination}, ` : '';
  const tags = vlans.map(({ id, priority }) => `vlan ${id}, p ${priority}, `).join('');
  const problems = given.problems.map(({ layer, text }) => ` [${layer}: ${text}]`).join('');
  return `${link}${tags}${networkLine(given)}${problems}`;
}

function networkLine(packet: Packet): string {
  const { arp, ipv4, ipv6 } = packet;
  if (arp) {
    if (arp.operation === 'request')
      return `ARP, request who-has ${arp.targetAddress} tell ${arp.senderAddress}`;
    if (arp.operation === 'reply') return `ARP, reply ${arp.senderAddress} is-at ${arp.senderMac}`;
    return `ARP, operation ${arp.operation}`;
  }
  if (ipv4)
    return `IP ${ends(packet, ipv4.source, ipv4.destination)}: ${fragmentText(packet)}${transportLine(packet)}`;
  if (ipv6)
    return `IP6 ${ends(packet, ipv6.source, ipv6.destination)}: ${fragmentText(packet)}${transportLine(packet)}`;
  const type = packet.vlans?.at(-1)?.etherType ?? packet.ethernet?.etherType;
  const { length } = packet.payload;
  if (type === undefined) return `no packet, length ${length}`;
  return type < 0x0600
    ? `802.3, length ${length}`
    : `ethertype 0x${type.toString(16).padStart(4, '0')}, length ${length}`;
}

function ends({ udp, tcp }: Packet, source: string, destination: string): string {
  const ports = udp ?? tcp;
  return ports
    ? `${source}.${ports.sourcePort} > ${destination}.${ports.destinationPort}`
    : `${source} > ${destination}`;
}

/** tcpdump's `(frag 1234:1480@0+)`: identification, length, offset, and whether more follow. */
function fragmentText({ isFragment, ipv4, ipv6, payload }: Packet): string {
  const header = isFragment
    ? (ipv4 ?? ipv6?.extensions.find((extension) => extension.type === 'fragment'))
    : undefined;
  if (header === undefined) return '';
  const { identification, fragmentOffset, moreFragments } = header;
  return `frag ${identification}:${payload.length}@${fragmentOffset}${moreFragments ? '+' : ''}, `;
}

function transportLine(packet: Packet): string {
  const { dhcp, udp, tcp, icmp, icmpv6, ipv4, ipv6, payload } = packet;
  const length = `length ${payload.length}`;
  if (dhcp) return dhcpLine(dhcp);
  if (udp) return `UDP, ${length}`;
  if (tcp) return `${tcpLine(tcp)}, ${length}`;
  // As tcpdump does: of the whole message, most of which may be no payload.
  const messageLength = `length ${packet.icmpMessageBytes}`;
  if (icmp) return `ICMP ${icmpLine(icmp)}${quotedText(packet)}, ${messageLength}`;
  if (icmpv6) return `ICMP6 ${icmpv6Line(icmpv6)}${quotedText(packet)}, ${messageLength}`;
  const protocol = ipv4 ? ipv4.protocol : (ipv6?.extensions.at(-1)?.nextHeader ?? ipv6?.nextHeader);
  return `protocol ${protocol}, ${length}`;
}

const FLAG_LETTERS = [
  ['fin', 'F'],
  ['syn', 'S'],
  ['rst', 'R'],
  ['psh', 'P'],
  ['ack', '.'],
  ['urg', 'U'],
  ['ece', 'E'],
  ['cwr', 'W'],
  ['ae', 'e'],
] as const;

function tcpLine({ flags, sequence, acknowledgment, window, options }: Tcp): string {
  const letters = FLAG_LETTERS.flatMap(([name, letter]) => (flags[name] ? letter : [])).join('');
  const ack = flags.ack ? `, ack ${acknowledgment}` : '';
  const shown = options.length > 0 ? `, options [${options.map(tcpOptionText).join(',')}]` : '';
  return `Flags [${letters || 'none'}], seq ${sequence}${ack}, win ${window}${shown}`;
}

function tcpOptionText(option: TcpOption): string {
  switch (option.type) {
    case 'mss':
      return `mss ${option.value}`;
    case 'window-scale':
      return `wscale ${option.shift}`;
    case 'sack':
      return `sack ${option.blocks.map(({ left, right }) => `{${left}:${right}}`).join('')}`;
    case 'timestamps':
      return `TS val ${option.value} ecr ${option.echo}`;
    case 'sack-permitted':
      return 'sackOK';
    case 'end':
      return 'eol';
    case 'nop':
      return 'nop';
    default:
      return `option ${option.type}`;
  }
}

/** `echo-request` as `echo request`; a number as `type 42`. */
function typeText(type: string | number): string {
  return typeof type === 'number' ? `type ${type}` : type.replaceAll('-', ' ');
}

function icmpLine({ type, code, identifier, sequence, gateway, mtu, originate }: Icmp): string {
  const parts = [typeText(type)];
  if (code !== 0 || typeof type === 'number' || type === 'destination-unreachable')
    parts.push(`code ${code}`);
  if (identifier !== undefined) parts.push(`id ${identifier}`, `seq ${sequence}`);
  if (originate !== undefined) parts.push(`originate ${originate}`);
  if (gateway !== undefined) parts.push(`to ${gateway}`);
  if (mtu) parts.push(`mtu ${mtu}`);
  return parts.join(', ');
}

function icmpv6Line(message: Icmpv6): string {
  const {
    type,
    code,
    identifier,
    sequence,
    target,
    destination,
    mtu,
    multicastAddress,
    options = [],
  } = message;
  const parts = [typeText(type)];
  if (code !== 0 || typeof type === 'number' || type === 'destination-unreachable')
    parts.push(`code ${code}`);
  if (identifier !== undefined) parts.push(`id ${identifier}`, `seq ${sequence}`);
  if (destination !== undefined) parts.push(`${destination} to ${target}`);
  else if (target !== undefined)
    parts.push(type === 'neighbor-solicitation' ? `who has ${target}` : `tgt is ${target}`);
  if (mtu !== undefined) parts.push(`mtu ${mtu}`);
  if (multicastAddress !== undefined) parts.push(`group ${multicastAddress}`);
  for (const option of options) {
    if (option.type === 'target-link-layer-address' || option.type === 'source-link-layer-address') {
      parts.push(`${option.type.slice(0, 6)} mac ${option.mac}`);
    } else if (option.type === 'prefix-information')
      parts.push(`prefix ${option.prefix}/${option.prefixLength}`);
  }
  return parts.join(', ');
}

/** What an error quotes, without what that may quote itself. */
function quotedText({ quoted }: Packet): string {
  if (quoted === undefined) return '';
  const { ipv4, ipv6 } = quoted;
  const ip = ipv4 ?? ipv6;
  return ip ? ` (for ${ends(quoted, ip.source, ip.destination)})` : '';
}

function dhcpLine(dhcp: Dhcp): string {
  const parts = [
    `DHCP ${typeText(dhcp.messageType ?? dhcp.operation)}`,
    `xid 0x${dhcp.transactionId.toString(16)}`,
  ];
  parts.push(`client ${dhcp.clientMac}`);
  if (dhcp.yourAddress !== '0.0.0.0') parts.push(`address ${dhcp.yourAddress}`);
  for (const option of dhcp.options) {
    if (option.type === 'requested-address') parts.push(`requests ${option.address}`);
    else if (option.type === 'server-identifier') parts.push(`server ${option.address}`);
    else if (option.type === 'host-name') parts.push(`host name ${quote(option.text)}`);
  }
  return parts.join(', ');
}

/** In quotes, and without anything that a terminal would obey. */
function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
