/**
 * src/qemu/nic/: a guest's network card: arguments, checks, handing its device over. On top of links, and of devices by
 * type.
 *
 * Here: a card as the caller describes it, and the refusal of what QEMU would accept although the card could not work.
 */
import { checkBoolean, checkObject, checkOptionNames, isList } from '../../base/checks.js';
import { invalidArgument, isRevoked, TapfdError } from '../../base/errors.js';
import { type FdSource, statOfFd } from '../../fd-socket/fd-source.js';
import { openFds } from './child-descriptors.js';
import { checkDevice, interfaceKey, type QemuNetworkDevice } from './device.js';
import { checkGuestMac, guestMacFor } from './guest-mac.js';
import {
  checkOptions,
  checkQemuId,
  checkText,
  type QemuOption,
  type QemuOptionValue,
} from './option-syntax.js';

/** One network card of a guest, and the device behind it. */
export interface QemuNic {
  /**
   * The open TAP or macvtap; for a card with several queues, an array of them, all of one interface. QEMU then gets
   * `fds=`, `mq=on` and `vectors=2N+2`. To use all queues the guest needs as many processors.
   */
  device: QemuNetworkDevice | readonly QemuNetworkDevice[];
  /**
   * The MAC that the guest sees. On a macvtap it must be the link's, or nothing would arrive; that is also the default.
   * On a TAP it can be any MAC but the TAP's own; the default is what {@link guestMacFor} returns.
   */
  mac?: string | undefined;
  /** The `-netdev` id. Default `tapfd0`, `tapfd1`, … by position. The card's own id is this one followed by `-nic`. */
  id?: string | undefined;
  /** QEMU's name of the card. Default `virtio-net-pci`. */
  model?: string | undefined;
  /**
   * Lets the kernel's vhost move the frames (`vhost=on`). Needs a virtio card, and `/dev/vhost-net`, which this process
   * and QEMU must be able to open. Default false.
   */
  vhost?: boolean | undefined;
  /**
   * Open descriptors of `/dev/vhost-net`, or objects that hold one, one for each queue, for a QEMU that may not open
   * the device itself (`vhostfd=`). Implies `vhost`. They remain the caller's, who can close them once QEMU has them.
   */
  vhostFds?: readonly FdSource[] | undefined;
  /** The bus that the card is plugged into (`-device …,bus=`). Default: QEMU's choice. */
  bus?: string | undefined;
  /** The card's option ROM; `''` for none, as only a guest that boots from the network needs one. Default: QEMU's. */
  romfile?: string | undefined;
  /** More properties of the card, as `-device MODEL,help` lists them: `{ host_mtu: 1400, rss: true }`. */
  properties?: Readonly<Record<string, QemuOptionValue>> | undefined;
  /** More options of `-netdev tap`: `{ sndbuf: 0 }`. */
  netdevProperties?: Readonly<Record<string, QemuOptionValue>> | undefined;
}

/** A checked {@link QemuNic}, with every default filled in. */
export interface CheckedNic {
  /** `nics[0]`, for messages. */
  readonly label: string;
  readonly queues: Queues;
  readonly mac: string;
  readonly netdevId: string;
  readonly deviceId: string;
  readonly model: string;
  readonly vhost: boolean;
  /** One for each queue, or none if QEMU is to open the device itself. */
  readonly vhostFds: readonly number[];
  readonly bus: string | undefined;
  readonly romfile: string | undefined;
  readonly properties: readonly QemuOption[];
  readonly netdevProperties: readonly QemuOption[];
}

/** `drivers/net/tun.c`, `linux/if_tap.h` MAX_TAP_QUEUES. */
const MAX_QUEUES = 256;

const RESERVED_PROPERTIES = ['driver', 'id', 'netdev', 'mac', 'mq', 'bus', 'romfile'];
const RESERVED_NETDEV_PROPERTIES = ['type', 'id', 'fd', 'fds', 'vhost', 'vhostfd', 'vhostfds'];

const NAMES: readonly (keyof QemuNic)[] = [
  'device',
  'mac',
  'id',
  'model',
  'vhost',
  'vhostFds',
  'bus',
  'romfile',
  'properties',
  'netdevProperties',
];

/**
 * A card as the caller describes it now: a call that waits must not see what the caller does with its objects and lists
 * meanwhile. Refuses what is no description of a card; its values are checked by {@link checkNic}.
 *
 * @param alsoNamed What the call takes beside the members of {@link QemuNic}.
 */
export function copyNic(label: string, nic: QemuNic, alsoNamed: readonly string[] = []): QemuNic {
  checkObject(label, nic);
  checkOptionNames('a nic', nic, [...NAMES, ...alsoNamed], label);
  const { device, mac, id, model, vhost, vhostFds, bus, romfile, properties, netdevProperties } = nic;
  return {
    device: !isRevoked(device) && Array.isArray(device) ? copyQueues(`${label}.device`, device) : device,
    mac,
    id,
    model,
    vhost,
    vhostFds:
      !isRevoked(vhostFds) && Array.isArray(vhostFds) ? copyQueues(`${label}.vhostFds`, vhostFds) : vhostFds,
    bus,
    romfile,
    properties: properties && checkObject(`${label}.properties`, properties) && { ...properties },
    netdevProperties: netdevProperties &&
      checkObject(`${label}.netdevProperties`, netdevProperties) && { ...netdevProperties },
  };
}

/** One for each queue. Before it is copied: a list of holes may be as long as all of memory. */
function copyQueues<T>(argument: string, list: readonly T[]): T[] {
  if (list.length > MAX_QUEUES) throw invalidArgument(argument, `a list of at most ${MAX_QUEUES}`, list);
  return Array.from(list);
}

