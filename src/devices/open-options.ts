/** The options of the opening calls, and their names. */

import type { Offload } from '../descriptor/offload.js';
import type { MacCheck } from '../descriptor/settings.js';
import type { IpPrefixLike } from '../links/ip-prefix.js';
import type { MacvlanMode } from '../links/macvlan-mode.js';
import type { NetnsLike } from '../links/namespace.js';

/** Options of every opening call. */
export interface StreamOptions {
  /** Network namespace to work in. Default: the one of the calling thread. Another one needs CAP_SYS_ADMIN. */
  netns?: NetnsLike;
  /** Frames that may wait in the stream before reading stops. Default 64. */
  readableHighWaterMark?: number;
  /** Frames that may wait for the kernel before `write()` returns false. Default 64. */
  writableHighWaterMark?: number;
  /**
   * Give each received frame memory of its own. Default false: a frame is a view of a slab shared with its neighbours,
   * and a kept frame keeps all of it (16 to 256 KiB). Set it when few of many frames are kept for long.
   */
  copyFrames?: boolean;
  /**
   * Aborts the opening: the promise rejects with the signal's reason, and nothing is left behind then. A step in which
   * the kernel waits cannot be interrupted; it is taken back as soon as it ends.
   */
  signal?: AbortSignal;
}

/** Options of what the link is to be, set by rtnetlink in the same call. They need CAP_NET_ADMIN if they change it. */
export interface LinkOptions {
  /** Bytes of a packet, Ethernet header not counted. 68 to 65521; on macvtap at most the lower device's. */
  mtu?: number;
  /** Bring the link up. Default true; false leaves it as it is. */
  up?: boolean;
  /** Addresses to add. */
  addresses?: IpPrefixLike[];
  /** Receive multicast of every group (a macvtap guest needs it for groups that the host has not joined). */
  allMulticast?: boolean;
}

/** Splitting and joining in the library. */
export interface SegmentOption {
  /**
   * Let the kernel hand over and take super-frames, and split and join them here: JavaScript sees whole frames of MTU
   * size, checksums complete and without vnet header, while the kernel moves up to 64 KiB at once. `writeBatch()` and
   * `forward()` join; single writes go as they are. Brings `vnetHeader` with it. Not with `packetInfo`. Default false.
   *
   * An opening call brings all offloads along, unless `offload` names some. A descriptor that is adopted has those that
   * it was given before, which the kernel does not tell: until `setOffload()` names them, UDP is not joined.
   */
  segment?: boolean;
}

/** Options of every kind of queue. */
export interface QueueOptions extends SegmentOption {
  /** Allow further queues: `device.openQueue()`. Default false. */
  multiQueue?: boolean;
  /** Frames carry a `virtio_net_hdr` of 10 bytes in front, both ways. Default false, and really off on macvtap. */
  vnetHeader?: boolean;
  /** Offloads to ask for; needs `vnetHeader`. What was granted: `device.features.offload`. Default none, all with `segment`. */
  offload?: Offload[];
  /** Bytes of written frames the kernel may hold. Default 2147483647, the largest: less stalls senders. */
  sendBufferBytes?: number;
}

/** Options of TUN and TAP. */
export interface TunTapOptions extends StreamOptions, LinkOptions, QueueOptions {
  /**
   * Interface name: 1 to 15 bytes, and one `%d` stands for the lowest free number. A device that exists is attached to.
   * Default `tap%d` or `tun%d`.
   */
  name?: string;
  /** The clone device: a character device 10:200. Default `/dev/net/tun`. */
  devicePath?: string;
  /** true: the device outlives the descriptor; false: it goes with it. Default: false for a new device, unchanged for one that exists. */
  persist?: boolean;
  /** Fail with EBUSY if the device exists. Default false. */
  exclusive?: boolean;
  /** Uid that may attach without CAP_NET_ADMIN. */
  owner?: number;
  /** Gid that may attach without CAP_NET_ADMIN. */
  group?: number;
  /** Keep the kernel's 4-byte packet information in front of each frame, both ways. Default false. */
  packetInfo?: boolean;
  /** Deliver written frames through NAPI (IFF_NAPI): true, or `'frags'` (TAP, needs CAP_NET_ADMIN). Default false. */
  napi?: boolean | 'frags';
  /** The carrier at opening (TUNSETCARRIER). Default: on. */
  carrier?: boolean;
}

