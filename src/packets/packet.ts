/** A decoded packet: its headers, each read when it is asked for. */
import { checkBytes, isUint8Array } from '../base/checks.js';
import { type Arp, ArpHeader } from './headers/arp.js';
import { type Dhcp, DhcpHeader } from './headers/dhcp.js';
import { type Ethernet, EthernetHeader, VLAN_BYTES, type Vlan, VlanTag } from './headers/ethernet.js';
import { ICMP_ERRORS, type Icmp, IcmpHeader } from './headers/icmp.js';
import { Icmpv6Header } from './headers/icmpv6.js';
import { ICMPV6_ERRORS, type Icmpv6 } from './headers/icmpv6-types.js';
import { type Ipv4, Ipv4Header } from './headers/ipv4.js';
import { type Ipv6, Ipv6Header } from './headers/ipv6.js';
import { type Tcp, TcpHeader } from './headers/tcp.js';
import { type Udp, UdpHeader } from './headers/udp.js';
import { type DecodedLayers, type Layers, layersOf } from './layers.js';
import { Outline } from './outline.js';
import type { Problem } from './problem.js';
import { checkIpv4, checkTransport, problemsOf } from './verify.js';

/**
 * A decoded frame or packet, which {@link decodeFrame} and {@link decodePacket} return.
 *
 * Nothing is read before it is asked for: neither a header nor a field of one. Everything refers to the bytes that were
 * passed, which must not change meanwhile: Buffers are views of them, not copies. No property ever throws, whatever the
 * bytes are: what cannot be read is `undefined`, and `problems` says why. A list, such as `tcp.options`, is read anew each
 * time.
 */
export class Packet implements DecodedLayers {
  /** What was decoded, all of it. */
  readonly bytes: Buffer;
  readonly #isFrame: boolean;
  #outline: Outline | undefined;

  /** @internal */
  constructor(bytes: Uint8Array, isFrame: boolean) {
    // Making a view of a view takes longer than finding the headers. An empty one may be of memory that was transferred away.
    const isPlain = bytes instanceof Buffer && isUint8Array(bytes) && bytes.length > 0;
    this.bytes = isPlain ? bytes : checkBytes('bytes', bytes);
    this.#isFrame = isFrame;
  }

