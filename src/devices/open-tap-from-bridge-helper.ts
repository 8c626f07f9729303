/** A TAP in a bridge without any privilege, through QEMU's setuid helper. */

import { close } from 'node:fs';
import { promisify } from 'node:util';
import { refuseSurplus } from '../base/checks.js';
import { TapfdError } from '../base/errors.js';
import type { FdMessage } from '../fd-socket/message.js';
import { FdSocket } from '../fd-socket/socket.js';
import { links } from '../links/links.js';
import { adoptWith } from './adopt-fd.js';
import { findBridgeHelper, helperFailure, type RunningHelper, startBridgeHelper } from './bridge-helper.js';
import { type BridgeHelperSettings, bridgeHelperSettings } from './check-open-options.js';
import type { BridgeHelperOptions } from './open-options.js';
import { Tap } from './tap.js';

const closeFd = promisify(close);

/**
 * Opens a new TAP in a bridge by way of QEMU's `qemu-bridge-helper`, for who has not the privilege to make one. The
 * helper is setuid root, asks `/etc/qemu/bridge.conf` whether this bridge is allowed, and sends the descriptor back. It
 * names the TAP itself (`tap0`, …), puts it into the bridge and sets it up; the TAP goes with the descriptor.
 *
 * Privilege: none, if the administrator has allowed the bridge, made the helper setuid, and `/dev/net/tun` may be opened.
 *
 * @throws TapfdError
 * - `ERR_TAPFD_INVALID_ARGUMENT`: an option that cannot be right, before anything is started.
 * - `ERR_TAPFD_BRIDGE_HELPER`: there is no helper, or it gave no TAP: it is not setuid, the bridge is not allowed, or
 *   there is none. The message has its words and the remedy; `detail` its words alone.
 * - `ERR_TAPFD_NOT_A_DEVICE`, `ERR_TAPFD_WRONG_DEVICE`: what it sent is no TAP, or is not in this bridge.
 * - `EMFILE`, `EACCES` (`spawn`), …: the helper could not be started.
 * @throws The reason of `options.signal`, when it was aborted: the helper is ended, however it hangs, and nothing is left.
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
    // Else the helper's end would not be the end of the stream.
    await theirs[Symbol.asyncDispose]();
    const message = await messageFrom(helper, ours, signal);
    const end = await helper.ended;
    if (end.status !== 0 || message?.fds.length !== 1) throw await helperFailure(path, bridge, end);
    return await adoptPort(message.takeFds()[0], settings);
  } finally {
    await Promise.all([ours[Symbol.asyncDispose](), theirs[Symbol.asyncDispose]()]);
  }
}

/** What the helper sends before it ends; undefined when it sends nothing. It has ended then, whatever has happened. */
async function messageFrom(
  helper: RunningHelper,
  socket: FdSocket,
  signal: AbortSignal | undefined,
): Promise<FdMessage | undefined> {
  const kill = (): void => helper.kill();
  signal?.addEventListener('abort', kill);
  try {
    const message = await socket.receive({ signal });
    await helper.ended;
    signal?.throwIfAborted();
    return message;
  } catch (error) {
    kill();
    await helper.ended;
    throw error;
    /* c8 ignore next -- V8 counts a way past try and catch that there is not */
  } finally {
    signal?.removeEventListener('abort', kill);
  }
}

/** Takes the descriptor over, if it is what was asked for; closes it otherwise. */
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
