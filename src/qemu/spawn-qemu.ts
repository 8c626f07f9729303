import type {
  ChildProcess,
  ChildProcessWithoutNullStreams,
  SpawnOptions,
  SpawnOptionsWithoutStdio,
} from 'node:child_process';
import { checkObject, checkPath } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { startProcess } from '../base/start-process.js';
import { formatNics, type QemuNetworkArguments, type QemuNetworkStyle } from './nic/arguments.js';
import { standardStreams } from './nic/child-descriptors.js';
import type { QemuNetworkDevice } from './nic/device.js';
import { askTheKernel, handOver, withClaim } from './nic/hand-over.js';
import type { CheckedNic, QemuNic } from './nic/nic.js';
import { checkNics } from './nic/nics.js';

/** What {@link spawnQemu} needs beside the options of `child_process.spawn`. */
export interface QemuNetworkOptions {
  /** The guest's network cards. */
  nics: readonly QemuNic[];
  /** How they are written on the command line. Default `netdev`. */
  style?: QemuNetworkStyle;
}

/**
 * Starts QEMU with network cards on open TAP and macvtap devices, and hands the devices over to it.
 *
 * First it refuses what QEMU would accept and then do the wrong thing with, or abort on. Then it stops reading the
 * devices, starts QEMU with `args` and behind them the cards' arguments (see `qemuNetworkArguments`), and once QEMU
 * runs it gives up this process's descriptors for good: the devices are handed off and the copies closed. When QEMU
 * cannot be started, the devices go on as they were. Frames that the streams have read before the start stay with them.
 *
 * When QEMU ends the devices are destroyed, which also removes a macvtap link that `openMacvtap` made without
 * `persist`. The link goes with this process too, so a QEMU that is to outlive it (`detached`) wants `persist: true`.
 * Destroying such a device earlier takes the link from the running guest.
 *
 * That QEMU runs does not say that it likes its other arguments: watch `'exit'` and stderr.
 *
 * QEMU itself needs no privilege for descriptors that it is given, except `/dev/vhost-net` for `vhost`. Whether that can
 * be opened is tried as this process: a QEMU that is another user (`uid`) wants `vhostFds`. A wrapper
 * (`ip netns exec …`, `systemd-run --scope`, `setpriv`) may stand in front of QEMU if it keeps descriptors; sudo does
 * not.
 *
 * @param binary QEMU's name or path: `qemu-system-x86_64`.
 * @param args Its other arguments. A bus that a nic names must be among them.
 * @param options `nics`, `style`, and those of `child_process.spawn`. Entries of `stdio` beyond the third keep their
 *   numbers; the devices come after them.
 * @returns The child, once it runs: none of its events has been emitted yet but `'spawn'`.
 * @throws TapfdError Everything that `qemuNetworkArguments` throws; further:
 * @throws TapfdError `ERR_TAPFD_QEMU_DEAD_DEVICE`: the interface behind a device was deleted.
 * @throws TapfdError `ERR_TAPFD_QEMU_VHOST`: `vhost` without a usable `/dev/vhost-net`, on which QEMU aborts.
 * @throws TapfdError `ERR_TAPFD_QEMU_DEVICE_BUSY`: another call is starting a QEMU with the same device.
 * @throws TapfdError `ENOENT`, `EACCES`, `E2BIG`, `EAGAIN`, …: the system could not start it (`syscall: 'spawn'`).
 * @throws The reason of `options.signal`, when it was aborted before QEMU ran. No process is left then.
 */
export function spawnQemu(
  binary: string,
  args: readonly string[],
  options: SpawnOptionsWithoutStdio & QemuNetworkOptions,
): Promise<ChildProcessWithoutNullStreams>;
export function spawnQemu(
  binary: string,
  args: readonly string[],
  options: SpawnOptions & QemuNetworkOptions,
): Promise<ChildProcess>;
export async function spawnQemu(
  binary: string,
  args: readonly string[],
  options: SpawnOptions & QemuNetworkOptions,
): Promise<ChildProcess> {
  checkPath('binary', binary);
  checkStrings('args', args);
  checkObject('options', options);
  const { nics: wanted, style, ...spawnOptions } = options;
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
    // Anew, and with no wait until QEMU has them: a MAC can be another by now, and a number another file's.
    const { devices: current, network } = plan();
    const child = await handOver(current, () =>
      startProcess('spawnQemu', binary, [...args, ...network.args], {
        ...spawnOptions,
        stdio: [...stdio, ...network.fds],
      }),
    );
    // What else there is of them, such as the link that the opening call made, is QEMU's as long as it runs. The
    // listener also keeps them from the garbage collector, which would remove the link too.
    child.once('exit', () => {
      for (const device of current) device.destroy();
    });
    return child;
  });
}

interface QemuPlan {
  nics: readonly CheckedNic[];
  devices: readonly QemuNetworkDevice[];
  network: QemuNetworkArguments;
}

function checkStrings(argument: string, values: unknown): void {
  if (!Array.isArray(values)) throw invalidArgument(argument, 'an array of strings', values);
  values.forEach((value: unknown, i) => {
    if (typeof value !== 'string') throw invalidArgument(`${argument}[${i}]`, 'a string', value);
  });
}
