/** Why TUNSETIFF failed: the kernel has one errno for many causes, which the existing device tells apart. */

import type { TapfdError } from '../base/errors.js';
import { native } from '../base/native.js';
import type { NamespaceHandle, NativeLink } from '../base/native-links.js';
import type { NativeTapSettings } from '../base/native-queue.js';
import { capabilityRemedy } from '../base/permission.js';

/** `linux/if_tun.h` IFF_TUN, as IFLA_TUN_TYPE gives it. */
const TYPE_TUN = 1;

/** Cause and remedy of a failed TUNSETIFF, from the device with that name if there is one. */
export async function tunSetIffRemedy(
  error: TapfdError,
  ns: NamespaceHandle,
  settings: NativeTapSettings,
): Promise<string | undefined> {
  const link = await native()
    .getLink(ns, settings.name)
    .catch(() => undefined);
  switch (error.code) {
    case 'EBUSY':
      return busyRemedy(settings);
    case 'EINVAL':
      return invalidRemedy(settings, link);
    case 'EPERM':
      return permissionRemedy(settings, link);
    case 'E2BIG':
      return `${settings.name} has 256 queues, the maximum: close one`;
    default:
      return undefined;
  }
}

function busyRemedy(settings: NativeTapSettings): string {
  return settings.exclusive
    ? `${settings.name} exists: leave out exclusive, or choose another name`
    : `${settings.name} is already open and has one queue: close it there, or open it with multiQueue: true everywhere`;
}

function invalidRemedy(settings: NativeTapSettings, link: NativeLink | undefined): string {
  const { name, tun, queue } = settings;
  /* c8 ignore next -- names that the kernel refuses are refused before; what remains is a link that went meanwhile */
  if (link === undefined) return `the kernel accepts no device with the name ${name}: choose another`;
  if (link.tun === undefined) {
    return `${name} is ${link.kind ? `a ${link.kind} link` : 'no virtual link'}, not a TUN or TAP device: choose another name`;
  }
  if ((link.tun.type === TYPE_TUN) !== tun) {
    return tun ? `${name} is a TAP device: use openTap` : `${name} is a TUN device: use openTun`;
  }
  if (link.tun.multiQueue !== queue.multiQueue) {
    return link.tun.multiQueue
      ? `${name} is multi-queue: open it with multiQueue: true`
      : `${name} has one queue: open it without multiQueue`;
  }
  return `${name} exists and does not fit these options`;
}

function permissionRemedy(settings: NativeTapSettings, link: NativeLink | undefined): string | undefined {
  if (settings.napiFrags)
    return "napi: 'frags' needs CAP_NET_ADMIN outside any user namespace: use napi: true without it";
  if (link === undefined) {
    const otherwise = 'have root create it with persist: true and owner set to your uid';
    return capabilityRemedy('creating a device', 'CAP_NET_ADMIN', otherwise);
  }
  const owners: string[] = [];
  if (link.tun?.owner !== undefined) owners.push(`uid ${link.tun.owner}`);
  if (link.tun?.group !== undefined) owners.push(`gid ${link.tun.group}`);
  // Kernels differ in who may attach to such a device.
  if (owners.length === 0)
    return `${settings.name} has no owner: attaching needs CAP_NET_ADMIN, or setOwner()`;
  return `${settings.name} belongs to ${owners.join(' and ')}: attaching needs that uid or gid, or CAP_NET_ADMIN`;
}
