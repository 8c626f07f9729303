/** Keeps the kernel from sending anything of its own accord in a namespace. */
import { TapfdError } from '../../base/errors.js';
import { native } from '../../base/native.js';
import { nativeCall } from '../../base/native-call.js';
import { openNetns } from '../../links/namespace.js';
import type { Netns } from '../../links/netns.js';

/**
 * `Documentation/networking/ip-sysctl.rst`. IPv6 is off, and where a link switches it on again it makes itself no address
 * and solicits nothing.
 */
const QUIET: readonly (readonly [string, string])[] = [
  ['net/ipv6/conf/default/addr_gen_mode', '1'],
  ['net/ipv6/conf/default/accept_ra', '0'],
  ['net/ipv6/conf/default/router_solicitations', '0'],
  ['net/ipv6/conf/default/dad_transmits', '0'],
  ['net/ipv6/conf/default/disable_ipv6', '1'],
  ['net/ipv6/conf/all/disable_ipv6', '1'],
];

/** Where br_netfilter is loaded, it drops bridged frames that are not quite valid. */
const NO_FILTERS = ['iptables', 'ip6tables', 'arptables'].map(
  (name) => [`net/bridge/bridge-nf-call-${name}`, '0'] as const,
);

export async function makeQuiet(netns: Netns): Promise<void> {
  for (const [name, value] of [...QUIET, ...NO_FILTERS]) await setSysctl(netns, name, value);
}

/** Switches IPv6 on again for one link. */
export async function allowIpv6(netns: Netns, link: string): Promise<void> {
  await setSysctl(netns, `net/ipv6/conf/${link}/disable_ipv6`, '0');
}

async function setSysctl(netns: Netns, name: string, value: string): Promise<void> {
  const ns = await openNetns('netns', netns);
  try {
    await nativeCall(
      { operation: 'createTestNetwork' },
      () => native().writeSysctl(ns, name, value),
      async () => '/proc/sys must be writable to keep the kernel quiet: make it so, or set quiet: false',
    );
  } catch (error) {
    // A kernel without IPv6, or without the module.
    if (!(error instanceof TapfdError && error.code === 'ENOENT')) throw error;
  } finally {
    ns.close();
  }
}
