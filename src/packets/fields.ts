/** The fields of a packet as a flat list. */
import { invalidArgument } from '../base/errors.js';
import { Header } from './fields/header.js';
import { LAYER_NAMES } from './layers.js';
import { Packet } from './packet.js';

/** What a field can be. */
export type FieldValue = string | number | boolean | Buffer;

/** How many quoted packets are listed, each within the other: a hostile packet may quote thousands. */
const MAX_QUOTED_DEPTH = 4;

/**
 * Lists all fields of a packet, in the order of the bytes, for comparing and printing.
 *
 * @returns Pairs of path and value: `['ipv4.source', '10.0.0.1']`, `['vlans[0].id', 10]`, `['tcp.flags.syn', true]`,
 *   `['quoted.udp.destinationPort', 53]`. At the end `payload` and `trailer`, if there are any. Of packets that quote each
 *   other the first 4.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` if it is not a {@link Packet}.
 *
 * @example
 * ```ts
 * import { decodeFrame, fieldsOf } from 'tapfd/packets';
 *
 * function print(frame: Buffer): void {
 *   for (const [path, value] of fieldsOf(decodeFrame(frame))) console.log(path, value);
 * }
 * ```
 */
export function fieldsOf(packet: Packet): [path: string, value: FieldValue][] {
  const fields: [string, FieldValue][] = [];
  addPacket(fields, '', checkPacket(packet), MAX_QUOTED_DEPTH);
  return fields;
}

export function checkPacket(packet: unknown): Packet {
  if (packet instanceof Packet) return packet;
  throw invalidArgument('packet', 'a Packet, from decodeFrame or decodePacket', packet);
}

function addPacket(fields: [string, FieldValue][], prefix: string, packet: Packet, depth: number): void {
  for (const name of LAYER_NAMES) {
    const layer = packet[name];
    if (layer instanceof Packet) {
      if (depth > 0) addPacket(fields, `${prefix}${name}.`, layer, depth - 1);
    } else if (!(Buffer.isBuffer(layer) && layer.length === 0)) addField(fields, `${prefix}${name}`, layer);
  }
}

function addField(fields: [string, FieldValue][], path: string, value: unknown): void {
  if (isValue(value)) fields.push([path, value]);
  else if (Array.isArray(value)) {
    for (const [place, member] of value.entries()) addField(fields, `${path}[${place}]`, member);
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, member] of Object.entries(plain(value))) addField(fields, `${path}.${name}`, member);
  }
}

/** A header's fields are getters, which `Object.entries` does not see. */
export function plain(value: object): object {
  return value instanceof Header ? value.toJSON() : value;
}

function isValue(value: unknown): value is FieldValue {
  return ['string', 'number', 'boolean'].includes(typeof value) || Buffer.isBuffer(value);
}
