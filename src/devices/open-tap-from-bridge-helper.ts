/** A TAP in a bridge without any privilege, through QEMU's setuid helper. */

import { onAbort } from '../base/abort.js';
import { refuseSurplus } from '../base/checks.js';
import { TapfdError } from '../base/errors.js';
import { closeFd } from '../fd-socket/fd-source.js';
import type { FdMessage } from '../fd-socket/message.js';
import { FdSocket } from '../fd-socket/socket.js';
import { links } from '../links/links.js';
import { adoptWith } from './adopt-fd.js';
import { findBridgeHelper, helperFailure, type RunningHelper, startBridgeHelper } from './bridge-helper.js';
import { type BridgeHelperSettings, bridgeHelperSettings } from './check-open-options.js';
import type { BridgeHelperOptions } from './open-options.js';
import { Tap } from './tap.js';

/**
 * Opens a new TAP in a bridge through QEMU's `qemu-bridge-helper`, for callers without the privilege to create one. The
 * helper is setuid root, checks in `/etc/qemu/bridge.conf` that this bridge is allowed, and sends the descriptor back. It
 * chooses the TAP's name (`tap0`, …), adds it to the bridge and sets it up. The TAP goes with the descriptor.
 *
 * Privilege: none, if the administrator has allowed the bridge and made the helper setuid, and the caller may open
 * `/dev/net/tun`.
 *
 * @example
 * ```ts
 * import { openTapFromBridgeHelper } from 'tapfd';
 *
 * // As an ordinary user, where /etc/qemu/bridge.conf allows br0.
 * await using tap = await openTapFromBridgeHelper({ bridge: 'br0' });
 * console.log(tap.name);
 * ```
 *
 * @throws TapfdError
 * - `ERR_TAPFD_INVALID_ARGUMENT`: an invalid option, before anything is started.
 * - `ERR_TAPFD_BRIDGE_HELPER`: there is no helper, or it sent no TAP: it is not setuid, or the bridge is not allowed or
 *   does not exist. The message has the helper's output and the remedy; `detail` has the output alone.
 * - `ERR_TAPFD_NOT_A_DEVICE`, `ERR_TAPFD_WRONG_DEVICE`: what it sent is not a TAP, or not one in this bridge.
 * - `EMFILE`, `EACCES` (`spawn`), …: the helper could not be started.
 * @throws The reason of `options.signal`, if it was aborted: the helper is killed, and nothing is left behind.
 */
export async function openTapFromBridgeHelper(options: BridgeHelperOptions): Promise<Tap> {
  refuseSurplus('openTapFromBridgeHelper', arguments, 1);
  const settings = bridgeHelperSettings(options);
  const { bridge, helperPath, vnetHeader } = settings;
  const { signal } = settings.adopt.place;
  signal?.throwIfAborted();
  const path = await findBridgeHelper(helperPath);
  const args = [...(vnetHeader ? ['--use-vnet'] : []), `--br=${bridge}`];
  const [ours, theirs] = FdSocket.pair();
  try {
    const helper = await startBridgeHelper(path, args, theirs);
    // Otherwise the stream would not end with the helper.
    await theirs[Symbol.asyncDispose]();
    const message = await messageFrom(helper, ours, signal);
    const end = await helper.ended;
    if (end.status !== 0 || message?.fds.length !== 1) throw await helperFailure(path, bridge, end);
    return await adoptPort(message.takeFds()[0], settings);
  } finally {
    await Promise.all([ours[Symbol.asyncDispose](), theirs[Symbol.asyncDispose]()]);
  }
}

/** What the helper sends before it ends; undefined if it sends nothing. The helper has ended when this settles. */
async function messageFrom(
  helper: RunningHelper,
  socket: FdSocket,
  signal: AbortSignal | undefined,
): Promise<FdMessage | undefined> {
  // A child of the helper may hold the socket's other end for longer: what has not come when the helper ends never will.
  const over = new AbortController();
  const end = () => over.abort();
  helper.ended.then(end, end);
  const letSignalGo = onAbort(signal, () => helper.kill());
  try {
    const message = await socket.receive({ signal: over.signal }).catch((error: unknown) => {
      if (!over.signal.aborted) throw error;
      return undefined;
    });
    await helper.ended;
    signal?.throwIfAborted();
    return message;
  } catch (error) {
    helper.kill();
    await helper.ended;
    throw error;
    /* c8 ignore next -- V8 counts a path past try and catch that does not exist */
  } finally {
    letSignalGo();
  }
}

/** Adopts the descriptor if it is what was requested; otherwise closes it. */
async function adoptPort(fd: number, { bridge, vnetHeader, adopt }: BridgeHelperSettings): Promise<Tap> {
  const device = await adoptWith(fd, adopt).catch(async (error: unknown) => {
    await closeFd(fd);
    throw error;
  });
  try {
    const [port, master] = await Promise.all([links.get(device.index), links.get(bridge)]);
    if (device instanceof Tap && device.flags.vnetHeader === vnetHeader && port.master === master.index) {
      return device;
    }
    throw new TapfdError(
      'ERR_TAPFD_WRONG_DEVICE',
      `openTapFromBridgeHelper: what the helper sent is ${device.name}, which is not a TAP ` +
        `in the bridge ${bridge} with vnetHeader: ${vnetHeader}`,
      { interface: device.name },
    );
  } catch (error) {
    await device[Symbol.asyncDispose]();
    throw error;
  }
}
