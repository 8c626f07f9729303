/** Why an opening call could not set up its link: what the link itself tells. */

import type { TapfdError } from '../base/errors.js';
import { native } from '../base/native.js';
import type { NamespaceHandle, NativeLink } from '../base/native-links.js';
import type { NativeLinkSettings } from '../base/native-queue.js';
import { hasCapability } from '../base/permission.js';
import { isUp } from '../links/link.js';

/** RFC 8200, and `linux/ipv6.h` IPV6_MIN_MTU. */
const MIN_IPV6_MTU = 1280;

/**
 * Cause and remedy of a failed rtnetlink request about the link; undefined if the link does not tell.
 *
 * @param below - The bridge or the lower device. A link that the failed call had made is gone again: it had their MTU.
 */
export async function linkRemedy(
  error: TapfdError,
  ns: NamespaceHandle,
  settings: NativeLinkSettings,
  below: string | undefined,
): Promise<string | undefined> {
  const { code, syscall = '', interface: name } = error;
  if (!syscall.startsWith('rtnetlink ') || name === undefined) return undefined;
  const wantsIpv6 = settings.addresses.some(({ address }) => address.length === 16);
  if (syscall === 'rtnetlink RTM_NEWADDR' && code === 'EINVAL' && wantsIpv6) {
    // A TAP that joined a bridge had taken the bridge's, and has its own back.
    const mtu = settings.mtu ?? Math.min(await mtuOf(ns, name), await mtuOf(ns, below));
    if (mtu < MIN_IPV6_MTU)
      return `IPv6 needs an MTU of at least ${MIN_IPV6_MTU}, and that of ${name} is ${mtu}`;
  }
  if (code !== 'EPERM' || hasCapability('CAP_NET_ADMIN')) return undefined;
  const link = await lookUp(ns, name);
  if (link && settings.up && !isUp(link)) {
    return `${name} is down, and setting it up needs CAP_NET_ADMIN: have root do it (ip link set ${name} up), or open it with up: false`;
  }
  return (
    link && `changing ${name} needs CAP_NET_ADMIN: leave out what is not as it should be, or have root set it`
  );
}

async function mtuOf(ns: NamespaceHandle, name: string | undefined): Promise<number> {
  return (await lookUp(ns, name))?.mtu ?? Number.POSITIVE_INFINITY;
}

async function lookUp(ns: NamespaceHandle, name: string | undefined): Promise<NativeLink | undefined> {
  if (name === undefined) return undefined;
  return native()
    .getLink(ns, name)
    .catch(() => undefined);
}