/** Checks one card by itself, and not what it shares with others. */
export function checkNic(label: string, nic: QemuNic, defaultId: string): CheckedNic {
  const queues = checkQueues(`${label}.device`, nic.device);
  const netdevId = nic.id === undefined ? defaultId : checkQemuId(`${label}.id`, nic.id);
  const vhost = nic.vhost === undefined ? false : checkBoolean(`${label}.vhost`, nic.vhost);
  const vhostFds = checkVhostFds(`${label}.vhostFds`, nic, queues.length);
  const checked = {
    label,
    queues,
    mac: nic.mac === undefined ? guestMacFor(queues[0]) : checkGuestMac(`${label}.mac`, nic.mac, queues[0]),
    netdevId,
    deviceId: deviceIdOf(netdevId),
    model: nic.model === undefined ? 'virtio-net-pci' : checkQemuId(`${label}.model`, nic.model),
    vhost: vhost || vhostFds.length > 0,
    vhostFds,
    bus: nic.bus === undefined ? undefined : checkText(`${label}.bus`, nic.bus),
    romfile: nic.romfile === undefined ? undefined : checkText(`${label}.romfile`, nic.romfile),
    properties: checkOptions(`${label}.properties`, nic.properties ?? {}, RESERVED_PROPERTIES),
    netdevProperties: checkOptions(
      `${label}.netdevProperties`,
      nic.netdevProperties ?? {},
      RESERVED_NETDEV_PROPERTIES,
    ),
  };
  refuseWhatTheModelLacks(checked);
  return checked;
}

/** A card's descriptors in this process: its queues, then those for vhost. */
export function descriptorsOf(nic: CheckedNic): number[] {
  return [...nic.queues.map((queue) => queue.fd), ...nic.vhostFds];
}

/** The id of the card on this backend. */
export function deviceIdOf(netdevId: string): string {
  return `${netdevId}-nic`;
}

/** `linux/miscdevice.h`: MISC_MAJOR and VHOST_NET_MINOR, as Linux packs them. */
const VHOST_NET_DEVICE_NUMBER = (10 << 8) | 238;

function checkVhostFds(label: string, { vhost, vhostFds = [] }: QemuNic, queues: number): number[] {
  const fds = openFds(label, vhostFds);
  if (fds.length === 0) return fds;
  if (vhost === false || fds.length !== queues) {
    const wanted =
      vhost === false ? 'left out where vhost is false' : `one descriptor for each queue (${queues})`;
    throw invalidArgument(label, wanted, vhostFds);
  }
  refuseTwice(label, fds);
  for (const [i, fd] of fds.entries()) {
    const status = statOfFd(fd);
    if (status.isCharacterDevice() && status.rdev === VHOST_NET_DEVICE_NUMBER) continue;
    throw new TapfdError(
      'ERR_TAPFD_QEMU_VHOST',
      `${label}[${i}]: descriptor ${fd} is not one of /dev/vhost-net, and QEMU would abort`,
      { argument: `${label}[${i}]` },
    );
  }
  return fds;
}

/** At least one. */
type Queues = readonly [QemuNetworkDevice, ...QemuNetworkDevice[]];

function checkQueues(label: string, device: unknown): Queues {
  if (!isList(device)) return [checkDevice(label, device)];
  const [first, ...others] = device.map((queue: unknown, i) => checkDevice(`${label}[${i}]`, queue));
  if (first === undefined) throw invalidArgument(label, 'a device, or at least one queue of it', device);
  for (const other of others) refuseDifferentQueues(label, first, other);
  refuseTwice(
    label,
    [first, ...others].map(({ fd }) => fd),
  );
  return [first, ...others];
}

function refuseTwice(label: string, fds: readonly number[]): void {
  for (const [i, fd] of fds.entries()) {
    const first = fds.indexOf(fd);
    if (first < i) throw sharedDescriptor(`${label}[${i}]`, `${label}[${first}]`, fd);
  }
}

/** The refusal of a descriptor that is used twice. */
export function sharedDescriptor(label: string, other: string, fd: number): TapfdError {
  return new TapfdError(
    'ERR_TAPFD_QEMU_DUPLICATE_FD',
    `${label}: descriptor ${fd} is also used by ${other}, and two queues would take each other's frames. ` +
      'Open a device for each card, or call openQueue() for each queue',
  );
}

function refuseDifferentQueues(label: string, first: QemuNetworkDevice, other: QemuNetworkDevice): void {
  if (interfaceKey(first) !== interfaceKey(other)) {
    throw new TapfdError(
      'ERR_TAPFD_QEMU_MIXED_QUEUES',
      `${label}: the queues of one card must belong to one interface; these belong to ${first.name} and ` +
        `${other.name}. Open them with openQueue() of the first, or give each device its own nic`,
      { interface: other.name },
    );
  }
  if (first.flags.vnetHeader !== other.flags.vnetHeader || first.vnetHeaderBytes !== other.vnetHeaderBytes) {
    const format = (queue: QemuNetworkDevice): string =>
      queue.flags.vnetHeader ? `one of ${queue.vnetHeaderBytes} bytes` : 'none';
    throw new TapfdError(
      'ERR_TAPFD_QEMU_MIXED_VNET_HEADER',
      `${label}: all queues of ${first.name} must have the same virtio header; found ${format(first)} and ` +
        `${format(other)}. Open each with the same vnetHeader`,
      { interface: first.name },
    );
  }
}

function refuseWhatTheModelLacks({ label, model, vhost, queues }: CheckedNic): void {
  if (model.startsWith('virtio-net') || (!vhost && queues.length === 1)) return;
  throw new TapfdError(
    'ERR_TAPFD_QEMU_MODEL',
    `${label}: the card ${model} supports neither vhost nor several queues, and QEMU would silently ignore them. ` +
      'Use a virtio-net model, or one queue without vhost',
  );
}
