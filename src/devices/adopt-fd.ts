/** Adopting a descriptor that was opened elsewhere. */
import { checkFd, refuseSurplus } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { native } from '../base/native.js';
import { nativeCall } from '../base/native-call.js';
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
 * Ownership passes when the promise is fulfilled. If the call fails, the descriptor remains the caller's, and open.
 *
 * Privilege: none, or CAP_SYS_ADMIN if the device is in another namespace (`netns`). For macvtap the identity rule of
 * {@link openMacvtap} applies, which needs CAP_SYS_ADMIN if `/sys` shows another namespace.
 *
 * @throws TapfdError
 * - `ERR_TAPFD_INVALID_ARGUMENT`: an invalid argument, before any system call.
 * - `EBADF` (`fstat`): not an open descriptor.
 * - `ERR_TAPFD_NOT_A_DEVICE`: a file, a socket, another device.
 * - `EBADFD` (`ioctl TUNGETIFF`): a clone device that has no interface yet, or whose interface was deleted; `ENOLINK`:
 *   the macvtap's link was deleted.
 * - `ERR_TAPFD_WRONG_DEVICE`: its interface is in another namespace than `netns` (default: the caller's).
 * - `ERR_TAPFD_MAC_MISMATCH`: `guestMac` is not the link's MAC.
 * - `EEXIST` (`ioctl TUNSETIFF`): `vnetHeader` or `segment` differs from the setting of a TUN or TAP descriptor.
 * - `ERR_TAPFD_INVALID_STATE`: the descriptor already is a device of this thread.
 * - `EEXIST` (`epoll_ctl`): something else in this thread polls the descriptor.
 */
export async function adoptFd(fd: number, options: AdoptOptions = {}): Promise<Tap | Tun | Macvtap> {
  refuseSurplus('adoptFd', arguments, 2);
  checkFd('fd', fd);
  return adoptWith(fd, adoptSettings(options));
}

/** {@link adoptFd} with checked options. */
export async function adoptWith(
  fd: number,
  { place, stream, device }: AdoptSettings,
): Promise<Tap | Tun | Macvtap> {
  const { opened, watch } = await openDevice(place, {
    open: async (ns) => {
      const opened = await nativeCall({ operation: 'adoptFd' }, () => native().adoptQueue(ns, fd, device));
      if (!stream.segment || opened.vnetHeaderBytes === SEGMENT_HEADER_BYTES) return opened;
      opened.queue.release();
      throw invalidArgument('segment', 'used on a descriptor with a vnet header of 10 bytes', true);
    },
    /* c8 ignore next -- only reached by an abort at the moment of success; open-abort.test.ts tests the same for opens */
    undo: async ({ queue }) => void queue.release(),
  });
  const adopted = { opened, watch, settings: stream, openFurther: furtherQueues(opened) };
  switch (opened.kind) {
    case 'macvtap':
      return Macvtap.wrap(adopted);
    case 'tun':
      return Tun.wrap(adopted);
    case 'tap':
      return Tap.wrap(adopted);
  }
}

/** Splitting and joining work with this vnet header only, which every opening call sets. */
const SEGMENT_HEADER_BYTES = 10;

/** Opens further queues with the settings of the adopted one, through the usual clone device. */
function furtherQueues({ kind, flags, vnetHeaderBytes }: NativeOpened): OpenedDevice['openFurther'] {
  const { multiQueue, packetInfo, napi, napiFrags } = deviceFlags(flags);
  const queue: NativeQueueSettings = {
    vnetHeaderBytes,
    multiQueue,
    sendBufferBytes: 0x7fff_ffff,
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
