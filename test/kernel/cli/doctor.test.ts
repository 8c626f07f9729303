/** `tapfd doctor`: every line, here and where something is missing. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import {
  checkCloneDevice,
  checkDev,
  checkMacvtapDriver,
  checkSys,
  checkTunDriver,
  tryInNamespace,
  tryMacvtap,
  whyClosed,
} from '#lib/cli/doctor/devices.js';
import { examine } from '#lib/cli/doctor/examine.js';
import type { Machine } from '#lib/cli/doctor/finding.js';
import {
  checkBridgeFilter,
  checkBridgeHelper,
  checkKvm,
  checkQemu,
  checkVhost,
} from '#lib/cli/doctor/guests.js';
import { reportLines } from '#lib/cli/doctor/report.js';
import { checkAddon, checkNode } from '#lib/cli/doctor/runtime.js';
import { checkCapabilities, checkUserNamespaces } from '#lib/cli/doctor/user.js';
import { styleFor } from '#lib/cli/terminal/style.js';
import { fileNeeds } from '../../kit/capabilities.js';
import { childCommand } from '../../kit/child.js';
import { bash, COMMAND_LINE, tapfd } from '../../kit/command.js';
import { ownNamespace, run } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'netns', 'veth', 'macvtap', 'ip');

/** A directory that looks like the root of a machine with these files. */
function machine(t: Test, files: Record<string, string>): Machine {
  const root = t.testdir();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return { root, path: join(root, 'bin') };
}

t.test('this machine, as text and as JSON', async (t) => {
  const { code, output } = await tapfd(['doctor', '--json']);
  const { version, severity, findings } = JSON.parse(output);
  t.equal(version, 1);
  t.equal(code, { ok: 0, warning: 3, error: 4 }[String(severity)]);
  const byId = Object.fromEntries(findings.map((one: { id: string }) => [one.id, one]));
  for (const id of [
    'node',
    'addon',
    'clone-device',
    'tun-driver',
    'tap',
    'macvtap-driver',
    'macvtap',
    'capabilities',
  ]) {
    t.match(byId[id], { severity: 'ok' }, id);
  }
  for (const { severity: one, remedy } of findings) t.equal(remedy === undefined, one === 'ok');
  // Without PATH, programs are found where the system looks by itself.
  const text = (await tapfd(['doctor'], { env: { PATH: undefined } })).output;
  t.match(text, /^✓ clone device +\/dev\/net\/tun opens/m);
  t.same(
    text.split('\n').filter((line) => line.length > 80),
    [],
  );
  t.equal((await run('ip', 'netns', 'list')).includes('lower'), false);
});

t.test('an ordinary user, with what it lacks', async (t) => {
  const { code, output } = await tapfd(['doctor', '--json'], { uid: 65534 });
  const { findings } = JSON.parse(output);
  const severityOf = (id: string) => findings.find((one: { id: string }) => one.id === id)?.severity;
  t.equal(severityOf('capabilities'), 'warning');
  t.not(severityOf('tap'), 'ok');
  t.ok(code === 3 || code === 4);
  // Without any way to a TAP, that is an error.
  t.equal(
    code === 4,
    ['tap', 'clone-device'].some((id) => severityOf(id) === 'error'),
  );
});

t.test('a root without capabilities', async (t) => {
  const script = `capsh --drop=cap_net_admin,cap_sys_admin,cap_mknod -- -c "${COMMAND_LINE} doctor --json"`;
  const { output } = await bash(script).ended;
  const { findings } = JSON.parse(output);
  const found = findings.find((one: { id: string }) => one.id === 'capabilities');
  t.match(found.message, /CAP_NET_ADMIN .*CAP_SYS_ADMIN .*CAP_MKNOD/);
  t.match(found.remedy, '--cap-add=NET_ADMIN --cap-add=SYS_ADMIN --cap-add=MKNOD');
});

t.test('an ordinary user without capabilities', async (t) => {
  t.match(await checkCapabilities(() => false, false), { severity: 'warning', remedy: /run as root/ });
});

t.test('a device that does not open for a reason of its own', async (t) => {
  const found = await tryInNamespace('well', () => Promise.reject(new Error('odd')));
  t.match(found, { severity: 'warning', message: /odd/, remedy: 'see the other findings' });
});

t.test('/sys of another namespace', async (t) => {
  const ns = await ownNamespace(t);
  const script = `nsenter --net=${ns.path} ${COMMAND_LINE} doctor --json`;
  const { findings } = JSON.parse((await bash(script).ended).output);
  t.match(
    findings.find((one: { id: string }) => one.id === 'sys'),
    { severity: 'warning', remedy: /mount -t sysfs/ },
  );
  t.match(await checkSys(), { severity: 'ok' });
});

