import { checkInteger, checkObject, checkOneOf, checkOptionNames, refuseSurplus } from '../../base/checks.js';
import { invalidArgument } from '../../base/errors.js';
import { type CheckedNic, descriptorsOf, type QemuNic } from './nic.js';
import { checkNics, copyNics } from './nics.js';
import { formatOptions, type QemuOption } from './option-syntax.js';

/** `fs/file.c` sysctl_nr_open: the highest number that a process may have, unless the administrator has raised it. */
const MAX_FD = 1024 * 1024 - 1;

/**
 * How the cards are written on the command line.
 *
 * - `netdev`: `-netdev tap,id=…,fd=… -device MODEL,netdev=…,mac=…`, the current syntax, which can express everything.
 * - `classic`: `-net nic,model=…,macaddr=… -net tap,fd=…`, the syntax of old texts. QEMU connects all `-net` of a guest
 *   to one hub, so this is for a single card with one queue, without vhost and without properties.
 */
export type QemuNetworkStyle = 'netdev' | 'classic';

/** Options of {@link qemuNetworkArguments}. */
export interface QemuNetworkArgumentsOptions {
  /** The number of the first descriptor in QEMU; the others follow. 3 to 1048575. Default 3. */
  firstFd?: number | undefined;
  /** Default `netdev`. */
  style?: QemuNetworkStyle | undefined;
}

/** One card, as it is known in QEMU. */
export interface QemuNicFacts {
  /** For the monitor: `set_link`, `netdev_del`. */
  netdevId: string;
  /** For the monitor: `device_del`; also the name in `NIC_RX_FILTER_CHANGED`. `undefined` in classic style. */
  deviceId: string | undefined;
  /** The guest's MAC. */
  mac: string;
  /** The numbers of its descriptors in QEMU, one for each queue. */
  childFds: number[];
}

/** What {@link qemuNetworkArguments} returns. */
export interface QemuNetworkArguments {
  /** For QEMU's command line, one string for each argument. */
  args: string[];
  /**
   * The descriptors in this process, in the order in which QEMU must have them from `firstFd` on: each card's queues,
   * then its `vhostFds`. Borrowed.
   */
  fds: number[];
  /** For `child_process.spawn`: three pipes, nothing up to `firstFd`, then `fds`. */
  stdio: ('pipe' | 'ignore' | number)[];
  /** The cards' ids and MACs. */
  nics: QemuNicFacts[];
}

/**
 * QEMU's arguments for network cards on open TAP and macvtap devices, and the list of descriptors to start it with:
 * both from one source, so that the number in `fd=` and the MAC in `mac=` cannot be another device's.
 *
 * This only reads facts of the devices: they stay open, are still read here, and belong to the caller. `spawnQemu` does
 * the rest: it also asks the kernel, starts QEMU, and hands the devices over.
 *
 * Each value is written so that QEMU reads it back unchanged: a comma in it cannot start another option
 * (QEMU `docs/system/invocation.rst`).
 *
 * @example
 * ```ts
 * import { openTap } from 'tapfd';
 * import { qemuNetworkArguments } from 'tapfd/qemu';
 *
 * const tap = await openTap({ bridge: 'br0' });
 * const { args, stdio } = qemuNetworkArguments([{ device: tap }], { firstFd: 3 });
 * console.log(args.join(' '), stdio);
 * ```
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`: a wrong type, id, MAC (multicast, zero) or property; an id used
 *   twice; something that classic style cannot express.
 * @throws TapfdError `ERR_TAPFD_QEMU_TUN`: a TUN, which carries no Ethernet frames.
 * @throws TapfdError `ERR_TAPFD_QEMU_PACKET_INFO`: the device was opened with `packetInfo`.
 * @throws TapfdError `ERR_TAPFD_QEMU_DETACHED_QUEUE`: the queue is detached and gets no frames.
 * @throws TapfdError `ERR_TAPFD_QEMU_DEAD_DEVICE`: the device was destroyed or handed off.
 * @throws TapfdError `ERR_TAPFD_QEMU_MIXED_QUEUES`: the queues of a card belong to different interfaces.
 * @throws TapfdError `ERR_TAPFD_QEMU_MIXED_VNET_HEADER`: the queues of a card differ in their virtio header.
 * @throws TapfdError `ERR_TAPFD_QEMU_MODEL`: vhost or several queues for a card that does not support them.
 * @throws TapfdError `ERR_TAPFD_MAC_MISMATCH`: a guest's MAC that is not its macvtap's. The message names both.
 * @throws TapfdError `ERR_TAPFD_QEMU_HOST_MAC`: a guest's MAC that is its TAP's own.
 * @throws TapfdError `ERR_TAPFD_QEMU_DUPLICATE_MAC`, `ERR_TAPFD_QEMU_DUPLICATE_FD`,
 *   `ERR_TAPFD_QEMU_DUPLICATE_INTERFACE`: two cards share it.
 */
