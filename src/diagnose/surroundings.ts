/** The surroundings of a device at one moment: its link, the namespace's other links, the device's other queues. */
import { constants } from 'node:os';
import type { NativeOtherQueues } from '../base/native-queue.js';
import type { DeviceHandle } from '../descriptor/device-handle.js';
import { failureOf } from '../descriptor/gone.js';
import { type Link, linkFromNative } from '../links/link.js';
import { type LinkAddress, linkAddressFromNative } from '../links/link-address.js';
import type { LinkWatch } from '../links/watch.js';

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
  const watch = device.follower.movedAway ? undefined : device.follower.shareWatch();
  try {
    const links = watch && (await linksOf(watch));
    const link = links?.get(device.link.index) ?? linkFromNative(device.link);
    const addresses = watch && links ? await addressesOf(watch, hostLink(link, links)) : [];
    return { device, link, links, addresses, others };
  } finally {
    watch?.release();
  }
}

/** Through which the host itself takes part in the traffic: the bridge, if `link` is a port of one. */
export function hostLink(link: Link, links: ReadonlyMap<number, Link>): Link {
  const bridge = link.portKind === 'bridge' && link.master !== undefined ? links.get(link.master) : undefined;
  return bridge ?? link;
}

async function linksOf(watch: LinkWatch): Promise<Map<number, Link>> {
  const { links } = await watch.list('diagnose');
  return new Map(links.map((link) => [link.index, linkFromNative(link)]));
}

/** None of a link that has gone since it was listed. */
async function addressesOf(watch: LinkWatch, { index }: Link): Promise<LinkAddress[]> {
  const addresses = await watch.addresses(index).catch((error) => {
    if (error.errno !== -constants.errno.ENODEV) throw error;
    return [];
  });
  return addresses.map(linkAddressFromNative);
}