t.test('the clone device', async (t) => {
  t.match(await checkCloneDevice(machine(t, {})), { severity: 'error', remedy: /mknod -m 666/ });
  t.match(await checkCloneDevice(machine(t, { 'dev/net/tun': '' })), {
    severity: 'error',
    message: /not the character device/,
  });
  const made = machine(t, { 'dev/net/x': '' });
  await run('mknod', '-m', '600', join(made.root, 'dev/net/tun'), 'c', '10', '200');
  t.match(await checkCloneDevice(made), { severity: 'ok', message: /mode 0600 keeps ordinary users out/ });
  chmodSync(join(made.root, 'dev/net/tun'), 0o666);
  t.match(await checkCloneDevice(made), { severity: 'ok', message: /lets everybody/ });
  // One that this user may not open, one that the file system closes, and one that a cgroup does.
  const checkAs = async (...words: [string, ...string[]]) => {
    const program = `import { checkCloneDevice } from '#lib/cli/doctor/devices.js'; console.log(JSON.stringify(await checkCloneDevice({ root: process.argv[1], path: '' })));`;
    const [command, ...rest] = [...words, ...childCommand(program, [made.root])];
    return JSON.parse(await run(command, ...rest));
  };
  chmodSync(join(made.root, 'dev/net/tun'), 0o600);
  await run('chmod', '755', made.root);
  t.match(await checkAs('setpriv', '--reuid=65534', '--clear-groups'), {
    severity: 'error',
    remedy: /chmod 666/,
  });
  const denied = await checkAs('python3', 'test/kit/deny_device.py', '10');
  t.match(denied, { severity: 'error', remedy: /device cgroup/ });
  t.match(whyClosed(made.root, 'EACCES'), /chmod 666/);
  t.match(whyClosed(made.root, 'ENODEV'), /modprobe tun/);
  const nodev = machine(t, { 'dev/net/x': '' });
  const net = join(nodev.root, 'dev/net');
  await run('mount', '-t', 'tmpfs', '-o', 'nodev', 'tmpfs', net);
  const onNodev = await run('mknod', '-m', '666', join(net, 'tun'), 'c', '10', '200')
    .then(() => checkCloneDevice(nodev))
    .finally(() => run('umount', net));
  t.match(onNodev, { severity: 'error', remedy: /without nodev/ });
});

t.test('drivers', async (t) => {
  const release = { 'proc/sys/kernel/osrelease': '6.1\n' };
  const modules = {
    ...release,
    'lib/modules/6.1/modules.dep': 'kernel/drivers/net/tun.ko.xz:\nkernel/drivers/net/macvtap.ko: x\n',
  };
  t.match(await checkTunDriver(machine(t, { 'proc/misc': '200 tun\n' })), {
    severity: 'ok',
    message: /is there/,
  });
  t.match(await checkTunDriver(machine(t, modules)), { severity: 'ok', message: /not loaded/ });
  t.match(await checkTunDriver(machine(t, release)), { severity: 'error' });
  t.match(await checkMacvtapDriver(machine(t, { 'proc/devices': '246 macvtap\n' })), { severity: 'ok' });
  t.match(await checkMacvtapDriver(machine(t, modules)), { severity: 'ok', message: /not loaded/ });
  t.match(await checkMacvtapDriver(machine(t, {})), { severity: 'warning' });
  t.match(await tryMacvtap(machine(t, {})), { message: /not tried/ });
});

t.test('/dev', async (t) => {
  const info = (type: string) => ({
    'dev/x': '',
    'proc/self/mountinfo': `1 2 0:5 / /dev rw - ${type} x rw\n`,
  });
  t.match(await checkDev(machine(t, info('devtmpfs'))), { message: /is a devtmpfs/ });
  t.match(await checkDev(machine(t, info('tmpfs'))), { message: /no devtmpfs/ });
  t.match(await checkDev(machine(t, { 'dev/x': '' })), { message: /no devtmpfs/ });
  const closed = machine(t, { 'dev/x': '' });
  await run('mount', '-t', 'tmpfs', '-o', 'nodev', 'tmpfs', join(closed.root, 'dev'));
  // Before the directory is removed, which comes before what t.teardown() is told.
  const found = await checkDev(closed).finally(() => run('umount', join(closed.root, 'dev')));
  t.match(found, { severity: 'error', message: /nodev/ });
});

t.test('user namespaces', async (t) => {
  const off = await checkUserNamespaces(machine(t, { 'proc/sys/user/max_user_namespaces': '0' }));
  t.match(off, { severity: 'warning', message: /user\.max_user_namespaces/ });
  const closed = machine(t, { 'proc/sys/kernel/unprivileged_userns_clone': '0' });
  t.match(await checkUserNamespaces(closed), { severity: 'warning', remedy: /unprivileged_userns_clone=1/ });
  const apparmor = machine(t, { 'proc/sys/kernel/apparmor_restrict_unprivileged_userns': '0' });
  t.match(await checkUserNamespaces(apparmor), { severity: 'ok' });
  const { PATH } = process.env;
  process.env.PATH = '/nonexistent';
  const without = await checkUserNamespaces(machine(t, {}));
  process.env.PATH = PATH;
  t.match(without, { severity: 'warning', message: /ENOENT|not found/ });
});

