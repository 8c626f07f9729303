/** The surroundings of a device at one moment: its link, the namespace's other links, the device's other queues. */

import type { NativeOtherQueues } from '../base/native-queue.js';
import type { DeviceHandle } from '../descriptor/device-handle.js';
import { failureOf } from '../descriptor/gone.js';
import { type Link, linkFromNative } from '../links/link.js';

/** What the checks examine. */
export interface Surroundings {
  device: DeviceHandle;
  link: Link;
  /** All links of the link's namespace by index; undefined if it is reachable through the descriptor only. */
  links: ReadonlyMap<number, Link> | undefined;
  others: NativeOtherQueues;
}

/** Queries the kernel. */
export async function lookAround(device: DeviceHandle): Promise<Surroundings> {
  const { name } = await device.queue.getInterface().catch((error) => {
    throw failureOf(device, error);
  });
  const others = await device.queue.findOtherQueues(device.kind === 'macvtap' ? '' : name);
  const seen = await linksAround(device);
  return { device, link: seen?.get(device.link.index) ?? linkFromNative(device.link), links: seen, others };
}

async function linksAround({ follower }: DeviceHandle): Promise<Map<number, Link> | undefined> {
  if (follower.movedAway) return undefined;
  const watch = follower.shareWatch();
  try {
    const { links } = await watch.list('diagnose');
    return new Map(links.map((link) => [link.index, linkFromNative(link)]));
  } finally {
    watch.release();
  }
}
