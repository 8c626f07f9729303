/** A macvtap: Ethernet frames on a lower device. */
import type { OpenedDevice } from '../descriptor/device-handle.js';
import { FrameStream } from '../frames/stream.js';
import { checkUnicastMac, formatMac } from '../links/mac.js';

/**
 * A macvtap descriptor: each chunk is one Ethernet frame. Made by {@link openMacvtap}.
 *
 * Frames to another unicast MAC than the link's never arrive (except in mode `passthru`), and a written frame must have
 * the link's MAC as its source unless `macCheck` says otherwise.
 */
export class Macvtap extends FrameStream {
  /** Always `'macvtap'`. */
  readonly kind = 'macvtap';
  readonly #guestMac: string | undefined;

  private constructor(device: OpenedDevice) {
    super(device);
    const { guestMac } = device.settings;
    this.#guestMac = guestMac && formatMac(guestMac);
  }

  /** @internal The device of an opened descriptor. */
  static wrap(device: OpenedDevice): Macvtap {
    return new Macvtap(device);
  }

  /** The MAC of the guest behind the descriptor, as given at opening. */
  get guestMac(): string | undefined {
    return this.#guestMac;
  }

  /**
   * Whether frames can reach the guest: the link's MAC still is the guest's. True as long as no `guestMac` was given.
   * Look again at each `'link'` event whose `changed` has `mac`.
   */
  get guestMacMatches(): boolean {
    return this.#guestMac === undefined || this.#guestMac === this.mac;
  }

  /**
   * Opens the node once more: a further queue, which gets a share of the traffic.
   *
   * @throws TapfdError `EBUSY` (`open`) for the 257th queue, `ERR_TAPFD_DEVICE_GONE` when the link was deleted,
   *   `ERR_TAPFD_WRONG_DEVICE` when its node cannot be proved to be its own.
   */
  async openQueue(): Promise<Macvtap> {
    return new Macvtap(await this.device.openFurther());
  }

  /**
   * Sets the link's MAC through the descriptor, so that it follows the guest's: no privilege needed.
   *
   * @throws TapfdError `EADDRINUSE` (`ioctl SIOCSIFHWADDR`) for a MAC that the lower device or a sibling has,
   *   `ERR_TAPFD_INVALID_ARGUMENT` for one that is malformed, multicast or zero.
   */
  async setMac(mac: string): Promise<void> {
    const bytes = checkUnicastMac('mac', mac);
    await this.device.control('setMac', (queue) => queue.setMac(bytes));
    this.device.noteMac(bytes);
  }
}
