/** Patterns of packets, and the check that they name only what exists. */
import { checkBytes, checkObject, checkOptionNames, isList } from '../base/checks.js';
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
  readonly quoted?: PacketPattern | null | undefined;
};

/** The names that exist below a name; undefined where there is a value, not an object. */
interface Shape {
  readonly [name: string]: Shape | undefined;
}

function values(names: readonly string[]): Shape {
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

function options(...names: string[]): Shape {
  return values(['type', 'data', ...names]);
}

const HEADERS: Shape = {
  ethernet: values(ETHERNET_NAMES),
  vlans: values(VLAN_NAMES),
  arp: values(ARP_NAMES),
  ipv4: values(IPV4_NAMES),
  ipv6: {
    ...values(IPV6_NAMES),
    extensions: options(
      'nextHeader',
      'routingType',
      'segmentsLeft',
      'fragmentOffset',
      'moreFragments',
      'identification',
      'spi',
      'sequence',
      'icv',
    ),
  },
  icmp: values(ICMP_NAMES),
  icmpv6: {
    ...values(ICMPV6_NAMES),
    options: options(
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
    ),
  },
  udp: values(UDP_NAMES),
  tcp: {
    ...values(TCP_NAMES),
    flags: values(TCP_FLAG_NAMES),
    options: { ...options('value', 'shift', 'echo'), blocks: values(['left', 'right']) },
  },
  dhcp: {
    ...values(DHCP_NAMES),
    options: options('value', 'address', 'addresses', 'seconds', 'bytes', 'text', 'codes'),
  },
  payload: undefined,
  trailer: undefined,
};

/** A name that no packet has would never match, or always: it is refused. */
export function checkPattern(pattern: unknown, path = '', depth = 0): void {
  const given = checkObject(path || 'pattern', pattern);
  checkOptionNames('a packet', given, [...Object.keys(HEADERS), 'quoted'], path || undefined);
  for (const [name, value] of Object.entries(given)) {
    const inner = path === '' ? name : `${path}.${name}`;
    if (name !== 'quoted') checkPart(inner, value, HEADERS[name]);
    else if (typeof value === 'object' && value !== null) {
      if (depth === 8) throw invalidArgument(inner, 'at most 8 packets deep', value);
      checkPattern(value, inner, depth + 1);
    }
  }
}

function checkPart(path: string, value: unknown, shape: Shape | undefined): void {
  if (value === undefined || value === null || typeof value === 'function') return;
  if (isList(value)) {
    for (const [place, member] of value.entries()) checkPart(`${path}[${place}]`, member, shape);
    return;
  }
  if (shape === undefined) {
    checkLiteral(path, value);
    return;
  }
  const given = checkObject(path, value);
  checkOptionNames(path, given, Object.keys(shape), path);
  for (const [name, member] of Object.entries(given)) checkPart(`${path}.${name}`, member, shape[name]);
}

function checkLiteral(path: string, value: unknown): void {
  if (['string', 'number', 'boolean'].includes(typeof value) || value instanceof RegExp) return;
  checkBytes(path, value, 'text, a number, a boolean, bytes, a RegExp, a function or null');
}
