/** Options of `links.create` and `links.set`. */
import type { MacvlanMode } from './macvlan-mode.js';
import type { NetnsLike, NetnsOption } from './namespace.js';

/** A link given by its name or by its index. */
export type LinkRef = string | number;

/** What can be given to a new link and changed of one that is there. */
export interface LinkSettings {
  /** Unicast, not zero. */
  mac?: string;
  /** Bytes, 68 or more; the link's kind and its lower device set the upper bound. */
  mtu?: number;
  /** Whether the link is set up. */
  up?: boolean;
  /** Take every multicast frame, not only those of joined groups. */
  allMulticast?: boolean;
  /** Take every frame, whatever its destination. */
  promiscuous?: boolean;
  /** In packets. */
  txQueueLength?: number;
  /** Free text of at most 255 bytes; empty removes it. */
  alias?: string;
}

/** Changes for `links.set`; only what is given is changed. */
export interface LinkChanges extends LinkSettings, NetnsOption {
  /** A new name. Kernels before 6.2 rename only links that are down. */
  name?: string;
  /** The bridge to put it into; `null` takes it out. With `moveTo`: a bridge of that namespace. */
  master?: LinkRef | null;
  /** Carrier as the driver is to show it. TUN and TAP let one set it, few others do (`ENOTSUP`). */
  carrier?: boolean;
  /** macvlan and macvtap. To and from `passthru` the kernel refuses to change. */
  mode?: MacvlanMode;
  /**
   * Move it to this namespace, where its index may be another. It arrives down unless `up` is true. The kernel does not
   * let bridges leave theirs.
   */
  moveTo?: NetnsLike;
}

/** What every kind takes when it is made. */
export interface NewLinkSettings extends LinkSettings {
  /** With at most one `%d` for the lowest free number. Default: the kind and a number: `bridge0`. */
  name?: string;
  /** The bridge to put it into. With `moveTo`: one of that namespace. */
  master?: LinkRef;
  /** Transmit queues, 1 to 4096. Default: the kind's own. */
  txQueues?: number;
  /** Receive queues, 1 to 4096. Default: the kind's own. */
  rxQueues?: number;
  /** The namespace to make it in. Default: the calling thread's. */
  netns?: NetnsLike;
}

/** What every kind but a bridge takes, which the kernel does not let leave its namespace. */
export interface NewMovableSettings extends NewLinkSettings {
  /** Make it in `netns` (where its lower device is) and move it to this namespace. */
  moveTo?: NetnsLike;
}

/** A bridge to make. */
export interface NewBridge extends NewLinkSettings {
  /** Says which of {@link NewLink}. */
  kind: 'bridge';
  /** Spanning tree protocol. Default off. */
  stp?: boolean;
  /** Keep VLANs apart. Default off. */
  vlanFiltering?: boolean;
  /** Learn who wants which multicast group. Default on. */
  multicastSnooping?: boolean;
  /**
   * Listening and learning time of a new port, a multiple of 10. With `stp` 2000 to 30000, as the kernel would bend
   * other values silently. Default 15000.
   */
  forwardDelayMs?: number;
  /** How long a MAC is remembered, a multiple of 10. Default 300000. */
  ageingTimeMs?: number;
}

/** The other end of a veth pair. */
export interface VethPeer {
  /** Its name. Default: `veth` and a number. */
  name?: string;
  /** Its MAC: unicast, not zero. Default: the kernel's choice. */
  mac?: string;
  /** Where it is made. Default: the namespace of the first end. */
  netns?: NetnsLike;
}

/** A veth pair to make: what one end sends, the other receives. */
export interface NewVeth extends NewMovableSettings {
  /** Says which of {@link NewLink}. */
  kind: 'veth';
  /** The other end, which is down at first. */
  peer?: VethPeer;
}

/** What macvlan and macvtap share. */
export interface NewMacvlanSettings extends NewMovableSettings {
  /** The device it sits on. Not a bridge port, not loopback. */
  lower: LinkRef;
  /** Default `bridge`; the kernel's own would be `vepa`. */
  mode?: MacvlanMode;
  /** With mode `source`, which needs them: the MACs it takes frames from. */
  sourceMacs?: readonly string[];
}

/** A macvlan to make: an interface with a MAC of its own on a lower device. */
export interface NewMacvlan extends NewMacvlanSettings {
  /** Says which of {@link NewLink}. */
  kind: 'macvlan';
}

/** A macvtap to make, which {@link openMacvtap} opens by its name. */
export interface NewMacvtap extends NewMacvlanSettings {
  /** Says which of {@link NewLink}. */
  kind: 'macvtap';
}

/** A vxlan to make: Ethernet over UDP. */
export interface NewVxlan extends NewMovableSettings {
  /** Says which of {@link NewLink}. */
  kind: 'vxlan';
  /** Network identifier (VNI), 0 to 16777215. */
  id: number;
  /** Where frames for unknown MACs go: an address, or a multicast group, which needs `lower`. */
  remote?: string;
  /** The source address. */
  local?: string;
  /** UDP destination port. Default 4789, the assigned one (the kernel's own would be 8472). */
  port?: number;
  /** Learn which MAC is behind which address. Default true. */
  learning?: boolean;
  /** The device whose address and routes it uses. */
  lower?: LinkRef;
}

/** Options of `links.create`. */
export type NewLink = NewBridge | NewVeth | NewMacvlan | NewMacvtap | NewVxlan;
