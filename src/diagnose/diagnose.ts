/** `device.diagnose()`: what stops frames, found by asking the kernel anew. */
import type { DeviceHandle } from '../descriptor/device-handle.js';
import { diagnoseLink } from './link.js';
import { diagnoseMacvtap } from './macvtap.js';
import { diagnoseQueues } from './queues.js';
import type { Finding } from './finding.js';
import { type Link, linkFromNative } from '../links/link.js';
import { type NativeOtherQueues, native } from '../base/native.js';

/** Everything the checks look at, as it was at one moment. */
export interface Surroundings {
  device: DeviceHandle;
  link: Link;
  /** All links of the link's namespace by index; undefined when only the descriptor leads there. */
  links: ReadonlyMap<number, Link> | undefined;
  others: NativeOtherQueues;
}

/** Errors first. Nothing is changed. */
export async function diagnose(device: DeviceHandle): Promise<Finding[]> {
  const around = await device.control('diagnose', () => lookAround(device));
  const findings = [
    ...diagnoseLink(around),
    ...diagnoseQueues(around),
    ...(device.kind === 'macvtap' ? await diagnoseMacvtap(around) : []),
  ];
  return findings.sort((a, b) => rank(a) - rank(b));
}

async function lookAround(device: DeviceHandle): Promise<Surroundings> {
  const { name } = await device.queue.getInterface().catch(() => {
    throw device.goneError();
  });
  const others = await device.queue.findOtherQueues(device.kind === 'macvtap' ? '' : name);
  const seen = await linksAround(device);
  return { device, link: seen?.get(device.link.index) ?? linkFromNative(device.link), links: seen, others };
}

async function linksAround({ follower }: DeviceHandle): Promise<Map<number, Link> | undefined> {
  if (follower.movedAway) return undefined;
  const watch = follower.shareWatch();
  try {
    const links = await native().listLinks(watch.ns);
    return new Map(links.map((link) => [link.index, linkFromNative(link)]));
  } finally {
    watch.release();
  }
}

function rank({ severity }: Finding): number {
  return severity === 'error' ? 0 : 1;
}
