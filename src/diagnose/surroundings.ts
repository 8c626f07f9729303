/** The surroundings of a device at one moment: its link, the namespace's other links, the device's other queues. */

import { native } from '../base/native.js';
import type { NativeOtherQueues } from '../base/native-queue.js';
import type { DeviceHandle } from '../descriptor/device-handle.js';
import { failureOf } from '../descriptor/gone.js';
import { type Link, linkFromNative } from '../links/link.js';
import { type LinkAddress, linkAddressFromNative } from '../links/link-address.js';

/** What the checks examine. */
export interface Surroundings {
  device: DeviceHandle;
  link: Link;
  /** All links of the link's namespace by index; undefined if it is reachable through the descriptor only. */
  links: ReadonlyMap<number, Link> | undefined;
  /** Of the {@link hostLink}; none where `links` is undefined. */
  addresses: readonly LinkAddress[];
  others: NativeOtherQueues;
}

/** Queries the kernel. */
export async function lookAround(device: DeviceHandle): Promise<Surroundings> {
  const { name } = await device.queue.getInterface().catch((error) => {
    throw failureOf(device, error);
  });
  const others = await device.queue.findOtherQueues(device.kind === 'macvtap' ? '' : name);
  return { device, ...(await namespaceAround(device)), others };
}

/** Through which the host itself takes part in the traffic: the bridge, if `link` is a port of one. */
export function hostLink(link: Link, links: ReadonlyMap<number, Link>): Link {
  const bridge = link.portKind === 'bridge' && link.master !== undefined ? links.get(link.master) : undefined;
  return bridge ?? link;
}

async function namespaceAround({ follower, link: last }: DeviceHandle) {
  if (follower.movedAway) return { link: linkFromNative(last), links: undefined, addresses: [] };
  const watch = follower.shareWatch();
  try {
    const listed = await watch.list('diagnose');
    const links = new Map(listed.links.map((link) => [link.index, linkFromNative(link)]));
    const link = links.get(last.index) ?? linkFromNative(last);
    const addresses = await native().listAddresses(watch.ns, hostLink(link, links).index);
    return { link, links, addresses: addresses.map(linkAddressFromNative) };
  } finally {
    watch.release();
  }
}
