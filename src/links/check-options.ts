/** Checks of the options of `links.create` and `links.set`, before any system call. */
import {
  checkBoolean,
  checkInteger,
  checkInterfaceName,
  checkInterfaceTemplate,
  checkLinkName,
  checkList,
  checkObject,
  checkOneOf,
  checkOptionNames,
  isSystemText,
} from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import type { NativeLinkChanges, NativeLinkRef, NativeNewLink } from '../base/native-links.js';
import { checkAddressGeneration } from './address-generation.js';
import { checkIpAddress } from './ip-prefix.js';
import { checkUnicastMac } from './mac.js';
import { checkMacvlanMode, macvlanModeNumber } from './macvlan-mode.js';
import { checkNetns, type NetnsLike } from './namespace.js';

/** A namespace option that {@link checkNetns} has checked. */
export type CheckedNetns = NetnsLike | undefined;

/** Checked changes of `links.set`. The caller looks up the links and opens the namespaces. */
export interface CheckedChanges {
  native: NativeLinkChanges;
  netns: CheckedNetns;
  master: NativeLinkRef | undefined;
  moveTo: CheckedNetns;
}

/** Checked options of `links.create`. */
export interface CheckedNewLink {
  native: NativeNewLink;
  netns: CheckedNetns;
  moveTo: CheckedNetns;
  peerNetns: CheckedNetns;
  master: NativeLinkRef | undefined;
  lower: NativeLinkRef | undefined;
}

/** `linux/if_ether.h` ETH_MIN_MTU, ETH_MAX_MTU: of every kind that `links.create` makes. */
const MIN_MTU = 68;
const MAX_MTU = 65535;
const MAX_INT = 0x7fff_ffff;
const MAX_UINT = 0xffff_ffff;
const MAX_QUEUES = 4096;
const MAX_ALIAS_BYTES = 255;
const VXLAN_PORT = 4789;

const SETTING_NAMES = [
  'mac',
  'mtu',
  'up',
  'allMulticast',
  'promiscuous',
  'txQueueLength',
  'alias',
  'addressGeneration',
];
const CHANGE_NAMES = [...SETTING_NAMES, 'name', 'master', 'carrier', 'mode', 'moveTo', 'netns'];
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

/** Checks the option `name` of `options` if it is given, and passes the value to `use`. */
function given<T>(options: object, name: string, check: Check<T>, use: (value: T) => void): void {
  const value: unknown = Reflect.get(options, name);
  if (value !== undefined) use(check(name, value));
}

/** Checks a link given by index or name. */
export function checkLinkRef(argument: string, value: unknown): NativeLinkRef {
  if (typeof value === 'number') return checkInteger(argument, value, 1, MAX_INT);
  return checkLinkName(argument, value);
}

function checkNewMtu(argument: string, value: unknown): number {
  return checkInteger(argument, value, MIN_MTU, MAX_MTU);
}

/** Of a link of any kind: the kernel knows its limits. */
function checkMtu(argument: string, value: unknown): number {
  return checkInteger(argument, value, 0, MAX_INT);
}

function checkQueueLength(argument: string, value: unknown): number {
  return checkInteger(argument, value, 0, MAX_UINT);
}

function checkQueues(argument: string, value: unknown): number {
  return checkInteger(argument, value, 1, MAX_QUEUES);
}

function checkAlias(argument: string, value: unknown): string {
  if (!isSystemText(value) || Buffer.byteLength(value) > MAX_ALIAS_BYTES) {
    throw invalidArgument(argument, `text of at most ${MAX_ALIAS_BYTES} bytes without NUL`, value);
  }
  return value;
}

function checkMode(argument: string, value: unknown): number {
  return macvlanModeNumber(checkMacvlanMode(argument, value));
}

/** Converts milliseconds into the kernel's hundredths of a second (USER_HZ). */
function checkHundredths(argument: string, value: unknown): number {
  const milliseconds = checkInteger(argument, value, 0, MAX_UINT * 10);
  if (milliseconds % 10 !== 0) throw invalidArgument(argument, 'a multiple of 10 milliseconds', value);
  return milliseconds / 10;
}

/** `net/bridge/br_private_stp.h` BR_MIN_FORWARD_DELAY, BR_MAX_FORWARD_DELAY. */
function checkStpForwardDelay(argument: string, value: unknown): number {
  checkInteger(argument, value, 2000, 30_000);
  return checkHundredths(argument, value);
}

function checkSourceMacs(argument: string, value: unknown): Buffer[] {
  const expected = 'a list of at least one MAC';
  const macs = checkList(argument, value, expected, checkUnicastMac);
  if (macs.length === 0) throw invalidArgument(argument, expected, value);
  return macs;
}

function readSettings(options: object, checkMtu: Check<number>): NativeLinkChanges {
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
  given(options, 'addressGeneration', checkAddressGeneration, (mode) => {
    native.addressGeneration = mode;
  });
  return native;
}

/** Checks the changes of `links.set`. */
export function checkLinkChanges(argument: string, value: unknown): CheckedChanges {
  const options: { master?: unknown; netns?: unknown; moveTo?: unknown } = checkObject(argument, value);
  checkOptionNames('links.set', options, CHANGE_NAMES);
  const native = readSettings(options, checkMtu);
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
    netns: checkNetns('netns', options.netns),
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
  checkOptionNames(`links.create of kind ${kind}`, options, [...NEW_NAMES, ...NAMES_BY_KIND[kind]]);
  const native: NativeNewLink = { kind, name: '', changes: readSettings(options, checkNewMtu) };
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
      if (native.name === native.peerName && checked.moveTo === checked.peerNetns)
        refuseSameName(native.peerName);
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

/** Two links of one namespace; two templates get numbers of their own. */
function refuseSameName(name: string | undefined): void {
  if (name === undefined || name.includes('%')) return;
  throw invalidArgument('peer.name', 'another name than that of the link', name);
}

function readPeer(value: unknown, native: NativeNewLink): CheckedNetns {
  if (value === undefined) return undefined;
  const peer: { name?: unknown; mac?: unknown; netns?: unknown } = checkObject('peer', value);
  checkOptionNames('links.create', peer, ['name', 'mac', 'netns'], 'peer');
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
