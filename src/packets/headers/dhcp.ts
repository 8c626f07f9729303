/** DHCPv4 (RFC 2131). */
import { ipv4Text } from '../../addresses/ip.js';
import { macText } from '../../addresses/mac.js';
import { invalidArgument } from '../../base/errors.js';
import { Given, type NamesByNumber } from '../fields/given.js';
import { type Fields, Header, u32 } from '../fields/header.js';
import {
  type DhcpMessageType,
  type DhcpOption,
  encodeDhcpOption,
  MESSAGE_TYPES,
  readDhcpOptions,
} from './dhcp-options.js';

/** Up to the magic cookie, which is part of it. */
export const DHCP_BYTES = 240;
const MAGIC_COOKIE = 0x6382_5363;
export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;
const [NAME_AT, NAME_BYTES] = [44, 64];
const [FILE_AT, FILE_BYTES] = [108, 128];
const NO_ADDRESS = '0.0.0.0';

/** Who sends a DHCP message: a client the requests, a server the replies. */
export type DhcpOperation = 'request' | 'reply';

const OPERATIONS: NamesByNumber<DhcpOperation> = { 1: 'request', 2: 'reply' };

/** A DHCPv4 message; in brackets the names of RFC 2131. */
export interface Dhcp {
  /** From client to server or back (op). */
  readonly operation: DhcpOperation | number;
  /** 1: Ethernet (htype). */
  readonly hardwareType: number;
  /** Bytes of the client's hardware address (hlen). */
  readonly hardwareLength: number;
  /** Relays on the way (hops). */
  readonly hops: number;
  /** Chosen by the client (xid). */
  readonly transactionId: number;
  /** Since the client began (secs). */
  readonly seconds: number;
  /** The client cannot receive unicast yet (flags). */
  readonly broadcast: boolean;
  /** The client's address, if it has one (ciaddr). */
  readonly clientAddress: string;
  /** The address that the client gets (yiaddr). */
  readonly yourAddress: string;
  /** The server to boot from (siaddr). */
  readonly serverAddress: string;
  /** The relay (giaddr). */
  readonly relayAddress: string;
  /** The client's MAC (chaddr). */
  readonly clientMac: string;
  /** Up to 64 characters, one for each byte (sname). */
  readonly serverName: string;
  /** Up to 128 characters, one for each byte (file). */
  readonly bootFile: string;
  /** That of the first option `message-type`; undefined without one: BOOTP. */
  readonly messageType: DhcpMessageType | number | undefined;
  /** In their order. */
  readonly options: readonly DhcpOption[];
}

export const DHCP_NAMES = [
  'operation',
  'hardwareType',
  'hardwareLength',
  'hops',
  'transactionId',
  'seconds',
  'broadcast',
  'clientAddress',
  'yourAddress',
  'serverAddress',
  'relayAddress',
  'clientMac',
  'serverName',
  'bootFile',
  'messageType',
  'options',
] as const;

/** Whether these bytes, which are at least {@link DHCP_BYTES}, are DHCP. */
export function isDhcp(bytes: Uint8Array, at: number): boolean {
  return u32(bytes, at + DHCP_BYTES - 4) === MAGIC_COOKIE;
}

export class DhcpHeader extends Header implements Dhcp {
  /** Of the options. */
  readonly #end: number;

  constructor(bytes: Buffer, at: number, end: number) {
    super(bytes, at);
    this.#end = end;
  }

