/** The options of DHCPv4 (RFC 2132, RFC 3442). */
import { ipv4Text } from '../../addresses/ip.js';
import { checkInteger, checkList } from '../../base/checks.js';
import { invalidArgument } from '../../base/errors.js';
import { checkIpv4, checkNamed, Given, type NamesByNumber } from '../fields/given.js';
import { u16, u32 } from '../fields/header.js';
import { numbers } from './tcp-options.js';

/** What a DHCP message is. */
export type DhcpMessageType =
  | 'discover'
  | 'offer'
  | 'request'
  | 'decline'
  | 'ack'
  | 'nak'
  | 'release'
  | 'inform';

export const MESSAGE_TYPES: NamesByNumber<DhcpMessageType> = {
  1: 'discover',
  2: 'offer',
  3: 'request',
  4: 'decline',
  5: 'ack',
  6: 'nak',
  7: 'release',
  8: 'inform',
};

/** An option of DHCPv4. What the library does not know, or is malformed, has its number as `type`, and `data`. */
export type DhcpOption =
  | { readonly type: 'pad' | 'end' }
  | { readonly type: 'message-type'; readonly value: DhcpMessageType | number }
  | {
      readonly type: 'subnet-mask' | 'broadcast-address' | 'requested-address' | 'server-identifier';
      readonly address: string;
    }
  | {
      readonly type: 'routers' | 'dns-servers' | 'ntp-servers';
      readonly addresses: readonly string[];
    }
  | {
      readonly type: 'lease-time' | 'renewal-time' | 'rebinding-time';
      /** 4294967295 is without end. */
      readonly seconds: number;
    }
  | { readonly type: 'interface-mtu' | 'maximum-message-size'; readonly bytes: number }
  | {
      readonly type: 'host-name' | 'domain-name' | 'message' | 'vendor-class';
      /** Each byte is one character: a hostile one may send any. */
      readonly text: string;
    }
  | {
      readonly type: 'parameter-request-list';
      /** Numbers of the options that the client asks for. */
      readonly codes: readonly number[];
    }
  | { readonly type: number; readonly data: Buffer };

const TYPES: NamesByNumber<string> = {
  0: 'pad',
  1: 'subnet-mask',
  3: 'routers',
  6: 'dns-servers',
  12: 'host-name',
  15: 'domain-name',
  26: 'interface-mtu',
  28: 'broadcast-address',
  42: 'ntp-servers',
  50: 'requested-address',
  51: 'lease-time',
  53: 'message-type',
  54: 'server-identifier',
  55: 'parameter-request-list',
  56: 'message',
  57: 'maximum-message-size',
  58: 'renewal-time',
  59: 'rebinding-time',
  60: 'vendor-class',
  255: 'end',
};
const PAD = 0;
const END = 255;

/** Where the options that begin at `at` end: after the end option, or at one that does not fit. */
export function dhcpOptionsEnd(
  bytes: Uint8Array,
  at: number,
  end: number,
): { end: number; isComplete: boolean } {
  let place = at;
  while (place < end) {
    const code = bytes[place];
    if (code === END) return { end: place + 1, isComplete: true };
    const length = code === PAD ? 1 : 2 + bytes[place + 1];
    if (place + length > end || (code !== PAD && place + 1 >= end)) return { end: place, isComplete: false };
    place += length;
  }
  return { end: place, isComplete: false };
}

/** The options from `at` to `end`, as {@link dhcpOptionsEnd} has found it. */
export function readDhcpOptions(bytes: Buffer, at: number, end: number): DhcpOption[] {
  const options: DhcpOption[] = [];
  let place = at;
  while (place < end) {
    const code = bytes[place];
    if (code === PAD || code === END) {
      options.push({ type: code === PAD ? 'pad' : 'end' });
      place += 1;
      continue;
    }
    const next = place + 2 + bytes[place + 1];
    options.push(readOption(code, bytes.subarray(place + 2, next)));
    place = next;
  }
  return options;
}

function readOption(code: number, data: Buffer): DhcpOption {
  const type = TYPES[code];
  switch (type) {
    case 'message-type':
      if (data.length !== 1) break;
      return { type, value: MESSAGE_TYPES[data[0]] ?? data[0] };
    case 'subnet-mask':
    case 'broadcast-address':
    case 'requested-address':
    case 'server-identifier':
      if (data.length !== 4) break;
      return { type, address: ipv4Text(data) };
    case 'routers':
    case 'dns-servers':
    case 'ntp-servers':
      if (data.length === 0 || data.length % 4 !== 0) break;
      return { type, addresses: readAddresses(data) };
    case 'lease-time':
    case 'renewal-time':
    case 'rebinding-time':
      if (data.length !== 4) break;
      return { type, seconds: u32(data, 0) };
    case 'interface-mtu':
    case 'maximum-message-size':
      if (data.length !== 2) break;
      return { type, bytes: u16(data, 0) };
    case 'host-name':
    case 'domain-name':
    case 'message':
    case 'vendor-class':
      return { type, text: data.toString('latin1') };
    case 'parameter-request-list':
      return { type, codes: [...data] };
  }
  return { type: code, data };
}

function readAddresses(data: Buffer): string[] {
  const addresses: string[] = [];
  for (let place = 0; place < data.length; place += 4) addresses.push(ipv4Text(data, place));
  return addresses;
}

export function encodeDhcpOption(argument: string, value: unknown): Buffer {
  const given = new Given(argument, value);
  const type = given.value('type');
  const code = checkNamed(given.argument('type'), type, TYPES, 0xff);
  if (type === 'pad' || type === 'end') {
    given.refuseOthers(['type'], `DHCP option ${type}`);
    return Buffer.from([code]);
  }
  if (code === PAD || code === END) {
    throw invalidArgument(given.argument('type'), `'${TYPES[code]}', which has no data`, type);
  }
  const data = encodeData(given, type);
  if (data.length > 0xff) throw invalidArgument(argument, 'at most 255 bytes', value);
  return Buffer.concat([Buffer.from([code, data.length]), data]);
}

function encodeData(given: Given, type: unknown): Buffer {
  const only = (name: string) => given.refuseOthers(['type', name], `DHCP option ${type}`);
  switch (type) {
    case 'message-type':
      only('value');
      return numbers(1, given.named('value', MESSAGE_TYPES, 0xff));
    case 'subnet-mask':
    case 'broadcast-address':
    case 'requested-address':
    case 'server-identifier':
      only('address');
      return given.ipv4('address');
    case 'routers':
    case 'dns-servers':
    case 'ntp-servers':
      only('addresses');
      return Buffer.concat(
        checkList(given.argument('addresses'), given.value('addresses'), 'a list', checkIpv4),
      );
    case 'lease-time':
    case 'renewal-time':
    case 'rebinding-time':
      only('seconds');
      return numbers(4, given.integer('seconds', 0xffff_ffff));
    case 'interface-mtu':
    case 'maximum-message-size':
      only('bytes');
      return numbers(2, given.integer('bytes', 0xffff));
    case 'host-name':
    case 'domain-name':
    case 'message':
    case 'vendor-class':
      only('text');
      return Buffer.from(given.text('text'), 'latin1');
    case 'parameter-request-list':
      only('codes');
      return Buffer.from(checkList(given.argument('codes'), given.value('codes'), 'a list', checkByte));
    default:
      only('data');
      return given.bytes('data');
  }
}

function checkByte(argument: string, value: unknown): number {
  return checkInteger(argument, value, 0, 0xff);
}
