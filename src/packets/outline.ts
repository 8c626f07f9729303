/** Where the headers of a packet are: one pass over their lengths and types, which reads nothing else. */
import { u16, u32 } from './fields/header.js';
import { ARP_BYTES } from './headers/arp.js';
import { DHCP_BYTES, DHCP_CLIENT_PORT, DHCP_SERVER_PORT, isDhcp } from './headers/dhcp.js';
import { dhcpOptionsEnd } from './headers/dhcp-options.js';
import { ETHERNET_BYTES, ETHERTYPE, MIN_ETHERTYPE, VLAN_BYTES, VLAN_ETHERTYPES } from './headers/ethernet.js';
import { icmpBytes } from './headers/icmp.js';
import { icmpv6Layout } from './headers/icmpv6-types.js';
import { IPV4_BYTES } from './headers/ipv4.js';
import { IPV6_BYTES } from './headers/ipv6.js';
import { extensionBytes, FRAGMENT, isExtension, MIN_EXTENSION_BYTES } from './headers/ipv6-extensions.js';
import { ndOptionsEnd } from './headers/nd-options.js';
import { TCP_BYTES } from './headers/tcp.js';
import { UDP_BYTES } from './headers/udp.js';
import type { LayerName, Problem, ProblemCode } from './problem.js';

export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;
const ABSENT = -1;
const NO_PROBLEMS: readonly Problem[] = [];

/** The offset of each header, -1 where it is absent. */
export class Outline {
  ethernet = ABSENT;
  /** Of the first. */
  vlans = ABSENT;
  vlanCount = 0;
  arp = ABSENT;
  ipv4 = ABSENT;
  ipv6 = ABSENT;
  extensionCount = 0;
  icmp = ABSENT;
  icmpv6 = ABSENT;
  udp = ABSENT;
  tcp = ABSENT;
  dhcp = ABSENT;
  /** Where the payload begins: after the last header that was found. */
  payload = 0;
  /** Where it ends; what follows is the trailer. */
  end: number;
  /** The payload of the network layer, wherever the transport layer ends. */
  networkEnd: number;
  /** The first or a later fragment. */
  isFragment = false;
  /** The packet is longer than the bytes that are there. */
  isTruncated = false;
  problems: readonly Problem[] = NO_PROBLEMS;

  constructor(bytes: Uint8Array, isFrame: boolean) {
    this.end = bytes.length;
    this.networkEnd = bytes.length;
    if (isFrame) this.#readEthernet(bytes);
    else this.#readVersion(bytes);
  }