  /** Where the headers are. */
  get #at(): Outline {
    this.#outline ??= new Outline(this.bytes, this.#isFrame);
    return this.#outline;
  }

  /** The Ethernet header: undefined in a packet of a TUN, which has none. */
  get ethernet(): Ethernet | undefined {
    return this.#at.ethernet === -1 ? undefined : new EthernetHeader(this.bytes, 0);
  }

  /** The VLAN tags (802.1Q and 802.1ad), from the outermost; undefined without any. */
  get vlans(): readonly Vlan[] | undefined {
    const { vlans, vlanCount } = this.#at;
    if (vlans === -1) return undefined;
    return Array.from(
      { length: vlanCount },
      (_, place) => new VlanTag(this.bytes, vlans + place * VLAN_BYTES),
    );
  }

  /** ARP for IPv4 over Ethernet. */
  get arp(): Arp | undefined {
    return this.#at.arp === -1 ? undefined : new ArpHeader(this.bytes, this.#at.arp);
  }

  /** The IPv4 header. */
  get ipv4(): Ipv4 | undefined {
    return this.#at.ipv4 === -1 ? undefined : new Ipv4Header(this.bytes, this.#at.ipv4);
  }

  /** The IPv6 header with its extension headers. */
  get ipv6(): Ipv6 | undefined {
    const { ipv6, extensionCount } = this.#at;
    return ipv6 === -1 ? undefined : new Ipv6Header(this.bytes, ipv6, extensionCount);
  }

  /** An ICMP message over IPv4. */
  get icmp(): Icmp | undefined {
    return this.#at.icmp === -1 ? undefined : new IcmpHeader(this.bytes, this.#at.icmp);
  }

  /** An ICMPv6 message over IPv6. */
  get icmpv6(): Icmpv6 | undefined {
    const { icmpv6, payload } = this.#at;
    return icmpv6 === -1 ? undefined : new Icmpv6Header(this.bytes, icmpv6, payload);
  }

  /** The UDP header. Later fragments have none. */
  get udp(): Udp | undefined {
    return this.#at.udp === -1 ? undefined : new UdpHeader(this.bytes, this.#at.udp);
  }

  /** The TCP header. Later fragments have none. */
  get tcp(): Tcp | undefined {
    return this.#at.tcp === -1 ? undefined : new TcpHeader(this.bytes, this.#at.tcp);
  }

  /** A DHCPv4 message: UDP over IPv4, from or to port 67 or 68. */
  get dhcp(): Dhcp | undefined {
    const { dhcp, payload } = this.#at;
    return dhcp === -1 ? undefined : new DhcpHeader(this.bytes, dhcp, payload);
  }

  /** The packet that an ICMP or ICMPv6 error quotes, which is usually cut short. It may itself be such an error. */
  get quoted(): Packet | undefined {
    const { icmp, icmpv6 } = this;
    const isError =
      (icmp && ICMP_ERRORS.includes(icmp.type)) || (icmpv6 && ICMPV6_ERRORS.includes(icmpv6.type));
    if (!isError || this.payload.length === 0) return undefined;
    const words = icmp?.length ?? icmpv6?.length ?? 0;
    // RFC 4884: extensions follow a packet whose length is said.
    const length = words * (icmp ? 4 : 8) || this.payload.length;
    return new Packet(this.payload.subarray(0, length), false);
  }

  /** What follows the last header, to the end of the packet as its headers say it: a view. Ethernet padding is not part. */
  get payload(): Buffer {
    return this.bytes.subarray(this.#at.payload, this.#at.end);
  }

  /** How many bytes of an ICMP or ICMPv6 message are there, with its header and its options. @internal */
  get icmpMessageBytes(): number {
    const { icmp, icmpv6, end } = this.#at;
    return end - Math.max(icmp, icmpv6);
  }

  /** What follows the end of the packet: Ethernet padding, as a rule. A view. */
  get trailer(): Buffer {
    return this.bytes.subarray(this.#at.end);
  }

  /** Whether this is a fragment, the first or a later one. A later one has no headers after that of IP. */
  get isFragment(): boolean {
    return this.#at.isFragment;
  }

  /**
   * What is wrong with the packet, checksums included; empty if nothing is. This reads all of it. A quoted packet has its
   * own.
   */
  get problems(): readonly Problem[] {
    return problemsOf(this.bytes, this.#at);
  }

  /**
   * The headers as plain objects, which {@link encodeFrame} and {@link encodePacket} accept: to change something and encode
   * the result. Lengths, checksums and types are left out where the encoder will fill in the same, so the result of a
   * packet without problems has the same bytes; only bits that no field has, which are reserved or padding, become zero.
   *
   * @example
   * ```ts
   * import { decodeFrame, encodeFrame } from 'tapfd/packets';
   *
   * function withTtl(frame: Buffer, ttl: number): Buffer {
   *   const { ipv4, ...layers } = decodeFrame(frame).layers();
   *   return encodeFrame({ ...layers, ipv4: ipv4 && { ...ipv4, ttl } });
   * }
   * ```
   */
  layers(): Layers {
    const at = this.#at;
    return layersOf(this, at, {
      ipv4: at.ipv4 === -1 ? undefined : checkIpv4(this.bytes, at),
      transport: checkTransport(this.bytes, at),
      badTcpOptions: this.problems.some(({ layer, code }) => layer === 'tcp' && code === 'bad-option'),
    });
  }

  /** {@link Packet.layers}, for `JSON.stringify`. */
  toJSON(): Layers {
    return this.layers();
  }

  /** {@link Packet.layers}, for `console.log`. @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): Layers {
    return this.layers();
  }
}

/**
 * Decodes an Ethernet frame, as TAP and macvtap carry it. Nothing is read before a property is asked for.
 *
 * @param bytes - The frame, from the Ethernet header on, without packet information and vnet header. Not copied.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` if it is not a Buffer or Uint8Array. Bytes that are no valid frame do not
 *   throw: see `packet.problems`.
 *
 * @example
 * ```ts
 * import { openTap } from 'tapfd';
 * import { decodeFrame } from 'tapfd/packets';
 *
 * const tap = await openTap();
 * for await (const frame of tap) {
 *   const { ethernet, ipv4, udp, payload } = decodeFrame(frame);
 *   if (ipv4 && udp) console.log(ethernet?.source, ipv4.source, udp.destinationPort, payload);
 * }
 * ```
 */
export function decodeFrame(bytes: Uint8Array): Packet {
  return new Packet(bytes, true);
}

/**
 * Decodes an IP packet, as TUN carries it. Nothing is read before a property is asked for.
 *
 * @param bytes - The packet, from the IPv4 or IPv6 header on. Not copied.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` if it is not a Buffer or Uint8Array. Bytes that are no valid packet do not
 *   throw: see `packet.problems`.
 *
 * @example
 * ```ts
 * import { openTun } from 'tapfd';
 * import { decodePacket } from 'tapfd/packets';
 *
 * const tun = await openTun({ addresses: ['10.77.0.1/24'] });
 * for await (const bytes of tun) {
 *   const { ipv4, icmp } = decodePacket(bytes);
 *   if (icmp?.type === 'echo-request') console.log(`${ipv4?.source} pings ${ipv4?.destination}`);
 * }
 * ```
 */
export function decodePacket(bytes: Uint8Array): Packet {
  return new Packet(bytes, false);
}
