/** ARP for IPv4 over Ethernet (RFC 826). */
import { ipv4Text } from '../../addresses/ip.js';
import { macText } from '../../addresses/mac.js';
import { Given, type NamesByNumber } from '../fields/given.js';
import { type Fields, Header } from '../fields/header.js';

export const ARP_BYTES = 28;
const ZERO_MAC = '00:00:00:00:00:00';
const REQUEST = 1;

/** What an ARP packet is. */
export type ArpOperation = 'request' | 'reply';

const OPERATIONS: NamesByNumber<ArpOperation> = { 1: 'request', 2: 'reply' };

/** An ARP packet for IPv4 over Ethernet; of other kinds, `packet.arp` is undefined. */
export interface Arp {
  /** 1: Ethernet. */
  readonly hardwareType: number;
  /** 0x0800: IPv4. */
  readonly protocolType: number;
  /** A number if it is another operation. */
  readonly operation: ArpOperation | number;
  /** The MAC of the sender. */
  readonly senderMac: string;
  /** The IPv4 address of the sender: 0.0.0.0 in a probe. */
  readonly senderAddress: string;
  /** The MAC of the target: zero in most requests. */
  readonly targetMac: string;
  /** The IPv4 address of the target: in a request, the one whose MAC is wanted. */
  readonly targetAddress: string;
}

export const ARP_NAMES = [
  'hardwareType',
  'protocolType',
  'operation',
  'senderMac',
  'senderAddress',
  'targetMac',
  'targetAddress',
] as const;

export class ArpHeader extends Header implements Arp {
  get names() {
    return ARP_NAMES;
  }
  get hardwareType() {
    return this.u16(0);
  }
  get protocolType() {
    return this.u16(2);
  }
  get operation() {
    const number = this.u16(6);
    return OPERATIONS[number] ?? number;
  }
  get senderMac() {
    return macText(this.bytes, this.at + 8);
  }
  get senderAddress() {
    return ipv4Text(this.bytes, this.at + 14);
  }
  get targetMac() {
    return macText(this.bytes, this.at + 18);
  }
  get targetAddress() {
    return ipv4Text(this.bytes, this.at + 24);
  }
}

/** An ARP packet to encode. */
export type ArpFields = Fields<Arp, 'operation' | 'senderAddress' | 'targetAddress'>;

/** `source` and `destination` are those of the frame: the sender's MAC, and that of the target in a reply. */
export function encodeArp(value: unknown, source: unknown, destination: unknown): Buffer {
  const given = new Given('arp', value, ARP_NAMES);
  const packet = Buffer.alloc(ARP_BYTES);
  const operation = given.named('operation', OPERATIONS, 0xffff);
  packet.writeUInt16BE(given.integer('hardwareType', 0xffff, 1), 0);
  packet.writeUInt16BE(given.integer('protocolType', 0xffff, 0x0800), 2);
  packet.writeUInt8(6, 4);
  packet.writeUInt8(4, 5);
  packet.writeUInt16BE(operation, 6);
  given.mac('senderMac', source).copy(packet, 8);
  given.ipv4('senderAddress').copy(packet, 14);
  given.mac('targetMac', operation === REQUEST ? ZERO_MAC : destination).copy(packet, 18);
  given.ipv4('targetAddress').copy(packet, 24);
  return packet;
}
