/** Opening macvtap links. */
import { refuseSurplus } from '../base/checks.js';
import { native } from '../base/native.js';
import { nativeCall } from '../base/native-call.js';
import { macvtapSettings } from './check-open-options.js';
import { linkRemedy } from './link-remedy.js';
import { Macvtap } from './macvtap.js';
import { openDevice } from './open-device.js';
import type { MacvtapOptions } from './open-options.js';

/**
 * Opens a macvtap: the link called `name`, or one that it creates on `lower`.
 *
 * The identity rule: the open only succeeds if the sysfs of the given namespace, the descriptor's device number, and name
 * and MAC on the descriptor agree. If `/dev/tap<index>` is the node of a link in another namespace, the right node is
 * created where no other program sees it.
 *
 * Privilege: CAP_NET_ADMIN to create or change the link, CAP_SYS_ADMIN to read the namespace's sysfs unless `/sys` shows
 * it, CAP_MKNOD if the node is missing or another link's. For an existing link and node: permission on the node.
 *
 * @example
 * ```ts
 * import { openMacvtap } from 'tapfd';
 *
 * // Makes a link on eth0, which goes with the device.
 * await using device = await openMacvtap({ lower: 'eth0', guestMac: '52:54:00:12:34:80' });
 * console.log(device.name, device.mac, await device.diagnose());
 * ```
 *
 * @throws TapfdError
 * - `ERR_TAPFD_INVALID_ARGUMENT`: an invalid option, before any system call.
 * - `ERR_TAPFD_UNSUPPORTED_PLATFORM`: not Linux.
 * - `ERR_TAPFD_MAC_MISMATCH`: `guestMac` is not the link's MAC; the message names both.
 * - `ERR_TAPFD_WRONG_DEVICE`: the link's own node can be neither proved nor created.
 * - `ERR_TAPFD_NOT_A_MACVTAP`: `name` is another kind of link.
 * - `ERR_TAPFD_NOT_A_NAMESPACE`: `netns` is another kind of file.
 * - `ENODEV` (`rtnetlink RTM_GETLINK`): no link `name`, or no device `lower`.
 * - `EBUSY`, `EINVAL`, `EEXIST`, `EADDRINUSE`, … (`rtnetlink RTM_NEWLINK`): with the kernel's own message in `detail`.
 * - `EACCES` (`open`): no permission on the node.
 */
export async function openMacvtap(options: MacvtapOptions): Promise<Macvtap> {
  refuseSurplus('openMacvtap', arguments, 1);
  const { place, stream, device, persist } = macvtapSettings(options);
  const made = await openDevice(place, {
    open: (ns) =>
      nativeCall(
        { operation: 'openMacvtap', interface: device.name },
        () => native().openMacvtap(ns, device),
        (error) => linkRemedy(error, ns, device.link, device.lower),
      ),
    finish: async ({ queue }) => {
      if (persist) queue.keepLink();
    },
  });
  const further = { ...device.queue, offloadMasks: [] };
  return Macvtap.wrap({
    ...made,
    settings: stream,
    openFurther: (shared, name, index) =>
      nativeCall({ operation: 'openQueue', interface: name }, () =>
        native().openMacvtapQueue(shared.ns, further, index),
      ),
  });
}
