/** The README's table of privileges: each row with the capabilities it names, and without them. */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { needs } from '../kit/capabilities.js';
import { ownIndex, ownNamespace, type TestNamespace } from '../kit/namespace.js';
import { ROOT } from '../kit/paths.js';

type Capability = 'net_admin' | 'sys_admin' | 'mknod';

/** Sets of capabilities of a process whose user is root. */
const SETS: Capability[][] = [
  [],
  ['net_admin'],
  ['sys_admin'],
  ['sys_admin', 'mknod'],
  ['net_admin', 'sys_admin'],
  ['net_admin', 'sys_admin', 'mknod'],
];

/** What a row does, and what it requires. */
const ROWS: Record<string, { code: string; takes: Capability[] }> = {
  'make a TUN or TAP': { code: 'openTap()', takes: ['net_admin'] },
  'make and remove a link, a macvtap too': {
    code: "links.create({ kind: 'macvtap', lower: 'lower' }).then(({ index }) => links.remove(index))",
    takes: ['net_admin'],
  },
  'change the link of an open device': {
    code: "openTap({ name: 'mine', mtu: 1400 })",
    takes: ['net_admin'],
  },
  'attach to a persistent TAP by its owner': { code: "openTap({ name: 'mine' })", takes: [] },
  'open a macvtap that is there': { code: "openMacvtap({ name: 'present' })", takes: [] },
  'open one whose node is missing': {
    code: "openMacvtap({ name: 'hidden' })",
    takes: ['sys_admin', 'mknod'],
  },
  'adopt a descriptor and set its MAC': {
    code: `(async () => {
      const first = await openTap({ name: 'mine' });
      const adopted = await adoptFd(first.handOff());
      first.destroy();
      await adopted.setMac('02:00:00:00:00:77');
      return adopted;
    })()`,
    takes: [],
  },
  'list links': { code: 'links.list()', takes: [] },
  'watch links': { code: 'links.watch({ existing: true, persistent: false }).next()', takes: [] },
  'list the links of another namespace': { code: 'links.list({ netns })', takes: ['sys_admin'] },
  'make a TUN or TAP in another namespace': { code: 'openTun({ netns })', takes: ['net_admin', 'sys_admin'] },
  'make a namespace': { code: 'createNetns()', takes: ['sys_admin'] },
};

const PROGRAM = `
  import { adoptFd, createNetns, links, openMacvtap, openTap, openTun } from 'tapfd';
  const netns = process.argv[1];
  const outcomes = {};
  const rows = { ${Object.entries(ROWS).map(([name, { code }]) => `${JSON.stringify(name)}: () => ${code}`)} };
  for (const [name, row] of Object.entries(rows)) {
    outcomes[name] = await row().then(async (made) => {
      await made?.[Symbol.asyncDispose]?.();
      return 'done';
    }, ({ code }) => code);
  }
  console.log(JSON.stringify(outcomes));
`;

/** Runs the rows in the namespace, as root with these capabilities and no others; reading files is always allowed. */
async function outcomesWith(ns: TestNamespace, other: TestNamespace, set: Capability[]) {
  const bounds = ['-all', '+dac_read_search', ...set.map((capability) => `+${capability}`)].join(',');
  const confine = ['setpriv', `--bounding-set=${bounds}`, '--inh-caps=-all'];
  const node = [process.execPath, '--input-type=module', '--eval', PROGRAM, '--', other.name];
  const args = ['netns', 'exec', ns.name, ...confine, ...node];
  const { stdout } = await promisify(execFile)('ip', args, { cwd: ROOT });
  const outcomes: Record<string, string> = JSON.parse(stdout);
  return outcomes;
}

/** Macvtaps made so far, for their indexes: one that another namespace uses has a node that is not ours. */
let made = 0;

/** A lower device, a TAP that belongs to root, and two macvtaps, one of them without a node. */
async function prepare(t: Test): Promise<TestNamespace> {
  const ns = await ownNamespace(t);
  await ns.ip('link', 'add', 'lower', 'up', 'type', 'veth');
  await ns.ip('tuntap', 'add', 'mine', 'mode', 'tap', 'user', 'root');
  await ns.ip('link', 'set', 'mine', 'up');
  for (const name of ['present', 'hidden']) {
    made += 1;
    const index = ownIndex(made);
    await ns.ip('link', 'add', 'link', 'lower', 'name', name, 'up', 'index', `${index}`, 'type', 'macvtap');
    if (name === 'hidden') rmSync(`/dev/tap${index}`);
  }
  return ns;
}

t.test('what takes which capability', { skip: needs('root', 'tun-device', 'macvtap', 'ip') }, async (t) => {
  const other = await ownNamespace(t);
  for (const set of SETS) {
    const outcomes = await outcomesWith(await prepare(t), other, set);
    for (const [name, { takes }] of Object.entries(ROWS)) {
      const enough = takes.every((capability) => set.includes(capability));
      const outcome = outcomes[name];
      const title = `${name}, with ${set.join(' and ') || 'nothing'}: ${outcome}`;
      if (enough) t.equal(outcome, 'done', title);
      else t.match(outcome, /^(EPERM|EACCES|ERR_TAPFD_WRONG_DEVICE)$/, title);
    }
  }
});

t.test(
  "root's own node, opened without being root",
  { skip: needs('root', 'tun-device', 'macvtap', 'ip') },
  async (t) => {
    const ns = await prepare(t);
    const program = `
      import { openMacvtap } from 'tapfd';
      const opened = await openMacvtap({ name: 'present' }).catch(({ code }) => code);
      console.log(opened.kind ?? opened);
      await opened.close?.();
    `;
    const outcome = async (...capabilities: string[]) => {
      const granted = ['+dac_read_search', ...capabilities].join(',');
      const user = [
        '--reuid',
        '65534',
        '--clear-groups',
        `--inh-caps=${granted}`,
        `--ambient-caps=${granted}`,
      ];
      const node = [process.execPath, '--input-type=module', '--eval', program];
      return (await ns.exec('setpriv', ...user, 'env', '-C', ROOT, ...node)).trim();
    };
    t.equal(await outcome(), 'EACCES');
    t.equal(await outcome('+dac_override'), 'macvtap');
  },
);

const IN_USER_NAMESPACE = `
  import { links, openMacvtap, openTap, openTun } from 'tapfd';
  const devices = [await openTun(), await openTap()];
  await links.create({ kind: 'bridge', name: 'br0', up: true });
  await links.set(devices[1].name, { master: 'br0' });
  devices.push(await openMacvtap({ name: 'present' }));
  console.log(devices.map(({ name }) => name).join());
  for (const device of devices) device.destroy();
`;

t.test(
  'in a user namespace',
  { skip: needs('root', 'tun-device', 'macvtap', 'user-namespace', 'ip') },
  async (t) => {
    made += 1;
    const links = ['ip link add lower up type veth'];
    links.push(`ip link add link lower name present up index ${ownIndex(made)} type macvtap`);
    const script = `${links.join(' && ')} && exec "$0" --input-type=module --eval "$1"`;
    const unshare = ['--user', '--map-root-user', '--net', '--mount', 'sh', '-ec', script];
    const { stdout } = await promisify(execFile)(
      'unshare',
      [...unshare, process.execPath, IN_USER_NAMESPACE],
      {
        cwd: ROOT,
      },
    );
    t.equal(stdout, 'tun0,tap0,present\n');
  },
);
