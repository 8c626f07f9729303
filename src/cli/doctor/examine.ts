/** All checks, in the order in which their findings are printed. */
import { describeFailure } from '../terminal/failure.js';
import {
  checkCloneDevice,
  checkDev,
  checkMacvtapDriver,
  checkSys,
  checkTunDriver,
  tryMacvtap,
  tryTap,
} from './devices.js';
import { type Answer, lacks, type Machine, type MachineFinding } from './finding.js';
import { checkBridgeFilter, checkBridgeHelper, checkKvm, checkQemu, checkVhost } from './guests.js';
import { checkAddon, checkNode } from './runtime.js';
import { checkCapabilities, checkUserNamespaces } from './user.js';

type Check = (machine: Machine) => Promise<Answer>;

const CHECKS: readonly (readonly [id: string, title: string, check: Check])[] = [
  ['node', 'Node', () => checkNode()],
  ['addon', 'addon', (machine) => checkAddon(machine)],
  ['clone-device', 'clone device', checkCloneDevice],
  ['tun-driver', 'driver tun', checkTunDriver],
  ['tap', 'open a TAP', tryTap],
  ['macvtap-driver', 'driver macvtap', checkMacvtapDriver],
  ['macvtap', 'open a macvtap', tryMacvtap],
  ['capabilities', 'capabilities', () => checkCapabilities()],
  ['user-namespaces', 'user namespaces', checkUserNamespaces],
  ['sys', '/sys', checkSys],
  ['dev', '/dev', checkDev],
  ['kvm', 'KVM', checkKvm],
  ['vhost', 'vhost', checkVhost],
  ['qemu', 'QEMU', (machine) => checkQemu(machine)],
  ['bridge-helper', 'bridge helper', checkBridgeHelper],
  ['bridge-filter', 'bridge filter', checkBridgeFilter],
];

/** Looks at everything. A check that fails itself is a finding. */
export async function examine(machine: Machine, checks = CHECKS): Promise<MachineFinding[]> {
  const findings: MachineFinding[] = [];
  for (const [id, title, check] of checks) {
    // One by one: they open devices, and each is to see the machine as it is.
    const answer = await check(machine).catch((error) =>
      lacks('warning', `could not be checked: ${describeFailure(error)}`, 'see the other findings'),
    );
    findings.push({ id, title, ...answer });
  }
  return withVerdict(findings);
}

/** Without a TAP of its own, and without one in a user namespace, this user gets none at all: that is an error. */
function withVerdict(findings: readonly MachineFinding[]): MachineFinding[] {
  const isGood = (id: string) => findings.some((finding) => finding.id === id && finding.severity === 'ok');
  const isStuck = !isGood('tap') && !isGood('user-namespaces');
  return findings.map((finding) =>
    isStuck && finding.id === 'tap' ? { ...finding, severity: 'error' } : finding,
  );
}
