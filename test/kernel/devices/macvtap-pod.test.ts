/**
 * A macvtap given to a pod, as Multus and macvtap-cni do it: the link is made in the host's namespace, moved into the
 * pod's and renamed there; the pod has a /sys of its own namespace, a /dev of its own with the one node, and next to no
 * capability. docs/kubernetes.md describes what is shown here.
 */
import { chown, stat } from 'node:fs/promises';
import t, { type Test } from 'tap';
import { openMacvtap } from 'tapfd';
import { needs } from '../../kit/capabilities.js';
import { ownIndex, ownNamespace, type TestNamespace } from '../../kit/namespace.js';
import { callsInChild, type Outcome } from '../../kit/open-in-child.js';
import { inRepo } from '../../kit/paths.js';

const DENY_DEVICE = inRepo('test/kit/deny_device.py');

/** What the network attachment names it in the pod. */
const NAME = 'net1';
const MAC = '02:00:00:00:0d:01';
const OTHER_MAC = '02:00:00:00:0d:02';
/** The user of the pod's program. */
const USER = 54107;
/** What container runtimes leave to root in a container, some with `mknod` and some without; and nothing at all. */
const USUAL = 'chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,sys_chroot'.split(
  ',',
);
const NONE: string[] = [];

let indices = 0;

function nextIndex(): number {
  indices += 1;
  return ownIndex(indices);
}

/** The host's namespace, with a wire to put links on. */
async function hostNetwork(t: Test): Promise<TestNamespace> {
  const host = await ownNamespace(t);
  await host.wire('wire', 'far');
  return host;
}

/** What the device plugin does when a pod is admitted. */
async function allocate(host: TestNamespace, name: string, index = nextIndex()): Promise<number> {
  const link = `link add link wire name ${name} index ${index} up type macvtap mode bridge`;
  await host.ip(...link.split(' '));
  return index;
}

/** What the CNI plugin does when the pod's network is set up. Returns the link's index in the pod. */
async function attach(host: TestNamespace, pod: TestNamespace, name: string, mac = MAC): Promise<number> {
  await host.ip('link', 'set', name, 'netns', pod.name);
  await pod.ip('link', 'set', name, 'name', NAME, 'address', mac);
  await pod.ip('link', 'set', NAME, 'up');
  return (await pod.existingLink(NAME)).ifindex;
}

/** A pod with its link, and the index of that. */
async function podWithLink(t: Test): Promise<{ host: TestNamespace; pod: TestNamespace; index: number }> {
  const host = await hostNetwork(t);
  const pod = await ownNamespace(t);
  const index = await allocate(host, 'mvp0');
  t.equal(await attach(host, pod, 'mvp0'), index, 'the index was free in the pod: it stays');
  return { host, pod, index };
}

/** A node in the pod's /dev. */
interface PodNode {
  name: string;
  number: string;
  owner?: number;
  mode?: string;
}

/** `MAJOR MINOR` of the link's node, as the namespace's own sysfs says. */
async function numberOf(network: TestNamespace, name: string, index: number): Promise<string> {
  return (await network.sysfs(name, `macvtap/tap${index}/dev`)).replace(':', ' ');
}

/** A link whose move has given it another number: the lowest free one, which this test and others keep changing. */
async function movedToAnotherNumber(
  t: Test,
): Promise<{ pod: TestNamespace; index: number; before: string; after: string }> {
  const host = await hostNetwork(t);
  for (let tries = 0; tries < 50; tries += 1) {
    const pod = await ownNamespace(t);
    await allocate(host, 'lowest');
    const index = await allocate(host, 'mvp0');
    const before = await numberOf(host, 'mvp0', index);
    await host.ip('link', 'delete', 'lowest');
    await attach(host, pod, 'mvp0');
    const after = await numberOf(pod, NAME, index);
    if (after !== before) return { pod, index, before, after };
    await pod.ip('link', 'delete', NAME);
  }
  throw new Error('no move has changed the number');
}

/** `MAJOR MINOR` of what stands there: what a runtime copies into the container. */
async function standingNumber(path: string): Promise<string> {
  const { rdev } = await stat(path);
  // `linux/kdev_t.h` new_encode_dev: the minor has 20 bits, in two parts.
  return `${(rdev >> 8) & 0xfff} ${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`;
}

interface PodSettings {
  nodes?: PodNode[];
  capabilities?: string[];
  as?: number;
  /** Runs it all in a cgroup. */
  cgroup?: string[];
}

