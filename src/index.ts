/**
 * The main entry: TUN, TAP and macvtap devices as streams of frames, links and namespaces.
 *
 * Begin at {@link openTap}, {@link openTun} and {@link openMacvtap}; what they give is a {@link FrameStream}.
 *
 * @module tapfd
 */
export { adoptFd } from './devices/adopt-fd.js';
export type { BatchOptions } from './frames/batch-reader.js';
export type { DeviceFlags } from './descriptor/device-flags.js';
export { TapfdError, type TapfdErrorDetails } from './base/errors.js';
export { FdMessage } from './fd-socket/message.js';
export { type AcceptOptions, FdServer, type FdServerOptions } from './fd-socket/server.js';
export { type AbortOptions, FdSocket, type PeerCredentials, type SendableFd } from './fd-socket/socket.js';
export type { Finding, FindingCode } from './diagnose/finding.js';
export { type ForwardOptions, type ForwardResult, type ForwardTransform, forward } from './frames/forward.js';
export { FrameBatch } from './frames/batch.js';
export type {
  DirectionStats,
  FrameDrop,
  FrameStats,
  ReceiveDropReason,
  SendDropReason,
} from './frames/counters.js';
export { type DeviceFeatures, FrameStream } from './frames/stream.js';
export type { IpPrefix, IpPrefixLike } from './links/ip-prefix.js';
export type { Link, LinkStats, MacvlanMode, OperState, TunLink, VxlanLink } from './links/link.js';
export type { LinkEvent, LinkEvents, WatchOptions } from './links/events.js';
export type { LinkChange, LinkFact } from './descriptor/link-follower.js';
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
export { type LinkAddress, type ListOptions, links, type NetnsOption } from './links/links.js';
export { formatMac, isMulticastMac, parseMac, type RandomMacOptions, randomMac } from './links/mac.js';
export { Macvtap } from './devices/macvtap.js';
export type { NetnsLike } from './links/namespace.js';
export type { DeviceKind } from './base/native.js';
export { createNetns, type Netns } from './links/netns.js';
export type { Offload } from './descriptor/offload.js';
export { openMacvtap } from './devices/open-macvtap.js';
export type {
  AdoptOptions,
  BridgeHelperOptions,
  GuestMacOptions,
  LinkOptions,
  MacCheck,
  MacvtapMode,
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
export { decodeVnetHeader, encodeVnetHeader, type Segmentation, type VnetHeader } from './frames/vnet-header.js';
