/** A TAP device: Ethernet frames. */

import { checkMac } from '../addresses/mac.js';
import { checkBoolean, checkList, checkObject, refuseSurplus } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import type { OpenedDevice } from '../descriptor/device-handle.js';
import type { OpenQueueOptions } from '../descriptor/settings.js';
import { checkUnicastMac, isMulticastMac } from '../links/mac.js';
import { TunTapDevice } from './tun-tap-device.js';

/** `drivers/net/tun.c` FLT_EXACT_COUNT: with one more address the kernel turns the filter off. */
const MAX_EXACT_ADDRESSES = 8;
/** `struct tun_filter` has a 16-bit count. */
const MAX_ADDRESSES = 0xffff;

/** Which destinations reach the reader of a TAP. */
export interface TxFilter {
  /**
   * Unicast and multicast MACs that pass; broadcast (`ff:ff:ff:ff:ff:ff`) only passes if it is listed. At most 8 unicast
   * MACs. After the first 8 addresses, multicast MACs are kept as a hash of 64 bits, so that some unlisted ones pass, too.
   * With an empty list everything passes.
   */
  addresses: string[];
  /** Let every multicast frame pass. Default false. */
  allMulticast?: boolean | undefined;
}

/** A TAP device: each chunk is one Ethernet frame, without a frame check sequence. Made by {@link openTap}. */
export class Tap extends TunTapDevice {
  /** Always `'tap'`. */
  readonly kind = 'tap';

  private constructor(device: OpenedDevice) {
    super(device);
  }

  /** @internal The device of an opened descriptor. */
  static wrap(device: OpenedDevice): Tap {
    return new Tap(device);
  }

  /**
   * Opens a further queue of this device: another stream, which receives a share of the traffic. Needs `multiQueue`.
   *
   * @throws TapfdError `E2BIG` for the 257th queue, `ERR_TAPFD_INVALID_STATE` without `multiQueue`,
   *   `ERR_TAPFD_DEVICE_GONE` if the device was deleted.
   * @throws The reason of `options.signal`, if it was aborted.
   */
  async openQueue(options: OpenQueueOptions = {}): Promise<Tap> {
    refuseSurplus('openQueue', arguments, 1);
    return new Tap(await this.openFurther(options));
  }

  /**
   * Sets the MAC of the interface through the descriptor. Needs no privilege.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for a MAC that is malformed, multicast or zero.
   */
  async setMac(mac: string): Promise<void> {
    const bytes = checkUnicastMac('mac', mac);
    await this.device.setMac(bytes);
  }

  /**
   * Selects the frames that reach the reader by destination (TUNSETTXFILTER), as the guest's network card would.
   *
   * @param filter - With null everything passes.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for an invalid filter, or more than 8 unicast MACs.
   */
  async setTxFilter(filter: TxFilter | null): Promise<void> {
    const { allMulticast, macs } =
      filter === null ? { allMulticast: false, macs: [] } : checkTxFilter(filter);
    await this.device.control('setTxFilter', (queue) => queue.setTxFilter(allMulticast, macs));
    this.device.noteFilter('tx-filter', macs.length > 0);
  }
}

function checkTxFilter(filter: TxFilter): { allMulticast: boolean; macs: Buffer[] } {
  checkObject('filter', filter);
  const { addresses, allMulticast = false } = filter;
  checkBoolean('filter.allMulticast', allMulticast);
  const expected = `an array of at most ${MAX_ADDRESSES} MACs`;
  const macs = checkList('filter.addresses', addresses, expected, checkMac);
  if (macs.length > MAX_ADDRESSES) throw invalidArgument('filter.addresses', expected, addresses);
  const unicast = macs.filter((mac) => !isMulticastMac(mac));
  if (unicast.length > MAX_EXACT_ADDRESSES) {
    throw invalidArgument(
      'filter.addresses',
      `a list with at most ${MAX_EXACT_ADDRESSES} unicast MACs`,
      unicast.length,
    );
  }
  // The kernel keeps the first 8 exactly and hashes the rest; a unicast MAC there turns the filter off.
  return { allMulticast, macs: [...unicast, ...macs.filter(isMulticastMac)] };
}
