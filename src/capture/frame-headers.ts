/** What stands in front of a device's frames, and is told as comments: packet information and the vnet header. */
import { TapfdError } from '../base/errors.js';
import type { DeviceKind } from '../base/native-queue.js';
import { decodeVnetHeader } from '../frames/vnet-header.js';

/** `linux/if_tun.h` `struct tun_pi`. */
const PACKET_INFO_BYTES = 4;
const TUN_PKT_STRIP = 1;
const NEEDS_CSUM = 1;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;

/** The headers that all frames of a device have. */
export interface FrameHeaders {
  kind: DeviceKind;
  packetInfo: boolean;
  vnetHeaderBytes: number;
}

export function headerBytes({ packetInfo, vnetHeaderBytes }: FrameHeaders): number {
  return (packetInfo ? PACKET_INFO_BYTES : 0) + vnetHeaderBytes;
}

/** What the headers at the beginning of `frame` say beyond the usual. */
export function headerComments(headers: FrameHeaders, frame: Buffer): string[] {
  if (frame.length < headerBytes(headers)) return [];
  const info = headers.packetInfo ? packetInfoComment(headers.kind, frame) : undefined;
  const vnet =
    headers.vnetHeaderBytes > 0
      ? vnetComment(frame.subarray(headers.packetInfo ? PACKET_INFO_BYTES : 0))
      : undefined;
  return [info, vnet].filter((comment) => comment !== undefined);
}

/** A TAP's packet information repeats what its Ethernet header says; so does a TUN's, for IP. */
function packetInfoComment(kind: DeviceKind, frame: Buffer): string | undefined {
  const protocol = frame.readUInt16BE(2);
  const facts = [];
  // In the machine's byte order: any bit is this one.
  if (((frame[0] | frame[1]) & TUN_PKT_STRIP) !== 0) facts.push('cut by the kernel');
  if (kind === 'tun' && protocol !== ETHERTYPE_IPV4 && protocol !== ETHERTYPE_IPV6) {
    facts.push(`protocol 0x${protocol.toString(16).padStart(4, '0')}`);
  }
  return facts.length === 0 ? undefined : `packet info: ${facts.join(', ')}`;
}

function vnetComment(frame: Buffer): string | undefined {
  const [flags, type] = frame;
  // An ordinary frame.
  if ((flags & NEEDS_CSUM) === 0 && type === 0) return undefined;
  try {
    const header = decodeVnetHeader(frame);
    const facts = [];
    if (header.segmentation !== 'none') {
      const { segmentation, segmentBytes, headerBytes: hint, ecn } = header;
      facts.push(`gso ${segmentation} size ${segmentBytes} headers ${hint}${ecn ? ' ecn' : ''}`);
    }
    if (header.needsChecksum) {
      facts.push(`csum start ${header.checksumStart} offset ${header.checksumOffset} not filled in`);
    }
    return `vnet: ${facts.join(', ')}`;
  } catch (error) {
    /* c8 ignore next -- decodeVnetHeader throws nothing else */
    if (!(error instanceof TapfdError)) throw error;
    return `vnet: gso type ${type} is unknown`;
  }
}
