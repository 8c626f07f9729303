/** The MAC of a guest's card. */

import { refuseSurplus } from '../../base/checks.js';
import { invalidArgument, TapfdError } from '../../base/errors.js';
import { checkUnicastMac, formatMac } from '../../links/mac.js';
import { isDevice, type QemuNetworkDevice } from './device.js';

/**
 * The MAC of a guest's card on `device` when the caller chooses none. On a macvtap it is the link's own, which the
 * guest must use. On a TAP it is `52:54:00` and the last three bytes of the TAP's own MAC (`52:54:01` if that begins
 * with `52:54:00`): as unique as the TAP's MAC, as constant, and never equal to it.
 *
 * (QEMU's default for the first card of every guest is `52:54:00:12:34:56`, with which two guests on a bridge collide.)
 *
 * @example
 * ```ts
 * import { openTap } from 'tapfd';
 * import { guestMacFor } from 'tapfd/qemu';
 *
 * const tap = await openTap({ name: 'tap0' });
 * console.log(guestMacFor(tap));
 * ```
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for anything but a Tap or Macvtap, and for one without a MAC.
 */
export function guestMacFor(device: QemuNetworkDevice): string {
  refuseSurplus('guestMacFor', arguments, 1);
  if (!isDevice(device)) throw invalidArgument('device', 'a Tap or Macvtap', device);
  if (device.mac === undefined) {
    throw invalidArgument(
      'device',
      `a device with a MAC; ${device.name} has none to derive one from`,
      device,
    );
  }
  if (device.kind === 'macvtap') return device.mac;
  const prefix = device.mac.startsWith('52:54:00') ? '52:54:01' : '52:54:00';
  return prefix + device.mac.slice(prefix.length);
}

/** The MAC that the caller chose for the card on `device`. */
export function checkGuestMac(argument: string, value: unknown, device: QemuNetworkDevice): string {
  const mac = formatMac(checkUnicastMac(argument, value));
  const facts = { interface: device.name, argument };
  if (device.kind === 'macvtap' && mac !== device.mac) {
    throw new TapfdError(
      'ERR_TAPFD_MAC_MISMATCH',
      `${argument}: the guest would have ${mac}, but ${device.name} has ${device.mac}, and the kernel delivers to a ` +
        `macvtap only what is sent to its own MAC. Omit the option, or give the link the guest's MAC: setMac('${mac}')`,
      facts,
    );
  }
  if (device.kind === 'tap' && mac === device.mac) {
    throw new TapfdError(
      'ERR_TAPFD_QEMU_HOST_MAC',
      `${argument}: ${mac} is the MAC of ${device.name} itself, the host's end; a bridge would keep the guest's ` +
        'frames for the host. Give the guest another MAC',
      facts,
    );
  }
  return mac;
}
