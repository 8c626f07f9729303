/** What is said about a network card that comes while the guest runs. */
import type { AbortOptions } from '../../base/abort.js';
import type { QemuNic } from '../nic/nic.js';

/**
 * How QEMU gets the descriptors.
 *
 * - `getfd`: under names, which `netdev_add` consumes. The backend owns them, and closes them when it goes.
 * - `add-fd`: into descriptor sets, from which the backend is told the numbers; for who may allow only this command.
 *   The sets go on listing the descriptors that the backend has, so QEMU before 9.1 **closes them when its last monitor
 *   connection ends**: keep the client as long as the card. The guest must run, not be paused.
 */
export type QemuFdPassing = 'getfd' | 'add-fd';

/** A network card for a running guest. */
export interface QemuHotPlugNic extends QemuNic {
  /** The `netdev_add` id. Default: `tapfd-` and 8 random hexadecimal digits. The card has the same with `-nic` behind it. */
  id?: string;
  /** Default `getfd`. */
  via?: QemuFdPassing;
}

/** Options of `QmpClient.addNic`. */
export interface QemuHotPlugOptions extends AbortOptions {
  /** Milliseconds that QEMU gets to undo things when the call has failed or was aborted. Default 10000. */
  undoTimeoutMs?: number;
}

/** What a card that was plugged into a running guest is called. */
export interface QemuHotPluggedNic {
  /** For `removeNic` and `set_link`. */
  netdevId: string;
  /** For `device_del`; also the name in `NIC_RX_FILTER_CHANGED`. */
  deviceId: string;
  /** The guest's MAC. */
  mac: string;
}
