/**
 * A small computer on an Ethernet, in TypeScript: it answers ARP and ping for one IPv4 address, and can ping others. It
 * works on any object-mode Duplex whose chunks are frames, such as those from `openTap` and `openMacvtap`. The other
 * examples and the demo put it behind a device; to everything else on the wire it is a real host.
 */
import { randomInt } from 'node:crypto';
import type { Duplex } from 'node:stream';

const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const ARP_REQUEST = 1;
const ARP_REPLY = 2;
const PROTOCOL_ICMP = 1;
const ICMP_ECHO_REPLY = 0;
const ICMP_ECHO_REQUEST = 8;

const ETHERNET_HEADER_BYTES = 14;
const ARP_BYTES = 28;
const IPV4_HEADER_BYTES = 20;
const ICMP_HEADER_BYTES = 8;

export interface EthernetHostOptions {
  /** Its MAC: on a macvtap that of the device; on a TAP any but the device's own, which is the kernel's. */
  mac: string;
  /** Its IPv4 address: `10.0.0.1`. */
  address: string;
  /** Called for every frame received or sent, with a one-line description. */
  onFrame?: (direction: 'received' | 'sent', description: string) => void;
}

/** The reply to a ping. */
export interface PingReply {
  /** The MAC that answered. */
  mac: string;
  milliseconds: number;
  /** The reply's payload, which is what was sent. */
  payload: Buffer;
}

export class EthernetHost {
  readonly mac: string;
  readonly address: string;
  /** Echo requests answered so far. */
  answered = 0;

  readonly #device: Duplex;
  readonly #onFrame: EthernetHostOptions['onFrame'];
  readonly #identifier = randomInt(0x10000);
  #sequence = 0;
  /** Callbacks waiting for the MAC of an address, and for the reply to an echo request. */
  readonly #arpWaiters = new Map<string, (mac: string) => void>();
  readonly #echoWaiters = new Map<number, (mac: string, payload: Buffer) => void>();

  /** Starts reading `device`. The host lasts as long as the device. */
  constructor(device: Duplex, options: EthernetHostOptions) {
    this.#device = device;
    this.mac = options.mac;
    this.address = options.address;
    this.#onFrame = options.onFrame;
    device.on('data', (frame: Buffer) => this.#receive(frame));
  }

  /**
   * Sends one echo request, after resolving the MAC, and waits for the reply.
   *
   * @throws Error when there is no answer within `timeoutMs` (default 5000). Both requests are repeated every second.
   */
  async ping(address: string, options: { payload?: Buffer; timeoutMs?: number } = {}): Promise<PingReply> {
    const { payload = Buffer.from('frames from JavaScript'), timeoutMs = 5000 } = options;
    const deadline = performance.now() + timeoutMs;
    const mac = await this.resolve(address, timeoutMs);
    const sequence = ++this.#sequence & 0xffff;
    let sent = 0;
    try {
      return await askUntil<PingReply>(
        deadline,
        `${address} (${mac}) does not answer the ping of ${this.address}`,
        () => {
          sent = performance.now();
          this.#send(mac, ETHERTYPE_IPV4, this.#echo(ICMP_ECHO_REQUEST, address, sequence, payload));
        },
        (found) => {
          this.#echoWaiters.set(sequence, (from, content) =>
            found({ mac: from, milliseconds: performance.now() - sent, payload: content }),
          );
        },
      );
    } finally {
      this.#echoWaiters.delete(sequence);
    }
  }

  /**
   * Finds the MAC of an IPv4 address by ARP.
   *
   * @throws Error when there is no answer within `timeoutMs` (default 5000).
   */
  async resolve(address: string, timeoutMs = 5000): Promise<string> {
    try {
      return await askUntil<string>(
        performance.now() + timeoutMs,
        `no answer to the ARP request of ${this.address} for ${address}`,
        () => this.#send(BROADCAST, ETHERTYPE_ARP, this.#arp(ARP_REQUEST, '00:00:00:00:00:00', address)),
        (found) => this.#arpWaiters.set(address, found),
      );
    } finally {
      this.#arpWaiters.delete(address);
    }
  }

