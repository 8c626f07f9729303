/**
 * The main entry: TUN, TAP and macvtap devices as streams of frames, links and namespaces.
 *
 * Begin at {@link openTap}, {@link openTun} and {@link openMacvtap}; what they give is a {@link FrameStream}.
 *
 * @module tapfd
 */
export { adoptFd } from './adopt-fd.js';
export type { BatchOptions } from './batch-reader.js';
export type { DeviceFlags } from './device-flags.js';
export { TapfdError, type TapfdErrorDetails } from './errors.js';
export { FdMessage } from './fd-message.js';
export { type AcceptOptions, FdServer, type FdServerOptions } from './fd-server.js';
export { type AbortOptions, FdSocket, type PeerCredentials, type SendableFd } from './fd-socket.js';
export type { Finding, FindingCode } from './finding.js';
export { type ForwardOptions, type ForwardResult, type ForwardTransform, forward } from './forward.js';
export { FrameBatch } from './frame-batch.js';
export type {
  DirectionStats,
  FrameDrop,
  FrameStats,
  ReceiveDropReason,
  SendDropReason,
} from './frame-counters.js';
export { type DeviceFeatures, FrameStream } from './frame-stream.js';
export type { IpPrefix, IpPrefixLike } from './ip-prefix.js';
export type { Link, LinkStats, MacvlanMode, OperState, TunLink, VxlanLink } from './link.js';
export type { LinkEvent, LinkEvents, WatchOptions } from './link-events.js';
export type { LinkChange, LinkFact } from './link-follower.js';
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
} from './link-options.js';
export { type LinkAddress, type ListOptions, links, type NetnsOption } from './links.js';
export { formatMac, isMulticastMac, parseMac, type RandomMacOptions, randomMac } from './mac.js';
export { Macvtap } from './macvtap.js';
export type { NetnsLike } from './namespace.js';
export type { DeviceKind } from './native.js';
export { createNetns, type Netns } from './netns.js';
export type { Offload } from './offload.js';
export { openMacvtap } from './open-macvtap.js';
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
} from './open-options.js';
export { openTap, openTun } from './open-tap.js';
export { openTapFromBridgeHelper } from './open-tap-from-bridge-helper.js';
export { Tap, type TxFilter } from './tap.js';
export { Tun } from './tun.js';
export { type BpfProgram, TunTapDevice } from './tun-tap-device.js';
export { decodeVnetHeader, encodeVnetHeader, type Segmentation, type VnetHeader } from './vnet-header.js';
