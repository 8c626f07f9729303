/** Checks of the opening calls' options, before any system call, and the native settings made from them. */

import { checkMac } from '../addresses/mac.js';
import { checkSignal } from '../base/abort.js';
import {
  checkBoolean,
  checkId,
  checkInteger,
  checkInterfaceName,
  checkInterfaceTemplate,
  checkLinkName,
  checkList,
  checkObject,
  checkOneOf,
  checkOptionNames,
  checkPath,
  optional,
} from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import type {
  DeviceKind,
  NativeAdoptSettings,
  NativeExpectation,
  NativeLinkSettings,
  NativeMacvtapSettings,
  NativeQueueSettings,
  NativeTapSettings,
} from '../base/native-queue.js';
import { ALL_OFFLOADS, checkOffload, offloadMasks } from '../descriptor/offload.js';
import type { MacCheck, StreamSettings } from '../descriptor/settings.js';
import { checkIpPrefix } from '../links/ip-prefix.js';
import { checkUnicastMac } from '../links/mac.js';
import { checkMacvlanMode, macvlanModeNumber } from '../links/macvlan-mode.js';
import type { OpenPlace } from './open-device.js';
import {
  type AdoptOptions,
  type BridgeHelperOptions,
  EXPECTED_NAMES,
  type GuestMacOptions,
  type LinkOptions,
  type MacvtapOptions,
  OPTION_NAMES,
  type QueueOptions,
  type SegmentOption,
  type StreamOptions,
  type TapOptions,
} from './open-options.js';

const MAX_INT = 0x7fff_ffff;
const MIN_MTU = 68;
/** `drivers/net/tun.c`: 65535, for TAP less the Ethernet header. `drivers/net/macvlan.c`: at most the lower device's. */
const MAX_MTU = { openTun: 65535, openTap: 65521, openMacvtap: 65535 };

const DEFAULT_HIGH_WATER_MARK = 64;
/** `linux/virtio_net.h` struct virtio_net_hdr. */
const VNET_HEADER_BYTES = 10;

function checkNames(call: keyof typeof OPTION_NAMES, options: unknown): void {
  checkOptionNames(call, checkObject('options', options), OPTION_NAMES[call]);
}

/** The checked options of every opening call. */
interface OpenSettings {
  place: OpenPlace;
  stream: StreamSettings;
}

function openSettings(
  options: StreamOptions & GuestMacOptions & SegmentOption & Pick<QueueOptions, 'sendBufferBytes'>,
): OpenSettings {
  const place = { netns: options.netns, signal: checkSignal(options.signal) };
  const mark = (name: 'readableHighWaterMark' | 'writableHighWaterMark') =>
    optional(options[name], (value) => checkInteger(name, value, 1, MAX_INT)) ?? DEFAULT_HIGH_WATER_MARK;
  const stream: StreamSettings = {
    readableHighWaterMark: mark('readableHighWaterMark'),
    writableHighWaterMark: mark('writableHighWaterMark'),
    copyFrames: optional(options.copyFrames, (value) => checkBoolean('copyFrames', value)) ?? false,
    segment: optional(options.segment, (value) => checkBoolean('segment', value)) ?? false,
    macCheck:
      optional(options.macCheck, (value) =>
        checkOneOf<MacCheck>('macCheck', value, ['error', 'drop', 'off']),
      ) ?? 'error',
    guestMac: optional(options.guestMac, (value) => checkUnicastMac('guestMac', value)),
    sendBufferBytes:
      optional(options.sendBufferBytes, (value) => checkInteger('sendBufferBytes', value, 1, MAX_INT)) ??
      MAX_INT,
  };
  return { place, stream };
}

/** Whether a vnet header is requested; `segment` needs one. */
function vnetHeaderOf({ segment, vnetHeader }: QueueOptions | AdoptOptions): boolean | undefined {
  const wanted = optional(vnetHeader, (value) => checkBoolean('vnetHeader', value));
  if (segment !== true) return wanted;
  if (wanted === false) throw invalidArgument('segment', 'used with vnetHeader true or left out', segment);
  return true;
}