/** Options of {@link openTun}. */
export type TunOptions = TunTapOptions;

/** Options of {@link openTap}. */
export interface TapOptions extends TunTapOptions {
  /** MAC of the interface: the host's side, not the guest's. Default: the kernel's choice. */
  mac?: string;
  /** Name of a bridge to join. */
  bridge?: string;
}

/** The rules about MACs that hold for a macvtap descriptor. */
export interface GuestMacOptions {
  /**
   * MAC of the guest behind the descriptor. Must equal the link's, else the open fails with
   * `ERR_TAPFD_MAC_MISMATCH`; with `lower` and no `mac`, the link gets it.
   */
  guestMac?: string;
  /** What a written frame with another source MAC gets: an error, a count, or its way. Default `'error'`. */
  macCheck?: MacCheck;
}

/** Options of {@link openMacvtap}. Either `name` or `lower` must be given. */
export interface MacvtapOptions extends StreamOptions, LinkOptions, QueueOptions, GuestMacOptions {
  /** The link to open, or with `lower` the link to make (one `%d` allowed; default `macvtap%d`). */
  name?: string;
  /** Make the link on this device. */
  lower?: string;
  /** Mode of the link that is made. Default `'bridge'`. */
  mode?: MacvlanMode;
  /** MAC of the link. Default: `guestMac`, else the kernel's choice. */
  mac?: string;
  /** true: a link that this call makes stays when the device is closed. A link found is never removed. Default false. */
  persist?: boolean;
}

/** Options of {@link adoptFd}. */
export interface AdoptOptions extends StreamOptions, GuestMacOptions, SegmentOption {
  /**
   * Whether frames carry a vnet header. Default: as the descriptor is. On macvtap it is switched; on TUN and TAP it is
   * fixed, and asking for the other fails with EEXIST.
   */
  vnetHeader?: boolean;
}

/** Options of {@link openTapFromBridgeHelper}. */
export interface BridgeHelperOptions extends Omit<StreamOptions, 'netns'> {
  /** Name of the bridge, in the network namespace of the process. */
  bridge: string;
  /** The helper. Default: `qemu-bridge-helper` where distributions install it. */
  helperPath?: string;
  /** Frames carry a `virtio_net_hdr` of 10 bytes in front, both ways. Default false. */
  vnetHeader?: boolean;
}

/** Each option once: the compiler misses none. */
type Names<Options> = Record<keyof Options, true>;

const STREAM: Names<StreamOptions> = {
  netns: true,
  readableHighWaterMark: true,
  writableHighWaterMark: true,
  copyFrames: true,
  signal: true,
};

const LINK: Names<LinkOptions> = { mtu: true, up: true, addresses: true, allMulticast: true };

const QUEUE: Names<QueueOptions> = {
  multiQueue: true,
  vnetHeader: true,
  offload: true,
  segment: true,
  sendBufferBytes: true,
};

const GUEST_MAC: Names<GuestMacOptions> = { guestMac: true, macCheck: true };

const TAP: Names<TapOptions> = {
  ...STREAM,
  ...LINK,
  ...QUEUE,
  name: true,
  devicePath: true,
  persist: true,
  exclusive: true,
  owner: true,
  group: true,
  packetInfo: true,
  napi: true,
  carrier: true,
  mac: true,
  bridge: true,
};

const MACVTAP: Names<MacvtapOptions> = {
  ...STREAM,
  ...LINK,
  ...QUEUE,
  ...GUEST_MAC,
  name: true,
  lower: true,
  mode: true,
  mac: true,
  persist: true,
};

const ADOPT: Names<AdoptOptions> = { ...STREAM, ...GUEST_MAC, segment: true, vnetHeader: true };

const BRIDGE_HELPER: Names<BridgeHelperOptions> = {
  bridge: true,
  helperPath: true,
  vnetHeader: true,
  readableHighWaterMark: true,
  writableHighWaterMark: true,
  copyFrames: true,
  signal: true,
};

/** What each opening call knows. `mac` and `bridge` of openTun are refused with a reason of their own. */
export const OPTION_NAMES = {
  openTap: Object.keys(TAP),
  openTun: Object.keys(TAP),
  openMacvtap: Object.keys(MACVTAP),
  adoptFd: Object.keys(ADOPT),
  openTapFromBridgeHelper: Object.keys(BRIDGE_HELPER),
};
