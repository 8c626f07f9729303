/** `tapfd list` and `tapfd map`: what there is, against what was made. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createNetns, openTap, openTun } from 'tapfd';
import { commandOf } from '#lib/cli/machine/processes.js';
import { fileNeeds } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { commandWords, startTapfd, tapfd } from '../../kit/command.js';
import { ownNamespace, run, vethPair } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'netns', 'veth', 'macvtap', 'bridge', 'ip');

interface Listed {
  devices: {
    kind: string;
    name: string;
    index: number;
    namespace: string;
    mac: string | null;
    mtu: number;
    up: boolean;
    flags: string[];
    queues: number | null;
    bridge: string | null;
    lower: string | null;
    node: { path: string; state: string } | null;
    holders: { pid: number; command: string; fds: number[]; guest?: string }[];
    possibleHolders: { pid: number }[];
    findings: { code: string; severity: string; remedy: string }[];
  }[];
  namespaces: { label: string; own: boolean }[];
}

async function listed(...args: Parameters<typeof tapfd>): Promise<Listed> {
  const { code, output, errors } = await tapfd(...args);
  if (code !== 0) throw new Error(errors);
  return JSON.parse(output);
}

t.test('a TAP in a bridge, a macvtap on a lower device, and who holds them', async (t) => {
  // Of names that no other test has: two of one name may be confused.
  const ns = await ownNamespace(t);
  await ns.wire('wire', 'far');
  await ns.bridge('br0');
  await ns.ip('tuntap', 'add', 'idle', 'mode', 'tun');
  const exec = startTapfd(
    [
      'exec',
      '--tap',
      'name=listed0,bridge=br0,queues=2',
      '--macvtap',
      'lower=wire,name=mv',
      '--',
      'sleep',
      '1000',
    ],
    { ns },
  );
  t.teardown(async () => {
    exec.kill('SIGTERM');
    await exec.ended;
  });
  const args = ['list', '--json'];
  let found = await listed(args, { ns });
  while (!found.devices.some(({ holders }) => holders.some(({ command }) => command === 'sleep')))
    found = await listed(args, { ns });
  const byName = Object.fromEntries(found.devices.map((device) => [device.name, device]));
  t.match(byName.listed0, {
    kind: 'tap',
    bridge: 'br0',
    queues: 2,
    up: true,
    flags: ['multi-queue'],
    node: null,
    namespace: ns.name,
  });
  t.same(byName.listed0?.holders.map(({ command, fds }) => [command, fds.length]).sort(), [
    ['sleep', 2],
    ['tapfd', 2],
  ]);
  t.match(byName.mv, { kind: 'macvtap', lower: 'wire', queues: null });
  t.equal(byName.mv?.mac, await ns.sysfs('mv', 'address'));
  t.same(byName.mv?.holders.map(({ command }) => command).sort(), ['sleep', 'tapfd']);
  t.match(byName.mv?.findings, [{ code: 'multicast', remedy: `ip link set mv allmulticast on` }]);
  t.match(byName.idle, { kind: 'tun', mac: null, holders: [], flags: ['persist'] });
  t.same(
    byName.idle?.findings.map(({ code, remedy }) => [code, remedy]),
    [
      ['link-down', 'ip link set idle up'],
      ['no-carrier', 'start the program that opens it'],
    ],
  );
  const table = await tapfd(['list'], { ns });
  t.match(table.output, /^NAME +KIND +INDEX +MAC +MTU +STATE +ON +HELD BY$/m);
  t.match(table.output, /^listed0 +tap +\d+ +[\da-f:]{17} +1500 +up +br0 +sleep \(/m);
  t.match(table.output, /mode bridge · node \/dev\/tap\d+ right/);
  t.match(table.output, / {2}✗ idle is down: .*\n {4}→ ip link set idle up\n/);
  t.same(
    table.output.split('\n').filter((line) => line.length > 80),
    [],
  );
  const tree = await tapfd(['list', '--tree', 'listed0', 'mv'], { ns });
  t.match(tree.output, new RegExp(`^${ns.name}\n├─ wire veth\n│  └─ mv macvtap · up`));
  t.match(
    tree.output,
    /└─ br0 bridge\n {3}└─ listed0 tap · up · .*\n {6}│ {2}2 queues · multi-queue\n {6}├─ tapfd \(\d+\)\n {6}└─ sleep/,
  );
});

t.test('all namespaces: the node of a macvtap elsewhere, and one that is wrong', async (t) => {
  const a = await ownNamespace(t);
  const b = await ownNamespace(t);
  for (const ns of [a, b]) {
    await ns.wire('wire', 'far');
    // Of both, only the first gets the node of that name.
    await ns.ip(
      'link',
      'add',
      'link',
      'wire',
      'name',
      'mv',
      'index',
      String(1_500_000 + process.pid),
      'type',
      'macvtap',
      'mode',
      'vepa',
    );
  }
  const { devices } = await listed(['list', '--all', '--json']);
  const nodes = [a, b].map(({ name }) => devices.find((one) => one.namespace === name)?.node?.state);
  t.same(nodes, ['right', 'wrong']);
  const second = devices.find((one) => one.namespace === b.name);
  t.match(
    second?.findings.find(({ code }) => code === 'mode-vepa')?.remedy,
    `ip -n ${b.name} link set mv type macvtap mode bridge`,
  );
  t.ok(second?.findings.some(({ code }) => code === 'wrong-node'));
});

t.test('two devices of one name: each holder is at its own', async (t) => {
  const a = await ownNamespace(t);
  const b = await ownNamespace(t);
  const name = `t${process.pid}`;
  const [tap, tun] = [await openTap({ netns: a.name, name }), await openTun({ netns: b.name, name })];
  closedWith(t, tap);
  closedWith(t, tun);
  const { devices } = await listed(['list', '--all', name, '--json']);
  t.same(
    devices.map(({ namespace, holders, possibleHolders }) => [namespace, holders, possibleHolders]).sort(),
    [
      [a.name, [{ pid: process.pid, command: commandOf(process.pid), fds: [tap.fd] }], []],
      [b.name, [{ pid: process.pid, command: commandOf(process.pid), fds: [tun.fd] }], []],
    ].sort(),
  );
  // One that is in a namespace which no list has is not that of another namespace, either.
  const hidden = await createNetns();
  closedWith(t, hidden);
  const alone = await openTap({ netns: hidden.path, name });
  closedWith(t, alone);
  await tap.close();
  await a.ip('tuntap', 'add', name, 'mode', 'tap');
  const { devices: rest } = await listed(['list', name, '--json'], { ns: a });
  t.match(rest, [{ holders: [], possibleHolders: [] }]);
});

t.test('two devices of one name, and no right to ask: no holder is claimed', async (t) => {
  const a = await ownNamespace(t);
  const b = await ownNamespace(t);
  const name = `t${process.pid}`;
  closedWith(t, await openTap({ netns: a.name, name }));
  closedWith(t, await openTun({ netns: b.name, name }));
  const shown = (...args: string[]) =>
    run('setpriv', '--bounding-set=-net_admin', ...commandWords([...args, name], a));
  const { devices }: Listed = JSON.parse(await shown('list', '--json'));
  t.same([devices[0]?.holders.length, devices[0]?.possibleHolders.length], [0, 1]);
  t.match(await shown('list'), `(${process.pid})?`);
  t.match(await shown('list', '--tree'), 'or it holds a device of this name elsewhere');
});

t.test('nothing, and what is not there', async (t) => {
  const ns = await ownNamespace(t);
  t.equal((await tapfd(['list'], { ns })).output, 'There is no TUN, TAP or macvtap here.\n');
  t.match((await tapfd(['list', '--tree'], { ns })).output, 'no TUN, TAP or macvtap');
  const missing = await tapfd(['list', 'nix'], { ns });
  t.equal(missing.code, 1);
  t.match(missing.errors, /there is no TUN, TAP or macvtap nix here.*ENODEV/);
  const empty = await tapfd(['map', '--here'], { ns });
  t.equal(empty.code, 1);
  t.match(empty.errors, 'there is nothing to draw');
});

t.test('an ordinary user sees this namespace, and is told what is hidden', async (t) => {
  const { code, output } = await tapfd(['list', '--all'], { uid: 65534 });
  t.equal(code, 0);
  const ns = await ownNamespace(t);
  const all = await tapfd(['list', '--all'], { uid: 65534 });
  t.match(all.output, `! ${ns.name}: its links cannot be read`);
  const tree = await tapfd(['list', '--all', '--tree'], { uid: 65534 });
  t.match(tree.output, `! ${ns.name}: its links cannot be read`);
  t.ok(output.length > 0);
});

t.test('a map of namespaces, with the wires between them', async (t) => {
  const host = await ownNamespace(t);
  const box = await ownNamespace(t);
  await host.bridge('br0');
  await vethPair(host, 'port', box, 'eth0');
  await host.ip('link', 'set', 'port', 'master', 'br0');
  const exec = startTapfd(
    ['exec', '--tap', 'name=tap-web,bridge=br0', '--', 'bash', '-c', 'echo ready; exec -a qemu-x sleep 1000'],
    { ns: host },
  );
  t.teardown(async () => {
    exec.kill('SIGTERM');
    await exec.ended;
  });
  await exec.printed('ready');
  const file = join(t.testdir(), 'map.svg');
  t.equal((await tapfd(['map', '-o', file])).code, 0);
  const svg = readFileSync(file, 'utf8');
  for (const text of [host.name, box.name, 'br0', 'tap-web', 'eth0', 'port']) t.match(svg, `>${text}</text>`);
  t.match(svg, 'prefers-color-scheme: dark');
  t.match(svg, /<path class="wire" /);
  const mermaid = (await tapfd(['map', '--mermaid'])).output;
  t.match(mermaid, /^flowchart TB\n/);
  t.match(mermaid, /^ {2}n\w+ === n\w+$/m);
  const here = (await tapfd(['map', '--here', '--mermaid'], { ns: box })).output;
  t.match(here, 'eth0');
  t.notMatch(here, 'br0');
});
