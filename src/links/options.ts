/** Options of `links.create` and `links.set`: their types, and their checks before any system call. */
import {
  checkBoolean,
  checkInteger,
  checkInterfaceName,
  checkInterfaceTemplate,
  checkObject,
  checkOneOf,
} from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import type { NativeLinkChanges, NativeLinkRef, NativeNewLink } from '../base/native-links.js';
import { checkIpAddress } from './ip-prefix.js';
import { MACVLAN_MODE_NAMES, type MacvlanMode, macvlanModeNumber } from './link.js';
import { checkUnicastMac } from './mac.js';
import { checkNetns, type NetnsLike } from './namespace.js';

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
export interface LinkChanges extends LinkSettings {
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

/** A namespace option that {@link checkNetns} let pass. */
export type CheckedNetns = string | number | undefined;

/** Checked `links.set`; names of links are found and namespaces opened by the caller. */
export interface CheckedChanges {
  native: NativeLinkChanges;
  master: NativeLinkRef | undefined;
  moveTo: CheckedNetns;
}

/** Checked `links.create`. */
export interface CheckedNewLink {
  native: NativeNewLink;
  netns: CheckedNetns;
  moveTo: CheckedNetns;
  peerNetns: CheckedNetns;
  master: NativeLinkRef | undefined;
  lower: NativeLinkRef | undefined;
}

const LEAST_MTU = 68;
const MOST_INT = 0x7fff_ffff;
const MOST_QUEUES = 4096;
const MOST_ALIAS_BYTES = 255;
const VXLAN_PORT = 4789;

const SETTING_NAMES = ['mac', 'mtu', 'up', 'allMulticast', 'promiscuous', 'txQueueLength', 'alias'];
const CHANGE_NAMES = [...SETTING_NAMES, 'name', 'master', 'carrier', 'mode', 'moveTo'];
const NEW_NAMES = [...SETTING_NAMES, 'kind', 'name', 'master', 'txQueues', 'rxQueues', 'netns'];
const NAMES_BY_KIND = {
  bridge: ['stp', 'vlanFiltering', 'multicastSnooping', 'forwardDelayMs', 'ageingTimeMs'],
  veth: ['moveTo', 'peer'],
  macvlan: ['moveTo', 'lower', 'mode', 'sourceMacs'],
  macvtap: ['moveTo', 'lower', 'mode', 'sourceMacs'],
  vxlan: ['moveTo', 'id', 'remote', 'local', 'port', 'learning', 'lower'],
};
const KINDS = ['bridge', 'veth', 'macvlan', 'macvtap', 'vxlan'] as const;

type Check<T> = (argument: string, value: unknown) => T;

/** Checks option `name` of `options` when it is given, and passes it on. */
function given<T>(options: object, name: string, check: Check<T>, use: (value: T) => void): void {
  const value: unknown = Reflect.get(options, name);
  if (value !== undefined) use(check(name, value));
}

/** A misspelt option, or one of another kind, would be silently without effect. */
export function checkOptionNames(argument: string, options: object, names: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw invalidArgument(argument, `without ${JSON.stringify(name)}`, options);
  }
}

/** A link by index or name. */
export function checkLinkRef(argument: string, value: unknown): NativeLinkRef {
  if (typeof value === 'number') return checkInteger(argument, value, 1, MOST_INT);
  return checkInterfaceName(argument, value);
}

function checkMtu(argument: string, value: unknown): number {
  return checkInteger(argument, value, LEAST_MTU, MOST_INT);
}

function checkQueueLength(argument: string, value: unknown): number {
  return checkInteger(argument, value, 0, MOST_INT);
}

function checkQueues(argument: string, value: unknown): number {
  return checkInteger(argument, value, 1, MOST_QUEUES);
}

function checkAlias(argument: string, value: unknown): string {
  if (typeof value !== 'string' || value.includes('\0') || Buffer.byteLength(value) > MOST_ALIAS_BYTES) {
    throw invalidArgument(argument, `text of at most ${MOST_ALIAS_BYTES} bytes without NUL`, value);
  }
  return value;
}

function checkMode(argument: string, value: unknown): number {
  return macvlanModeNumber(checkOneOf(argument, value, MACVLAN_MODE_NAMES));
}

/** Milliseconds in the kernel's hundredths of a second (USER_HZ). */
function checkHundredths(argument: string, value: unknown): number {
  const milliseconds = checkInteger(argument, value, 0, MOST_INT);
  if (milliseconds % 10 !== 0) throw invalidArgument(argument, 'a multiple of 10 milliseconds', value);
  return milliseconds / 10;
}

/** `net/bridge/br_private_stp.h` BR_MIN_FORWARD_DELAY, BR_MAX_FORWARD_DELAY. */
function checkStpForwardDelay(argument: string, value: unknown): number {
  checkInteger(argument, value, 2000, 30_000);
  return checkHundredths(argument, value);
}

function checkSourceMacs(argument: string, value: unknown): Buffer[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidArgument(argument, 'a list of at least one MAC', value);
  }
  return value.map((mac: unknown, place) => checkUnicastMac(`${argument}[${place}]`, mac));
}

function readSettings(options: object): NativeLinkChanges {
  const native: NativeLinkChanges = {};
  given(options, 'mac', checkUnicastMac, (mac) => {
    native.mac = mac;
  });
  given(options, 'mtu', checkMtu, (mtu) => {
    native.mtu = mtu;
  });
  given(options, 'up', checkBoolean, (up) => {
    native.up = up;
  });
  given(options, 'allMulticast', checkBoolean, (allMulticast) => {
    native.allMulticast = allMulticast;
  });
  given(options, 'promiscuous', checkBoolean, (promiscuous) => {
    native.promiscuous = promiscuous;
  });
  given(options, 'txQueueLength', checkQueueLength, (length) => {
    native.txQueueLength = length;
  });
  given(options, 'alias', checkAlias, (alias) => {
    native.alias = alias;
  });
  return native;
}

