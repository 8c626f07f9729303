/** Taking a network card out of a running guest. */
import { type AbortOptions, signalOf } from '../../base/abort.js';
import { TapfdError } from '../../base/errors.js';
import { deviceIdOf } from '../nic/nic.js';
import { checkId } from '../nic/option-syntax.js';
import type { QmpCommands } from '../qmp/commands.js';
import { isNotFound, QmpError } from '../qmp/error.js';
import type { HotPluggedDevices } from './devices.js';
import { fdsetsOf } from './fdsets.js';

export async function removeNic(
  qmp: QmpCommands,
  devices: HotPluggedDevices,
  netdevId: string,
  options: AbortOptions,
): Promise<void> {
  checkId('id', netdevId);
  const signal = signalOf(options);
  const limit: AbortOptions = signal === undefined ? {} : { signal };
  await unplug(qmp, devices, deviceIdOf(netdevId), limit);
  const sets = fdsetsOf(netdevId, await qmp.execute('query-fdsets', {}, limit));
  // Sent together: deleting the backend already closes these numbers, and QEMU must not reuse them for other files
  // before the sets are removed.
  await Promise.all([
    deleteBackend(qmp, devices, netdevId, limit),
    ...sets.map((entry) => qmp.execute('remove-fd', entry, limit)),
  ]);
}

async function deleteBackend(
  qmp: QmpCommands,
  devices: HotPluggedDevices,
  netdevId: string,
  limit: AbortOptions,
): Promise<void> {
  try {
    await qmp.execute('netdev_del', { id: netdevId }, limit);
  } catch (error) {
    // For a card that was added here: an earlier call deleted the backend before it was aborted.
    if (!(isNotFound(error) && devices.has(netdevId))) throw error;
  }
  devices.destroy(netdevId);
}

/** Waits until the guest has released the card. It is no error if there is no such card (any more). */
async function unplug(
  qmp: QmpCommands,
  devices: HotPluggedDevices,
  deviceId: string,
  { signal }: AbortOptions,
): Promise<void> {
  const settled = new AbortController();
  const waiting = {
    where: ({ device }: Readonly<Record<string, unknown>>) => device === deviceId,
    signal: signal === undefined ? settled.signal : AbortSignal.any([signal, settled.signal]),
  };
  // Before the command is sent: the guest may be faster than QEMU's answer.
  const outcome = Promise.race([
    qmp.waitForEvent('DEVICE_DELETED', waiting),
    qmp.waitForEvent('DEVICE_UNPLUG_GUEST_ERROR', waiting).then(() => {
      throw new TapfdError('ERR_TAPFD_QMP_UNPLUG', `removeNic: the guest refuses to release ${deviceId}`, {
        recoverable: true,
      });
    }),
  ]);
  outcome.catch(() => {}); // it is awaited below, or does not matter
  try {
    await requestUnplug(qmp, devices, deviceId, signal === undefined ? {} : { signal });
    await outcome;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  } finally {
    settled.abort();
  }
  devices.unplugging.delete(deviceId);
}

async function requestUnplug(
  qmp: QmpCommands,
  { unplugging }: HotPluggedDevices,
  deviceId: string,
  limit: AbortOptions,
): Promise<void> {
  try {
    await qmp.execute('device_del', { id: deviceId }, limit);
  } catch (error) {
    // While an earlier request waits for the guest, some versions of QEMU refuse another one. A request by another
    // client shows only in the text, as the error has no class of its own.
    const isWaiting =
      error instanceof QmpError &&
      error.qmpClass === 'GenericError' &&
      (unplugging.has(deviceId) || error.detail?.includes('already in the process of unplug'));
    if (!isWaiting) throw error;
  }
  unplugging.add(deviceId);
}
