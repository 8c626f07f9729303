/** What describes a network card that is plugged into a running guest. */
import type { AbortOptions } from '../../base/abort.js';
import type { QemuNic } from '../nic/nic.js';

/**
 * How QEMU gets the descriptors.
 *
 * - `getfd`: under names, which `netdev_add` consumes. The backend owns the descriptors and closes them when it is
 *   deleted.
 * - `add-fd`: in descriptor sets, whose numbers the backend is given; for setups that allow only this command. The sets
 *   still list the descriptors that the backend uses, so QEMU before 9.1 **closes them when its last monitor connection
 *   ends**: keep the client as long as the card. The guest must be running, not paused.
 */
export type QemuFdPassing = 'getfd' | 'add-fd';

/** A network card for a running guest. */
export interface QemuHotPlugNic extends QemuNic {
  /** The `netdev_add` id. Default: `tapfd-` and 8 random hexadecimal digits. The card's own id has `-nic` appended. */
  id?: string | undefined;
  /** Default `getfd`. */
  via?: QemuFdPassing | undefined;
}

/** Options of `QmpClient.addNic`. */
export interface QemuHotPlugOptions extends AbortOptions {
  /**
   * Milliseconds in which QEMU must undo the steps of a call that has failed or was aborted. After an abort, up to half
   * of them are spent waiting for its answer to the command under way. Default 10000.
   */
  undoTimeoutMs?: number | undefined;
}

/** A card that was plugged into a running guest. */
export interface QemuHotPluggedNic {
  /** For `removeNic` and `set_link`. */
  netdevId: string;
  /** For `device_del`; also the name in `NIC_RX_FILTER_CHANGED`. */
  deviceId: string;
  /** The guest's MAC. */
  mac: string;
}
