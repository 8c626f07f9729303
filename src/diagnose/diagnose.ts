/**
 * src/diagnose/: why frames do not arrive. On top of descriptor.
 *
 * Here: `device.diagnose()`, which queries the kernel at each call.
 */
import type { DeviceHandle } from '../descriptor/device-handle.js';
import { diagnoseAddresses } from './addresses.js';
import type { Finding } from './finding.js';
import { diagnoseLink } from './link.js';
import { diagnoseMacvtap } from './macvtap.js';
import { diagnoseQueues } from './queues.js';
import { lookAround } from './surroundings.js';

/** Returns errors first. Changes nothing. */
export async function diagnose(device: DeviceHandle): Promise<Finding[]> {
  const around = await device.control('diagnose', () => lookAround(device));
  const findings = [
    ...diagnoseLink(around),
    ...diagnoseAddresses(around),
    ...diagnoseQueues(around),
    ...(device.kind === 'macvtap' ? await diagnoseMacvtap(around) : []),
  ];
  return findings.sort((a, b) => rank(a) - rank(b));
}

function rank({ severity }: Finding): number {
  return severity === 'error' ? 0 : 1;
}