/** Checks the changes of `links.set`. */
export function checkLinkChanges(argument: string, value: unknown): CheckedChanges {
  const options: { master?: unknown; moveTo?: unknown } = checkObject(argument, value);
  checkOptionNames(argument, options, CHANGE_NAMES);
  const native = readSettings(options);
  given(options, 'name', checkInterfaceName, (name) => {
    native.name = name;
  });
  given(options, 'carrier', checkBoolean, (carrier) => {
    native.carrier = carrier;
  });
  given(options, 'mode', checkMode, (mode) => {
    native.macvlanMode = mode;
  });
  if (options.master === null) native.master = 0;
  return {
    native,
    master: options.master === null ? undefined : optionalLinkRef('master', options.master),
    moveTo: checkNetns('moveTo', options.moveTo),
  };
}

function optionalLinkRef(argument: string, value: unknown): NativeLinkRef | undefined {
  return value === undefined ? undefined : checkLinkRef(argument, value);
}

/** Checks the options of `links.create`. */
export function checkNewLink(argument: string, value: unknown): CheckedNewLink {
  const options: {
    kind?: unknown;
    lower?: unknown;
    master?: unknown;
    netns?: unknown;
    moveTo?: unknown;
    peer?: unknown;
  } = checkObject(argument, value);
  const kind = checkOneOf('kind', options.kind, KINDS);
  checkOptionNames(`${argument} of kind ${kind}`, options, [...NEW_NAMES, ...NAMES_BY_KIND[kind]]);
  const native: NativeNewLink = { kind, name: '', changes: readSettings(options) };
  given(options, 'name', checkInterfaceTemplate, (name) => {
    native.name = name;
  });
  given(options, 'txQueues', checkQueues, (queues) => {
    native.txQueues = queues;
  });
  given(options, 'rxQueues', checkQueues, (queues) => {
    native.rxQueues = queues;
  });
  const checked: CheckedNewLink = {
    native,
    netns: checkNetns('netns', options.netns),
    moveTo: checkNetns('moveTo', options.moveTo),
    peerNetns: undefined,
    master: optionalLinkRef('master', options.master),
    lower: optionalLinkRef('lower', options.lower),
  };
  switch (kind) {
    case 'bridge':
      readBridge(options, native);
      break;
    case 'veth':
      checked.peerNetns = readPeer(options.peer, native);
      break;
    case 'vxlan':
      readVxlan(options, native);
      break;
    default:
      if (checked.lower === undefined) checkLinkRef('lower', undefined);
      readMacvlan(options, native);
  }
  return checked;
}

function readBridge(options: object, native: NativeNewLink): void {
  given(options, 'stp', checkBoolean, (stp) => {
    native.bridgeStp = stp;
  });
  given(options, 'vlanFiltering', checkBoolean, (filtering) => {
    native.bridgeVlanFiltering = filtering;
  });
  given(options, 'multicastSnooping', checkBoolean, (snooping) => {
    native.bridgeMulticastSnooping = snooping;
  });
  const checkDelay: Check<number> = native.bridgeStp === true ? checkStpForwardDelay : checkHundredths;
  given(options, 'forwardDelayMs', checkDelay, (delay) => {
    native.bridgeForwardDelayCs = delay;
  });
  given(options, 'ageingTimeMs', checkHundredths, (time) => {
    native.bridgeAgeingTimeCs = time;
  });
}

function readPeer(value: unknown, native: NativeNewLink): CheckedNetns {
  if (value === undefined) return undefined;
  const peer: { name?: unknown; mac?: unknown; netns?: unknown } = checkObject('peer', value);
  checkOptionNames('peer', peer, ['name', 'mac', 'netns']);
  if (peer.name !== undefined) native.peerName = checkInterfaceTemplate('peer.name', peer.name);
  if (peer.mac !== undefined) native.peerMac = checkUnicastMac('peer.mac', peer.mac);
  return checkNetns('peer.netns', peer.netns);
}

function readMacvlan(options: object, native: NativeNewLink): void {
  const source = macvlanModeNumber('source');
  native.macvlanMode = macvlanModeNumber('bridge');
  given(options, 'mode', checkMode, (mode) => {
    native.macvlanMode = mode;
  });
  given(options, 'sourceMacs', checkSourceMacs, (macs) => {
    native.sourceMacs = macs;
  });
  if ((native.macvlanMode === source) !== (native.sourceMacs !== undefined)) {
    throw invalidArgument('sourceMacs', 'given with mode "source", and only then', native.sourceMacs);
  }
}

function readVxlan(options: object, native: NativeNewLink): void {
  native.vxlanId = checkInteger('id', Reflect.get(options, 'id'), 0, 0xff_ffff);
  native.vxlanPort = VXLAN_PORT;
  given(options, 'remote', checkIpAddress, (remote) => {
    native.vxlanRemote = remote;
  });
  given(options, 'local', checkIpAddress, (local) => {
    native.vxlanLocal = local;
  });
  given(
    options,
    'port',
    (argument, port) => checkInteger(argument, port, 1, 0xffff),
    (port) => {
      native.vxlanPort = port;
    },
  );
  given(options, 'learning', checkBoolean, (learning) => {
    native.vxlanLearning = learning;
  });
}
