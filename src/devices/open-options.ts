/** The options of the opening calls, and their names. */

import type { ExpectedDevice } from '../descriptor/hand-off-options.js';
import type { Offload } from '../descriptor/offload.js';
import type { MacCheck } from '../descriptor/settings.js';
import type { IpPrefixLike } from '../links/ip-prefix.js';
import type { MacvlanMode } from '../links/macvlan-mode.js';
import type { NetnsLike } from '../links/namespace.js';

/** Options of every opening call. */
export interface StreamOptions {
  /** Network namespace to work in. Default: that of the calling thread. Another one needs CAP_SYS_ADMIN. */
  netns?: NetnsLike | undefined;
  /** How many frames may wait in the stream before reading stops. Default 64. */
  readableHighWaterMark?: number | undefined;
  /** How many frames may wait for the kernel before `write()` returns false. Default 64. */
  writableHighWaterMark?: number | undefined;
  /**
   * Copy each received frame into its own memory. Default false: a frame is a view of a slab shared with its neighbours,
   * and keeping a frame keeps the whole slab (16 to 256 KiB). Set it if you keep a few of many frames for long.
   */
  copyFrames?: boolean | undefined;
  /**
   * Ends the device: aborts the call, whose promise then rejects with the signal's reason, and nothing is left behind (a
   * step that waits in the kernel cannot be interrupted, and is undone as soon as it ends); and afterwards destroys the
   * device with an `AbortError` whose `cause` is the reason, as `'error'` and as what loops throw. After `handOff()` and at
   * the end, the signal is let go.
   */
  signal?: AbortSignal | undefined;
}

/** Settings of the link, made by rtnetlink in the same call. They need CAP_NET_ADMIN if they change anything. */
export interface LinkOptions {
  /** Bytes of the longest packet, without the Ethernet header: 68 to 65521, TUN 65535, macvtap at most the lower device's. */
  mtu?: number | undefined;
  /** Bring the link up. Default true; false leaves it as it is. */
  up?: boolean | undefined;
  /**
   * Whether the host speaks IPv6 on this link: whether it makes itself an address there, from the MAC, and takes addresses
   * and routes from router advertisements. Default: false for a link that this call makes for a guest (a macvtap on
   * `lower`, a TAP in a `bridge`) unless `addresses` has one of IPv6; every other link is left as it is. It sets the link's
   * address generation mode and the sysctl `disable_ipv6`.
   */
  ipv6?: boolean | undefined;
  /** Addresses to add. */
  addresses?: IpPrefixLike[] | undefined;
  /** Receive multicast frames of every group. A macvtap guest needs it for groups that the host has not joined. */
  allMulticast?: boolean | undefined;
}

/** Splitting and joining in the library. */
export interface SegmentOption {
  /**
   * Exchange super-frames with the kernel, and split and join them in the library: JavaScript sees frames of MTU size,
   * with complete checksums and without vnet header, while the kernel moves up to 64 KiB at once. `writeBatch()` and
   * `forward()` join frames; single writes do not. Implies `vnetHeader`. Not with `packetInfo`. Default false.
   *
   * Opening calls request all offloads, unless `offload` names some. An adopted descriptor keeps those that it has.
   */
  segment?: boolean | undefined;
}

/** Options of every kind of queue. */
export interface QueueOptions extends SegmentOption {
  /** Allow further queues: `device.openQueue()`. Default false. */
  multiQueue?: boolean | undefined;
  /** Frames begin with a `virtio_net_hdr` of 10 bytes, in both directions. Default false, on macvtap as well. */
  vnetHeader?: boolean | undefined;
  /** Offloads to request; needs `vnetHeader`. `device.features.offload` has those granted. Default: none, with `segment` all. */
  offload?: Offload[] | undefined;
  /** Bytes of written frames that the kernel may hold. Default 2147483647, the maximum: less stalls senders. */
  sendBufferBytes?: number | undefined;
}

/** Options of TUN and TAP. */
export interface TunTapOptions extends StreamOptions, LinkOptions, QueueOptions {
  /**
   * Interface name: 1 to 15 bytes, in which one `%d` stands for the lowest free number. If the device exists, the call
   * attaches to it. Default `tap%d` or `tun%d`.
   */
  name?: string | undefined;
  /** The clone device: the character device 10:200. Default `/dev/net/tun`. */
  devicePath?: string | undefined;
  /** true: the device outlives the descriptor; false: it does not. Default: false for a new device, unchanged for an existing one. */
  persist?: boolean | undefined;
  /** Fail with EBUSY if the device exists. Default false. */
  exclusive?: boolean | undefined;
  /** The uid that may attach without CAP_NET_ADMIN. */
  owner?: number | undefined;
  /** The gid that may attach without CAP_NET_ADMIN. */
  group?: number | undefined;
  /** Frames begin with the kernel's 4 bytes of packet information, in both directions. Default false. */
  packetInfo?: boolean | undefined;
  /** Deliver written frames through NAPI (IFF_NAPI): true, or `'frags'` (TAP, needs CAP_NET_ADMIN). Default false. */
  napi?: boolean | 'frags' | undefined;
  /** The carrier at opening (TUNSETCARRIER). Default: on. */
  carrier?: boolean | undefined;
}

