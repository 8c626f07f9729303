/** Options of `links.create` and `links.set`. */
import type { AddressGeneration } from './address-generation.js';
import type { MacvlanMode } from './macvlan-mode.js';
import type { NetnsLike, NetnsOption } from './namespace.js';

/** A link given by its name or by its index. */
export type LinkRef = string | number;

/** Settings of a new link, which can also be changed later. */
export interface LinkSettings {
  /** Unicast, not zero. */
  mac?: string | undefined;
  /** Bytes: at least 68, at most what the link's kind and its lower device allow. */
  mtu?: number | undefined;
  /** Set the link up or down. */
  up?: boolean | undefined;
  /** Receive every multicast frame, not only those of joined groups. */
  allMulticast?: boolean | undefined;
  /** Receive every frame, whatever its destination. */
  promiscuous?: boolean | undefined;
  /** In packets. */
  txQueueLength?: number | undefined;
  /** Free text of at most 255 bytes; an empty string removes it. */
  alias?: string | undefined;
  /**
   * How it makes its IPv6 addresses, as `ip link set … addrgenmode`. A link that goes up with `'none'` makes none and
   * sends nothing of its own, but still takes addresses from router advertisements (sysctl `accept_ra`).
   */
  addressGeneration?: AddressGeneration | undefined;
}

/** Changes for `links.set`. What is left out does not change. */
export interface LinkChanges extends LinkSettings, NetnsOption {
  /** A new name. Kernels before 6.2 rename only links that are down. */
  name?: string | undefined;
  /** The bridge to add it to; `null` removes it from its bridge. With `moveTo`: a bridge of that namespace. */
  master?: LinkRef | null | undefined;
  /** The carrier that the driver reports. It can be set on TUN and TAP, and on few others (`ENOTSUP`). */
  carrier?: boolean | undefined;
  /** macvlan and macvtap. The kernel refuses changes to and from `passthru`. */
  mode?: MacvlanMode | undefined;
  /**
   * Move it to this namespace, where its index may differ. It arrives down unless `up` is true. The kernel does not let
   * bridges leave their namespace.
   */
  moveTo?: NetnsLike | undefined;
}

/** Settings of new links of every kind. */
export interface NewLinkSettings extends LinkSettings {
  /** May have one `%d` for the lowest free number. Default: the kind and a number, such as `bridge0`. */
  name?: string | undefined;
  /** The bridge to add it to. With `moveTo`: a bridge of that namespace. */
  master?: LinkRef | undefined;
  /** Transmit queues, 1 to 4096. Default: that of the kind. */
  txQueues?: number | undefined;
  /** Receive queues, 1 to 4096. Default: that of the kind. */
  rxQueues?: number | undefined;
  /** The namespace to create it in. Default: that of the calling thread. */
  netns?: NetnsLike | undefined;
}

/** Settings of new links of every kind but a bridge, which cannot leave its namespace. */
export interface NewMovableSettings extends NewLinkSettings {
  /** Create it in `netns`, where its lower device is, and move it to this namespace. */
  moveTo?: NetnsLike | undefined;
}

/** A new bridge. */
export interface NewBridge extends NewLinkSettings {
  /** The kind of {@link NewLink}. */
  kind: 'bridge';
  /** Spanning tree protocol. Default off. */
  stp?: boolean | undefined;
  /** Filter by VLAN. Default off. */
  vlanFiltering?: boolean | undefined;
  /** Learn which ports have members of which multicast group. Default on. */
  multicastSnooping?: boolean | undefined;
  /**
   * Listening and learning time of a new port, a multiple of 10. With `stp` 2000 to 30000, because the kernel silently
   * changes other values. Default 15000.
   */
  forwardDelayMs?: number | undefined;
  /** How long a learned MAC is kept, a multiple of 10. Default 300000. */
  ageingTimeMs?: number | undefined;
}

/** The other end of a veth pair. */
export interface VethPeer {
  /** Its name. Default: `veth` and a number. */
  name?: string | undefined;
  /** Its MAC: unicast, not zero. Default: the kernel's choice. */
  mac?: string | undefined;
  /** The namespace to create it in. Default: that of the first end. */
  netns?: NetnsLike | undefined;
}

/** A new veth pair: what one end sends, the other receives. */
export interface NewVeth extends NewMovableSettings {
  /** The kind of {@link NewLink}. */
  kind: 'veth';
  /** The other end, which is down at first. */
  peer?: VethPeer | undefined;
}

/** Settings of new macvlan and macvtap links. */
export interface NewMacvlanSettings extends NewMovableSettings {
  /** The device that it uses: neither a bridge port nor loopback. */
  lower: LinkRef;
  /** Default `bridge` (the kernel's own default is `vepa`). */
  mode?: MacvlanMode | undefined;
  /** The MACs from which it receives frames. Required in mode `source`, and only allowed there. */
  sourceMacs?: readonly string[] | undefined;
}

/** A new macvlan: an interface with its own MAC on a lower device. */
export interface NewMacvlan extends NewMacvlanSettings {
  /** The kind of {@link NewLink}. */
  kind: 'macvlan';
}

/** A new macvtap, which {@link openMacvtap} can open by its name. */
export interface NewMacvtap extends NewMacvlanSettings {
  /** The kind of {@link NewLink}. */
  kind: 'macvtap';
}

/** A new vxlan: Ethernet over UDP. */
export interface NewVxlan extends NewMovableSettings {
  /** The kind of {@link NewLink}. */
  kind: 'vxlan';
  /** Network identifier (VNI), 0 to 16777215. */
  id: number;
  /** The destination of frames for unknown MACs: an address, or a multicast group, which needs `lower`. */
  remote?: string | undefined;
  /** The source address. */
  local?: string | undefined;
  /** UDP destination port. Default 4789, the assigned port (the kernel's own default is 8472). */
  port?: number | undefined;
  /** Learn which address each MAC is at. Default true. */
  learning?: boolean | undefined;
  /** The device whose address and routes it uses. */
  lower?: LinkRef | undefined;
}

/** Options of `links.create`. */
export type NewLink = NewBridge | NewVeth | NewMacvlan | NewMacvtap | NewVxlan;