export function qemuNetworkArguments(
  nics: readonly QemuNic[],
  options: QemuNetworkArgumentsOptions = {},
): QemuNetworkArguments {
  refuseSurplus('qemuNetworkArguments', arguments, 2);
  checkObject('options', options);
  checkOptionNames('qemuNetworkArguments', options, ['firstFd', 'style']);
  const firstFd = checkInteger('firstFd', options.firstFd ?? 3, 3, MAX_FD);
  return formatNics(checkNics(copyNics(nics)), firstFd, options.style);
}

/** The second half of {@link qemuNetworkArguments}, for checked cards. */
export function formatNics(
  nics: readonly CheckedNic[],
  firstFd: number,
  style: QemuNetworkStyle = 'netdev',
): QemuNetworkArguments {
  const classic = checkOneOf('style', style, ['netdev', 'classic']) === 'classic';
  if (classic) refuseWhatClassicCannotExpress(nics);
  const fds = nics.flatMap(descriptorsOf);
  const args: string[] = [];
  const facts: QemuNicFacts[] = [];
  let next = firstFd;
  for (const nic of nics) {
    const numbers = descriptorsOf(nic).map((_fd, i) => next + i);
    next += numbers.length;
    const childFds = numbers.slice(0, nic.queues.length);
    const vhostFds = numbers.slice(nic.queues.length);
    args.push(...(classic ? classicArguments(nic, childFds) : netdevArguments(nic, childFds, vhostFds)));
    facts.push({
      netdevId: nic.netdevId,
      deviceId: classic ? undefined : nic.deviceId,
      mac: nic.mac,
      childFds,
    });
  }
  const standard = Array.from({ length: firstFd }, (_, fd) =>
    fd < 3 ? ('pipe' as const) : ('ignore' as const),
  );
  return { args, fds, stdio: [...standard, ...fds], nics: facts };
}

function netdevArguments(
  nic: CheckedNic,
  childFds: readonly number[],
  vhostFds: readonly number[],
): string[] {
  return [
    '-netdev',
    formatOptions('tap', netdevOptions(nic, childFds.map(String), vhostFds.map(String))),
    '-device',
    formatOptions(nic.model, deviceOptions(nic)),
  ];
}

/**
 * The backend's options, as named by QEMU's command line and `netdev_add`.
 *
 * @param fds Numbers, or names for QEMU to look up; likewise `vhostFds`.
 */
export function netdevOptions(
  nic: CheckedNic,
  fds: readonly string[],
  vhostFds: readonly string[],
): QemuOption[] {
  // The id comes before the caller's options: old QEMUs look for the first ",id=", even inside another value.
  const netdev: QemuOption[] = [['id', nic.netdevId], descriptorOption('fd', fds)];
  if (nic.vhost) netdev.push(['vhost', true]);
  if (vhostFds.length > 0) netdev.push(descriptorOption('vhostfd', vhostFds));
  return [...netdev, ...nic.netdevProperties];
}

/** The card's properties, as named by QEMU's command line and `device_add`. */
export function deviceOptions(nic: CheckedNic): QemuOption[] {
  const device: QemuOption[] = [
    ['id', nic.deviceId],
    ['netdev', nic.netdevId],
    ['mac', nic.mac],
  ];
  const queues = nic.queues.length;
  if (queues > 1) device.push(['mq', true], ...vectors(nic, queues));
  if (nic.bus !== undefined) device.push(['bus', nic.bus]);
  if (nic.romfile !== undefined) device.push(['romfile', nic.romfile]);
  return [...device, ...nic.properties];
}

function descriptorOption(name: 'fd' | 'vhostfd', fds: readonly string[]): QemuOption {
  return fds.length === 1 ? [name, String(fds[0])] : [`${name}s`, fds.join(':')];
}

/** One interrupt vector for each direction of each queue, one for configuration changes, one for the control queue. */
function vectors({ model, properties }: CheckedNic, queues: number): QemuOption[] {
  // Only PCI cards have them, and a number that the caller gave takes precedence.
  const isPci = model === 'virtio-net' || model.startsWith('virtio-net-pci');
  const isGiven = properties.some(([key]) => key === 'vectors');
  return isPci && !isGiven ? [['vectors', 2 * queues + 2]] : [];
}

function classicArguments(nic: CheckedNic, childFds: readonly number[]): string[] {
  const card = formatOptions('nic', [
    ['model', nic.model],
    ['macaddr', nic.mac],
  ]);
  return ['-net', card, '-net', formatOptions('tap', [descriptorOption('fd', childFds.map(String))])];
}

function refuseWhatClassicCannotExpress(nics: readonly CheckedNic[]): void {
  const fits =
    nics.length <= 1 &&
    nics.every(
      (nic) =>
        nic.queues.length === 1 &&
        !nic.vhost &&
        nic.bus === undefined &&
        nic.romfile === undefined &&
        nic.properties.length === 0 &&
        nic.netdevProperties.length === 0,
    );
  if (!fits) {
    throw invalidArgument(
      'style',
      '"netdev" for several cards or queues, vhost, a bus, a ROM file or properties',
      'classic',
    );
  }
}
