/**
 * The identity rule. Two namespaces have a macvtap of the same index, name and MAC; one node /dev/tapN stands, and it
 * is the first one's. A caller that opens in the second must get the second's traffic and none of the first's.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { adoptFd, type Macvtap, openMacvtap } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { flowFrame, send, textsUntil } from '../../kit/frames.js';
import { ownIndex, ownNamespace, type TestNamespace } from '../../kit/namespace.js';
import { openInChild, without } from '../../kit/open-in-child.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const run = promisify(execFile);

const GUEST_MAC = '02:00:00:00:00:0a';
const SENDER_MAC = '02:00:00:00:00:0b';
const GUEST = 'guest';

let indices = 0;

interface Tenant {
  network: TestNamespace;
  netns: string;
  /** Sends from a sibling of the guest's link, each frame as a flow of its own. */
  send(...texts: string[]): Promise<void>;
  addLink(index: number): Promise<void>;
}

async function tenant(t: Test): Promise<Tenant> {
  const network = await ownNamespace(t);
  const netns = network.name;
  await network.wire('wire', 'far');
  return {
    network,
    netns,
    async send(...texts) {
      const sibling = await openMacvtap({ netns, lower: 'wire', mac: SENDER_MAC });
      for (const [i, text] of texts.entries()) {
        await send(sibling, flowFrame({ to: GUEST_MAC, from: SENDER_MAC, text }, 1024 + i));
      }
      await sibling[Symbol.asyncDispose]();
    },
    async addLink(index) {
      const link = [
        'link',
        'add',
        'link',
        'wire',
        'name',
        GUEST,
        'index',
        String(index),
        'address',
        GUEST_MAC,
      ];
      await network.ip(...link, 'type', 'macvtap', 'mode', 'bridge');
      await network.ip('link', 'set', GUEST, 'up');
    },
  };
}

interface Neighbours {
  first: Tenant;
  second: Tenant;
  index: number;
  node: string;
}

/** Two tenants; the node is the first's. */
async function neighbours(t: Test): Promise<Neighbours> {
  indices += 1;
  const index = ownIndex(indices);
  const first = await tenant(t);
  const second = await tenant(t);
  await first.addLink(index);
  await second.addLink(index);
  return { first, second, index, node: `/dev/tap${index}` };
}

const MANY = Array.from({ length: 200 }, (_, i) => `flow ${i}`);

/** Checks that `device` gets each of many flows sent to it in its own namespace. */
async function getsAllOf(t: Test, device: Macvtap, { send: sendThere, netns }: Tenant): Promise<void> {
  const texts = MANY.map((text) => `${text} in ${netns}`);
  const last = texts.at(-1) ?? '';
  const [received] = await Promise.all([textsUntil(device, last), sendThere(...texts)]);
  t.strictSame(received, texts);
}

