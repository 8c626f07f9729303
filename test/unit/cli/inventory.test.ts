/** Devices as table and tree, and remedies for a shell, of machines that are made up. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Finding, FindingCode, Link } from 'tapfd';
import { worstOf } from '#lib/cli/doctor/finding.js';
import { complaintOf } from '#lib/cli/doctor/user.js';
import { deviceTable } from '#lib/cli/list/table.js';
import { deviceTree } from '#lib/cli/list/tree.js';
import { type Device, deviceKindOf } from '#lib/cli/machine/inventory.js';
import { lookAtNamespaces, type Namespace, namedNamespaces } from '#lib/cli/machine/namespaces.js';
import { nodeOf, readSysfs, showsOwnNamespace } from '#lib/cli/machine/nodes.js';
import {
  commandOf,
  deviceOf,
  type HeldDescriptor,
  holdersOf,
  keyOf,
  lookAtProcesses,
  numbersOf,
} from '#lib/cli/machine/processes.js';
import { shellRemedy } from '#lib/cli/machine/remedies.js';
import { formatAddress, parseAddress } from '#lib/cli/relay/address.js';
import { listeningOn } from '#lib/cli/relay/peers.js';
import { styleFor } from '#lib/cli/terminal/style.js';
import { printable } from '#lib/cli/terminal/text.js';
import { run } from '../../kit/namespace.js';

const LOOK = { style: styleFor({}, {}), width: 80 };

const namespace = (label: string, own: boolean, problem?: string): Namespace => ({
  ...{ key: label, path: `/run/netns/${label}`, label, own, links: [] },
  ...(problem !== undefined && { problem }),
});

function finding(code: FindingCode): Finding {
  return { code, severity: 'error', interface: 'x', message: 'm', remedy: 'as the library says' };
}

function device(at: Namespace, facts: Omit<Partial<Device>, 'link'> & { link?: Partial<Link> }): Device {
  const link = {
    name: 't0',
    index: 3,
    mtu: 1500,
    up: true,
    carrier: true,
    mac: '02:00:00:00:00:01',
    ...facts.link,
  };
  const none = {
    master: undefined,
    lower: undefined,
    node: undefined,
    holders: [],
    perhaps: [],
    findings: [],
  };
  return { namespace: at, kind: 'tap', ...none, ...facts, link: link as Link };
}

t.test('several namespaces, of which one cannot be read', async (t) => {
  const own = namespace('this', true);
  const other = namespace('other', false);
  const closed = namespace('closed', false, 'EPERM');
  const tun = {
    type: 'tap',
    packetInfo: true,
    vnetHeader: true,
    persist: false,
    multiQueue: true,
    queues: 1,
    disabledQueues: 0,
  } as const;
  const qemu = { pid: 7, command: 'qemu-system-x86', fds: [3] };
  const holders = [
    { pid: 5, command: 'tapfd', fds: [3] },
    { pid: 6, command: 'sh', fds: [3] },
    qemu,
    { ...qemu, pid: 8, guest: 'a-guest-with-a-long-name' },
  ];
  const inventory = {
    namespaces: [own, other, closed],
    devices: [
      device(own, { holders, link: { tun, allMulticast: true } }),
      device(own, { link: { name: 'far', carrier: false, master: 9, promiscuous: true } }),
      device(other, { kind: 'macvtap', link: { name: 'mv', mode: 'vepa', up: false } }),
    ],
    hidden: 4,
  };
  const table = deviceTable(inventory, LOOK);
  t.same(table, [
    'this',
    'NAME  KIND  INDEX  MAC                 MTU  STATE       ON  HELD BY',
    't0    tap       3  02:00:00:00:00:01  1500  up          -   a-guest-with-a-l… +3',
    '  1 queue · packet-info · vnet-header · multi-queue · all-multicast',
    'far   tap       3  02:00:00:00:00:01  1500  no carrier  #9  -',
    '  promiscuous',
    '',
    'other',
    'NAME  KIND     INDEX  MAC                 MTU  STATE  ON         HELD BY',
    'mv    macvtap      3  02:00:00:00:00:01  1500  down   elsewhere  -',
    '  mode vepa',
    '',
    '! closed: its links cannot be read: EPERM',
    '',
    '4 processes of others were not looked into; root sees their devices, too.',
  ]);
  const tree = deviceTree(inventory, LOOK);
  t.ok(tree.includes('! closed: its links cannot be read: EPERM'));
  t.ok(
    tree.includes('   ├─ a-guest-with-a-long-name: qemu-system-x86 (8)') ||
      tree.some((line) => line.endsWith('qemu-system-x86 (8)')),
  );
  t.equal(tree.at(-1), table.at(-1));
  const down = { ...device(own, {}).link, index: 9, name: 'br0', kind: 'bridge', up: false };
  const bridged = { ...own, links: [down] };
  const port = device(bridged, { master: down });
  const card = { ...down, name: 'eth0', kind: undefined, up: true } as Link;
  const onCard = device({ ...own, links: [card] }, { kind: 'macvtap', lower: card });
  t.ok(
    deviceTree({ namespaces: [onCard.namespace], devices: [onCard], hidden: 0 }, LOOK).includes(
      '└─ eth0 device',
    ),
  );
  t.ok(
    deviceTree({ namespaces: [bridged, other], devices: [port], hidden: 0 }, LOOK).includes(
      '└─ br0 bridge down',
    ),
  );
});

t.test('remedies are commands for the namespace', async (t) => {
  const own = namespace('this', true);
  const named = namespace('box', false);
  const nameless = { ...named, path: '/proc/7/ns/net' };
  t.equal(shellRemedy(finding('link-down'), own, true), 'ip link set x up');
  t.equal(shellRemedy(finding('lower-down'), named, true), 'ip -n box link set x up');
  t.equal(
    shellRemedy(finding('bridge-down'), nameless, true),
    'nsenter --net=/proc/7/ns/net ip link set x up',
  );
  t.match(shellRemedy(finding('no-carrier'), own, true), 'turned the carrier off');
  t.match(shellRemedy(finding('no-carrier'), own, false), 'start the program');
  t.equal(shellRemedy(finding('port-down'), own, true), 'as the library says');
  for (const code of ['mode-private', 'mode-source', 'mode-vepa'] as const)
    t.match(shellRemedy(finding(code), own, true), 'mode bridge');
  for (const code of ['multicast', 'mtu', 'address-duplicate', 'address-deprecated'] as const)
    t.match(shellRemedy(finding(code), own, true), / x\b/);
  t.match(shellRemedy(finding('wrong-node'), own, true), 'tapfd exec');
  t.equal(shellRemedy(finding('arp-off'), named, true), 'ip -n box link set x arp on');
  for (const code of ['port-isolated', 'flooding-off'] as const) {
    t.match(shellRemedy(finding(code), named, true), ': bridge -n box link set dev x ');
    t.match(
      shellRemedy(finding(code), nameless, true),
      ': nsenter --net=/proc/7/ns/net bridge link set dev x ',
    );
  }
});

t.test('holders for which a line of 80 columns has no room are below it', async (t) => {
  const own = namespace('this', true);
  const held = device(own, {
    kind: 'macvtap',
    link: { name: 'eleven-long', carrier: false },
    holders: [
      { pid: 1_234_567, command: 'qemu-system-x86', fds: [3] },
      { pid: 8, command: 'sh', fds: [3] },
    ],
  });
  const lines = deviceTable({ namespaces: [own], devices: [held], hidden: 0 }, LOOK);
  t.same(
    lines.filter((line) => line.length > 80),
    [],
  );
  t.match(lines[1], /…$/);
  t.equal(lines[2], '  held by qemu-system-x86 (1234567), sh (8)');
});

t.test('a name is one word of a remedy, whatever it holds', async (t) => {
  const own = namespace('this', true);
  for (const name of ['$(id)', "a'b;c", '-x', '*', 'tap0', 'a\tb', '\u009bA', 'büro', '\u202e', '`id`']) {
    const remedy = shellRemedy({ ...finding('link-down'), interface: name }, own, true);
    t.equal(printable(remedy), remedy);
    const line = remedy.replace(/^ip/, 'printf "%s\\n"');
    t.equal(await run('bash', '-c', line), `link\nset\n${name}\nup\n`, remedy);
  }
});

t.test('device numbers, and addresses of peers', async (t) => {
  for (const [major, minor] of [
    [10, 200],
    [246, 1],
    [511, 1_048_575],
    [5000, 300],
  ] as const) {
    t.same(numbersOf(deviceOf(major, minor)), { major, minor });
  }
  t.equal(deviceOf(10, 200), 2760);
  for (const text of ['unix:/run/a', '127.0.0.1:80', '[::1]:65535', 'name.example:1'])
    t.equal(formatAddress(parseAddress('--connect', text)), text);
  for (const text of [
    'unix:',
    `/${'x'.repeat(107)}`,
    'host',
    'host:0',
    'host:65536',
    '::1:80',
    ':80',
    'a:b:1',
  ]) {
    t.throws(() => parseAddress('--connect', text), /--connect/);
  }
});

t.test('a /proc of which parts are closed, or gone by now', async (t) => {
  const proc = t.testdir({
    self: {},
    // Closed to this user.
    1: { comm: 'init\n' },
    // Holds namespaces, one of which has gone, and descriptors of which nothing more is known.
    7: {
      comm: 'qemu-system-x86\n',
      cmdline: 'qemu\0-name\0',
      fd: {
        0: t.fixture('symlink', '/dev/null'),
        3: t.fixture('symlink', 'net:[1]'),
        4: t.fixture('symlink', join('..', 'tapfile')),
        5: t.fixture('symlink', '/nonexistent/tap0'),
        6: 'no link',
        7: t.fixture('symlink', '/dev/net/tun'),
      },
      tapfile: 'an ordinary file',
    },
    8: { comm: 'qemu-system-x86\n', cmdline: 'qemu\0-name\0debug-threads=on,guest=web\0' },
    9: { comm: 'qemu-system-x86\n', cmdline: 'qemu\0-name\0,\0' },
    10: { comm: 'qemu-system-x86\n' },
    11: { comm: 'qemu-system-x86\n', cmdline: 'qemu\0--name\0guest=a b,debug-threads=on\0' },
    13: { comm: 'sh\n', cmdline: 'sh\0-name\0web\0' },
    12: { comm: 'qemu-system-x86\n', cmdline: 'qemu\0-name\0web\0' },
  });
  t.same(lookAtProcesses(proc), { descriptors: [], namespaces: [], hidden: 7 });
  t.same(lookAtProcesses(join(proc, 'nonexistent')), { descriptors: [], namespaces: [], hidden: 0 });
  const held = (pid: number): HeldDescriptor => ({ pid, fd: 3, name: 't0', netns: undefined });
  t.same(
    holdersOf([7, 8, 9, 10, 11, 12, 13].map(held), proc).map(({ guest }) => guest),
    [undefined, 'web', undefined, undefined, 'a b', 'web', undefined],
  );
  t.equal(commandOf(99, proc), '?');
});

t.test('descriptors of namespaces and of devices, as /proc and /sys show them', async (t) => {
  // Each an ordinary file with the name that the kernel gives what is no file.
  const namespaces = { 'net:[1]': '', 'net:[2]': '' };
  const directory = t.testdir({
    proc: {
      7: {
        ns: { net: t.fixture('symlink', '../fd/net:[1]') },
        fd: {
          ...namespaces,
          3: t.fixture('symlink', 'net:[1]'),
          4: t.fixture('symlink', 'net:[2]'),
          5: t.fixture('symlink', 'net:[2]'),
          // Of the number 1:3, for which the sysfs below has a macvtap.
          6: t.fixture('symlink', './a-tap'),
          'a-tap': t.fixture('symlink', '/dev/null'),
          8: t.fixture('symlink', './a-tap'),
          9: t.fixture('symlink', './a-tap'),
        },
        fdinfo: { 8: 'pos:\t0\niff:\tt0\n', 9: 'pos:\t0\n' },
      },
    },
    sys: { dev: { char: { '1:3': t.fixture('symlink', '../../devices/net/mv0/macvtap/tap5') } } },
    other: { dev: { char: { '1:3': t.fixture('symlink', '../../devices/virtual/mem/null') } } },
  });
  const proc = join(directory, 'proc');
  const key = (name: string) => keyOf(join(proc, '7/fd', name));
  const macvtap = { name: 'mv0', macvtap: { index: 5, device: deviceOf(1, 3) } };
  const held = (fd: number, what: object) => ({ pid: 7, fd, ...what, netns: key('net:[1]') });
  const { descriptors, namespaces: found, hidden } = lookAtProcesses(proc, join(directory, 'sys'));
  t.same(descriptors, [held(6, macvtap), held(8, { name: 't0' }), held(9, macvtap)]);
  t.same(found, [
    { key: key('net:[1]'), path: join(proc, '7/ns/net'), pid: 7 },
    { key: key('net:[2]'), path: join(proc, '7/fd/4'), pid: 7 },
  ]);
  t.equal(hidden, 0);
  for (const unknown of ['other', 'nonexistent'])
    t.same(lookAtProcesses(proc, join(directory, unknown)).descriptors, [held(8, { name: 't0' })], unknown);
});

t.test('namespaces that went, and one that is none', async (t) => {
  const directory = t.testdir({ gone: t.fixture('symlink', 'nowhere'), there: '' });
  t.same(
    namedNamespaces(directory).map(({ name }) => name),
    ['there'],
  );
  t.same(namedNamespaces(join(directory, 'nonexistent')), []);
  const path = join(directory, 'there');
  const found = await lookAtNamespaces({ namespaces: [{ key: keyOf(path) ?? '', path, pid: process.pid }] });
  const none = found.find((one) => one.path === path);
  t.match(none, { links: [], problem: /E[A-Z]+/, own: false });
  t.equal(found[0]?.own, true);
});

t.test('nodes and sysfs of which nothing is known', async (t) => {
  const directory = t.testdir({ tap7: 'no device', tap8: { dev: '246:1\n' }, tap9: {} });
  t.match(nodeOf({ index: 6 }, new Map(), directory), { state: 'missing' });
  t.match(nodeOf({ index: 7 }, new Map(), directory), { state: 'unknown' });
  t.match(nodeOf({ index: 7 }, new Map([[7, 1]]), directory), { state: 'wrong' });
  t.same([...readSysfs(directory)], [[8, deviceOf(246, 1)]]);
  t.same([...readSysfs(join(directory, 'nonexistent'))], []);
  t.equal(showsOwnNamespace([], join(directory, 'nonexistent')), false);
});

t.test('a kernel that does not tell what a device is', async (t) => {
  t.equal(deviceKindOf({ kind: 'tun' } as Link), 'tap');
  t.equal(deviceKindOf({ kind: 'veth' } as Link), undefined);
});

t.test('a peer that is waited for after the end', async (t) => {
  // Of a unix socket, the path must be short.
  const path = join(tmpdir(), `tapfd-peers-${process.pid}.sock`);
  const peers = await listeningOn({ path }, () => undefined);
  await t.rejects(peers.next(AbortSignal.abort(new Error('over'))), { message: 'over' });
  await peers.close();
});

t.test('the worst of what doctor finds, and what a failed program said', async (t) => {
  const worst = (...list: ('ok' | 'warning' | 'error')[]) => worstOf(list.map((severity) => ({ severity })));
  t.same(
    [worst(), worst('ok'), worst('warning', 'ok'), worst('warning', 'error', 'ok')],
    [...['ok', 'ok', 'warning', 'error']],
  );
  const message = 'Command failed';
  t.equal(complaintOf({ message }), message);
  t.equal(complaintOf({ message, stderr: 'unshare: no\n' }), 'unshare: no');
  const trace =
    "file:///lib/errors.js:3\n  throw new TapfdError('EPERM');\n  ^\n\nTapfdError: openTap: no (EPERM)\n    at x\n";
  t.equal(complaintOf({ message, stderr: trace }), 'TapfdError: openTap: no (EPERM)');
});
