// src/: the entry tapfd. On top of devices.

/**
 * The main entry: TUN, TAP and macvtap devices as streams of frames, links and namespaces.
 *
 * Start with {@link openTap}, {@link openTun} or {@link openMacvtap}, which open a {@link FrameStream}.
 *
 * @module tapfd
 */

export type { AbortOptions } from './base/abort.js';
export { TapfdError, type TapfdErrorDetails } from './base/errors.js';
export type { DeviceKind } from './base/native-queue.js';
export type { DeviceFlags } from './descriptor/device-flags.js';
export type { ExpectedDevice, HandOffOptions } from './descriptor/hand-off-options.js';
export type { LinkChange, LinkFact } from './descriptor/link-follower.js';
export type { Offload } from './descriptor/offload.js';
export type { MacCheck, OpenQueueOptions } from './descriptor/settings.js';
export { adoptFd } from './devices/adopt-fd.js';
export { Macvtap } from './devices/macvtap.js';
export { openMacvtap } from './devices/open-macvtap.js';
export type {
  AdoptOptions,
  BridgeHelperOptions,
  GuestMacOptions,
  LinkOptions,
  MacvtapOptions,
  QueueOptions,
  StreamOptions,
  TapOptions,
  TunOptions,
  TunTapOptions,
} from './devices/open-options.js';
export { openTap, openTun } from './devices/open-tap.js';
export { openTapFromBridgeHelper } from './devices/open-tap-from-bridge-helper.js';
export { Tap, type TxFilter } from './devices/tap.js';
export { Tun } from './devices/tun.js';
export { type BpfProgram, TunTapDevice } from './devices/tun-tap-device.js';
export type { Finding, FindingCode } from './diagnose/finding.js';
export type { FdSource } from './fd-socket/fd-source.js';
export { FdMessage } from './fd-socket/message.js';
export { FdServer, type FdServerOptions } from './fd-socket/server.js';
export { FdSocket, type PeerCredentials } from './fd-socket/socket.js';
export { FrameBatch } from './frames/batch.js';
export type { BatchOptions } from './frames/batches.js';
export type {
  DirectionStats,
  FrameDrop,
  FrameStats,
  ReceiveDropReason,
  SendDropReason,
} from './frames/counters.js';
export type { FrameStreamEvents, ListenerCall } from './frames/duplex.js';
export { type ForwardOptions, type ForwardResult, type ForwardTransform, forward } from './frames/forward.js';
export { FrameDecoder, FrameEncoder, type FramingOptions, type LengthFormat } from './frames/framing.js';
export type { FrameIteratorOptions } from './frames/iterator.js';
export type { WriteCallback } from './frames/queued-write.js';
export { type DeviceFeatures, FrameStream } from './frames/stream.js';
export {
  decodeVnetHeader,
  encodeVnetHeader,
  type Segmentation,
  type VnetHeader,
} from './frames/vnet-header.js';
export type { AddressGeneration } from './links/address-generation.js';
export { type CreateNetnsOptions, createNetns } from './links/create-netns.js';
export type { LinkEvent, LinkEvents, WatchOptions } from './links/events.js';
export type { IpPrefix, IpPrefixLike } from './links/ip-prefix.js';
export type {
  BridgePort,
  BridgePortState,
  Link,
  LinkStats,
  OperState,
  TunLink,
  VxlanLink,
} from './links/link.js';
export type { LinkAddress } from './links/link-address.js';
export { type LinkList, type ListOptions, links } from './links/links.js';
export { formatMac, isMulticastMac, parseMac, type RandomMacOptions, randomMac } from './links/mac.js';
export type { MacvlanMode } from './links/macvlan-mode.js';
export type { NetnsLike, NetnsOption } from './links/namespace.js';
export type { Netns } from './links/netns.js';
export type {
  LinkChanges,
  LinkRef,
  LinkSettings,
  NewBridge,
  NewLink,
  NewLinkSettings,
  NewMacvlan,
  NewMacvlanSettings,
  NewMacvtap,
  NewMovableSettings,
  NewVeth,
  NewVxlan,
  VethPeer,
} from './links/options.js';