t.test('the identity rule', { skip: needs('root', 'macvtap', 'veth', 'ip') }, async (t) => {
  t.test('the other tenants node stands, with the same index, name and MAC', async (t) => {
    const { first, second, index, node } = await neighbours(t);
    const standing = await stat(node);
    const own = async ({ network }: Tenant) => {
      const [, minor] = (await network.sysfs(GUEST, `macvtap/tap${index}/dev`)).split(':').map(Number);
      return minor;
    };
    t.equal(standing.rdev & 0xff, await own(first), 'the node is the firsts');
    t.not(standing.rdev & 0xff, await own(second));

    const device = await openMacvtap({ netns: second.netns, name: GUEST });
    const neighbour = await openMacvtap({ netns: first.netns, name: GUEST });
    t.equal(device.index, neighbour.index);
    await getsAllOf(t, device, second);
    await getsAllOf(t, neighbour, first);
    const further = await device.openQueue();
    await further.detachQueue();
    await getsAllOf(t, neighbour, first);
    for (const open of [further, device, neighbour]) await open[Symbol.asyncDispose]();
  });

  t.test('the other tenants device is not opened for a moment: it has no room for a queue', async (t) => {
    const { first, second } = await neighbours(t);
    const neighbour = await openMacvtap({ netns: first.netns, name: GUEST, multiQueue: true });
    const queues: Macvtap[] = [];
    for (let i = 1; i < 256; i += 1) queues.push(await neighbour.openQueue());
    await t.rejects(neighbour.openQueue(), 'and whoever opens its node fails');
    const device = await openMacvtap({ netns: second.netns, name: GUEST });
    await getsAllOf(t, device, second);
    await Promise.all([device, ...queues, neighbour].map((open) => open[Symbol.asyncDispose]()));
  });

  t.test('the node went with the other tenants link', async (t) => {
    const { first, second, node } = await neighbours(t);
    await first.network.ip('link', 'delete', GUEST);
    await t.rejects(stat(node), { code: 'ENOENT' });
    const device = await openMacvtap({ netns: second.netns, name: GUEST });
    await getsAllOf(t, device, second);
    await device[Symbol.asyncDispose]();
    await t.rejects(stat(node), { code: 'ENOENT' }, 'the one made for this open stands nowhere');
  });

  t.test('the right node was deleted', async (t) => {
    const { first, node } = await neighbours(t);
    await unlink(node);
    const device = await openMacvtap({ netns: first.netns, name: GUEST });
    await getsAllOf(t, device, first);
    await device[Symbol.asyncDispose]();
  });

  const PLANTED: Record<string, (node: string) => Promise<unknown>> = {
    'a regular file': (node) => writeFile(node, 'untouched'),
    'a symbolic link to the node of another': (node) => symlink('/dev/null', node),
    'a directory': (node) => mkdir(node),
    'another device': (node) => run('mknod', [node, 'c', '1', '3']),
    'a block device of the same number': async (node) => {
      const { rdev } = await stat(`${node}-right`);
      await run('mknod', [node, 'b', String(rdev >> 8), String(rdev & 0xff)]);
    },
  };
  for (const [what, plant] of Object.entries(PLANTED)) {
    t.test(`${what} stands where the node should`, async (t) => {
      const { first, node } = await neighbours(t);
      await run('mv', [node, `${node}-right`]);
      t.teardown(() => rm(node, { recursive: true, force: true }));
      t.teardown(() => rm(`${node}-right`, { force: true }));
      await plant(node);
      const device = await openMacvtap({ netns: first.netns, name: GUEST });
      await getsAllOf(t, device, first);
      await device[Symbol.asyncDispose]();
      if (what === 'a regular file') t.equal(await readFile(node, 'utf8'), 'untouched');
    });
  }

  t.test('what stands there is not opened for a moment: a writer would wake', async (t) => {
    const { first, node } = await neighbours(t);
    await unlink(node);
    await run('mkfifo', [node]);
    t.teardown(() => rm(node, { force: true }));
    const writer = spawn('sh', ['-c', 'echo ready; echo asleep until now > "$0"', node], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(writer.stdout, 'data');
    const device = await openMacvtap({ netns: first.netns, name: GUEST });
    const { stdout } = await run('cat', [node]);
    t.equal(stdout, 'asleep until now\n');
    await device[Symbol.asyncDispose]();
  });

  t.test('moved to another namespace while open: traffic continues, and it is found there', async (t) => {
    const { first, second, index } = await neighbours(t);
    const device = await openMacvtap({ netns: first.netns, name: GUEST });
    const third = await ownNamespace(t);
    const moved = new Promise<void>((resolve) => {
      device.on('link', ({ changed }) => {
        if (changed.includes('namespace')) resolve();
      });
    });
    await first.network.ip('link', 'set', GUEST, 'netns', third.name);
    await third.ip('link', 'set', GUEST, 'up');
    await moved;
    await getsAllOf(t, device, first);
    t.equal(await device.isAlive(), true);

    await t.rejects(openMacvtap({ netns: first.netns, name: GUEST }), { code: 'ENODEV' });
    const again = await openMacvtap({ netns: third.name, name: GUEST });
    t.equal(again.index, index);
    t.equal(again.mac, GUEST_MAC);
    const other = await openMacvtap({ netns: second.netns, name: GUEST });
    await again.detachQueue();
    await getsAllOf(t, other, second);
    await getsAllOf(t, device, first);
    for (const open of [other, again, device]) await open[Symbol.asyncDispose]();
  });

  t.test('adoptFd: name, index and MAC coincide, the device does not', async (t) => {
    const { first, second } = await neighbours(t);
    const device = await openMacvtap({ netns: first.netns, name: GUEST });
    const fd = device.handOff();
    await t.rejects(adoptFd(fd, { netns: second.netns }), {
      code: 'ERR_TAPFD_WRONG_DEVICE',
      interface: GUEST,
      message: /not the node of guest/,
    });
    const adopted = await adoptFd(fd, { netns: first.netns });
    t.equal(adopted.fd, fd, 'the descriptor was still the callers');
    await adopted[Symbol.asyncDispose]();
    await device[Symbol.asyncDispose]();
  });

  t.test('/sys shows another namespace', async (t) => {
    const { second, node, index } = await neighbours(t);
    // nsenter leaves /sys as it is: the one of the namespace that this test runs in.
    const enter = ['unshare', '--mount', 'nsenter', `--net=${second.network.path}`];
    const right = { kind: 'macvtap', name: GUEST, index, mac: GUEST_MAC };
    t.strictSame(await openInChild(enter, 'openMacvtap', { name: GUEST }), { opened: right });

    const { error } = await openInChild([...enter, ...without('sys_admin')], 'openMacvtap', { name: GUEST });
    t.match(error, {
      code: 'ERR_TAPFD_WRONG_DEVICE',
      interface: GUEST,
      message: /sysfs.*another network namespace.*CAP_SYS_ADMIN/,
    });
    await stat(node);
  });

  t.test(
    'without CAP_SYS_ADMIN: the sysfs on /sys, if it is the namespaces own, and the node, if right',
    async (t) => {
      const { first, second, index } = await neighbours(t);
      const inside = ({ netns }: Tenant) => ['ip', 'netns', 'exec', netns, ...without('sys_admin')];
      const right = { kind: 'macvtap', name: GUEST, index, mac: GUEST_MAC };
      t.strictSame(await openInChild(inside(first), 'openMacvtap', { name: GUEST }), { opened: right });
      const { error } = await openInChild(inside(second), 'openMacvtap', { name: GUEST });
      t.match(error, { code: 'ERR_TAPFD_WRONG_DEVICE', message: /another device's.*CAP_SYS_ADMIN/ });
    },
  );

  t.test('without CAP_MKNOD: only where the right node stands', async (t) => {
    const { first, second, index } = await neighbours(t);
    const inside = ({ network }: Tenant) => ['nsenter', `--net=${network.path}`, ...without('mknod')];
    const right = { kind: 'macvtap', name: GUEST, index, mac: GUEST_MAC };
    t.strictSame(await openInChild(inside(first), 'openMacvtap', { name: GUEST }), { opened: right });
    const { error } = await openInChild(inside(second), 'openMacvtap', { name: GUEST });
    t.match(error, { code: 'ERR_TAPFD_WRONG_DEVICE', interface: GUEST, message: /CAP_MKNOD/ });
  });
});
