/** What belongs to a device and not to one of its queues. */

/** What keeps frames from all queues of a device, by the code of the finding. */
export type DeviceFilter = 'tx-filter' | 'filter-program';

/** What belongs to a device and so to all its queues, and cannot be read back. */
export interface SharedState {
  /** The offloads granted (TUN_F_*). */
  offloadMask: number;
  /** The filters that were set through one of the queues. */
  readonly filters: Set<DeviceFilter>;
}