  #note(layer: LayerName, code: ProblemCode, text: string): void {
    this.problems = [...this.problems, { layer, code, text }];
  }

  /** Whether the header of that many bytes is there. */
  #holds(layer: LayerName, bytes: number): boolean {
    const rest = this.end - this.payload;
    if (rest >= bytes) return true;
    this.#note(layer, 'truncated', `${rest} bytes are left for a header of ${bytes}`);
    return false;
  }

  #readEthernet(bytes: Uint8Array): void {
    if (!this.#holds('ethernet', ETHERNET_BYTES)) return;
    this.ethernet = 0;
    let etherType = u16(bytes, 12);
    this.payload = ETHERNET_BYTES;
    while (VLAN_ETHERTYPES.includes(etherType) && this.#holds('vlans', VLAN_BYTES)) {
      if (this.vlanCount === 0) this.vlans = this.payload;
      this.vlanCount += 1;
      etherType = u16(bytes, this.payload + 2);
      this.payload += VLAN_BYTES;
    }
    if (etherType === ETHERTYPE.ipv4) this.#readIpv4(bytes);
    else if (etherType === ETHERTYPE.ipv6) this.#readIpv6(bytes);
    else if (etherType === ETHERTYPE.arp) this.#readArp(bytes);
    else if (etherType < MIN_ETHERTYPE) {
      this.#endAt(this.vlanCount > 0 ? 'vlans' : 'ethernet', this.payload + etherType);
    }
  }

  #readVersion(bytes: Uint8Array): void {
    const version = bytes[0] >> 4;
    if (version === 6) this.#readIpv6(bytes);
    else if (version === 4 || bytes.length === 0) this.#readIpv4(bytes);
    else this.#note('ipv4', 'bad-version', `IP version ${version}`);
  }

  /** The length that a header says; less may be there. */
  #endAt(layer: LayerName, said: number): void {
    if (said <= this.end) this.end = said;
    else {
      this.isTruncated = true;
      this.#note(layer, 'truncated', `${said - this.end} bytes are missing at the end`);
    }
    this.networkEnd = this.end;
  }

  #readArp(bytes: Uint8Array): void {
    if (!this.#holds('arp', 8)) return;
    const [hardwareBytes, protocolBytes] = [bytes[this.payload + 4], bytes[this.payload + 5]];
    if (hardwareBytes !== 6 || protocolBytes !== 4) {
      this.#note('arp', 'unsupported', `addresses of ${hardwareBytes} and ${protocolBytes} bytes`);
      return;
    }
    if (!this.#holds('arp', ARP_BYTES)) return;
    this.arp = this.payload;
    this.payload += ARP_BYTES;
    this.#endAt('arp', this.payload);
  }

  #readIpv4(bytes: Uint8Array): void {
    if (!this.#holds('ipv4', IPV4_BYTES)) return;
    const at = this.payload;
    const version = bytes[at] >> 4;
    if (version !== 4) {
      this.#note('ipv4', 'bad-version', `IP version ${version}`);
      return;
    }
    const headerBytes = (bytes[at] & 0x0f) * 4;
    if (headerBytes < IPV4_BYTES) {
      this.#note('ipv4', 'bad-length', `a header of ${headerBytes} bytes`);
      return;
    }
    if (!this.#holds('ipv4', headerBytes)) return;
    this.ipv4 = at;
    this.payload = at + headerBytes;
    const totalBytes = u16(bytes, at + 2);
    if (totalBytes < headerBytes) this.#note('ipv4', 'bad-length', `a total length of ${totalBytes} bytes`);
    else this.#endAt('ipv4', at + totalBytes);
    const fragment = u16(bytes, at + 6);
    this.isFragment = (fragment & 0x3fff) !== 0;
    if ((fragment & 0x1fff) === 0) this.#readTransport(bytes, bytes[at + 9], PROTOCOL.icmp);
  }

  #readIpv6(bytes: Uint8Array): void {
    if (!this.#holds('ipv6', IPV6_BYTES)) return;
    const at = this.payload;
    const version = bytes[at] >> 4;
    if (version !== 6) {
      this.#note('ipv6', 'bad-version', `IP version ${version}`);
      return;
    }
    this.ipv6 = at;
    this.payload = at + IPV6_BYTES;
    this.#endAt('ipv6', this.payload + ipv6PayloadBytes(bytes, at));
    let next = bytes[at + 6];
    while (isExtension(next)) {
      if (!this.#holds('ipv6', MIN_EXTENSION_BYTES)) return;
      const length = extensionBytes(bytes, this.payload, next);
      if (!this.#holds('ipv6', length)) return;
      const fragment = next === FRAGMENT ? u16(bytes, this.payload + 2) : 0;
      next = bytes[this.payload];
      this.payload += length;
      this.extensionCount += 1;
      if ((fragment & 0xfff9) !== 0) this.isFragment = true;
      if ((fragment & 0xfff8) !== 0) return;
    }
    this.#readTransport(bytes, next, PROTOCOL.icmpv6);
  }

  #readTransport(bytes: Uint8Array, protocol: number, icmp: number): void {
    if (protocol === PROTOCOL.udp) this.#readUdp(bytes);
    else if (protocol === PROTOCOL.tcp) this.#readTcp(bytes);
    else if (protocol === icmp && icmp === PROTOCOL.icmp) this.#readIcmp(bytes);
    else if (protocol === icmp) this.#readIcmpv6(bytes);
  }

  #readUdp(bytes: Uint8Array): void {
    if (!this.#holds('udp', UDP_BYTES)) return;
    const at = this.payload;
    const length = u16(bytes, at + 4);
    this.udp = at;
    this.payload = at + UDP_BYTES;
    // RFC 2675: 0 in a datagram that is longer than the field can say.
    const isJumbo = length === 0 && this.end - at > 0xffff;
    if (length < UDP_BYTES && !isJumbo) {
      this.#note('udp', 'bad-length', `a length of ${length} bytes`);
    } else if (at + length > this.end) {
      if (!this.isFragment && !this.isTruncated) {
        this.#note('udp', 'bad-length', `a length of ${length} bytes, of which ${this.end - at} are there`);
      }
    } else if (!isJumbo) this.end = at + length;
    if (isDhcpPort(u16(bytes, at)) || isDhcpPort(u16(bytes, at + 2))) this.#readDhcp(bytes);
  }

  #readDhcp(bytes: Uint8Array): void {
    const at = this.payload;
    if (this.ipv4 === ABSENT || this.end - at < DHCP_BYTES || !isDhcp(bytes, at)) return;
    this.dhcp = at;
    const { end, isComplete } = dhcpOptionsEnd(bytes, at + DHCP_BYTES, this.end);
    if (!isComplete && !this.isFragment && !this.isTruncated) {
      this.#note('dhcp', 'bad-option', end < this.end ? 'an option that does not fit' : 'no end option');
    }
    this.payload = end;
  }

  #readTcp(bytes: Uint8Array): void {
    if (!this.#holds('tcp', TCP_BYTES)) return;
    const headerBytes = (bytes[this.payload + 12] >> 4) * 4;
    if (headerBytes < TCP_BYTES) {
      this.#note('tcp', 'bad-length', `a header of ${headerBytes} bytes`);
      return;
    }
    if (!this.#holds('tcp', headerBytes)) return;
    this.tcp = this.payload;
    this.payload += headerBytes;
  }

  #readIcmp(bytes: Uint8Array): void {
    if (!this.#holds('icmp', icmpBytes(bytes[this.payload]))) return;
    this.icmp = this.payload;
    this.payload += icmpBytes(bytes[this.icmp]);
  }

  #readIcmpv6(bytes: Uint8Array): void {
    const layout = icmpv6Layout(bytes[this.payload]);
    if (!this.#holds('icmpv6', layout.bytes)) return;
    this.icmpv6 = this.payload;
    this.payload += layout.bytes;
    if (!layout.hasOptions) return;
    this.payload = ndOptionsEnd(bytes, this.payload, this.end);
    if (this.payload < this.end && !this.isFragment && !this.isTruncated) {
      this.#note('icmpv6', 'bad-option', `${this.end - this.payload} bytes at the end are no option`);
    }
  }
}

function isDhcpPort(port: number): boolean {
  return port === DHCP_SERVER_PORT || port === DHCP_CLIENT_PORT;
}

/** RFC 2675: a jumbogram has its length in the first option of a hop-by-hop header, as the kernel's BIG TCP has it. */
function ipv6PayloadBytes(bytes: Uint8Array, at: number): number {
  const length = u16(bytes, at + 4);
  const isJumbo =
    length === 0 &&
    bytes[at + 6] === 0 &&
    bytes[at + 42] === 0xc2 &&
    bytes[at + 43] === 4 &&
    bytes.length >= at + 48;
  return isJumbo ? u32(bytes, at + 44) : length;
}
