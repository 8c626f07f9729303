/** What `diagnose()` says of a device. */

/**
 * What was found. Branch on it; messages may change.
 *
 * - `link-down`: the interface is not up.
 * - `no-carrier`: its carrier is off: the host sends nothing.
 * - `queue-detached`: the queue takes no part in the device's traffic.
 * - `bridge-down`: TAP: the bridge it is a port of is not up.
 * - `mtu`: ports of its bridge, or a macvtap and its lower device, have different MTUs.
 * - `lower-down`: macvtap: the lower device is not up.
 * - `lower-no-carrier`: macvtap: the lower device has no carrier.
 * - `mac-mismatch`: macvtap: its MAC is not the guest's.
 * - `mode-vepa`, `mode-private`, `mode-source`: macvtap: modes in which some frames never arrive.
 * - `multicast`: macvtap: groups that the host has not joined do not arrive.
 * - `stray-queue`: another queue of the device takes a share of its frames.
 * - `wrong-node`: macvtap: `/dev/tapN` is another device's. This descriptor is right; one opened by that path is not.
 * - `moved-away`: macvtap: the link is in another network namespace, where its surroundings cannot be seen.
 */
export type FindingCode =
  | 'link-down'
  | 'no-carrier'
  | 'queue-detached'
  | 'bridge-down'
  | 'mtu'
  | 'lower-down'
  | 'lower-no-carrier'
  | 'mac-mismatch'
  | 'mode-vepa'
  | 'mode-private'
  | 'mode-source'
  | 'multicast'
  | 'stray-queue'
  | 'wrong-node'
  | 'moved-away';

/** One thing that stops frames of a device. */
export interface Finding {
  /** What it is. */
  readonly code: FindingCode;
  /** `error`: no frame gets through, in one direction at least. `warning`: some do not, or will not. */
  readonly severity: 'error' | 'warning';
  /** The interface to mend: the device's own, its lower device, its bridge, another port of that. */
  readonly interface: string;
  /** The cause, in a sentence. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
}
