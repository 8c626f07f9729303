/** Adopting a descriptor that was opened elsewhere. */
import { checkFd, refuseSurplus } from '../base/checks.js';
import { native } from '../base/native.js';
import { nativeCall } from '../base/native-call.js';
import type { NamespaceHandle } from '../base/native-links.js';
import type { NativeOpened, NativeQueueSettings, NativeTapSettings } from '../base/native-queue.js';
import { deviceFlags } from '../descriptor/device-flags.js';
import type { OpenedDevice } from '../descriptor/device-handle.js';
import { type AdoptSettings, adoptSettings } from './check-open-options.js';
import { Macvtap } from './macvtap.js';
import { openDevice } from './open-device.js';
import type { AdoptOptions } from './open-options.js';
import { tapQueueOpener } from './open-tap.js';
import { Tap } from './tap.js';
import { Tun } from './tun.js';

/**
 * Takes ownership of an open TUN, TAP or macvtap descriptor, and finds out which kind it is. The descriptor is made
 * non-blocking and close-on-exec.
 *
 * Ownership passes when the promise is fulfilled. If the call fails, the descriptor remains the caller's, open and as it
 * was: everything is checked before anything is changed.
 *
 * Privilege: none, or CAP_SYS_ADMIN if the device is in another namespace (`netns`). For macvtap the identity rule of
 * {@link openMacvtap} applies, which needs CAP_SYS_ADMIN if `/sys` shows another namespace.
 *
 * @example
 * ```ts
 * import { adoptFd } from 'tapfd';
 *
 * // A service manager has passed an open device as descriptor 3.
 * const device = await adoptFd(3);
 * console.log(device.kind, device.name);
 * if (device.kind === 'tun') device.on('data', (packet) => console.log(packet.length));
 * ```
 *
 * @throws TapfdError
 * - `ERR_TAPFD_INVALID_ARGUMENT`: an invalid argument, before any system call.
 * - `EBADF` (`fstat`): not an open descriptor.
 * - `ERR_TAPFD_NOT_A_DEVICE`: a file, a socket, another device.
 * - `EBADFD` (`ioctl TUNGETIFF`): a clone device that has no interface yet, or whose interface was deleted; `ENOLINK`:
 *   the macvtap's link was deleted.
 * - `ERR_TAPFD_WRONG_DEVICE`: its interface is in another namespace than `netns` (default: the caller's), or it is not
 *   what `expect` says.
 * - `ERR_TAPFD_MAC_MISMATCH`: `guestMac` is not the link's MAC.
 * - `ERR_TAPFD_DEVICE_DIFFERS`: `vnetHeader` differs from the setting of a TUN or TAP descriptor, or `segment` is used
 *   with a vnet header of another size than 10.
 * - `ERR_TAPFD_INVALID_STATE`: the descriptor already is a device of this thread.
 * - `EEXIST` (`epoll_ctl`): something else in this thread polls the descriptor.
 */
export async function adoptFd(fd: number, options: AdoptOptions = {}): Promise<Tap | Tun | Macvtap> {
  refuseSurplus('adoptFd', arguments, 2);
  checkFd('fd', fd);
  return adoptWith(fd, adoptSettings(options));
}

/** {@link adoptFd} with checked options. */
export async function adoptWith(fd: number, settings: AdoptSettings): Promise<Tap | Tun | Macvtap> {
  const { place, stream } = settings;
  const made = await openDevice(place, {
    open: (ns) => takeOver(ns, fd, settings),
    /* c8 ignore next -- only reached by an abort at the moment of success; open-abort.test.ts tests the same for opens */
    undo: async ({ queue }) => void queue.release(),
  });
  const adopted = { ...made, settings: stream, openFurther: furtherQueues(made.opened) };
  switch (made.opened.kind) {
    case 'macvtap':
      return Macvtap.wrap(adopted);
    case 'tun':
      return Tun.wrap(adopted);
    case 'tap':
      return Tap.wrap(adopted);
  }
}

/** What the descriptor is was found out, and nothing can be refused any more, when it is changed. */
async function takeOver(
  ns: NamespaceHandle,
  fd: number,
  { device, offload }: AdoptSettings,
): Promise<NativeOpened> {
  const context = { operation: 'adoptFd' };
  const opened = await nativeCall(context, () => native().adoptQueue(ns, fd, device));
  if (opened.kind === 'macvtap') opened.offload = offload;
  const { vnetHeader } = device;
  if (vnetHeader === undefined || vnetHeader === deviceFlags(opened.flags).vnetHeader) return opened;
  try {
    opened.flags = await nativeCall(context, () => opened.queue.setVnetHeader(vnetHeader));
    return opened;
    /* c8 ignore next 4 -- the link was deleted between two answers of the kernel */
  } catch (error) {
    opened.queue.release();
    throw error;
  }
}

/** Opens further queues with the settings of the adopted one, through the usual clone device. */
function furtherQueues({ kind, flags, vnetHeaderBytes }: NativeOpened): OpenedDevice['openFurther'] {
  const { multiQueue, packetInfo, napi, napiFrags } = deviceFlags(flags);
  const queue: NativeQueueSettings = {
    vnetHeaderBytes,
    multiQueue,
    offloadMasks: [],
  };
  if (kind === 'macvtap') {
    return (watch, name, index) =>
      nativeCall({ operation: 'openQueue', interface: name }, () =>
        native().openMacvtapQueue(watch.ns, queue, index),
      );
  }
  const settings: NativeTapSettings = {
    tun: kind === 'tun',
    name: '',
    devicePath: '/dev/net/tun',
    exclusive: false,
    packetInfo,
    napi,
    napiFrags,
    queue,
    link: { addresses: [], up: false },
  };
  return tapQueueOpener(settings);
}
