/** The MAC that a guest's card gets. */
import { invalidArgument, TapfdError } from '../../base/errors.js';
import { checkUnicastMac, formatMac } from '../../links/mac.js';
import type { QemuNetworkDevice } from './device.js';

/**
 * The MAC for a guest's card behind `device` when none is chosen: a macvtap's own, which the guest must have, and for
 * a TAP `52:54:00` with the last three bytes of the TAP's own MAC (`52:54:01` when that begins with `52:54:00`). It is
 * thus as unique as the TAP's, stays the same as long as that does, and never equals it.
 *
 * (QEMU left alone gives the first card of every guest `52:54:00:12:34:56`, so that two guests on one bridge collide.)
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` when the device has no MAC (a TUN).
 */
export function guestMacFor(device: QemuNetworkDevice): string {
  if (device.mac === undefined) {
    throw invalidArgument('mac', `given: ${device.name} has none to derive it from`, undefined);
  }
  if (device.kind === 'macvtap') return device.mac;
  const prefix = device.mac.startsWith('52:54:00') ? '52:54:01' : '52:54:00';
  return prefix + device.mac.slice(prefix.length);
}

/** The MAC that the caller chose for the card behind `device`. */
export function checkGuestMac(argument: string, value: unknown, device: QemuNetworkDevice): string {
  const mac = formatMac(checkUnicastMac(argument, value));
  const facts = { interface: device.name, argument };
  if (device.kind === 'macvtap' && mac !== device.mac) {
    throw new TapfdError(
      'ERR_TAPFD_MAC_MISMATCH',
      `${argument}: the guest would have ${mac}, but ${device.name} has ${device.mac}, and the kernel delivers to a ` +
        `macvtap by its own MAC only. Leave the option out, or give the link the guest's MAC: setMac('${mac}')`,
      facts,
    );
  }
  if (device.kind === 'tap' && mac === device.mac) {
    throw new TapfdError(
      'ERR_TAPFD_QEMU_HOST_MAC',
      `${argument}: ${mac} is the MAC of ${device.name} itself, the host's end; a bridge would keep the guest's frames ` +
        'for the host. Give the guest another',
      facts,
    );
  }
  return mac;
}
