/** What stops frames at the interface itself. */

import type { DeviceKind } from '../base/native-queue.js';
import type { DeviceHandle } from '../descriptor/device-handle.js';
import type { Link } from '../links/link.js';
import { diagnoseSegment } from './bridge.js';
import type { Finding } from './finding.js';
import type { Surroundings } from './surroundings.js';

export function* diagnoseLink({ device, link, links }: Surroundings): Generator<Finding> {
  const { name } = link;
  if (device.flags.detached) {
    yield {
      code: 'queue-detached',
      severity: 'error',
      interface: name,
      message: `this queue of ${name} is detached: it receives nothing`,
      remedy: 'call attachQueue()',
    };
  }
  yield* diagnoseFilters(device, name);
  if (links === undefined) return;
  yield* stateFindings(device.kind, link);
  yield* diagnoseDrops(device, link);
  // A macvtap takes what arrives before the host's own protocols see it.
  if (device.kind === 'tap') yield* diagnoseSegment(link, links);
}

/** What stops all frames of a device of this kind. */
export function* stateFindings(kind: DeviceKind, link: Link): Generator<Finding> {
  const { name } = link;
  if (!link.up) {
    yield {
      code: 'link-down',
      severity: 'error',
      interface: name,
      message: `${name} is down: frames are dropped in both directions`,
      remedy: `set it up: links.set('${name}', { up: true })`,
    };
  }
  if (kind !== 'macvtap' && !link.carrier) {
    yield {
      code: 'no-carrier',
      severity: 'error',
      interface: name,
      message: `the carrier of ${name} is off: the host sends nothing through it`,
      remedy: 'call setCarrier(true)',
    };
  }
}

/** What the kernel cannot be asked for: only this thread's own calls are known. */
function* diagnoseFilters(device: DeviceHandle, name: string): Generator<Finding> {
  if (device.filters.has('tx-filter')) {
    yield {
      code: 'tx-filter',
      severity: 'warning',
      interface: name,
      message: `${name} has a TX filter: frames to destinations that it does not list never arrive`,
      remedy: 'add the destinations with setTxFilter(), or remove the filter with setTxFilter(null)',
    };
  }
  if (device.filters.has('filter-program')) {
    yield {
      code: 'filter-program',
      severity: 'warning',
      interface: name,
      message: `${name} has a filter program: frames that it drops or cuts never arrive whole`,
      remedy: 'remove it with setFilterProgram(null), or load another',
    };
  }
}

/** Of all queues of the device together. */
function* diagnoseDrops(device: DeviceHandle, link: Link): Generator<Finding> {
  const drops = device.kernelDropsUntil(link);
  if (drops <= 0) return;
  yield {
    code: 'kernel-drops',
    severity: 'warning',
    interface: link.name,
    message:
      `the kernel has dropped ${drops} frames for the reader of ${link.name} since it was opened: its queue of ` +
      `${link.txQueueLength} frames was full, or nothing could take them`,
    remedy: `read without pauses, or lengthen the queue: links.set('${link.name}', { txQueueLength: ${2 * link.txQueueLength} })`,
  };
}
