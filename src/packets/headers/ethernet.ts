/**
 * src/packets/headers/: one file for each header: its fields, and how they are read and written. On top of fields.
 *
 * This file: Ethernet II (IEEE 802.3) and VLAN tags (IEEE 802.1Q and 802.1ad).
 */
import { macText } from '../../addresses/mac.js';
import { Given } from '../fields/given.js';
import { type Fields, Header } from '../fields/header.js';

export const ETHERNET_BYTES = 14;
export const VLAN_BYTES = 4;

export const ETHERTYPE = {
  ipv4: 0x0800,
  arp: 0x0806,
  vlan: 0x8100,
  ipv6: 0x86dd,
  serviceVlan: 0x88a8,
} as const;
/** Below it, the field is the length of an IEEE 802.3 frame. */
export const MIN_ETHERTYPE = 0x0600;
/** 0x9100: stacked tags as they were before 802.1ad. */
export const VLAN_ETHERTYPES: readonly number[] = [ETHERTYPE.vlan, ETHERTYPE.serviceVlan, 0x9100];

/** The header of an Ethernet frame. */
export interface Ethernet {
  /** The MAC of the receiver, or of a group. */
  readonly destination: string;
  /** The MAC of the sender. */
  readonly source: string;
  /**
   * What follows: 0x0800 IPv4, 0x0806 ARP, 0x86dd IPv6, 0x8100 and 0x88a8 a VLAN tag. Below 0x0600 it is the length of an
   * IEEE 802.3 frame, whose LLC header is then the payload.
   */
  readonly etherType: number;
}

/** A VLAN tag: IEEE 802.1Q, or 802.1ad if they are stacked. */
export interface Vlan {
  /** PCP: 0 to 7. */
  readonly priority: number;
  /** DEI: such a frame is dropped first. */
  readonly dropEligible: boolean;
  /** VID: 0 to 4095. */
  readonly id: number;
  /** What follows the tag. The type of the tag itself stands before it: in the Ethernet header or the outer tag. */
  readonly etherType: number;
}

export const ETHERNET_NAMES = ['destination', 'source', 'etherType'] as const;
export const VLAN_NAMES = ['priority', 'dropEligible', 'id', 'etherType'] as const;

export class EthernetHeader extends Header implements Ethernet {
  get names() {
    return ETHERNET_NAMES;
  }
  get destination() {
    return macText(this.bytes, this.at);
  }
  get source() {
    return macText(this.bytes, this.at + 6);
  }
  get etherType() {
    return this.u16(12);
  }
}

export class VlanTag extends Header implements Vlan {
  get names() {
    return VLAN_NAMES;
  }
  get priority() {
    return this.u8(0) >> 5;
  }
  get dropEligible() {
    return (this.u8(0) & 0x10) !== 0;
  }
  get id() {
    return this.u16(0) & 0x0fff;
  }
  get etherType() {
    return this.u16(2);
  }
}

/** An Ethernet header to encode. */
export type EthernetFields = Fields<Ethernet, 'source' | 'destination'>;
/** A VLAN tag to encode. */
export type VlanFields = Fields<Vlan, 'id'>;

/** `following` is the type of what comes next, if the library knows it. */
export function encodeEthernet(value: unknown, following: number | undefined): Buffer {
  const given = new Given('ethernet', value, ETHERNET_NAMES);
  const header = Buffer.alloc(ETHERNET_BYTES);
  given.mac('destination').copy(header, 0);
  given.mac('source').copy(header, 6);
  header.writeUInt16BE(given.integer('etherType', 0xffff, following), 12);
  return header;
}

export function encodeVlan(argument: string, value: unknown, following: number | undefined): Buffer {
  const given = new Given(argument, value, VLAN_NAMES);
  const tag = Buffer.alloc(VLAN_BYTES);
  const high = (given.integer('priority', 7, 0) << 5) | given.bit('dropEligible', 0x10);
  tag.writeUInt16BE((high << 8) | given.integer('id', 0x0fff), 0);
  tag.writeUInt16BE(given.integer('etherType', 0xffff, following), 2);
  return tag;
}

/**
 * What the types in the Ethernet header and in each tag are, if `network` is what follows them: for one tag 802.1Q, for
 * stacked ones 802.1ad outside.
 */
export function usualEtherTypes(tags: number, network: number | undefined): (number | undefined)[] {
  const types: (number | undefined)[] = Array.from({ length: tags }, (_, place) =>
    place === 0 && tags > 1 ? ETHERTYPE.serviceVlan : ETHERTYPE.vlan,
  );
  return [...types, network];
}
