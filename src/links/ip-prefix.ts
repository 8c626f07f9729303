/** IP addresses with a prefix length, as interfaces have them: `10.0.0.1/24`, `fd00::1/64`. */
import { ipBytes } from '../addresses/ip.js';
import { checkBoolean, checkInteger, checkObject, checkOptionNames, optional } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import type { NativeIpPrefix } from '../base/native-links.js';

/** An address for a link. */
export interface IpPrefix {
  /** IPv4 or IPv6, without a zone (`%eth0`). */
  address: string;
  /** 0 to 32 or 128. */
  prefixLength: number;
  /**
   * IPv6: usable immediately, without duplicate address detection, which takes more than a second and never ends on a
   * link without carrier. Default false.
   */
  noDad?: boolean | undefined;
  /** The other end of a point-to-point link, in the same family. `prefixLength` is then that of the peer's network. */
  peer?: string | undefined;
  /** IPv4: the broadcast address of the network. Default: none. */
  broadcast?: string | undefined;
  /** How long the address exists, 1 to 4294967294. Default: without end. */
  validLifetimeSec?: number | undefined;
  /** How long it may be the source of new connections, 0 to `validLifetimeSec`. Default: as long as it exists. */
  preferredLifetimeSec?: number | undefined;
}

/** `net/addrconf.h` INFINITY_LIFE_TIME means without end. */
const MAX_LIFETIME = 0xffff_fffe;

const PREFIX_NAMES = [
  'address',
  'prefixLength',
  'noDad',
  'peer',
  'broadcast',
  'validLifetimeSec',
  'preferredLifetimeSec',
];

/** Text `ADDRESS/LENGTH`, or its parts. */
export type IpPrefixLike = string | IpPrefix;

/** An IPv4 or IPv6 address as text, without a zone. */
export function checkIpAddress(argument: string, value: unknown): string {
  checkIpBytes(argument, value);
  return String(value);
}

/** Its 4 or 16 bytes. */
function checkIpBytes(argument: string, value: unknown): Buffer {
  const bytes = typeof value === 'string' ? ipBytes(value) : undefined;
  if (bytes === undefined) throw invalidArgument(argument, 'an IPv4 or IPv6 address', value);
  return bytes;
}

/** Checks the value of the option `argument`, and parses it. `alsoKnown`: keys that it may have, too, without effect. */
export function checkIpPrefix(
  argument: string,
  value: unknown,
  alsoKnown: readonly string[] = [],
): NativeIpPrefix {
  if (typeof value === 'string') return fromText(argument, value);
  const given: { [name in keyof IpPrefix]?: unknown } = checkObject(argument, value);
  checkOptionNames(argument, given, [...PREFIX_NAMES, ...alsoKnown], argument);
  const address = checkIpBytes(`${argument}.address`, given.address);
  const valid = checkLifetime(`${argument}.validLifetimeSec`, given.validLifetimeSec, 1, MAX_LIFETIME);
  const preferred = checkLifetime(
    `${argument}.preferredLifetimeSec`,
    given.preferredLifetimeSec,
    0,
    valid ?? MAX_LIFETIME,
  );
  const peer = checkSameFamily(`${argument}.peer`, given.peer, address);
  const broadcast = checkSameFamily(`${argument}.broadcast`, given.broadcast, address);
  if (broadcast?.length === 16) {
    throw invalidArgument(`${argument}.broadcast`, 'left out: IPv6 has no broadcast', given.broadcast);
  }
  return {
    address,
    prefixLength: checkInteger(`${argument}.prefixLength`, given.prefixLength, 0, address.length * 8),
    noDad: given.noDad === undefined ? false : checkBoolean(`${argument}.noDad`, given.noDad),
    ...(peer && { peer }),
    ...(broadcast && { broadcast }),
    ...(valid !== undefined && { validLifetimeSec: valid }),
    ...(preferred !== undefined && { preferredLifetimeSec: preferred }),
  };
}

function checkLifetime(argument: string, value: unknown, min: number, max: number): number | undefined {
  return optional(value, (seconds) => checkInteger(argument, seconds, min, max));
}

function checkSameFamily(argument: string, value: unknown, as: Uint8Array): Uint8Array | undefined {
  return optional(value, (given) => {
    const bytes = checkIpBytes(argument, given);
    if (bytes.length === as.length) return bytes;
    throw invalidArgument(argument, 'of the same family as the address', given);
  });
}

function fromText(argument: string, text: string): NativeIpPrefix {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  if (match?.[1] === undefined) {
    throw invalidArgument(argument, 'an address with its prefix length, such as "10.0.0.1/24"', text);
  }
  const address = checkIpBytes(argument, match[1]);
  const prefixLength = Number(match[2]);
  const longest = address.length * 8;
  if (prefixLength > longest) {
    throw invalidArgument(argument, `an address with a prefix length from 0 to ${longest}`, text);
  }
  return { address, prefixLength, noDad: false };
}
