/** The devices that a running guest was given, by card. */
import type { QemuNetworkDevice } from '../nic/device.js';

/**
 * Every device that a running guest has. A macvtap link that the opening call made is removed with its device, even
 * when the garbage collector frees that; so a device is kept here until it is destroyed, even if its client is
 * forgotten.
 */
const heldForGuests = new Set<QemuNetworkDevice>();

/** The devices to destroy when their card is removed, or when QEMU ends. */
export class HotPluggedDevices {
  /** Cards (`device_del` ids) that this client has asked the guest to release, and that it still has. */
  readonly unplugging = new Set<string>();
  readonly #byCard = new Map<string, readonly QemuNetworkDevice[]>();
  #isEnded = false;

  /** Keeps `devices` for a card that QEMU has. If QEMU has ended in the meantime, they are destroyed at once. */
  add(netdevId: string, devices: readonly QemuNetworkDevice[]): void {
    for (const device of heldForGuests) {
      if (device.destroyed) heldForGuests.delete(device);
    }
    for (const device of devices) heldForGuests.add(device);
    this.#byCard.set(netdevId, devices);
    if (this.#isEnded) this.destroy(netdevId);
  }

  has(netdevId: string): boolean {
    return this.#byCard.has(netdevId);
  }

  destroy(netdevId: string): void {
    for (const device of this.#byCard.get(netdevId) ?? []) {
      heldForGuests.delete(device);
      void device.close();
    }
    this.#byCard.delete(netdevId);
  }

  /** QEMU has ended. */
  destroyAll(): void {
    this.#isEnded = true;
    for (const netdevId of [...this.#byCard.keys()]) this.destroy(netdevId);
  }
}