t.test('what guests need', async (t) => {
  const none = machine(t, { 'bin/other': '' });
  t.match(await checkKvm(none), { severity: 'warning', message: /no \/dev\/kvm/ });
  t.match(await checkVhost(none), { severity: 'warning' });
  const nodes = machine(t, { 'dev/x': '' });
  await run('mknod', join(nodes.root, 'dev/kvm'), 'c', '1', '3');
  t.match(await checkKvm(nodes), { severity: 'ok' });
  await run('mknod', join(nodes.root, 'dev/vhost-net'), 'c', '250', '250');
  t.match(await checkVhost(nodes), { severity: 'warning', message: /ENXIO/, remedy: /usermod/ });
  const name = `qemu-system-${{ x64: 'x86_64', arm64: 'aarch64' }[process.arch as 'x64']}`;
  t.match(await checkQemu(none), { severity: 'warning', message: new RegExp(`no ${name}`) });
  const qemu = async (script: string) => {
    const made = machine(t, { [`bin/${name}`]: `#!/bin/sh\n${script}\n` });
    chmodSync(join(made.root, 'bin', name), 0o755);
    return checkQemu(made);
  };
  t.match(await qemu('echo QEMU emulator version 9.9.9'), { severity: 'ok', message: /version 9\.9\.9/ });
  t.match(await qemu('echo nothing'), { severity: 'ok', message: /unknown/ });
  t.match(await qemu('exit 1'), { severity: 'warning', message: /does not run/ });
  t.match(await checkQemu(none, 's390x'), { message: /no qemu-system-s390x/ });
  t.match(await checkQemu({ root: '/', path: undefined }), { severity: 'warning' });
});

t.test('the bridge helper and its rules', async (t) => {
  const helper = 'usr/lib/qemu/qemu-bridge-helper';
  t.match(await checkBridgeHelper(machine(t, {})), { severity: 'warning', message: /there is no/ });
  const setUid = (files: Record<string, string>) => {
    const made = machine(t, { [helper]: '', ...files });
    chmodSync(join(made.root, helper), 0o4755);
    return made;
  };
  t.match(await checkBridgeHelper(machine(t, { [helper]: '' })), {
    severity: 'warning',
    message: /not setuid/,
  });
  t.match(await checkBridgeHelper(setUid({})), {
    severity: 'warning',
    message: /bridge\.conf cannot be read/,
  });
  t.match(await checkBridgeHelper(setUid({ 'etc/qemu/bridge.conf': 'deny all\n' })), {
    severity: 'warning',
    message: /allows no bridge/,
  });
  const rules = 'allow br0\n# allow br9\ninclude /etc/qemu/alice.conf\n';
  t.match(await checkBridgeHelper(setUid({ 'etc/qemu/bridge.conf': rules })), {
    severity: 'ok',
    message: /in br0, those of \/etc\/qemu\/alice\.conf$/,
  });
});

t.test('the filter of bridges', async (t) => {
  t.match(await checkBridgeFilter(machine(t, {})), { severity: 'ok' });
  const on = machine(t, { 'proc/sys/net/bridge/bridge-nf-call-iptables': '1\n' });
  t.match(await checkBridgeFilter(on), {
    severity: 'warning',
    remedy: /^sysctl net\.bridge\.bridge-nf-call-iptables=0;/,
  });
});

t.test('Node and the addon', async (t) => {
  t.match(await checkNode('20.18.3'), { severity: 'error' });
  t.match(await checkNode('20.19.0'), { severity: 'ok' });
  t.match(await checkNode('26.0.0'), { severity: 'ok' });
  t.match(await checkNode('18'), { severity: 'error' });
  t.match(
    await checkAddon(machine(t, {}), () => {
      throw new Error('no such file');
    }),
    { severity: 'error', message: /no such file/ },
  );
  t.match(await checkAddon(machine(t, {})), { severity: 'ok', message: /^loaded \(/ });
  t.match(await checkAddon({ root: '/', path: '' }), { severity: 'ok', message: /^loaded from \/.*\.node / });
});

t.test('a check that fails is a finding, and the report counts', async (t) => {
  const answer = (severity: 'ok' | 'warning' | 'error') => async () => ({
    severity,
    message: 'm',
    ...(severity !== 'ok' && { remedy: 'r' }),
  });
  const found = await examine({ root: '/', path: '' }, [
    ['tap', 'a TAP', answer('ok')],
    [
      'odd',
      'odd',
      async () => {
        throw new Error('odd');
      },
    ],
  ]);
  t.match(found[1], { severity: 'warning', message: 'could not be checked: odd' });
  const stuck = await examine({ root: '/', path: '' }, [['tap', 'a TAP', answer('warning')]]);
  t.match(stuck, [{ severity: 'error' }]);
  const look = { style: styleFor({}, {}), width: 80 };
  const last = (list: typeof found) => reportLines(list, look).at(-1);
  t.equal(last(found), '1 warning: devices can be opened; not everything else works.');
  t.equal(last(stuck), '1 error, 0 warnings: devices cannot be opened.');
  t.equal(last(found.slice(0, 1)), 'Nothing is missing.');
});
