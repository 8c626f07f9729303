/**
 * src/devices/: Tap, Tun and Macvtap, and the calls that open them. On top of frames and fd-socket.
 *
 * Here: opening TAP and TUN devices.
 */
import { refuseSurplus } from '../base/checks.js';
import { TapfdError } from '../base/errors.js';
import { native } from '../base/native.js';
import { fromNative, nativeCall } from '../base/native-call.js';
import type { NamespaceHandle } from '../base/native-links.js';
import type { NativeOpened, NativeTapSettings } from '../base/native-queue.js';
import { IFF_PERSIST } from '../descriptor/device-flags.js';
import type { OpenedDevice } from '../descriptor/device-handle.js';
import { tapSettings } from './check-open-options.js';
import { openDevice } from './open-device.js';
import type { TapOptions, TunOptions } from './open-options.js';
import { Tap } from './tap.js';
import { Tun } from './tun.js';
import { tunSetIffRemedy } from './tunsetiff-remedy.js';

/**
 * Opens a TAP device, Ethernet frames: makes it, or attaches to one that exists.
 *
 * The kernel's steps are those of the paper: open the clone device, TUNSETIFF, then the link by rtnetlink.
 *
 * Privilege: CAP_NET_ADMIN to make a device or to change its link; none to attach to one whose `owner` or `group` the
 * caller is, if the link is as the options want it. Read and write permission on `devicePath`.
 *
 * @throws TapfdError
 * - `ERR_TAPFD_INVALID_ARGUMENT`: an option that cannot be right, before any system call.
 * - `ERR_TAPFD_UNSUPPORTED_PLATFORM`: not Linux.
 * - `ERR_TAPFD_UNSUPPORTED_FEATURE`: a flag this kernel's driver does not know.
 * - `ERR_TAPFD_WRONG_DEVICE`: `devicePath` is not a TUN/TAP clone device.
 * - `ERR_TAPFD_NOT_A_BRIDGE`: `bridge` is another kind of link.
 * - `ERR_TAPFD_NOT_A_NAMESPACE`: `netns` is another kind of file.
 * - `EBUSY`, `EINVAL`, `EPERM`, `E2BIG` (`ioctl TUNSETIFF`): the message says which device stands in the way.
 * - `ENOENT`, `EACCES` (`open`): no clone device, or no permission on it.
 * - `EEXIST`, `EADDRNOTAVAIL`, `EINVAL`, `ENODEV`, … (`rtnetlink RTM_…`): with the kernel's own words in `detail`.
 */
export async function openTap(options: TapOptions = {}): Promise<Tap> {
  refuseSurplus('openTap', arguments, 1);
  return Tap.wrap(await openTunTap('openTap', options));
}

/**
 * Opens a TUN device, IP packets: makes it, or attaches to one that exists. Privilege and errors as {@link openTap}.
 */
export async function openTun(options: TunOptions = {}): Promise<Tun> {
  refuseSurplus('openTun', arguments, 1);
  return Tun.wrap(await openTunTap('openTun', options));
}

async function openTunTap(call: 'openTap' | 'openTun', options: TapOptions): Promise<OpenedDevice> {
  const { place, stream, device, persist } = tapSettings(call, options);
  const { opened, watch } = await openDevice(place, {
    open: (ns) => explained(call, ns, device, () => native().openTap(ns, device)),
    finish: async (made) => {
      if (persist !== undefined) await setPersist(call, made, persist);
    },
  });
  return { opened, watch, settings: stream, openFurther: tapQueueOpener(device) };
}

async function setPersist(operation: string, opened: NativeOpened, persist: boolean): Promise<void> {
  await nativeCall({ operation, interface: opened.link.name }, () => opened.queue.setPersist(persist));
  opened.flags = persist ? opened.flags | IFF_PERSIST : opened.flags & ~IFF_PERSIST;
}

/** Opens further queues of a device that was opened with these settings. */
export function tapQueueOpener(settings: NativeTapSettings): OpenedDevice['openFurther'] {
  return (watch, name, index) => {
    const further = { ...settings, name, exclusive: false };
    return explained('openQueue', watch.ns, further, () => native().openTapQueue(watch.ns, further, index));
  };
}

/** Adds what only this call knows: what the path is for, what the device of that name is. */
async function explained(
  operation: string,
  ns: NamespaceHandle,
  settings: NativeTapSettings,
  open: () => Promise<NativeOpened>,
): Promise<NativeOpened> {
  const context = { operation, path: settings.devicePath };
  try {
    return await nativeCall(context, open);
  } catch (error) {
    /* c8 ignore next -- the addon rejects with nothing that is not made a TapfdError; only the types allow for it */
    if (!(error instanceof TapfdError)) throw error;
    const remedy =
      error.syscall === 'ioctl TUNSETIFF'
        ? await tunSetIffRemedy(error, ns, settings)
        : cloneDeviceRemedy(error);
    throw remedy === undefined ? error : fromNative(error.cause, { ...context, remedy });
  }
}

/** Why the clone device could not be opened. */
function cloneDeviceRemedy({ syscall, code, path }: TapfdError): string | undefined {
  if (syscall !== 'open') return undefined;
  switch (code) {
    case 'ENOENT':
      return `there is no ${path}: load the driver (modprobe tun), or make the node (mknod ${path} c 10 200)`;
    /* c8 ignore next 2 -- a node without its driver: a machine that lacks the driver runs none of the kernel tests */
    case 'ENODEV':
      return 'the node is there, its driver is not: load it (modprobe tun)';
    case 'EACCES':
    case 'EPERM':
      return `no permission on ${path}: have root give it mode 0666, as udev does, or run as root`;
    default:
      return undefined;
  }
}
