/** What `diagnose()` returns. */

/**
 * The kind of finding. Branch on it; messages may change.
 *
 * - `link-down`: the interface is not up.
 * - `no-carrier`: its carrier is off, so the host sends nothing.
 * - `queue-detached`: the queue is detached from the device's traffic.
 * - `tx-filter`: TAP: `setTxFilter()` was called in this thread, so frames to other destinations do not arrive. A filter that
 *   another program has set cannot be seen: neither can be read back from the kernel.
 * - `filter-program`: TUN, TAP: the same of `setFilterProgram()`.
 * - `bridge-down`: TAP: its bridge is not up.
 * - `port-not-forwarding`: TAP: its bridge's spanning tree keeps its port from forwarding.
 * - `port-isolated`: TAP: it and other ports of its bridge are isolated from each other.
 * - `flooding-off`: TAP: a port of its bridge does not get frames to destinations that the bridge does not know.
 * - `port-down`: TAP: the only port that leads on from its bridge, such as the uplink, passes no frames.
 * - `arp-off`: TAP: the host resolves no addresses on the link, or on its bridge.
 * - `address-duplicate`: an IPv6 address of the link, or of its bridge, is also another's: the host does not use it.
 * - `address-tentative`: the host does not use an IPv6 address yet. Not told of link-local ones.
 * - `address-deprecated`: the preferred lifetime of an address has ended. Not told of link-local ones.
 * - `mtu`: ports of its bridge, the bridge itself, or a macvtap and its lower device, have different MTUs.
 * - `kernel-drops`: the kernel has dropped frames on their way to the reader since the device was opened.
 * - `lower-down`: macvtap: the lower device is not up.
 * - `lower-no-carrier`: macvtap: the lower device has no carrier.
 * - `mac-mismatch`: macvtap: its MAC is not the guest's.
 * - `mode-vepa`, `mode-private`, `mode-source`: macvtap: modes in which some frames never arrive.
 * - `multicast`: macvtap: frames to groups that the host has not joined do not arrive.
 * - `stray-queue`: another queue of the device receives a share of its frames.
 * - `wrong-node`: macvtap: `/dev/tapN` is the node of another device. This descriptor is the right one; one opened by
 *   that path would not be.
 * - `moved-away`: macvtap: the link is in another network namespace, where its surroundings are not visible.
 */
export type FindingCode =
  | 'link-down'
  | 'no-carrier'
  | 'queue-detached'
  | 'tx-filter'
  | 'filter-program'
  | 'bridge-down'
  | 'port-not-forwarding'
  | 'port-isolated'
  | 'flooding-off'
  | 'port-down'
  | 'arp-off'
  | 'address-duplicate'
  | 'address-tentative'
  | 'address-deprecated'
  | 'mtu'
  | 'kernel-drops'
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

/** One reason why frames of a device do not arrive. */
export interface Finding {
  /** The kind of finding. */
  readonly code: FindingCode;
  /** `error`: no frame gets through, in at least one direction. `warning`: some do not, or will not. */
  readonly severity: 'error' | 'warning';
  /** The interface to fix: the device's own, its lower device, its bridge, or another port of the bridge. */
  readonly interface: string;
  /** The cause, in a sentence. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
}
