/** A macvtap: Ethernet frames on a lower device. */
import { refuseSurplus } from '../base/checks.js';
import type { OpenedDevice } from '../descriptor/device-handle.js';
import type { OpenQueueOptions } from '../descriptor/settings.js';
import { FrameStream } from '../frames/stream.js';
import { checkUnicastMac, formatMac } from '../links/mac.js';

/**
 * A macvtap descriptor: each chunk is one Ethernet frame. Made by {@link openMacvtap}.
 *
 * Frames to a unicast MAC other than the link's never arrive (except in mode `passthru`), and written frames must have the
 * link's MAC as their source unless `macCheck` is changed.
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
   * Whether frames can reach the guest: the link's MAC is still the guest's. Always true if no `guestMac` was given.
   * Check it again at each `'link'` event whose `changed` includes `mac`.
   */
  get guestMacMatches(): boolean {
    return this.#guestMac === undefined || this.#guestMac === this.mac;
  }

  /**
   * Opens the node again: a further queue, which receives a share of the traffic.
   *
   * @throws TapfdError `EBUSY` (`open`) for the 257th queue, `ERR_TAPFD_DEVICE_GONE` if the link was deleted,
   *   `ERR_TAPFD_WRONG_DEVICE` if its node cannot be proved to be its own.
   * @throws The reason of `options.signal`, if it was aborted.
   */
  async openQueue(options: OpenQueueOptions = {}): Promise<Macvtap> {
    refuseSurplus('openQueue', arguments, 1);
    return new Macvtap(await this.openFurther(options));
  }

  /**
   * Sets the link's MAC through the descriptor, so that it can follow the guest's. Needs no privilege.
   *
   * @throws TapfdError `EADDRINUSE` (`ioctl SIOCSIFHWADDR`) for the MAC of the lower device or a sibling,
   *   `ERR_TAPFD_INVALID_ARGUMENT` for one that is malformed, multicast or zero.
   */
  async setMac(mac: string): Promise<void> {
    const bytes = checkUnicastMac('mac', mac);
    await this.device.setMac(bytes);
  }
}
