/** Handing devices over to a QEMU, in the order that keeps every descriptor whose it is. */
import { close } from 'node:fs';
import { open } from 'node:fs/promises';
import { TapfdError } from '../../base/errors.js';
import { HAND_OVER } from '../../base/hand-over.js';
import { deadDevice, type QemuNetworkDevice } from './device.js';
import type { CheckedNic } from './nic.js';

/** Devices that are being handed over. They are still this process's until QEMU has them. */
const beingHandedOver = new WeakSet<QemuNetworkDevice>();

/** Runs `work` while no other call can hand over the same devices. */
export async function claimed<T>(
  operation: string,
  devices: readonly QemuNetworkDevice[],
  work: () => Promise<T>,
): Promise<T> {
  const taken = devices.find((device) => beingHandedOver.has(device));
  if (taken !== undefined) {
    throw new TapfdError(
      'ERR_TAPFD_QEMU_DEVICE_BUSY',
      `${operation}: another call is handing ${taken.name} to a QEMU of its own. A device serves one guest`,
      { interface: taken.name },
    );
  }
  for (const device of devices) beingHandedOver.add(device);
  try {
    return await work();
  } finally {
    for (const device of devices) beingHandedOver.delete(device);
  }
}

/** What the devices' own facts do not tell: whether each still exists, and whether vhost can be had. */
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
    // Opened and not only looked at: the node may stand there without its driver.
    const vhost = await open(VHOST_DEVICE, 'r+');
    await vhost.close();
  } catch (cause) {
    throw new TapfdError(
      'ERR_TAPFD_QEMU_VHOST',
      `${operation}: vhost needs ${VHOST_DEVICE}, which cannot be opened here, and QEMU would abort. ` +
        'Load it (modprobe vhost_net) and allow this user to open it, or leave vhost out',
      { path: VHOST_DEVICE, cause },
    );
  }
}

/** Runs `take` while nothing here takes frames from `devices`; they are QEMU's afterwards, or as they were. */
export async function handedOver<T>(
  devices: readonly QemuNetworkDevice[],
  take: () => Promise<T>,
): Promise<T> {
  for (const device of devices) device[HAND_OVER].suspend();
  let taken: T;
  try {
    taken = await take();
  } catch (error) {
    for (const device of devices) device[HAND_OVER].resume();
    throw error;
  }
  for (const device of devices) giveUp(device);
  return taken;
}

function giveUp(device: QemuNetworkDevice): void {
  device[HAND_OVER].handOffWhenIdle().then(
    // In the pool, because closing takes the kernel's RTNL lock if QEMU is gone already. Nothing can be done about a
    // failed close, and the descriptor is gone after it as well (close(2)).
    (fd) => close(fd, () => {}),
    // Its owner has destroyed it in the meantime; QEMU has a copy of its own.
    () => {},
  );
}
