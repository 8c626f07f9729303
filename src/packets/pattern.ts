/** Patterns of packets, and the check that they name only what exists. */
import { checkBytes, checkList, checkObject, checkOptionNames } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { ARP_NAMES } from './headers/arp.js';
import { DHCP_NAMES } from './headers/dhcp.js';
import { ETHERNET_NAMES, VLAN_NAMES } from './headers/ethernet.js';
import { ICMP_NAMES } from './headers/icmp.js';
import { ICMPV6_NAMES } from './headers/icmpv6-types.js';
import { IPV4_NAMES } from './headers/ipv4.js';
import { IPV6_NAMES } from './headers/ipv6.js';
import { TCP_FLAG_NAMES, TCP_NAMES } from './headers/tcp.js';
import { UDP_NAMES } from './headers/udp.js';
import type { DecodedLayers } from './layers.js';
import type { Packet } from './packet.js';

/**
 * What a value shall be: the value itself (an address in any of its spellings), a RegExp for its text, a function that
 * says whether it fits, `null` for "absent"; or an object or a list of such for its parts. What is left out, or undefined,
 * may be anything. A list must have all members.
 */
export type Pattern<T> =
  | null
  | ((value: T | undefined) => boolean)
  | (T extends Uint8Array
      ? Uint8Array | RegExp
      : T extends string
        ? string | RegExp
        : T extends number | boolean
          ? T | RegExp
          : T extends readonly (infer Member)[]
            ? readonly Pattern<Member>[]
            : { readonly [name in keyof T]?: Pattern<Exclude<T[name], undefined>> | undefined });

/** The part of a packet that matters, in the shape in which it is decoded. */
export type PacketPattern = {
  readonly [name in keyof DecodedLayers]?: Pattern<Exclude<DecodedLayers[name], undefined>> | undefined;
} & {
  /** The packet that an ICMP error quotes. */
  readonly quoted?: PacketPattern | null | ((packet: Packet | undefined) => boolean) | undefined;
};

type ValueType = 'string' | 'number' | 'boolean' | 'bytes';

/** What a name stands for: a value of one of these types, a list, or an object. */
type Shape =
  | { readonly types: readonly ValueType[] }
  | { readonly members: Shape }
  | { readonly fields: FieldShapes };

interface FieldShapes {
  readonly [name: string]: Shape | undefined;
}

const NUMBER: Shape = { types: ['number'] };
const TEXT: Shape = { types: ['string'] };
const FLAG: Shape = { types: ['boolean'] };
const BYTES: Shape = { types: ['bytes'] };
/** The name of a number, or a number without one. */
const NAMED: Shape = { types: ['string', 'number'] };

/** The fields that are no numbers. A name means the same in all headers, except where a header says otherwise. */
const SHAPES: FieldShapes = {
  ...each(TEXT, ['source', 'destination', 'senderMac', 'senderAddress', 'targetMac', 'targetAddress']),
  ...each(TEXT, ['gateway', 'target', 'multicastAddress', 'mac', 'prefix', 'address', 'text', 'preference']),
  ...each(TEXT, ['clientAddress', 'yourAddress', 'serverAddress', 'relayAddress', 'clientMac']),
  ...each(TEXT, ['serverName', 'bootFile']),
  ...each(FLAG, ['dropEligible', 'dontFragment', 'moreFragments', 'broadcast', 'onLink', 'autonomous']),
  ...each(FLAG, ['managed', 'otherConfiguration', 'homeAgent', 'router', 'solicited', 'override']),
  ...each(NAMED, ['type', 'operation', 'messageType', 'value']),
  ...each(BYTES, ['data', 'icv']),
  addresses: { members: TEXT },
  codes: { members: NUMBER },
};

function each(shape: Shape, names: readonly string[]): FieldShapes {
  return Object.fromEntries(names.map((name) => [name, shape]));
}

function header(names: readonly string[], others: FieldShapes = {}): Shape {
  return {
    fields: { ...Object.fromEntries(names.map((name) => [name, SHAPES[name] ?? NUMBER])), ...others },
  };
}

