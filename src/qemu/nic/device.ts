/** The device behind a card: what it has to be so that the guest gets frames. */
import { types } from 'node:util';
import { invalidArgument, TapfdError } from '../../base/errors.js';
import { HAND_OVER } from '../../base/hand-over.js';
import type { Macvtap } from '../../devices/macvtap.js';
import type { Tap } from '../../devices/tap.js';
import type { Tun } from '../../devices/tun.js';

/** A device that a guest's network card can be on: what `openTap`, `openMacvtap` or their `openQueue()` returned. */
export type QemuNetworkDevice = Tap | Macvtap;

/** Whether `value` is a device of this library. */
export function isDevice(value: unknown): value is QemuNetworkDevice | Tun {
  if (typeof value !== 'object' || value === null || types.isProxy(value) || !(HAND_OVER in value))
    return false;
  try {
    return 'handedOff' in value && typeof value.handedOff === 'boolean';
  } catch {
    return false; // made on the prototype
  }
}

/** Refuses everything that QEMU would accept although the card could not work. */
export function checkDevice(label: string, value: unknown): QemuNetworkDevice {
  if (!isDevice(value)) {
    throw invalidArgument(label, 'an open Tap or Macvtap (adoptFd makes one from a descriptor)', value);
  }
  if (value.destroyed) throw deadDevice(label, value.name, 'has been closed in this process');
  if (value.handedOff) throw deadDevice(label, value.name, 'has already been handed off');
  if (value.kind === 'tun') {
    throw new TapfdError(
      'ERR_TAPFD_QEMU_TUN',
      `${label}: ${value.name} is a TUN, which carries packets, but a guest's card sends Ethernet frames; QEMU would ` +
        'start, and nothing would arrive. Open the device with openTap',
      { interface: value.name },
    );
  }
  if (value.flags.detached) {
    throw new TapfdError(
      'ERR_TAPFD_QEMU_DETACHED_QUEUE',
      `${label}: this queue of ${value.name} is detached and gets no frames; QEMU would start and see none. ` +
        'Call attachQueue() first',
      { interface: value.name },
    );
  }
  if (value.flags.packetInfo) {
    throw new TapfdError(
      'ERR_TAPFD_QEMU_PACKET_INFO',
      `${label}: ${value.name} puts 4 bytes of packet information before each frame, which QEMU would take for the ` +
        'start of the frame. Open it without packetInfo',
      { interface: value.name },
    );
  }
  return value;
}

/** The refusal of a device that is closed or whose interface is gone. */
export function deadDevice(label: string, name: string, why: string): TapfdError {
  return new TapfdError(
    'ERR_TAPFD_QEMU_DEAD_DEVICE',
    `${label}: ${name} ${why}; QEMU would start with a card that never sees a frame. Open it again`,
    { interface: name },
  );
}

/**
 * Equal for two descriptors of one interface. Interfaces in different namespaces are confused only if index, name and
 * MAC are all the same.
 */
export function interfaceKey({ kind, index, name, mac }: QemuNetworkDevice): string {
  return `${kind} ${index} ${name} ${mac}`;
}
