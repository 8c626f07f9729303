/**
 * What a host answers to ARP, neighbour discovery and ping, made by hand: JavaScript on one end, the kernel on the
 * other.
 */
import { parseMac } from 'tapfd';

export interface Host {
  mac: string;
  ipv4: string;
  /** All 16 bytes. */
  ipv6: Buffer;
}

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_IPV6 = 0x86dd;

function ipv4Bytes(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

/** RFC 1071. */
export function checksum(bytes: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) + (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** The answer to an IPv4 or IPv6 echo request, or undefined for anything else. */
export function answerPacket(packet: Buffer): Buffer | undefined {
  if (packet.length >= 28 && packet[0] === 0x45 && packet[9] === 1 && packet[20] === 8) {
    const reply = Buffer.from(packet);
    packet.copy(reply, 12, 16, 20);
    packet.copy(reply, 16, 12, 16);
    reply[20] = 0;
    reply.writeUInt16BE(0, 22);
    reply.writeUInt16BE(checksum(reply.subarray(20)), 22);
    return reply;
  }
  if (packet.length >= 48 && packet[0] >> 4 === 6 && packet[6] === 58 && packet[40] === 128) {
    const reply = Buffer.from(packet);
    packet.copy(reply, 8, 24, 40);
    packet.copy(reply, 24, 8, 24);
    reply[40] = 129;
    return withIcmp6Checksum(reply);
  }
  return undefined;
}

function withIcmp6Checksum(packet: Buffer): Buffer {
  packet.writeUInt16BE(0, 42);
  const pseudo = Buffer.alloc(40);
  packet.copy(pseudo, 0, 8, 40);
  pseudo.writeUInt32BE(packet.length - 40, 32);
  pseudo[39] = 58;
  packet.writeUInt16BE(checksum(Buffer.concat([pseudo, packet.subarray(40)])), 42);
  return packet;
}

/** The frame with which this host answers, if the given one asks it something. */
export function answerFrame(frame: Buffer, host: Host): Buffer | undefined {
  const mac = parseMac(host.mac);
  const type = frame.readUInt16BE(12);
  const wrap = (payload: Buffer) =>
    Buffer.concat([frame.subarray(6, 12), mac, frame.subarray(12, 14), payload]);
  if (type === ETHERTYPE_ARP) {
    const own = ipv4Bytes(host.ipv4);
    if (frame.readUInt16BE(20) !== 1 || !frame.subarray(38, 42).equals(own)) return undefined;
    const arp = Buffer.from(frame.subarray(14, 42));
    arp.writeUInt16BE(2, 6);
    frame.copy(arp, 18, 22, 32);
    mac.copy(arp, 8);
    own.copy(arp, 14);
    return wrap(arp);
  }
  if (type === ETHERTYPE_IPV4) {
    if (!frame.subarray(30, 34).equals(ipv4Bytes(host.ipv4))) return undefined;
    const reply = answerPacket(frame.subarray(14));
    return reply && wrap(reply);
  }
  if (type !== ETHERTYPE_IPV6) return undefined;
  if (isSolicitationFor(frame, host.ipv6)) return wrap(advertisement(frame, mac, host.ipv6));
  if (!frame.subarray(38, 54).equals(host.ipv6)) return undefined;
  const reply = answerPacket(frame.subarray(14));
  return reply && wrap(reply);
}

function isSolicitationFor(frame: Buffer, address: Buffer): boolean {
  return (
    frame.length >= 78 && frame[20] === 58 && frame[54] === 135 && frame.subarray(62, 78).equals(address)
  );
}

function advertisement(frame: Buffer, mac: Buffer, address: Buffer): Buffer {
  const packet = Buffer.alloc(72);
  packet[0] = 0x60;
  packet.writeUInt16BE(32, 4);
  packet[6] = 58;
  packet[7] = 255;
  address.copy(packet, 8);
  frame.copy(packet, 24, 22, 38);
  packet[40] = 136;
  packet[44] = 0x60;
  address.copy(packet, 48);
  packet[64] = 2;
  packet[65] = 1;
  mac.copy(packet, 66);
  return withIcmp6Checksum(packet);
}
