/** A guest's network card as the caller describes it, and what of it QEMU would take and then do the wrong thing. */
import { fstatSync } from 'node:fs';
import { checkBoolean, checkObject } from '../../base/checks.js';
import { invalidArgument, TapfdError } from '../../base/errors.js';
import type { FdSource } from '../../base/fd-source.js';
import { openFds } from './child-descriptors.js';
import { checkDevice, interfaceKey, type QemuNetworkDevice } from './device.js';
import { checkGuestMac, guestMacFor } from './guest-mac.js';
import { checkId, checkOptions, checkText, type QemuOption, type QemuOptionValue } from './option-syntax.js';

/** One network card of a guest, and the device behind it. */
export interface QemuNic {
  /**
   * The open TAP or macvtap, or its queues (each a descriptor of one and the same interface) for a card with several:
   * QEMU then gets `fds=`, `mq=on` and `vectors=2N+2`. The guest wants as many processors to use them.
   */
  device: QemuNetworkDevice | readonly QemuNetworkDevice[];
  /**
   * The MAC that the guest sees. On a macvtap it defaults to the link's and must equal it, or nothing would arrive.
   * On a TAP any but the TAP's own will do; the default is {@link guestMacFor} of it.
   */
  mac?: string;
  /** The `-netdev` id. Default `tapfd0`, `tapfd1`, … by position. The card has the same with `-nic` behind it. */
  id?: string;
  /** QEMU's name of the card. Default `virtio-net-pci`. */
  model?: string;
  /**
   * Let the kernel's vhost move the frames (`vhost=on`); needs a virtio card, and `/dev/vhost-net`, which this process
   * and QEMU must be able to open. Default false.
   */
  vhost?: boolean;
  /**
   * Open descriptors of `/dev/vhost-net`, one for each queue, or what holds one, for a QEMU that may not open it itself
   * (`vhostfd=`); brings `vhost` with it. They stay the caller's, who can close them when QEMU has them.
   */
  vhostFds?: readonly FdSource[];
  /** The bus that the card is plugged into (`-device …,bus=`). Default: QEMU's choice. */
  bus?: string;
  /** The card's option ROM. `''` means none: a guest that does not boot from the network needs none. Default: QEMU's. */
  romfile?: string;
  /** More properties of the card, as `-device MODEL,help` lists them: `{ host_mtu: 1400, rss: true }`. */
  properties?: Readonly<Record<string, QemuOptionValue>>;
  /** More options of `-netdev tap`: `{ sndbuf: 0 }`. */
  netdevProperties?: Readonly<Record<string, QemuOptionValue>>;
}

/** A {@link QemuNic} found right, every default filled in. */
export interface CheckedNic {
  /** `nics[0]`, for messages. */
  readonly label: string;
  readonly queues: Queues;
  readonly mac: string;
  readonly netdevId: string;
  readonly deviceId: string;
  readonly model: string;
  readonly vhost: boolean;
  /** One for each queue, or none: QEMU opens the device itself. */
  readonly vhostFds: readonly number[];
  readonly bus: string | undefined;
  readonly romfile: string | undefined;
  readonly properties: readonly QemuOption[];
  readonly netdevProperties: readonly QemuOption[];
}

const RESERVED_PROPERTIES = ['driver', 'id', 'netdev', 'mac', 'mq', 'bus', 'romfile'];
const RESERVED_NETDEV_PROPERTIES = ['type', 'id', 'fd', 'fds', 'vhost', 'vhostfd', 'vhostfds'];

/** One card; what it must not share with others is not looked at. */
export function checkNic(label: string, nic: QemuNic, defaultId: string): CheckedNic {
  checkObject(label, nic);
  const queues = checkQueues(`${label}.device`, nic.device);
  const netdevId = nic.id === undefined ? defaultId : checkId(`${label}.id`, nic.id);
  const vhost = nic.vhost === undefined ? false : checkBoolean(`${label}.vhost`, nic.vhost);
  const vhostFds = checkVhostFds(`${label}.vhostFds`, nic, queues.length);
  const checked = {
    label,
    queues,
    mac: nic.mac === undefined ? guestMacFor(queues[0]) : checkGuestMac(`${label}.mac`, nic.mac, queues[0]),
    netdevId,
    deviceId: deviceIdOf(netdevId),
    model: nic.model === undefined ? 'virtio-net-pci' : checkId(`${label}.model`, nic.model),
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

/** What the card on this backend is called in QEMU. */
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
  for (const [i, fd] of fds.entries()) {
    const status = fstatSync(fd);
    if (status.isCharacterDevice() && status.rdev === VHOST_NET_DEVICE_NUMBER) continue;
    throw new TapfdError(
      'ERR_TAPFD_QEMU_VHOST',
      `${label}[${i}]: descriptor ${fd} is not one of /dev/vhost-net, and QEMU would give up on it`,
      { argument: `${label}[${i}]` },
    );
  }
  return fds;
}

/** At least one. */
type Queues = readonly [QemuNetworkDevice, ...QemuNetworkDevice[]];

function checkQueues(label: string, device: unknown): Queues {
  if (!Array.isArray(device)) return [checkDevice(label, device)];
  const [first, ...others] = device.map((queue: unknown, i) => checkDevice(`${label}[${i}]`, queue));
  if (first === undefined) throw invalidArgument(label, 'a device, or at least one queue of it', device);
  for (const other of others) refuseDifferentQueues(label, first, other);
  return [first, ...others];
}

function refuseDifferentQueues(label: string, first: QemuNetworkDevice, other: QemuNetworkDevice): void {
  if (interfaceKey(first) !== interfaceKey(other)) {
    throw new TapfdError(
      'ERR_TAPFD_QEMU_MIXED_QUEUES',
      `${label}: the queues of one card must belong to one interface; these are ${first.name} and ${other.name}. ` +
        'Open them with openQueue of the first, or make a nic of each',
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
    `${label}: the card ${model} has neither vhost nor several queues, and QEMU would leave them out without a word. ` +
      'Take a virtio-net model, or one queue without vhost',
  );
}
