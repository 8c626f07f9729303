/** Queues that take a share of a device's frames away from those who read it. */

import type { NativeQueueHolder } from '../base/native-queue.js';
import { attachedQueues } from '../descriptor/device-handle.js';
import type { Finding } from './finding.js';
import type { Surroundings } from './surroundings.js';

export function* diagnoseQueues({ device, link, links, others }: Surroundings): Generator<Finding> {
  const { holders } = others;
  // The kernel counts the queues of a TUN or TAP that may have several. It does not count those of a macvtap.
  const strays =
    device.kind === 'macvtap'
      ? holders.length
      : links && link.tun?.multiQueue
        ? link.tun.queues - attachedQueues(device)
        : 0;
  if (strays <= 0) return;
  const what = strays === 1 ? 'another queue takes' : `${strays} other queues take`;
  yield {
    code: 'stray-queue',
    severity: 'warning',
    interface: link.name,
    message: `${what} a share of the frames of ${link.name}: ${describe(holders)}`,
    remedy:
      'where nobody reads it, close it. A program that is to have the device is handed this descriptor ' +
      '(spawnWithFds, handOff), and does not open the device once more',
  };
}

function describe(holders: readonly NativeQueueHolder[]): string {
  /* c8 ignore next -- root, as the kernel tests are, may look into every process */
  if (holders.length === 0) return 'held by a process that this user may not look into';
  return holders
    .map(({ pid, fd, command }) =>
      pid === process.pid
        ? `descriptor ${fd} of this process, opened by another thread or without this library`
        : `descriptor ${fd} of process ${pid} (${command})`,
    )
    .join(', ');
}