  #receive(frame: Buffer): void {
    if (frame.length < ETHERNET_HEADER_BYTES) return;
    const destination = macAt(frame, 0);
    // A bridge floods frames for unknown MACs: ignore those addressed to others.
    if (destination !== this.mac && (frame.readUInt8(0) & 1) === 0) return;
    this.#onFrame?.('received', describeFrame(frame));
    const body = frame.subarray(ETHERNET_HEADER_BYTES);
    const type = frame.readUInt16BE(12);
    if (type === ETHERTYPE_ARP) this.#receiveArp(body);
    else if (type === ETHERTYPE_IPV4) this.#receiveIpv4(macAt(frame, 6), body);
  }

  #receiveArp(arp: Buffer): void {
    if (arp.length < ARP_BYTES || addressAt(arp, 24) !== this.address) return;
    const operation = arp.readUInt16BE(6);
    const senderMac = macAt(arp, 8);
    const senderAddress = addressAt(arp, 14);
    if (operation === ARP_REQUEST) {
      this.#send(senderMac, ETHERTYPE_ARP, this.#arp(ARP_REPLY, senderMac, senderAddress));
    } else if (operation === ARP_REPLY) {
      this.#arpWaiters.get(senderAddress)?.(senderMac);
    }
  }

  #receiveIpv4(from: string, packet: Buffer): void {
    const icmp = icmpOf(packet);
    if (icmp === undefined || addressAt(packet, 16) !== this.address) return;
    const type = icmp.readUInt8(0);
    const identifier = icmp.readUInt16BE(4);
    const sequence = icmp.readUInt16BE(6);
    const payload = icmp.subarray(ICMP_HEADER_BYTES);
    if (type === ICMP_ECHO_REQUEST) {
      this.answered += 1;
      const reply = this.#echo(ICMP_ECHO_REPLY, addressAt(packet, 12), sequence, payload, identifier);
      this.#send(from, ETHERTYPE_IPV4, reply);
    } else if (type === ICMP_ECHO_REPLY && identifier === this.#identifier) {
      this.#echoWaiters.get(sequence)?.(from, payload);
    }
  }

  #send(destination: string, type: number, body: Buffer): void {
    const header = Buffer.alloc(ETHERNET_HEADER_BYTES);
    macBytes(destination).copy(header, 0);
    macBytes(this.mac).copy(header, 6);
    header.writeUInt16BE(type, 12);
    const frame = Buffer.concat([header, body]);
    this.#onFrame?.('sent', describeFrame(frame));
    this.#device.write(frame);
  }

  /** RFC 826, for IPv4 over Ethernet. */
  #arp(operation: number, targetMac: string, targetAddress: string): Buffer {
    const arp = Buffer.alloc(ARP_BYTES);
    arp.writeUInt16BE(1, 0); // Ethernet
    arp.writeUInt16BE(ETHERTYPE_IPV4, 2);
    arp.writeUInt8(6, 4);
    arp.writeUInt8(4, 5);
    arp.writeUInt16BE(operation, 6);
    macBytes(this.mac).copy(arp, 8);
    addressBytes(this.address).copy(arp, 14);
    macBytes(targetMac).copy(arp, 18);
    addressBytes(targetAddress).copy(arp, 24);
    return arp;
  }

  /** An IPv4 packet (RFC 791) with an ICMP echo (RFC 792). */
  #echo(
    type: number,
    destination: string,
    sequence: number,
    payload: Buffer,
    identifier = this.#identifier,
  ): Buffer {
    const packet = Buffer.alloc(IPV4_HEADER_BYTES + ICMP_HEADER_BYTES + payload.length);
    packet.writeUInt8(0x45, 0); // version 4, header of five words
    packet.writeUInt16BE(packet.length, 2);
    packet.writeUInt8(64, 8); // time to live
    packet.writeUInt8(PROTOCOL_ICMP, 9);
    addressBytes(this.address).copy(packet, 12);
    addressBytes(destination).copy(packet, 16);
    packet.writeUInt16BE(checksum(packet.subarray(0, IPV4_HEADER_BYTES)), 10);

    const icmp = packet.subarray(IPV4_HEADER_BYTES);
    icmp.writeUInt8(type, 0);
    icmp.writeUInt16BE(identifier, 4);
    icmp.writeUInt16BE(sequence, 6);
    payload.copy(icmp, ICMP_HEADER_BYTES);
    icmp.writeUInt16BE(checksum(icmp), 2);
    return packet;
  }
}