  get names() {
    return DHCP_NAMES;
  }
  get operation() {
    return OPERATIONS[this.u8(0)] ?? this.u8(0);
  }
  get hardwareType() {
    return this.u8(1);
  }
  get hardwareLength() {
    return this.u8(2);
  }
  get hops() {
    return this.u8(3);
  }
  get transactionId() {
    return this.u32(4);
  }
  get seconds() {
    return this.u16(8);
  }
  get broadcast() {
    return (this.u8(10) & 0x80) !== 0;
  }
  get clientAddress() {
    return ipv4Text(this.bytes, this.at + 12);
  }
  get yourAddress() {
    return ipv4Text(this.bytes, this.at + 16);
  }
  get serverAddress() {
    return ipv4Text(this.bytes, this.at + 20);
  }
  get relayAddress() {
    return ipv4Text(this.bytes, this.at + 24);
  }
  get clientMac() {
    return macText(this.bytes, this.at + 28);
  }
  get serverName() {
    return this.#text(NAME_AT, NAME_BYTES);
  }
  get bootFile() {
    return this.#text(FILE_AT, FILE_BYTES);
  }
  get messageType() {
    return this.options.find((option) => option.type === 'message-type')?.value;
  }
  get options() {
    return readDhcpOptions(this.bytes, this.at + DHCP_BYTES, this.#end);
  }

  #text(at: number, length: number): string {
    const text = this.bytes.toString('latin1', this.at + at, this.at + at + length);
    const end = text.indexOf('\0');
    return end === -1 ? text : text.slice(0, end);
  }
}

/** A DHCPv4 message to encode. `messageType` and the end option are added if `options` has none. */
export type DhcpFields = Fields<Dhcp, 'operation'>;

/** The message, and the ports that it is sent from and to. */
export function encodeDhcp(
  value: unknown,
  source: unknown,
): { message: Buffer; ports: { source: number; destination: number } } {
  const given = new Given('dhcp', value, DHCP_NAMES);
  const message = Buffer.alloc(DHCP_BYTES);
  const operation = given.named('operation', OPERATIONS, 0xff);
  const isReply = OPERATIONS[operation] === 'reply';
  message.writeUInt8(operation, 0);
  message.writeUInt8(given.integer('hardwareType', 0xff, 1), 1);
  message.writeUInt8(given.integer('hardwareLength', 0xff, 6), 2);
  message.writeUInt8(given.integer('hops', 0xff, 0), 3);
  message.writeUInt32BE(given.integer('transactionId', 0xffff_ffff, 0), 4);
  message.writeUInt16BE(given.integer('seconds', 0xffff, 0), 8);
  message.writeUInt8(given.bit('broadcast', 0x80), 10);
  given.ipv4('clientAddress', NO_ADDRESS).copy(message, 12);
  given.ipv4('yourAddress', NO_ADDRESS).copy(message, 16);
  given.ipv4('serverAddress', NO_ADDRESS).copy(message, 20);
  given.ipv4('relayAddress', NO_ADDRESS).copy(message, 24);
  given.mac('clientMac', isReply ? undefined : source).copy(message, 28);
  writeText(given, 'serverName', message, NAME_AT, NAME_BYTES);
  writeText(given, 'bootFile', message, FILE_AT, FILE_BYTES);
  message.writeUInt32BE(MAGIC_COOKIE, DHCP_BYTES - 4);
  const [from, to] = isReply ? [DHCP_SERVER_PORT, DHCP_CLIENT_PORT] : [DHCP_CLIENT_PORT, DHCP_SERVER_PORT];
  return {
    message: Buffer.concat([message, encodeOptions(given)]),
    ports: { source: from, destination: to },
  };
}

function writeText(given: Given, name: string, message: Buffer, at: number, max: number): void {
  const text = given.text(name);
  if (text.length > max) throw invalidArgument(given.argument(name), `at most ${max} characters`, text);
  message.write(text, at, 'latin1');
}

function encodeOptions(given: Given): Buffer {
  const options = given.list('options', encodeDhcpOption);
  const all = readDhcpOptions(options, 0, options.length);
  const first = all.find((option) => option.type === 'message-type');
  const parts = [options];
  if (given.has('messageType')) {
    const number = given.named('messageType', MESSAGE_TYPES, 0xff);
    if (first === undefined) parts.unshift(Buffer.from([53, 1, number]));
    else if (first.value !== (MESSAGE_TYPES[number] ?? number)) {
      throw invalidArgument(
        'dhcp.messageType',
        `${first.value}, as in dhcp.options`,
        given.value('messageType'),
      );
    }
  }
  if (!all.some(({ type }) => type === 'end')) parts.push(Buffer.from([255]));
  return Buffer.concat(parts);
}