/** Runs calls in the pod: its namespace, its /sys (`ip netns exec` sees to both), its /dev, its capabilities. */
function inPod<Name extends string>(
  pod: TestNamespace,
  { nodes = [], capabilities = NONE, as, cgroup = [] }: PodSettings,
  calls: Record<Name, string>,
): Promise<Record<Name, Outcome>> {
  const script = [
    'mount -t tmpfs -o mode=755 dev /dev',
    'mknod -m 666 /dev/null c 1 3',
    'mknod -m 666 /dev/urandom c 1 9',
    ...nodes.map(({ name, number, owner = 0, mode = '600' }) =>
      [`mknod -m ${mode} /dev/${name} c ${number}`, `chown ${owner} /dev/${name}`].join('\n'),
    ),
    'exec "$@"',
  ].join('\n');
  const bounds = ['-all', ...capabilities.map((capability) => `+${capability}`)].join(',');
  // Changing the user needs these capabilities, and drops them.
  const confine = ['setpriv', `--bounding-set=${as === undefined ? bounds : `${bounds},+setuid,+setgid`}`];
  const prefix = [
    ...cgroup,
    'ip',
    'netns',
    'exec',
    pod.name,
    'sh',
    '-ec',
    script,
    'pod',
    ...confine,
    '--inh-caps=-all',
  ];
  return callsInChild({ prefix, ...(as !== undefined && { as }) }, calls);
}

const OPEN = `openMacvtap({ name: '${NAME}', guestMac: '${MAC}' })`;
const NEEDS = ['root', 'macvtap', 'veth', 'ip'] as const;

