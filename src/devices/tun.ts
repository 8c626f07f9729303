/** A TUN device: IP packets. */
import { refuseSurplus } from '../base/checks.js';
import type { OpenedDevice } from '../descriptor/device-handle.js';
import type { OpenQueueOptions } from '../descriptor/settings.js';
import { TunTapDevice } from './tun-tap-device.js';

/** A TUN device: each chunk is one IP packet. Made by {@link openTun}. */
export class Tun extends TunTapDevice {
  /** Always `'tun'`. */
  readonly kind = 'tun';

  private constructor(device: OpenedDevice) {
    super(device);
  }

  /** @internal The device of an opened descriptor. */
  static wrap(device: OpenedDevice): Tun {
    return new Tun(device);
  }

  /**
   * Opens a further queue of this device: another stream, which receives a share of the traffic. Needs `multiQueue`.
   *
   * @throws TapfdError `E2BIG` for the 257th queue, `ERR_TAPFD_INVALID_STATE` without `multiQueue`,
   *   `ERR_TAPFD_DEVICE_GONE` if the device was deleted.
   * @throws The reason of `options.signal`, if it was aborted.
   */
  async openQueue(options: OpenQueueOptions = {}): Promise<Tun> {
    refuseSurplus('openQueue', arguments, 1);
    return new Tun(await this.openFurther(options));
  }
}
