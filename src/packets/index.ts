/**
 * src/packets/: the entry tapfd/packets: headers of frames, read and written. On top of headers.
 *
 * @module tapfd/packets
 */
export { encodeFrame, encodePacket } from './encode.js';
export { checksum, type PseudoHeader, pseudoHeaderSum, updateChecksum } from './fields/checksum.js';
export type { Fields } from './fields/header.js';
export { type FieldValue, fieldsOf } from './fields.js';
export type { Arp, ArpFields, ArpOperation } from './headers/arp.js';
export type { Dhcp, DhcpFields, DhcpOperation } from './headers/dhcp.js';
export type { DhcpMessageType, DhcpOption } from './headers/dhcp-options.js';
export type { Ethernet, EthernetFields, Vlan, VlanFields } from './headers/ethernet.js';
export type { Icmp, IcmpFields, IcmpType } from './headers/icmp.js';
export type { Icmpv6Fields } from './headers/icmpv6.js';
export type { Icmpv6, Icmpv6Type, RouterPreference } from './headers/icmpv6-types.js';
export type { Ipv4, Ipv4Fields } from './headers/ipv4.js';
export type { Ipv6, Ipv6Fields } from './headers/ipv6.js';
export type { Ipv6Extension, Ipv6ExtensionFields } from './headers/ipv6-extensions.js';
export type { NdOption, NdOptionFields, PrefixInformation } from './headers/nd-options.js';
export type { Tcp, TcpFields, TcpFlags } from './headers/tcp.js';
export type { SackBlock, TcpOption } from './headers/tcp-options.js';
export type { Udp, UdpFields } from './headers/udp.js';
export type { DecodedLayers, Layers } from './layers.js';
export { type Difference, differences, matches } from './match.js';
export { decodeFrame, decodePacket, Packet } from './packet.js';
export type { PacketPattern, Pattern } from './pattern.js';
export type { LayerName, Problem, ProblemCode } from './problem.js';
export { type ReplyOptions, replyTo } from './reply.js';
export { type SummarizeOptions, summarize } from './summarize.js';