t.test('a macvtap in a pod', { skip: needs(...NEEDS) }, async (t) => {
  await t.test('the right node is in its /dev: no capability is needed', async (t) => {
    const { pod, index } = await podWithLink(t);
    const node = { name: `tap${index}`, number: await numberOf(pod, NAME, index) };
    const opened = { kind: 'macvtap', name: NAME, index, mac: MAC };
    const root = await inPod(
      pod,
      { nodes: [node] },
      { opened: OPEN, queue: `${OPEN}.then((d) => d.openQueue())` },
    );
    t.strictSame(root, { opened: { opened }, queue: { opened } }, 'as root without capabilities');
    const owned = await inPod(pod, { nodes: [{ ...node, owner: USER }], as: USER }, { opened: OPEN });
    t.strictSame(owned, { opened: { opened } }, 'as a user who has the node');
  });

  await t.test('the node is another users', async (t) => {
    const { pod, index } = await podWithLink(t);
    const node = { name: `tap${index}`, number: await numberOf(pod, NAME, index) };
    const { refused } = await inPod(pod, { nodes: [node], as: USER }, { refused: OPEN });
    t.match(refused.error, { code: 'EACCES', syscall: 'open', path: `/dev/tap${index}`, interface: NAME });
  });

  await t.test('the device cgroup does not know the number', { skip: needs('device-cgroup') }, async (t) => {
    const { pod, index } = await podWithLink(t);
    const number = await numberOf(pod, NAME, index);
    const cgroup = ['python3', DENY_DEVICE, number.split(' ')[0]];
    const nodes = [{ name: `tap${index}`, number }];
    const { refused } = await inPod(pod, { nodes, cgroup }, { refused: OPEN });
    const why = { code: 'EPERM', interface: NAME, message: /device cgroup/ };
    t.match(refused.error, { ...why, syscall: 'open', path: `/dev/tap${index}` });
    const privileged = await inPod(pod, { capabilities: ['sys_admin', 'mknod'], cgroup }, { refused: OPEN });
    t.match(privileged.refused.error, { ...why, syscall: 'openat' }, 'nor may one that the library makes');
  });

  await t.test(
    'the move gives the hosts node back to root: it is given to the user afterwards',
    async (t) => {
      const host = await hostNetwork(t);
      const pod = await ownNamespace(t);
      const index = await allocate(host, 'mvp0');
      const path = `/dev/tap${index}`;
      await chown(path, USER, USER);
      await attach(host, pod, 'mvp0');
      const { uid, mode } = await stat(path);
      t.match({ uid, mode: mode & 0o777 }, { uid: 0, mode: 0o600 });
    },
  );

  await t.test('there is no node: one is made only with CAP_SYS_ADMIN and CAP_MKNOD', async (t) => {
    const { pod, index } = await podWithLink(t);
    const refused = { code: 'ERR_TAPFD_WRONG_DEVICE', interface: NAME, message: /no node.*CAP_SYS_ADMIN/ };
    for (const capabilities of [NONE, [...USUAL, 'mknod']]) {
      const { opened } = await inPod(pod, { capabilities }, { opened: OPEN });
      t.match(opened.error, refused, capabilities.join(' ') || 'nothing');
    }
    const privileged = await inPod(pod, { capabilities: ['sys_admin', 'mknod'] }, { opened: OPEN });
    t.match(privileged, { opened: { opened: { name: NAME, index, mac: MAC } } });
  });

  await t.test(
    'the node of that name is another tenants: refused, and not opened for a moment',
    async (t) => {
      const host = await hostNetwork(t);
      const [theirs, ours] = [await ownNamespace(t), await ownNamespace(t)];
      const index = await allocate(host, 'mvp0');
      await attach(host, theirs, 'mvp0', OTHER_MAC);
      await allocate(host, 'mvp1', index);
      t.equal(await attach(host, ours, 'mvp1'), index, 'both have the index, each in its own namespace');

      const number = await standingNumber(`/dev/tap${index}`);
      t.equal(number, await numberOf(theirs, NAME, index), "the host's node is the first one's");
      t.not(number, await numberOf(ours, NAME, index));
      // The other has no room for a queue: whoever opened its node even for a moment would fail otherwise.
      const other = await openMacvtap({ netns: theirs.name, name: NAME, multiQueue: true });
      const queues = await Promise.all(Array.from({ length: 255 }, () => other.openQueue()));
      const nodes = [{ name: `tap${index}`, number }];
      const { refused, adopted } = await inPod(
        ours,
        { nodes, capabilities: USUAL },
        { refused: OPEN, adopted: openedByHand(index) },
      );
      t.match(refused.error, {
        code: 'ERR_TAPFD_WRONG_DEVICE',
        interface: NAME,
        message: /another device's/,
      });
      t.match(adopted.error, { code: 'EBUSY' }, 'by hand it would be opened: only there was no room');
      await Promise.all([other, ...queues].map((device) => device[Symbol.asyncDispose]()));
      const byHand = await inPod(ours, { nodes }, { adopted: openedByHand(index) });
      t.match(byHand.adopted.error, { code: 'ERR_TAPFD_WRONG_DEVICE', interface: NAME });
    },
  );

  await t.test('the pod had that index: the node has the old name, and only adoptFd takes it', async (t) => {
    const host = await hostNetwork(t);
    const pod = await ownNamespace(t);
    const before = await allocate(host, 'mvp0');
    await pod.ip('link', 'add', 'taken', 'index', String(before), 'type', 'bridge');
    const index = await attach(host, pod, 'mvp0');
    t.not(index, before);
    await t.rejects(
      stat(`/dev/tap${before}`),
      { code: 'ENOENT' },
      'the path that the plugin promised is gone',
    );
    const nodes = [{ name: `tap${before}`, number: await numberOf(pod, NAME, index) }];
    const { opened, adopted } = await inPod(pod, { nodes }, { opened: OPEN, adopted: openedByHand(before) });
    t.match(opened.error, { code: 'ERR_TAPFD_WRONG_DEVICE', message: /no node/ });
    t.match(adopted, { opened: { kind: 'macvtap', name: NAME, index, mac: MAC } });
  });

  await t.test('the move may change the number: a node that was made before is refused', async (t) => {
    const { pod, index, before, after } = await movedToAnotherNumber(t);
    const name = `tap${index}`;
    const stale = await inPod(pod, { nodes: [{ name, number: before }] }, { opened: OPEN });
    t.match(stale.opened.error, { code: 'ERR_TAPFD_WRONG_DEVICE', interface: NAME });
    const fresh = await inPod(pod, { nodes: [{ name, number: after }] }, { opened: OPEN });
    t.match(fresh, { opened: { opened: { index } } });
  });

  await t.test('what may be done with the open device, and what not', async (t) => {
    const { pod, index } = await podWithLink(t);
    const nodes = [{ name: `tap${index}`, number: await numberOf(pod, NAME, index) }];
    const { mtu, mac, wrong } = await inPod(
      pod,
      { nodes, capabilities: USUAL },
      {
        mtu: `openMacvtap({ name: '${NAME}', mtu: 1400 })`,
        wrong: `openMacvtap({ name: '${NAME}', guestMac: '${OTHER_MAC}' })`,
        mac: `openMacvtap({ name: '${NAME}' }).then(async (device) => {
          await device.setMac('${OTHER_MAC}');
          return device;
        })`,
      },
    );
    t.match(
      mtu.error,
      { code: 'EPERM', interface: NAME },
      'the link is not to be changed: that takes CAP_NET_ADMIN',
    );
    t.match(wrong.error, { code: 'ERR_TAPFD_MAC_MISMATCH' });
    t.match(mac.opened, { mac: OTHER_MAC }, 'but its MAC may follow the guest, by the descriptor');
    const { address, mtu: left } = await pod.existingLink(NAME);
    t.match({ address, left }, { address: OTHER_MAC, left: 1500 });

    await pod.ip('link', 'set', NAME, 'down');
    const down = await inPod(
      pod,
      { nodes },
      { refused: `openMacvtap({ name: '${NAME}' })`, opened: `openMacvtap({ name: '${NAME}', up: false })` },
    );
    t.match(down.refused.error, { code: 'EPERM' }, 'nor set up');
    t.match(down.opened, { opened: { name: NAME } });
  });

  await t.test('the link is the plugins: it is there when the program has ended', async (t) => {
    const { pod, index } = await podWithLink(t);
    const nodes = [{ name: `tap${index}`, number: await numberOf(pod, NAME, index) }];
    const capabilities = ['net_admin', 'sys_admin', 'mknod'];
    const { opened } = await inPod(pod, { nodes, capabilities }, { opened: OPEN });
    t.match(opened, { opened: { index } }, 'opened and closed, by one who could remove it');
    t.match(await pod.link(NAME), { ifindex: index });
  });
});

/** A node opened by hand and verified by adoptFd. */
function openedByHand(index: number): string {
  return `(async () => {
    const { openSync } = await import('node:fs');
    return adoptFd(openSync('/dev/tap${index}', 'r+'));
  })()`;
}