function queueSettings(options: QueueOptions, { sendBufferBytes }: StreamSettings): NativeQueueSettings {
  const vnetHeader = vnetHeaderOf(options) ?? false;
  const offload =
    optional(options.offload, (value) => checkOffload('offload', value)) ??
    (options.segment === true ? ALL_OFFLOADS : []);
  if (offload.length > 0 && !vnetHeader) {
    throw invalidArgument(
      'offload',
      'used with vnetHeader: true, which describes the work left to do for each frame',
      offload,
    );
  }
  return {
    vnetHeaderBytes: vnetHeader ? VNET_HEADER_BYTES : 0,
    multiQueue: optional(options.multiQueue, (value) => checkBoolean('multiQueue', value)) ?? false,
    sendBufferBytes: optional(options.sendBufferBytes, () => sendBufferBytes),
    offloadMasks: offloadMasks(offload),
  };
}

function linkSettings(
  call: keyof typeof MAX_MTU,
  options: LinkOptions & { mac?: string | undefined; bridge?: string | undefined },
): NativeLinkSettings {
  const { addresses: given = [] } = options;
  const addresses = checkList('addresses', given, 'an array of addresses', checkIpPrefix);
  const ipv6 = optional(options.ipv6, (value) => checkBoolean('ipv6', value));
  if (ipv6 === false && addresses.some(({ address }) => address.length === 16)) {
    throw invalidArgument('ipv6', 'left out or true with an IPv6 address in addresses', ipv6);
  }
  return {
    mac: optional(options.mac, (value) => checkUnicastMac('mac', value)),
    mtu: optional(options.mtu, (value) => checkInteger('mtu', value, MIN_MTU, MAX_MTU[call])),
    allMulticast: optional(options.allMulticast, (value) => checkBoolean('allMulticast', value)),
    bridge: optional(options.bridge, (value) => checkLinkName('bridge', value)),
    ipv6,
    addresses,
    up: optional(options.up, (value) => checkBoolean('up', value)) ?? true,
  };
}

function checkNapi(value: unknown): boolean | 'frags' {
  if (typeof value === 'boolean' || value === 'frags') return value;
  throw invalidArgument('napi', 'a boolean or "frags"', value);
}

export interface TapSettings extends OpenSettings {
  device: NativeTapSettings;
  /** Set after everything else has succeeded: see {@link openDevice}. */
  persist: boolean | undefined;
}

export function tapSettings(call: 'openTap' | 'openTun', options: TapOptions): TapSettings {
  checkNames(call, options);
  const common = openSettings(options);
  const tun = call === 'openTun';
  if (tun) {
    for (const key of ['mac', 'bridge'] as const) {
      if (options[key] !== undefined) {
        throw invalidArgument(key, 'left out: a TUN device carries packets and has no MAC', options[key]);
      }
    }
  }
  if (options.segment === true && options.packetInfo === true) {
    throw invalidArgument('segment', 'used without packetInfo', options.segment);
  }
  const napi = optional(options.napi, checkNapi) ?? false;
  if (tun && napi === 'frags') throw invalidArgument('napi', 'a boolean for TUN; "frags" is for TAP', napi);
  const device: NativeTapSettings = {
    tun,
    name:
      optional(options.name, (value) => checkInterfaceTemplate('name', value)) ?? (tun ? 'tun%d' : 'tap%d'),
    devicePath: optional(options.devicePath, (value) => checkPath('devicePath', value)) ?? '/dev/net/tun',
    exclusive: optional(options.exclusive, (value) => checkBoolean('exclusive', value)) ?? false,
    packetInfo: optional(options.packetInfo, (value) => checkBoolean('packetInfo', value)) ?? false,
    napi: napi === true,
    napiFrags: napi === 'frags',
    owner: optional(options.owner, (value) => checkId('owner', value)),
    group: optional(options.group, (value) => checkId('group', value)),
    carrier: optional(options.carrier, (value) => checkBoolean('carrier', value)),
    queue: queueSettings(options, common.stream),
    link: linkSettings(call, options),
  };
  const persist = optional(options.persist, (value) => checkBoolean('persist', value));
  return { ...common, device, persist };
}