/** A list of options or extension headers, with the fields of all of them. */
function options(names: readonly string[], others: FieldShapes = {}): Shape {
  return { members: header(['type', 'data', ...names], others) };
}

const IPV6_EXTENSIONS = options([
  'nextHeader',
  'routingType',
  'segmentsLeft',
  'fragmentOffset',
  'moreFragments',
  'identification',
  'spi',
  'sequence',
  'icv',
]);
const ND_OPTIONS = options([
  'mac',
  'prefixLength',
  'onLink',
  'autonomous',
  'validLifetime',
  'preferredLifetime',
  'prefix',
  'mtu',
  'lifetime',
  'addresses',
]);
const TCP_OPTIONS = options(['value', 'shift', 'echo'], { blocks: { members: header(['left', 'right']) } });
const DHCP_OPTIONS = options(['value', 'address', 'addresses', 'seconds', 'bytes', 'text', 'codes']);

const HEADERS: FieldShapes = {
  ethernet: header(ETHERNET_NAMES),
  vlans: { members: header(VLAN_NAMES) },
  arp: header(ARP_NAMES),
  ipv4: header(IPV4_NAMES, { options: BYTES }),
  ipv6: header(IPV6_NAMES, { extensions: IPV6_EXTENSIONS }),
  icmp: header(ICMP_NAMES),
  icmpv6: header(ICMPV6_NAMES, { options: ND_OPTIONS }),
  udp: header(UDP_NAMES),
  tcp: header(TCP_NAMES, {
    flags: { fields: each(FLAG, TCP_FLAG_NAMES) },
    options: TCP_OPTIONS,
  }),
  dhcp: header(DHCP_NAMES, { options: DHCP_OPTIONS }),
  payload: BYTES,
  trailer: BYTES,
};

/** An object that contains itself has no end. */
const MAX_QUOTED_DEPTH = 8;

/** A name that no packet has, and a value of a type that its field never has, would never match, or always: refused. */
export function checkPattern(pattern: unknown, path = '', depth = 0): void {
  const given = checkObject(path || 'pattern', pattern);
  checkOptionNames('a packet', given, [...Object.keys(HEADERS), 'quoted'], path || undefined);
  for (const [name, value] of Object.entries(given)) {
    const inner = path === '' ? name : `${path}.${name}`;
    if (name !== 'quoted') checkPart(inner, value, HEADERS[name]);
    else if (value !== undefined && value !== null && typeof value !== 'function') {
      if (depth === MAX_QUOTED_DEPTH) {
        throw invalidArgument(inner, `at most ${MAX_QUOTED_DEPTH} packets deep`, value);
      }
      checkPattern(value, inner, depth + 1);
    }
  }
}

function checkPart(path: string, value: unknown, shape: Shape | undefined): void {
  if (value === undefined || value === null || typeof value === 'function' || shape === undefined) return;
  if ('types' in shape) checkLiteral(path, value, shape.types);
  else if ('members' in shape) {
    checkList(path, value, 'a list, a function or null', (member, one) =>
      checkPart(member, one, shape.members),
    );
  } else {
    if (value instanceof RegExp || ArrayBuffer.isView(value)) {
      throw invalidArgument(path, 'an object, a function or null', value);
    }
    const given = checkObject(path, value);
    checkOptionNames(path, given, Object.keys(shape.fields), path);
    for (const [name, member] of Object.entries(given)) {
      checkPart(`${path}.${name}`, member, shape.fields[name]);
    }
  }
}

const TYPE_TEXTS: Readonly<Record<ValueType, string>> = {
  string: 'text',
  number: 'a number',
  boolean: 'a boolean',
  bytes: 'bytes',
};

function checkLiteral(path: string, value: unknown, types: readonly ValueType[]): void {
  if (value instanceof RegExp || types.some((type) => type === typeof value)) return;
  const expected = `${types.map((type) => TYPE_TEXTS[type]).join(', ')}, a RegExp, a function or null`;
  if (!types.includes('bytes')) throw invalidArgument(path, expected, value);
  checkBytes(path, value, expected);
}
