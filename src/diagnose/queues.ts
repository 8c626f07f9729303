/** Queues that receive a share of a device's frames beside those of this program. */

import type { NativeQueueHolder } from '../base/native-queue.js';
import { attachedQueues } from '../descriptor/device-handle.js';
import type { Finding } from './finding.js';
import type { Surroundings } from './surroundings.js';

export function* diagnoseQueues({ device, link, links, others }: Surroundings): Generator<Finding> {
  const { holders } = others;
  // The kernel counts the queues of a multi-queue TUN or TAP, but not those of a macvtap.
  const strays =
    device.kind === 'macvtap'
      ? holders.length
      : links && link.tun?.multiQueue
        ? link.tun.queues - attachedQueues(device)
        : 0;
  if (strays <= 0) return;
  const what = strays === 1 ? 'another queue receives' : `${strays} other queues receive`;
  yield {
    code: 'stray-queue',
    severity: 'warning',
    interface: link.name,
    message: `${what} a share of the frames of ${link.name}: ${describe(holders, strays)}`,
    remedy:
      'close it if no program reads it. To give the device to a program, pass it this descriptor ' +
      '(spawnWithFds, handOff) instead of having it open the device again',
  };
}

/** Names no process for certain of which it is not known. */
function describe(holders: readonly NativeQueueHolder[], strays: number): string {
  const certain = holders.filter((holder) => holder.certain);
  const possible = holders.filter((holder) => !holder.certain);
  const parts = certain.map(describeOne);
  if (certain.length < strays) {
    const perhaps = possible.length > 0 ? ` (perhaps ${possible.map(describeOne).join(', ')})` : '';
    parts.push(`held by a process that this user may not inspect${perhaps}`);
  }
  return parts.join(', ');
}

function describeOne({ pid, fd, command }: NativeQueueHolder): string {
  return pid === process.pid
    ? `descriptor ${fd} of this process, opened by another thread or without this library`
    : `descriptor ${fd} of process ${pid} (${command})`;
}
