/** The types of ICMPv6 messages, and which fields each has. */
import type { NamesByNumber } from '../fields/given.js';
import type { NdOption } from './nd-options.js';

/** The kinds of ICMPv6 messages that have a name here: those of their RFCs. */
export type Icmpv6Type =
  | 'destination-unreachable'
  | 'packet-too-big'
  | 'time-exceeded'
  | 'parameter-problem'
  | 'echo-request'
  | 'echo-reply'
  | 'multicast-listener-query'
  | 'multicast-listener-report'
  | 'multicast-listener-done'
  | 'router-solicitation'
  | 'router-advertisement'
  | 'neighbor-solicitation'
  | 'neighbor-advertisement'
  | 'redirect'
  | 'multicast-listener-report-v2';

export const ICMPV6_TYPES: NamesByNumber<Icmpv6Type> = {
  1: 'destination-unreachable',
  2: 'packet-too-big',
  3: 'time-exceeded',
  4: 'parameter-problem',
  128: 'echo-request',
  129: 'echo-reply',
  130: 'multicast-listener-query',
  131: 'multicast-listener-report',
  132: 'multicast-listener-done',
  133: 'router-solicitation',
  134: 'router-advertisement',
  135: 'neighbor-solicitation',
  136: 'neighbor-advertisement',
  137: 'redirect',
  143: 'multicast-listener-report-v2',
};

/** How much a router that advertises itself is to be preferred (RFC 4191). */
export type RouterPreference = 'medium' | 'high' | 'low' | 'reserved';

export const PREFERENCES: NamesByNumber<RouterPreference> = {
  0: 'medium',
  1: 'high',
  2: 'reserved',
  3: 'low',
};

/** An ICMPv6 message. Fields that its type does not have are undefined. */
export interface Icmpv6 {
  /** A number if it has no name here. */
  readonly type: Icmpv6Type | number;
  /** Says more about the type: of destination-unreachable, 0 no route, 1 prohibited, 3 address, 4 port. */
  readonly code: number;
  /** Of pseudo-header, header and payload. */
  readonly checksum: number;
  /** Echo: tells one program's messages from another's. */
  readonly identifier: number | undefined;
  /** Echo: counts up. */
  readonly sequence: number | undefined;
  /** Packet too big: how long a packet may be. */
  readonly mtu: number | undefined;
  /** Parameter problem: the byte of the quoted packet that is wrong. */
  readonly pointer: number | undefined;
  /** Destination unreachable, time exceeded: length of the quoted packet in words of 8 bytes, if extensions follow it (RFC 4884); else 0. */
  readonly length: number | undefined;
  /** Router advertisement: the hop limit that hosts shall use; 0 is unspecified. */
  readonly hopLimit: number | undefined;
  /** Router advertisement: hosts get their addresses by DHCPv6. */
  readonly managed: boolean | undefined;
  /** Router advertisement: hosts get other settings by DHCPv6. */
  readonly otherConfiguration: boolean | undefined;
  /** Router advertisement: the router is a home agent of mobile IPv6. */
  readonly homeAgent: boolean | undefined;
  /** Router advertisement. */
  readonly preference: RouterPreference | undefined;
  /** Router advertisement: seconds for which it is a default router; 0: it is none. */
  readonly routerLifetime: number | undefined;
  /** Router advertisement: milliseconds for which a neighbour counts as reachable; 0 is unspecified. */
  readonly reachableTime: number | undefined;
  /** Router advertisement: milliseconds between solicitations; 0 is unspecified. */
  readonly retransTimer: number | undefined;
  /** Neighbour advertisement: the sender is a router. */
  readonly router: boolean | undefined;
  /** Neighbour advertisement: it answers a solicitation. */
  readonly solicited: boolean | undefined;
  /** Neighbour advertisement: it replaces the MAC that is known. */
  readonly override: boolean | undefined;
  /** Neighbour solicitation and advertisement: the address in question. Redirect: the better next hop. */
  readonly target: string | undefined;
  /** Redirect: whose next hop it is. */
  readonly destination: string | undefined;
  /** Multicast listener discovery, version 1: milliseconds within which to report. */
  readonly maximumResponseDelay: number | undefined;
  /** Multicast listener discovery, version 1: the group. */
  readonly multicastAddress: string | undefined;
  /** Other types: the second four bytes of the message. */
  readonly rest: number | undefined;
  /** Neighbour discovery: in their order. */
  readonly options: readonly NdOption[] | undefined;
}

export const ICMPV6_NAMES = [
  'type',
  'code',
  'checksum',
  'identifier',
  'sequence',
  'mtu',
  'pointer',
  'length',
  'hopLimit',
  'managed',
  'otherConfiguration',
  'homeAgent',
  'preference',
  'routerLifetime',
  'reachableTime',
  'retransTimer',
  'router',
  'solicited',
  'override',
  'target',
  'destination',
  'maximumResponseDelay',
  'multicastAddress',
  'rest',
  'options',
] as const;

/** A field that only some types have. */
export type Special = Exclude<(typeof ICMPV6_NAMES)[number], 'type' | 'code' | 'checksum'>;

interface Kind {
  /** Without options. */
  readonly bytes: number;
  readonly fields: readonly Special[];
}

const ECHO: Kind = { bytes: 8, fields: ['identifier', 'sequence'] };
const LISTENER: Kind = { bytes: 24, fields: ['maximumResponseDelay', 'multicastAddress'] };
const OTHER: Kind = { bytes: 8, fields: ['rest'] };
const KINDS: Readonly<Partial<Record<Icmpv6Type | number, Kind>>> = {
  'destination-unreachable': { bytes: 8, fields: ['length'] },
  'time-exceeded': { bytes: 8, fields: ['length'] },
  'packet-too-big': { bytes: 8, fields: ['mtu'] },
  'parameter-problem': { bytes: 8, fields: ['pointer'] },
  'echo-request': ECHO,
  'echo-reply': ECHO,
  'multicast-listener-query': LISTENER,
  'multicast-listener-report': LISTENER,
  'multicast-listener-done': LISTENER,
  'router-solicitation': { bytes: 8, fields: ['options'] },
  'router-advertisement': {
    bytes: 16,
    fields: [
      'hopLimit',
      'managed',
      'otherConfiguration',
      'homeAgent',
      'preference',
      'routerLifetime',
      'reachableTime',
      'retransTimer',
      'options',
    ],
  },
  'neighbor-solicitation': { bytes: 24, fields: ['target', 'options'] },
  'neighbor-advertisement': { bytes: 24, fields: ['router', 'solicited', 'override', 'target', 'options'] },
  redirect: { bytes: 40, fields: ['target', 'destination', 'options'] },
};

export function kindOf(type: Icmpv6Type | number): Kind {
  return KINDS[type] ?? OTHER;
}

/** The types whose payload begins with the packet that caused them. */
export const ICMPV6_ERRORS: readonly (Icmpv6Type | number)[] = [
  'destination-unreachable',
  'packet-too-big',
  'time-exceeded',
  'parameter-problem',
];

/** How long the message is whose first byte is `number`, without options; and whether it has any. */
export function icmpv6Layout(number: number): { bytes: number; hasOptions: boolean } {
  const { bytes, fields } = kindOf(ICMPV6_TYPES[number] ?? number);
  return { bytes, hasOptions: fields.includes('options') };
}
