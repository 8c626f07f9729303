/** Devices as table and tree, and remedies for a shell, of machines that are made up. */
import t from 'tap';
import type { Finding, FindingCode, Link } from 'tapfd';
import { deviceTable } from '#lib/cli/list/table.js';
import { deviceTree } from '#lib/cli/list/tree.js';
import type { Device } from '#lib/cli/machine/inventory.js';
import type { Namespace } from '#lib/cli/machine/namespaces.js';
import { deviceOf, numbersOf } from '#lib/cli/machine/processes.js';
import { shellRemedy } from '#lib/cli/machine/remedies.js';
import { formatAddress, parseAddress } from '#lib/cli/relay/address.js';
import { styleFor } from '#lib/cli/terminal/style.js';

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
    'NAME  KIND     INDEX  MAC                 MTU  STATE  ON                 HELD BY',
    'mv    macvtap      3  02:00:00:00:00:01  1500  down   another namespace  -',
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
