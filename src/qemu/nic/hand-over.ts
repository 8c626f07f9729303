/** Handing devices over to QEMU, in an order in which every descriptor has one owner at any time. */
import { open } from 'node:fs/promises';
import { TapfdError } from '../../base/errors.js';
import { HAND_OVER } from '../../base/hand-over.js';
import { closeFd } from '../../fd-socket/fd-source.js';
import { deadDevice, type QemuNetworkDevice } from './device.js';
import type { CheckedNic } from './nic.js';

/**
 * The mark of a device that is being handed over. It belongs to this process until QEMU has it. On the device itself, with
 * a key from the global registry, as there may be two copies of this library (see {@link HAND_OVER}).
 */
const BEING_HANDED_OVER = Symbol.for('tapfd.being-handed-over');

/** Runs `work`; until it has finished, no other call can hand over the same devices. */
export async function withClaim<T>(
  operation: string,
  devices: readonly QemuNetworkDevice[],
  work: () => Promise<T>,
): Promise<T> {
  const taken = devices.find((device) => BEING_HANDED_OVER in device);
  if (taken !== undefined) {
    throw new TapfdError(
      'ERR_TAPFD_QEMU_DEVICE_BUSY',
      `${operation}: another call is handing ${taken.name} over to a QEMU. A device serves one guest`,
      { interface: taken.name },
    );
  }
  const mark = { value: true, configurable: true };
  for (const device of devices) Object.defineProperty(device, BEING_HANDED_OVER, mark);
  try {
    return await work();
  } finally {
    for (const device of devices) Reflect.deleteProperty(device, BEING_HANDED_OVER);
  }
}

/** Checks what the devices' facts do not show: that each interface still exists, and that vhost is available. */
export async function askTheKernel(operation: string, nics: readonly CheckedNic[]): Promise<void> {
  if (nics.some((nic) => nic.vhost && nic.vhostFds.length === 0)) await requireVhostDevice(operation);
  await Promise.all(nics.flatMap((nic) => nic.queues.map((queue) => requireAlive(nic.label, queue))));
}

async function requireAlive(label: string, device: QemuNetworkDevice): Promise<void> {
  if (!(await device.isAlive())) throw deadDevice(label, device.name, 'has been deleted');
}

/** QEMU opens this path itself when it gets `vhost=on` alone. */
const VHOST_DEVICE = '/dev/vhost-net';

async function requireVhostDevice(operation: string): Promise<void> {
  try {
    // Looking at the node is not enough: it may exist without its driver.
    const vhost = await open(VHOST_DEVICE, 'r+');
    await vhost.close();
  } catch (cause) {
    throw new TapfdError(
      'ERR_TAPFD_QEMU_VHOST',
      `${operation}: vhost needs ${VHOST_DEVICE}, which cannot be opened here, and QEMU would abort. ` +
        'Load its driver (modprobe vhost_net) and allow this user to open it, or do without vhost',
      { path: VHOST_DEVICE, cause },
    );
  }
}

/** Runs `take` while nothing here reads `devices`. If it succeeds they are QEMU's, otherwise they are as before. */
export async function handOver<T>(devices: readonly QemuNetworkDevice[], take: () => Promise<T>): Promise<T> {
  const suspended: QemuNetworkDevice[] = [];
  let taken: T;
  try {
    for (const device of devices) {
      device[HAND_OVER].suspend();
      suspended.push(device);
    }
    taken = await take();
  } catch (error) {
    for (const device of suspended) device[HAND_OVER].resume();
    throw error;
  }
  for (const device of devices) closeHere(device);
  return taken;
}

function closeHere(device: QemuNetworkDevice): void {
  device[HAND_OVER].handOffWhenIdle().then(
    // In the thread pool, because closing takes the kernel's RTNL lock if QEMU has already ended.
    closeFd,
    // Its owner has destroyed it in the meantime; QEMU has its own copy.
    () => {},
  );
}
