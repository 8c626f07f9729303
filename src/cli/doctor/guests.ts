/** What guests need: KVM, vhost, QEMU and its bridge helper; and what stops frames in bridges. */
import { execFile } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HELPER_PATHS } from '../../devices/bridge-helper.js';
import { attempt } from '../machine/processes.js';
import { describeFailure } from '../terminal/failure.js';
import { type Answer, good, lacks, type Machine, readText } from './finding.js';

export async function checkKvm(machine: Machine): Promise<Answer> {
  return checkNode(machine, '/dev/kvm', {
    works: '/dev/kvm opens: guests run at full speed',
    lacking: 'guests run without KVM, many times slower',
    load: 'modprobe kvm_intel or kvm_amd; in a virtual machine, turn on nested virtualization',
    group: 'kvm',
  });
}

export async function checkVhost(machine: Machine): Promise<Answer> {
  return checkNode(machine, '/dev/vhost-net', {
    works: '/dev/vhost-net opens: QEMU can use vhost=on',
    lacking: 'QEMU moves frames itself, and slower (vhost=on fails)',
    load: 'modprobe vhost_net',
    group: 'kvm',
  });
}

interface NodeTexts {
  works: string;
  lacking: string;
  load: string;
  group: string;
}

function checkNode({ root }: Machine, path: string, texts: NodeTexts): Answer {
  const stat = attempt(() => statSync(join(root, path)));
  if (!stat?.isCharacterDevice())
    return lacks('warning', `there is no ${path}: ${texts.lacking}`, texts.load);
  try {
    closeSync(openSync(join(root, path), 'r+'));
    return good(texts.works);
  } catch (error) {
    return lacks(
      'warning',
      `${path} cannot be opened (${describeFailure(error)}): ${texts.lacking}`,
      `add this user to the group ${texts.group}: usermod -aG ${texts.group} $USER; or ${texts.load}`,
    );
  }
}

/** Node's names of processors, and QEMU's. */
const QEMU_NAMES: Readonly<Record<string, string>> = {
  x64: 'x86_64',
  arm64: 'aarch64',
  ia32: 'i386',
  riscv64: 'riscv64',
};

export async function checkQemu({ path = '' }: Machine, arch: string = process.arch): Promise<Answer> {
  const name = `qemu-system-${QEMU_NAMES[arch] ?? arch}`;
  const found = path
    .split(':')
    .map((directory) => join(directory, name))
    .find(isExecutable);
  if (found === undefined) {
    return lacks('warning', `there is no ${name} in PATH`, `install it (Debian: apt install qemu-system)`);
  }
  try {
    const { stdout } = await promisify(execFile)(found, ['--version'], { encoding: 'utf8' });
    return good(`${found}, version ${/version (\S+)/.exec(stdout)?.[1] ?? 'unknown'}`);
  } catch (error) {
    return lacks('warning', `${found} does not run: ${describeFailure(error)}`, 'install it again');
  }
}

function isExecutable(path: string): boolean {
  const isAllowed = attempt(() => {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  });
  return isAllowed === true;
}

/** `linux/stat.h` S_ISUID. */
const SET_UID = 0o4000;

/** QEMU's setuid program, with which an ordinary user gets a TAP in a bridge. */
export async function checkBridgeHelper(machine: Machine): Promise<Answer> {
  const path = HELPER_PATHS.find((one) => attempt(() => statSync(join(machine.root, one))) !== undefined);
  if (path === undefined) {
    return lacks(
      'warning',
      'there is no qemu-bridge-helper: openTapFromBridgeHelper() does not work',
      'install it (Debian: apt install qemu-system-common)',
    );
  }
  const { mode, uid } = statSync(join(machine.root, path));
  if (uid !== 0 || (mode & SET_UID) === 0) {
    return lacks(
      'warning',
      `${path} is not setuid root: ordinary users get no TAP from it`,
      `as root: chmod u+s ${path}`,
    );
  }
  const rules = readText(machine, '/etc/qemu/bridge.conf');
  if (rules === undefined) {
    return lacks(
      'warning',
      '/etc/qemu/bridge.conf cannot be read: the bridge helper refuses every bridge',
      'as root: mkdir -p /etc/qemu && echo "allow br0" > /etc/qemu/bridge.conf && chmod 644 /etc/qemu/bridge.conf',
    );
  }
  const allowed = [...rules.matchAll(/^\s*(allow|include)\s+(\S+)/gm)].map(([, word, what]) =>
    word === 'allow' ? what : `those of ${what}`,
  );
  return allowed.length > 0
    ? good(`${path} gives TAPs in ${allowed.join(', ')}`)
    : lacks(
        'warning',
        '/etc/qemu/bridge.conf allows no bridge',
        'as root: echo "allow br0" >> /etc/qemu/bridge.conf',
      );
}

/** Whether the rules of iptables apply to frames that a bridge forwards. */
export async function checkBridgeFilter(machine: Machine): Promise<Answer> {
  const names = ['iptables', 'ip6tables', 'arptables'].map((name) => `bridge-nf-call-${name}`);
  const on = names.filter((name) => readText(machine, `/proc/sys/net/bridge/${name}`) === '1');
  if (on.length === 0) return good('the rules of iptables do not touch frames between the ports of a bridge');
  return lacks(
    'warning',
    `${on.join(', ')}: iptables drops frames between the ports of a bridge where FORWARD says so, as with Docker`,
    `sysctl ${on.map((name) => `net.bridge.${name}=0`).join(' ')}; or a rule that accepts them`,
  );
}
