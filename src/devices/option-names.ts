/** Which options each opening call knows. A misspelt one, or one of another call, would silently have no effect. */
import { invalidArgument } from '../base/errors.js';
import type {
  AdoptOptions,
  BridgeHelperOptions,
  GuestMacOptions,
  LinkOptions,
  MacvtapOptions,
  QueueOptions,
  StreamOptions,
  TapOptions,
} from './open-options.js';

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

/** `mac` and `bridge` of openTun are refused with a reason of their own. */
const KNOWN = {
  openTap: TAP,
  openTun: TAP,
  openMacvtap: MACVTAP,
  adoptFd: ADOPT,
  openTapFromBridgeHelper: BRIDGE_HELPER,
};

export type OpeningCall = keyof typeof KNOWN;

/** Refuses what is given and not known; what is undefined counts as left out. */
export function checkOptionNames(call: OpeningCall, options: object): void {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && !Object.hasOwn(KNOWN[call], name)) {
      throw invalidArgument(name, `left out: ${call} has no such option`, value);
    }
  }
}