export interface MacvtapSettings extends OpenSettings {
  device: NativeMacvtapSettings;
  persist: boolean;
}

export function macvtapSettings(options: MacvtapOptions): MacvtapSettings {
  checkNames('openMacvtap', options);
  const common = openSettings(options);
  const lower = optional(options.lower, (value) => checkLinkName('lower', value));
  const mode = optional(options.mode, (value) => checkMacvlanMode('mode', value));
  const persist = optional(options.persist, (value) => checkBoolean('persist', value)) ?? false;
  if (lower === undefined && options.name === undefined) {
    throw invalidArgument('name', 'given, or lower to create a link on', undefined);
  }
  if (lower === undefined && mode !== undefined) {
    throw invalidArgument('mode', 'given with lower only: it applies to a link that this call creates', mode);
  }
  const link = linkSettings('openMacvtap', options);
  const { guestMac } = common.stream;
  if (link.mac && guestMac && Buffer.compare(guestMac, link.mac) !== 0) {
    throw invalidArgument('guestMac', `the same as mac (${options.mac})`, options.guestMac);
  }
  const device: NativeMacvtapSettings = {
    name:
      lower === undefined
        ? checkInterfaceName('name', options.name)
        : (optional(options.name, (value) => checkInterfaceTemplate('name', value)) ?? 'macvtap%d'),
    lower,
    mode: lower === undefined ? undefined : macvlanModeNumber(mode ?? 'bridge'),
    guestMac,
    queue: queueSettings(options, common.stream),
    link,
  };
  return { ...common, device, persist };
}

export interface AdoptSettings extends OpenSettings {
  device: NativeAdoptSettings;
  /** TUN_F_* that a macvtap is said to have. */
  offload: number;
}

export function adoptSettings(options: AdoptOptions): AdoptSettings {
  checkNames('adoptFd', options);
  const common = openSettings(options);
  const { segment, guestMac } = common.stream;
  const device: NativeAdoptSettings = {
    vnetHeader: vnetHeaderOf(options),
    segment,
    guestMac,
    expect: optional(options.expect, checkExpected),
  };
  const [offload] = offloadMasks(optional(options.offload, (value) => checkOffload('offload', value)) ?? []);
  return { ...common, device, offload };
}

function checkExpected(value: unknown): NativeExpectation {
  const expect: { kind?: unknown; name?: unknown; mac?: unknown; vnetHeaderBytes?: unknown } = checkObject(
    'expect',
    value,
  );
  checkOptionNames('adoptFd', expect, EXPECTED_NAMES, 'expect');
  return {
    kind: optional(expect.kind, (kind) =>
      checkOneOf<DeviceKind>('expect.kind', kind, ['tap', 'tun', 'macvtap']),
    ),
    name: optional(expect.name, (name) => checkInterfaceName('expect.name', name)),
    mac: optional(expect.mac, (mac) => checkMac('expect.mac', mac)),
    vnetHeaderBytes: optional(expect.vnetHeaderBytes, (bytes) =>
      checkInteger('expect.vnetHeaderBytes', bytes, 0, MAX_INT),
    ),
  };
}

/** The settings for starting the helper and for adopting the descriptor that it sends. */
export interface BridgeHelperSettings {
  bridge: string;
  helperPath: string | undefined;
  vnetHeader: boolean;
  adopt: AdoptSettings;
}

export function bridgeHelperSettings(options: BridgeHelperOptions): BridgeHelperSettings {
  checkNames('openTapFromBridgeHelper', options);
  const { bridge, helperPath, vnetHeader, ...stream } = options;
  return {
    adopt: adoptSettings(stream),
    bridge: checkInterfaceName('bridge', bridge),
    helperPath: optional(helperPath, (value) => checkPath('helperPath', value)),
    vnetHeader: optional(vnetHeader, (value) => checkBoolean('vnetHeader', value)) ?? false,
  };
}
