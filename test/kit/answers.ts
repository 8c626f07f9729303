/** What a host answers to ARP, neighbour discovery and ping: JavaScript on one end, the kernel on the other. */
import { decodeFrame, decodePacket, encodeFrame, encodePacket, type Packet, replyTo } from 'tapfd/packets';

export interface Host {
  mac: string;
  ipv4: string;
  ipv6: string;
}

/** The answer to an IPv4 or IPv6 echo request, or undefined for anything else. */
export function answerPacket(bytes: Buffer): Buffer | undefined {
  const packet = decodePacket(bytes);
  const reply = isEchoRequest(packet) ? replyTo(packet) : undefined;
  return reply && encodePacket(reply);
}

/** The frame with which this host answers, if the given one asks it something. */
export function answerFrame(frame: Buffer, host: Host): Buffer | undefined {
  const packet = decodeFrame(frame);
  const { arp, ipv4, ipv6, icmpv6 } = packet;
  const isForHost =
    arp?.targetAddress === host.ipv4 ||
    icmpv6?.target === host.ipv6 ||
    (isEchoRequest(packet) && (ipv4?.destination === host.ipv4 || ipv6?.destination === host.ipv6));
  const reply = isForHost ? replyTo(packet, { mac: host.mac }) : undefined;
  return reply && encodeFrame(reply);
}

function isEchoRequest({ icmp, icmpv6 }: Packet): boolean {
  return (icmp ?? icmpv6)?.type === 'echo-request';
}
