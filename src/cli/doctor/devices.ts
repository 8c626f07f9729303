/** What opening devices takes: the clone device, the drivers, /sys and /dev. */
import { closeSync, constants, openSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { isOnNodevMount } from '../../base/permission.js';
import { createNetns, links, openMacvtap, openTap } from '../../index.js';
import { showsOwnNamespace } from '../machine/nodes.js';
import { attempt, numbersOf } from '../machine/processes.js';
import { codeOf, describeFailure } from '../terminal/failure.js';
import { type Answer, good, lacks, type Machine, readText } from './finding.js';

const CLONE_DEVICE = '/dev/net/tun';

/** `linux/miscdevice.h` TUN_MINOR, and the major number of all such devices. */
const TUN_NUMBERS = { major: 10, minor: 200 };

const CONTAINER = 'in a container: docker run --device /dev/net/tun';

export async function checkCloneDevice(machine: Machine): Promise<Answer> {
  const path = join(machine.root, CLONE_DEVICE);
  const stat = attempt(() => statSync(path));
  if (stat === undefined) {
    return lacks(
      'error',
      `${CLONE_DEVICE} does not exist: no TUN or TAP can be opened`,
      `modprobe tun; or mkdir -p /dev/net && mknod -m 666 ${CLONE_DEVICE} c 10 200; ${CONTAINER}`,
    );
  }
  if (!isTun(stat)) {
    return lacks(
      'error',
      `${CLONE_DEVICE} is not the character device 10:200`,
      `rm ${CLONE_DEVICE} && mknod -m 666 ${CLONE_DEVICE} c 10 200`,
    );
  }
  const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
  } catch (error) {
    return lacks(
      'error',
      `${CLONE_DEVICE} (mode ${mode}) cannot be opened: ${describeFailure(error)}`,
      whyClosed(path, codeOf(error)),
    );
  }
  return (stat.mode & 0o006) === 0o006
    ? good(`${CLONE_DEVICE} opens, and its mode ${mode} lets everybody do so`)
    : good(`${CLONE_DEVICE} opens; its mode ${mode} keeps ordinary users out (chmod 666 lets them in)`);
}

function isTun(stat: Stats): boolean {
  const { major, minor } = numbersOf(stat.rdev);
  return stat.isCharacterDevice() && major === TUN_NUMBERS.major && minor === TUN_NUMBERS.minor;
}

/** @returns What to do about it. */
export function whyClosed(path: string, code: string): string {
  if (code === 'EACCES')
    return isOnNodevMount(path) ? 'mount /dev without nodev' : `as root: chmod 666 ${CLONE_DEVICE}`;
  if (code === 'EPERM') return `the device cgroup forbids it; ${CONTAINER}`;
  return `as root: modprobe tun; ${CONTAINER}`;
}

/** Whether the driver is there, asked of the kernel's lists: trying would load it. */
export async function checkTunDriver(machine: Machine): Promise<Answer> {
  if (/^\s*200 tun$/m.test(readText(machine, '/proc/misc') ?? '')) return good('the driver tun is there');
  return hasModule(machine, 'tun')
    ? good('the driver tun is not loaded; the kernel loads it at the first opening')
    : lacks('error', 'this kernel has no driver tun', 'modprobe tun, or a kernel with CONFIG_TUN');
}

export async function checkMacvtapDriver(machine: Machine): Promise<Answer> {
  if (hasMacvtapDriver(machine)) return good('the driver macvtap is there');
  return hasModule(machine, 'macvtap')
    ? good('the driver macvtap is not loaded; the kernel loads it with the first macvtap')
    : lacks(
        'warning',
        'this kernel has no driver macvtap',
        'modprobe macvtap, or a kernel with CONFIG_MACVTAP; TAP with a bridge needs none',
      );
}

function hasMacvtapDriver(machine: Machine): boolean {
  return /^\s*\d+ macvtap$/m.test(readText(machine, '/proc/devices') ?? '');
}

/** Whether its file lies where modprobe looks. */
function hasModule(machine: Machine, name: string): boolean {
  const release = readText(machine, '/proc/sys/kernel/osrelease') ?? '';
  const list = readText(machine, `/lib/modules/${release}/modules.dep`) ?? '';
  return new RegExp(`/${name}\\.ko(\\.\\w+)?:`).test(list);
}

/** Opens a TAP in a namespace that goes with it. */
export async function tryTap(): Promise<Answer> {
  return tryInNamespace('a TAP was opened in a namespace of its own', async (netns) => {
    await (await openTap({ netns })).close();
  });
}

/** The same for a macvtap, unless that would load its driver. */
export async function tryMacvtap(machine: Machine): Promise<Answer> {
  if (!hasMacvtapDriver(machine)) return good('not tried, as that would load the driver');
  return tryInNamespace('a macvtap was opened in a namespace of its own, on a veth', async (netns) => {
    await links.create({ kind: 'veth', name: 'lower', netns });
    await (await openMacvtap({ lower: 'lower', netns })).close();
  });
}

export async function tryInNamespace(
  success: string,
  work: (netns: string) => Promise<void>,
): Promise<Answer> {
  try {
    const netns = await createNetns();
    try {
      await work(netns.path);
      return good(success);
    } finally {
      await netns.close();
    }
  } catch (error) {
    return lacks(
      'warning',
      `opening one did not work: ${describeFailure(error)}`,
      codeOf(error) === 'EPERM'
        ? 'run tapfd doctor as root, or see capabilities and user namespaces below'
        : 'see the other findings',
    );
  }
}

export async function checkSys(): Promise<Answer> {
  if (showsOwnNamespace(await links.list())) return good('/sys shows this network namespace');
  return lacks(
    'warning',
    '/sys is missing, or shows another network namespace: macvtap then needs CAP_SYS_ADMIN, to mount its own',
    'mount -t sysfs sysfs /sys in this namespace (ip netns exec does so)',
  );
}

export async function checkDev(machine: Machine): Promise<Answer> {
  if (isOnNodevMount(join(machine.root, '/dev'))) {
    return lacks(
      'error',
      '/dev is mounted nodev: no device on it can be opened',
      'mount -o remount,dev /dev',
    );
  }
  const mounts = readText(machine, '/proc/self/mountinfo') ?? '';
  // proc_pid_mountinfo(5): the type follows the separator.
  return /^\S+ \S+ \S+ \S+ \/dev .* - devtmpfs /m.test(mounts)
    ? good('/dev is a devtmpfs: the nodes of new macvtaps appear there')
    : good('/dev is no devtmpfs: nodes of new macvtaps do not appear; tapfd makes its own, with CAP_MKNOD');
}
