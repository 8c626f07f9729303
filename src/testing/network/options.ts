/** The options of a test network and its hosts, and their checks. */

import { ipText } from '../../addresses/ip.js';
import { checkSignal } from '../../base/abort.js';
import {
  checkBoolean,
  checkInteger,
  checkInterfaceName,
  checkList,
  checkObject,
  checkOptionNames,
  checkPath,
  optional,
} from '../../base/checks.js';
import { invalidArgument } from '../../base/errors.js';
import type { NativeShape } from '../../base/native-links.js';
import { checkIpPrefix, type IpPrefix, type IpPrefixLike } from '../../links/ip-prefix.js';
import { checkUnicastMac } from '../../links/mac.js';

/** Whether a test network works without privilege: `'auto'` if the caller may not make a namespace otherwise. */
export type Rootless = boolean | 'auto';

/** Options of {@link createTestNetwork}. */
export interface TestNetworkOptions {
  /** Closes the network: give it the signal of the test, so that one that times out leaves nothing. */
  signal?: AbortSignal | undefined;
  /**
   * The kernel sends nothing of its own: IPv6 is off, except on links that get an IPv6 address or are opened with
   * `ipv6: true`, and those solicit and announce nothing. No filter looks at bridged frames. Default true.
   */
  quiet?: boolean | undefined;
  /**
   * true: in a user namespace, with no privilege; false: needs CAP_SYS_ADMIN and CAP_NET_ADMIN. Default `'auto'`: false if
   * the caller has the privilege, else true.
   */
  rootless?: Rootless | undefined;
  /** The clone device of TAP and TUN, which the user must be able to open. Default `/dev/net/tun`. */
  devicePath?: string | undefined;
  /**
   * A file in which the traffic of the network's devices is saved (pcapng) when the test fails: when an `expectFrame()`,
   * `expect()` or `none()` on one of them fails, when `signal` is aborted, when the function of {@link withTestNetwork}
   * throws, and when `net.fail()` is called. Default: it is neither kept nor saved.
   */
  onFailure?: string | undefined;
}

export interface CheckedTestNetworkOptions {
  signal: AbortSignal | undefined;
  quiet: boolean;
  rootless: Rootless;
  devicePath: string | undefined;
  onFailure: string | undefined;
}

export function checkTestNetworkOptions(options: unknown): CheckedTestNetworkOptions {
  const given: Partial<Record<keyof TestNetworkOptions, unknown>> = checkObject('options', options);
  checkOptionNames('createTestNetwork', given, ['signal', 'quiet', 'rootless', 'devicePath', 'onFailure']);
  const { rootless = 'auto' } = given;
  if (typeof rootless !== 'boolean' && rootless !== 'auto') {
    throw invalidArgument('rootless', "true, false or 'auto'", rootless);
  }
  return {
    signal: checkSignal(given.signal),
    quiet: optional(given.quiet, (value) => checkBoolean('quiet', value)) ?? true,
    rootless,
    devicePath: optional(given.devicePath, (value) => checkPath('devicePath', value)),
    onFailure: optional(given.onFailure, (value) => checkPath('onFailure', value)),
  };
}

/** A limit to what a link sends: what comes faster waits, and is dropped when too much waits (tc-tbf(8)). */
export interface LinkShape {
  /** Bits a second: 8 at least. */
  rateBitsPerSecond: number;
  /** Bytes that may leave at once: at least one frame. Default: those of 10 ms, 16 KiB at least. */
  burstBytes?: number | undefined;
  /** Bytes that may wait. Default: those of 100 ms, 64 KiB at least. */
  limitBytes?: number | undefined;
}

const MAX_INT = 0x7fff_ffff;
/** Of super-frames, which are shaped as they are: a bucket with less room drops them. */
const MIN_BURST_BYTES = 16 * 1024;
const MIN_LIMIT_BYTES = 64 * 1024;

export function checkLinkShape(shape: unknown): NativeShape {
  const given: Partial<Record<keyof LinkShape, unknown>> = checkObject('shape', shape);
  checkOptionNames('shape', given, ['rateBitsPerSecond', 'burstBytes', 'limitBytes'], 'shape');
  const rate = checkInteger('shape.rateBitsPerSecond', given.rateBitsPerSecond, 8, Number.MAX_SAFE_INTEGER);
  const bytesPerSecond = Math.floor(rate / 8);
  const bytesOf = (name: 'burstBytes' | 'limitBytes', ms: number, least: number) =>
    optional(given[name], (value) => checkInteger(`shape.${name}`, value, 1, MAX_INT)) ??
    Math.min(Math.max(Math.ceil((bytesPerSecond * ms) / 1000), least), MAX_INT);
  return {
    bytesPerSecond,
    burstBytes: bytesOf('burstBytes', 10, MIN_BURST_BYTES),
    limitBytes: bytesOf('limitBytes', 100, MIN_LIMIT_BYTES),
  };
}

/** The link of a host on a wire. */
export interface WireLinkOptions {
  /** Its name. Default `eth` and the lowest free number. */
  name?: string | undefined;
  /** Its MAC: unicast, not zero. Default: the kernel's choice. */
  mac?: string | undefined;
  /** Bytes of the longest packet. Default 1500. */
  mtu?: number | undefined;
  /** Its addresses. */
  addresses?: IpPrefixLike[] | undefined;
}

const WIRE_LINK_NAMES = ['name', 'mac', 'mtu', 'addresses'];

/** The checked link of a host on a wire. */
export interface WireLink {
  name: string;
  mac: string | undefined;
  mtu: number | undefined;
  addresses: readonly IpPrefix[];
}

export function checkWireLink(place: string, link: WireLinkOptions): WireLink {
  checkOptionNames('wire', link, ['host', ...WIRE_LINK_NAMES], place);
  const { name = 'eth%d', mac, mtu, addresses = [] } = link;
  if (name !== 'eth%d') checkInterfaceName(`${place}.name`, name);
  if (mac !== undefined) checkUnicastMac(`${place}.mac`, mac);
  return {
    name,
    mac,
    mtu: optional(mtu, (value) => checkInteger(`${place}.mtu`, value, 68, 65535)),
    addresses: checkList(`${place}.addresses`, addresses, 'an array of addresses', wireAddress),
  };
}

/** On a wire without other hosts nobody can have the address: it is usable at once. */
function wireAddress(argument: string, value: unknown): IpPrefix {
  const { address, prefixLength } = checkIpPrefix(argument, value);
  const parts = typeof value === 'string' ? {} : checkObject(argument, value);
  return { noDad: address.length === 16, ...parts, address: ipText(address), prefixLength };
}

/** Whether a list of addresses, which may not be checked yet, has one of IPv6. */
export function hasIpv6(addresses: readonly unknown[]): boolean {
  return addresses.some((one) => {
    const address = typeof one === 'object' && one !== null && 'address' in one ? one.address : one;
    return typeof address === 'string' && address.includes(':');
  });
}
