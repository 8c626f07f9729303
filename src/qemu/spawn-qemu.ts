import type {
  ChildProcess,
  ChildProcessWithoutNullStreams,
  SpawnOptions,
  SpawnOptionsWithoutStdio,
} from 'node:child_process';
import { checkObject, checkPath, refuseSurplus } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { type StartedProcess, startProcess } from '../base/start-process.js';
import { formatNics, type QemuNetworkArguments, type QemuNetworkStyle } from './nic/arguments.js';
import { copySpawnOptions, standardStreams } from './nic/child-descriptors.js';
import type { QemuNetworkDevice } from './nic/device.js';
import { askTheKernel, handOver, withClaim } from './nic/hand-over.js';
import type { CheckedNic, QemuNic } from './nic/nic.js';
import { checkNics, copyNics } from './nic/nics.js';

/** What {@link spawnQemu} takes besides the options of `child_process.spawn`. */
export interface QemuNetworkOptions {
  /** The guest's network cards. */
  nics: readonly QemuNic[];
  /** How they are written on the command line. Default `netdev`. */
  style?: QemuNetworkStyle | undefined;
}

/**
 * Starts QEMU with network cards on open TAP and macvtap devices, and hands the devices over to it.
 *
 * It first refuses what QEMU would accept although the card could not work, and what QEMU would abort on. It then stops
 * reading the devices and starts QEMU with `args`, followed by the cards' arguments (see `qemuNetworkArguments`). Once
 * QEMU runs, the devices are handed off and this process's copies of the descriptors closed. If QEMU cannot be started,
 * the devices continue as before. Frames that the streams had read by then remain in them.
 *
 * When QEMU ends, the devices are destroyed, which also removes a macvtap link that `openMacvtap` made without
 * `persist`. The link is removed with this process, too, so a QEMU that must outlive it (`detached`) needs
 * `persist: true`. Destroying such a device earlier takes the link from the running guest.
 *
 * A running QEMU may still reject its other arguments: watch `'exit'` and stderr.
 *
 * QEMU itself needs no privilege for the descriptors that it is given, except `/dev/vhost-net` for `vhost`. This
 * process tries whether that can be opened; for a QEMU that runs as another user (`uid`), pass `vhostFds`. QEMU can be
 * started through a wrapper that keeps descriptors open (`ip netns exec …`, `systemd-run --scope`, `setpriv`); sudo
 * does not.
 *
 * @example
 * ```ts
 * import { openTap } from 'tapfd';
 * import { spawnQemu } from 'tapfd/qemu';
 *
 * const tap = await openTap({ bridge: 'br0' });
 * const args = ['-m', '512', '-nographic', '-drive', 'file=guest.img,format=raw'];
 * const qemu = await spawnQemu('qemu-system-x86_64', args, { nics: [{ device: tap }], stdio: 'inherit' });
 * qemu.once('exit', (status) => console.log(`QEMU ended with ${status}`));
 * ```
 *
 * @param binary QEMU's name or path: `qemu-system-x86_64`.
 * @param args Its other arguments. A bus that a nic names must be among them.
 * @param options `nics`, `style`, and the options of `child_process.spawn`. Entries of `stdio` beyond the third keep
 *   their numbers; the devices follow them.
 * @returns The running child, of whose events only `'spawn'` has been emitted. Listen to it, and read its output, before
 *   you await anything else: as after `child_process.spawn`, what nobody reads by the time it exits is discarded.
 * @throws TapfdError Everything that `qemuNetworkArguments` throws, and:
 * @throws TapfdError `ERR_TAPFD_QEMU_DEAD_DEVICE`: the interface behind a device was deleted.
 * @throws TapfdError `ERR_TAPFD_QEMU_VHOST`: `vhost` without a usable `/dev/vhost-net`, on which QEMU aborts.
 * @throws TapfdError `ERR_TAPFD_QEMU_DEVICE_BUSY`: another call is starting a QEMU with the same device.
 * @throws TapfdError `ENOENT`, `EACCES`, `E2BIG`, `EAGAIN`, …: the system could not start it (`syscall: 'spawn'`).
 * @throws The reason of `options.signal`, if it was aborted before QEMU ran. No process is left then.
 */
export function spawnQemu(
  binary: string,
  args: readonly string[],
  options: SpawnOptionsWithoutStdio & QemuNetworkOptions,
): Promise<
  ChildProcessWithoutNullStreams & {
    /** The process id. */
    readonly pid: number;
  }
>;
export function spawnQemu(
  binary: string,
  args: readonly string[],
  options: SpawnOptions & QemuNetworkOptions,
): Promise<
  ChildProcess & {
    /** The process id. */
    readonly pid: number;
  }
>;
export async function spawnQemu(
  binary: string,
  args: readonly string[],
  options: SpawnOptions & QemuNetworkOptions,
): Promise<StartedProcess> {
  refuseSurplus('spawnQemu', arguments, 3);
  checkPath('binary', binary);
  const ownArgs = checkStrings('args', args);
  checkObject('options', options);
  const { nics: given, style, ...others } = options;
  const spawnOptions = copySpawnOptions('spawnQemu', others);
  const wanted = copyNics(given);
  const stdio = standardStreams(options.stdio);
  const plan = (): QemuPlan => {
    const nics = checkNics(wanted);
    return {
      nics,
      devices: nics.flatMap((nic) => nic.queues),
      network: formatNics(nics, stdio.length, style),
    };
  };
  const { nics, devices } = plan();
  options.signal?.throwIfAborted();
  return withClaim('spawnQemu', devices, async () => {
    await askTheKernel('spawnQemu', nics);
    // Once more, and without a pause until QEMU has them: a MAC may have changed, and a closed number be another
    // file's.
    const { devices: current, network } = plan();
    const child = await handOver(current, () =>
      startProcess('spawnQemu', binary, [...ownArgs, ...network.args], {
        ...spawnOptions,
        stdio: [...stdio, ...network.fds],
      }),
    );
    // The rest of them, such as a link that the opening call made, must last as long as QEMU. The listener also keeps
    // the devices from the garbage collector, which would remove that link, too.
    child.once('exit', () => {
      for (const device of current) void device.close();
    });
    return child;
  });
}

interface QemuPlan {
  nics: readonly CheckedNic[];
  devices: readonly QemuNetworkDevice[];
  network: QemuNetworkArguments;
}

function checkStrings(argument: string, values: unknown): string[] {
  if (!Array.isArray(values)) throw invalidArgument(argument, 'an array of strings', values);
  return Array.from(values, (value: unknown, i) => {
    if (typeof value !== 'string') throw invalidArgument(`${argument}[${i}]`, 'a string', value);
    return value;
  });
}
