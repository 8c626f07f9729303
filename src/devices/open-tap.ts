/**
 * src/devices/: Tap, Tun and Macvtap, and the calls that open them. On top of frames and fd-socket.
 *
 * Here: opening TAP and TUN devices.
 */
import { refuseSurplus } from '../base/checks.js';
import type { TapfdError } from '../base/errors.js';
import { native } from '../base/native.js';
import { nativeCall } from '../base/native-call.js';
import type { NamespaceHandle } from '../base/native-links.js';
import type { NativeOpened, NativeTapSettings } from '../base/native-queue.js';
import { isOnNodevMount } from '../base/permission.js';
import { IFF_PERSIST } from '../descriptor/device-flags.js';
import type { OpenedDevice } from '../descriptor/device-handle.js';
import { tapSettings } from './check-open-options.js';
import { linkRemedy } from './link-remedy.js';
import { openDevice } from './open-device.js';
import type { TapOptions, TunOptions } from './open-options.js';
import { Tap } from './tap.js';
import { Tun } from './tun.js';
import { tunSetIffRemedy } from './tunsetiff-remedy.js';

/**
 * Opens a TAP device, which carries Ethernet frames: creates it, or attaches to an existing one.
 *
 * It opens the clone device, calls TUNSETIFF, and then sets the link up by rtnetlink.
 *
 * Privilege: CAP_NET_ADMIN to create a device or to change its link; none to attach to a device with the caller as its
 * `owner` or `group`, if the options change nothing of the link. Read and write permission on `devicePath`.
 *
 * @example
 * ```ts
 * import { openTap } from 'tapfd';
 *
 * await using tap = await openTap({ name: 'tap0', addresses: ['10.0.0.1/24'] });
 * for await (const frame of tap) console.log(frame.length, 'bytes from', frame.toString('hex', 6, 12));
 * ```
 *
 * @throws TapfdError
 * - `ERR_TAPFD_INVALID_ARGUMENT`: an invalid option, before any system call.
 * - `ERR_TAPFD_UNSUPPORTED_PLATFORM`: not Linux.
 * - `ERR_TAPFD_UNSUPPORTED_FEATURE`: a flag that this kernel's driver does not know.
 * - `ERR_TAPFD_WRONG_DEVICE`: `devicePath` is not a TUN/TAP clone device.
 * - `ERR_TAPFD_NOT_A_BRIDGE`: `bridge` is another kind of link.
 * - `ERR_TAPFD_NOT_A_NAMESPACE`: `netns` is another kind of file.
 * - `EBUSY`, `EINVAL`, `EPERM`, `E2BIG` (`ioctl TUNSETIFF`): the message describes the device in the way.
 * - `ENOENT`, `EACCES` (`open`): no clone device, or no permission on it.
 * - `EEXIST`, `EADDRNOTAVAIL`, `EINVAL`, `ENODEV`, … (`rtnetlink RTM_…`): with the kernel's own message in `detail`.
 */
export async function openTap(options: TapOptions = {}): Promise<Tap> {
  refuseSurplus('openTap', arguments, 1);
  return Tap.wrap(await openTunTap('openTap', options));
}

/**
 * Opens a TUN device, which carries IP packets: creates it, or attaches to an existing one. Privilege and errors as for
 * {@link openTap}.
 *
 * @example
 * ```ts
 * import { openTun } from 'tapfd';
 *
 * await using tun = await openTun({ addresses: ['10.77.0.1/24'], mtu: 1420 });
 * for await (const packet of tun) console.log('a packet to', packet.subarray(16, 20).join('.'));
 * ```
 */
export async function openTun(options: TunOptions = {}): Promise<Tun> {
  refuseSurplus('openTun', arguments, 1);
  return Tun.wrap(await openTunTap('openTun', options));
}

async function openTunTap(call: 'openTap' | 'openTun', options: TapOptions): Promise<OpenedDevice> {
  const { place, stream, device, persist } = tapSettings(call, options);
  const made = await openDevice(place, {
    open: (ns) => explained(call, ns, device, () => native().openTap(ns, device)),
    finish: async (made) => {
      if (persist !== undefined) await setPersist(call, made, persist);
    },
  });
  return { ...made, settings: stream, openFurther: tapQueueOpener(device) };
}

async function setPersist(operation: string, opened: NativeOpened, persist: boolean): Promise<void> {
  await nativeCall({ operation, interface: opened.link.name }, () => opened.queue.setPersist(persist));
  opened.flags = persist ? opened.flags | IFF_PERSIST : opened.flags & ~IFF_PERSIST;
}

/** Returns the function that opens further queues of a device opened with these settings. */
export function tapQueueOpener(settings: NativeTapSettings): OpenedDevice['openFurther'] {
  return (watch, name, index) => {
    const further = { ...settings, name, exclusive: false };
    return explained('openQueue', watch.ns, further, () => native().openTapQueue(watch.ns, further, index));
  };
}

/** Adds what only this call knows to a failure: the purpose of the path, and the device that has the name. */
function explained(
  operation: string,
  ns: NamespaceHandle,
  settings: NativeTapSettings,
  open: () => Promise<NativeOpened>,
): Promise<NativeOpened> {
  return nativeCall({ operation, path: settings.devicePath }, open, async (error) =>
    error.syscall === 'ioctl TUNSETIFF'
      ? tunSetIffRemedy(error, ns, settings)
      : (cloneDeviceRemedy(error) ?? linkRemedy(error, ns, settings.link, settings.link.bridge)),
  );
}

/** Why the clone device could not be opened. */
function cloneDeviceRemedy({ syscall, code, path }: TapfdError): string | undefined {
  if (syscall !== 'open') return undefined;
  switch (code) {
    case 'ENOENT':
      return `there is no ${path}: load the driver (modprobe tun), or create the node (mknod ${path} c 10 200)`;
    /* c8 ignore next 2 -- a node without its driver: the kernel tests do not run on such a machine */
    case 'ENODEV':
      return 'the node exists, but its driver is not loaded: load it (modprobe tun)';
    case 'EACCES':
      // Root has every permission: what the table knows is the cause.
      if (process.geteuid?.() === 0 || path === undefined || isOnNodevMount(path)) return undefined;
      return `no permission on ${path}: have root give it mode 0666, as udev does, or run as root`;
    default:
      return undefined;
  }
}