/** Describes a frame in one line: `ARP 10.0.0.2 asks who has 10.0.0.1`. */
export function describeFrame(frame: Buffer): string {
  const macs = `${macAt(frame, 6)} > ${macAt(frame, 0)}`;
  const body = frame.subarray(ETHERNET_HEADER_BYTES);
  const type = frame.readUInt16BE(12);
  if (type === ETHERTYPE_ARP && body.length >= ARP_BYTES) {
    const [sender, target] = [addressAt(body, 14), addressAt(body, 24)];
    return body.readUInt16BE(6) === ARP_REQUEST
      ? `${macs} ARP ${sender} asks who has ${target}`
      : `${macs} ARP ${sender} tells ${target}: it is ${macAt(body, 8)}`;
  }
  const icmp = type === ETHERTYPE_IPV4 ? icmpOf(body) : undefined;
  if (icmp !== undefined && [ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST].includes(icmp.readUInt8(0))) {
    const echo = icmp.readUInt8(0) === ICMP_ECHO_REQUEST ? 'request' : 'reply';
    return `${macs} ICMP echo ${echo} ${icmp.readUInt16BE(6)} from ${addressAt(body, 12)} to ${addressAt(body, 16)}`;
  }
  return `${macs} type 0x${type.toString(16).padStart(4, '0')}, ${frame.length} bytes`;
}

/** Calls `ask` now and every second, until an answer comes or `deadline` passes. */
function askUntil<T>(
  deadline: number,
  failure: string,
  ask: () => void,
  listen: (found: (answer: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const again = setInterval(ask, 1000);
    const stop = setTimeout(
      () => {
        clearInterval(again);
        reject(new Error(failure));
      },
      Math.max(0, deadline - performance.now()),
    );
    listen((answer) => {
      clearInterval(again);
      clearTimeout(stop);
      resolve(answer);
    });
    ask();
  });
}

/** The ICMP message in a complete, unfragmented IPv4 packet; undefined if there is none. */
function icmpOf(packet: Buffer): Buffer | undefined {
  if (packet.length < IPV4_HEADER_BYTES || packet.readUInt8(0) >> 4 !== 4) return undefined;
  const headerBytes = (packet.readUInt8(0) & 0x0f) * 4;
  // Some wires pad short frames to 60 bytes, so take the length from the packet.
  const totalBytes = packet.readUInt16BE(2);
  const isFragment = (packet.readUInt16BE(6) & 0x3fff) !== 0;
  if (packet.readUInt8(9) !== PROTOCOL_ICMP || isFragment) return undefined;
  if (totalBytes > packet.length || totalBytes < headerBytes + ICMP_HEADER_BYTES) return undefined;
  return packet.subarray(headerBytes, totalBytes);
}

/** The Internet checksum, RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  if (bytes.length % 2 === 1) sum += bytes.readUInt8(bytes.length - 1) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function macAt(bytes: Buffer, offset: number): string {
  return Array.from(bytes.subarray(offset, offset + 6), (byte) => byte.toString(16).padStart(2, '0')).join(
    ':',
  );
}

function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

function addressAt(bytes: Buffer, offset: number): string {
  return bytes.subarray(offset, offset + 4).join('.');
}

function addressBytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}
