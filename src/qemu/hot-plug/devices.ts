/** The devices that a monitor's guest was given while it ran, by card. */
import type { QemuNetworkDevice } from '../nic/device.js';

/**
 * Every device that a running guest has. A macvtap link that the opening call made goes with its device, and the
 * garbage collector would end that too; so a device stays here until somebody destroys it, even when its client is
 * forgotten.
 */
const heldForGuests = new Set<QemuNetworkDevice>();

/** What is destroyed with the card, or with QEMU. */
export class HotPluggedDevices {
  /** Cards (`device_del` ids) that this client has asked the guest to let go of, and that it has not yet. */
  readonly unplugging = new Set<string>();
  readonly #byCard = new Map<string, readonly QemuNetworkDevice[]>();
  #isEnded = false;

  /** Keeps `devices` for a card that QEMU has; where QEMU has ended since it said so, they are destroyed at once. */
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
      device.destroy();
    }
    this.#byCard.delete(netdevId);
  }

  /** QEMU has ended. */
  destroyAll(): void {
    this.#isEnded = true;
    for (const netdevId of [...this.#byCard.keys()]) this.destroy(netdevId);
  }
}
