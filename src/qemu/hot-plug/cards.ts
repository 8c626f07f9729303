/** The cards that a client has given to a running guest, or has begun to take from it, and the devices behind them. */
import type { QemuNetworkDevice } from '../nic/device.js';

/**
 * Every device that a running guest has. A macvtap link that the opening call made is removed with its device, even
 * when the garbage collector frees that; so a device is kept here until it is destroyed, even if its client is
 * forgotten.
 */
const heldForGuests = new Set<QemuNetworkDevice>();

interface KnownCard {
  /** Those that QEMU has been given for it. */
  devices: readonly QemuNetworkDevice[];
  /** QEMU has accepted this client's request to the guest to release it. */
  unplugging: boolean;
}

/** By the backend's id, of which QEMU has one at a time. */
export class KnownCards {
  readonly #cards = new Map<string, KnownCard>();
  #isEnded = false;

  /** QEMU has made a backend with this id for this client: whatever had the id before is gone. */
  begin(netdevId: string): void {
    this.forget(netdevId);
    this.#cards.set(netdevId, { devices: [], unplugging: false });
  }

  /** Keeps `devices` for the card. If QEMU has ended in the meantime, they are destroyed at once. */
  keep(netdevId: string, devices: readonly QemuNetworkDevice[]): void {
    for (const device of heldForGuests) {
      if (device.destroyed) heldForGuests.delete(device);
    }
    for (const device of devices) heldForGuests.add(device);
    this.#cards.set(netdevId, { devices, unplugging: false });
    if (this.#isEnded) this.destroyDevices(netdevId);
  }

  noteUnplugging(netdevId: string): void {
    const { devices } = this.#cards.get(netdevId) ?? { devices: [] };
    this.#cards.set(netdevId, { devices, unplugging: true });
  }

  isUnplugging(netdevId: string): boolean {
    return this.#cards.get(netdevId)?.unplugging === true;
  }

  /** Whether this client made the backend, or has begun to remove its card. */
  has(netdevId: string): boolean {
    return this.#cards.has(netdevId);
  }

  /** Destroys the devices behind a card: its backend is gone. */
  destroyDevices(netdevId: string): void {
    for (const device of this.#cards.get(netdevId)?.devices ?? []) {
      heldForGuests.delete(device);
      void device.close();
    }
  }

  /** Card and backend are gone. */
  forget(netdevId: string): void {
    this.destroyDevices(netdevId);
    this.#cards.delete(netdevId);
  }

  /** QEMU has ended. */
  forgetAll(): void {
    this.#isEnded = true;
    for (const netdevId of [...this.#cards.keys()]) this.forget(netdevId);
  }
}
