/** What the library refuses of written frames, before any kernel sees them: as native/frames/io.cc `CheckFrame`. */
import { FrameFault, type NativeFrameRules } from '../../base/native-queue.js';

const ETHERNET_HEADER_BYTES = 14;
const PACKET_INFO_BYTES = 4;
const VLAN_TAG_BYTES = 4;
const VLAN_TYPES = new Set([0x8100, 0x88a8]);
/** More tags than two count as payload. */
const MAX_VLAN_TAGS = 2;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;

type Fault = (typeof FrameFault)[keyof typeof FrameFault];

/** Undefined if the frame may be sent. */
export function faultOf(rules: NativeFrameRules, frame: Buffer): Fault | undefined {
  const header = (rules.packetInfo ? PACKET_INFO_BYTES : 0) + rules.vnetHeaderBytes;
  if (frame.length < header) return FrameFault.tooShort;
  return rules.ethernet ? ethernetFault(rules, frame.subarray(header)) : packetFault(rules, frame, header);
}

function ethernetFault({ mtu, sourceMac }: NativeFrameRules, frame: Buffer): Fault | undefined {
  if (frame.length < ETHERNET_HEADER_BYTES) return FrameFault.tooShort;
  const longest = ETHERNET_HEADER_BYTES + mtu;
  if (frame.length > longest && frame.length > longest + tagBytes(frame)) return FrameFault.tooLong;
  const isForeign = sourceMac !== undefined && frame.compare(sourceMac, 0, 6, 6, 12) !== 0;
  return isForeign ? FrameFault.sourceMac : undefined;
}

function tagBytes(frame: Buffer): number {
  let bytes = 0;
  while (bytes < MAX_VLAN_TAGS * VLAN_TAG_BYTES && VLAN_TYPES.has(frame.readUInt16BE(12 + bytes))) {
    bytes += VLAN_TAG_BYTES;
  }
  return bytes;
}

function packetFault(rules: NativeFrameRules, frame: Buffer, header: number): Fault | undefined {
  const packet = frame.subarray(header);
  if (packet.length === 0) return FrameFault.tooShort;
  if (packet.length > rules.mtu) return FrameFault.tooLong;
  const version = packet[0] >> 4;
  if (rules.packetInfo) {
    const protocol = frame.readUInt16BE(2);
    if (protocol !== ETHERTYPE_IPV4 && protocol !== ETHERTYPE_IPV6) return undefined;
    if (version !== (protocol === ETHERTYPE_IPV4 ? 4 : 6)) return FrameFault.invalid;
  }
  return hasItsLength(packet, version) ? undefined : FrameFault.invalid;
}

/** Whether a packet is of IP, and as long as its own header says. */
function hasItsLength(packet: Buffer, version: number): boolean {
  if (version === 4) return packet.length >= IPV4_HEADER_BYTES && packet.readUInt16BE(2) === packet.length;
  if (version !== 6 || packet.length < IPV6_HEADER_BYTES) return false;
  const payload = packet.readUInt16BE(4);
  // A jumbogram has its length in the hop-by-hop header.
  return (payload === 0 && packet[6] === 0) || IPV6_HEADER_BYTES + payload === packet.length;
}