/** Options of {@link openTun}. */
export type TunOptions = TunTapOptions;

/** Options of {@link openTap}. */
export interface TapOptions extends TunTapOptions {
  /** MAC of the interface: the host's, not the guest's. Default: the kernel's choice. */
  mac?: string | undefined;
  /** Name of the bridge to add the TAP to. The TAP takes its MTU, unless `mtu` is given, because a bridge takes the least of its ports'. */
  bridge?: string | undefined;
}

/** Options about the MACs of a macvtap. */
export interface GuestMacOptions {
  /**
   * MAC of the guest behind the descriptor. It must be the link's, or the open fails with `ERR_TAPFD_MAC_MISMATCH`. With
   * `lower` and without `mac`, the link gets it.
   */
  guestMac?: string | undefined;
  /** What happens to written frames with another source MAC: refuse, drop and count, or send them. Default `'error'`. */
  macCheck?: MacCheck | undefined;
}

/** Options of {@link openMacvtap}. Either `name` or `lower` must be given. */
export interface MacvtapOptions extends StreamOptions, LinkOptions, QueueOptions, GuestMacOptions {
  /** The link to open, or with `lower` the link to create (one `%d` allowed; default `macvtap%d`). */
  name?: string | undefined;
  /** Create the link on this device. */
  lower?: string | undefined;
  /** Mode of the created link. Default `'bridge'`. */
  mode?: MacvlanMode | undefined;
  /** MAC of the link. Default: `guestMac`, else the kernel's choice. */
  mac?: string | undefined;
  /** true: a link that this call creates remains when the device is closed. An existing link is never removed. Default false. */
  persist?: boolean | undefined;
}

/** Options of {@link adoptFd}. */
export interface AdoptOptions extends StreamOptions, GuestMacOptions, SegmentOption {
  /**
   * Whether frames have a vnet header. Default: as the descriptor is set. On macvtap this changes the setting; on TUN and
   * TAP it is fixed, and a different value fails with `ERR_TAPFD_DEVICE_DIFFERS`.
   */
  vnetHeader?: boolean | undefined;
  /** What the descriptor must be: another one is refused with `ERR_TAPFD_WRONG_DEVICE`, before anything is changed. */
  expect?: ExpectedDevice | undefined;
  /**
   * The offloads that a macvtap was granted, which the kernel does not tell; `handOffOptions()` knows them. Default: none.
   * TUN and TAP tell themselves.
   */
  offload?: Offload[] | undefined;
}

/** Options of {@link openTapFromBridgeHelper}. */
export interface BridgeHelperOptions extends Omit<StreamOptions, 'netns'> {
  /** Name of the bridge, in the network namespace of the process. */
  bridge: string;
  /** Path of the helper. Default: where distributions install `qemu-bridge-helper`. */
  helperPath?: string | undefined;
  /** Frames begin with a `virtio_net_hdr` of 10 bytes, in both directions. Default false. */
  vnetHeader?: boolean | undefined;
}

/** The compiler checks that no name is missing. */
type Names<Options> = Record<keyof Options, true>;

const STREAM: Names<StreamOptions> = {
  netns: true,
  readableHighWaterMark: true,
  writableHighWaterMark: true,
  copyFrames: true,
  signal: true,
};

const LINK: Names<LinkOptions> = { mtu: true, up: true, ipv6: true, addresses: true, allMulticast: true };

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

const ADOPT: Names<AdoptOptions> = {
  ...STREAM,
  ...GUEST_MAC,
  segment: true,
  vnetHeader: true,
  expect: true,
  offload: true,
};

const EXPECT: Names<ExpectedDevice> = { kind: true, name: true, mac: true, vnetHeaderBytes: true };

const BRIDGE_HELPER: Names<BridgeHelperOptions> = {
  bridge: true,
  helperPath: true,
  vnetHeader: true,
  readableHighWaterMark: true,
  writableHighWaterMark: true,
  copyFrames: true,
  signal: true,
};

export const EXPECTED_NAMES = Object.keys(EXPECT);

/** The options of each opening call. For openTun, `mac` and `bridge` are refused later, with a more specific reason. */
export const OPTION_NAMES = {
  openTap: Object.keys(TAP),
  openTun: Object.keys(TAP),
  openMacvtap: Object.keys(MACVTAP),
  adoptFd: Object.keys(ADOPT),
  openTapFromBridgeHelper: Object.keys(BRIDGE_HELPER),
};
