/**
 * src/cli/device/: the devices that a command line describes: `--tap bridge=br0,mtu=1400`. On top of the entry tapfd.
 *
 * Here: the keys, and what each sets.
 */
import { checkOffload } from '../../descriptor/offload.js';
import type { DeviceKind, MacvtapOptions, TapOptions } from '../../index.js';
import { checkMacvlanMode } from '../../links/macvlan-mode.js';

/** What the keys can set: the options of all opening calls together, and what the command itself does with a device. */
export interface DeviceSettings {
  open: TapOptions & MacvtapOptions;
  /** How many queues to open, all for the command. */
  queues: number;
  /** For `{mac}` of a TAP: the guest's MAC, not that of the link. */
  guestMac?: string | undefined;
}

export interface Key {
  kinds: readonly DeviceKind[];
  /** The form of its value. */
  value: string;
  help: string;
  /** It makes sense only for a device that another program gets. */
  handedOverOnly?: boolean;
  set(settings: DeviceSettings, value: Value): void;
}

/** The text of a value, and the forms that it may have. */
export interface Value {
  readonly text: string;
  switch(): boolean;
  number(): number;
}

const ALL = ['tap', 'tun', 'macvtap'] as const;
const TUN_TAP = ['tap', 'tun'] as const;

/** In the order in which help lists them. The names are those of the library's options, with dashes. */
export const KEYS: Readonly<Record<string, Key>> = {
  name: {
    kinds: ALL,
    value: 'NAME',
    help: 'of the link; %d is a free number',
    set: ({ open }, { text }) => {
      open.name = text;
    },
  },
  netns: {
    kinds: ALL,
    value: 'NETNS',
    help: 'network namespace: name or path',
    set: ({ open }, { text }) => {
      open.netns = text;
    },
  },
  bridge: {
    kinds: ['tap'],
    value: 'NAME',
    help: 'add it to this bridge',
    set: ({ open }, { text }) => {
      open.bridge = text;
    },
  },
  lower: {
    kinds: ['macvtap'],
    value: 'NAME',
    help: 'make a macvtap on this device',
    set: ({ open }, { text }) => {
      open.lower = text;
    },
  },
  mode: {
    kinds: ['macvtap'],
    value: 'MODE',
    help: 'bridge, vepa, private or passthru',
    set: ({ open }, { text }) => {
      open.mode = checkMacvlanMode('mode', text);
    },
  },
  mac: {
    kinds: ['tap', 'macvtap'],
    value: 'MAC',
    help: 'of the link',
    set: ({ open }, { text }) => {
      open.mac = text;
    },
  },
  'guest-mac': {
    kinds: ['tap', 'macvtap'],
    value: 'MAC',
    help: 'that of the guest',
    set: (settings, { text }) => {
      settings.guestMac = text;
    },
  },
  mtu: {
    kinds: ALL,
    value: 'BYTES',
    help: 'longest packet',
    set: ({ open }, value) => {
      open.mtu = value.number();
    },
  },
  address: {
    kinds: ALL,
    value: 'ADDRESS',
    help: '10.0.0.1/24 for the host; may be repeated',
    set: ({ open }, { text }) => {
      open.addresses = [...(open.addresses ?? []), text];
    },
  },
  up: {
    kinds: ALL,
    value: 'on|off',
    help: 'bring it up (default on)',
    set: ({ open }, value) => {
      open.up = value.switch();
    },
  },
  carrier: {
    kinds: TUN_TAP,
    value: 'on|off',
    help: 'carrier (default on)',
    set: ({ open }, value) => {
      open.carrier = value.switch();
    },
  },
  ipv6: {
    kinds: ALL,
    value: 'on|off',
    help: 'the host itself speaks IPv6 on it',
    set: ({ open }, value) => {
      open.ipv6 = value.switch();
    },
  },
  'all-multicast': {
    kinds: ALL,
    value: 'on|off',
    help: 'frames of every group: for IPv6 guests',
    set: ({ open }, value) => {
      open.allMulticast = value.switch();
    },
  },
  persist: {
    kinds: ALL,
    value: 'on|off',
    help: 'the device stays when the command ends',
    set: ({ open }, value) => {
      open.persist = value.switch();
    },
  },
  exclusive: {
    kinds: TUN_TAP,
    value: 'on|off',
    help: 'fail if it exists',
    set: ({ open }, value) => {
      open.exclusive = value.switch();
    },
  },
  owner: {
    kinds: TUN_TAP,
    value: 'UID',
    help: 'who may attach without privilege',
    set: ({ open }, value) => {
      open.owner = value.number();
    },
  },
  group: {
    kinds: TUN_TAP,
    value: 'GID',
    help: 'who may attach without privilege',
    set: ({ open }, value) => {
      open.group = value.number();
    },
  },
  'vnet-header': {
    kinds: ALL,
    value: 'on|off',
    help: 'a virtio_net_hdr before each frame',
    set: ({ open }, value) => {
      open.vnetHeader = value.switch();
    },
  },
  offload: {
    kinds: ALL,
    value: 'LIST',
    help: 'csum+tso4+…; needs vnet-header=on',
    set: ({ open }, { text }) => {
      open.offload = checkOffload('offload', text.split('+'));
    },
  },
  'packet-info': {
    kinds: TUN_TAP,
    value: 'on|off',
    help: "the kernel's 4 bytes before each frame",
    set: ({ open }, value) => {
      open.packetInfo = value.switch();
    },
  },
  'send-buffer': {
    kinds: ALL,
    value: 'BYTES',
    help: 'how much of what is written may wait',
    set: ({ open }, value) => {
      open.sendBufferBytes = value.number();
    },
  },
  queues: {
    kinds: ALL,
    value: 'COUNT',
    help: 'several queues, for {fds}',
    handedOverOnly: true,
    set: (settings, value) => {
      settings.queues = value.number();
    },
  },
  'device-path': {
    kinds: TUN_TAP,
    value: 'PATH',
    help: 'instead of /dev/net/tun',
    set: ({ open }, { text }) => {
      open.devicePath = text;
    },
  },
};
