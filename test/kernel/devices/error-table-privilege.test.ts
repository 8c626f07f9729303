/** What the kernel refuses to callers without privilege: code, errno, system call, cause and remedy. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { links, openMacvtap, openTap, openTun } from 'tapfd';
import { needs } from '../../kit/capabilities.js';
import { ownIndex, ownNamespace } from '../../kit/namespace.js';
import { callsInChild, without } from '../../kit/open-in-child.js';

const run = promisify(execFile);
const NOBODY = 65534;
const TUNSETIFF = 'ioctl TUNSETIFF';

t.test('error table', { skip: needs('root', 'tun-device', 'macvtap', 'veth', 'ip') }, async (t) => {
  const network = await ownNamespace(t);
  const netns = network.name;
  await network.wire('wire', 'far');
  const FIXED_LINKS = await network.linkNames();

  /** One row, which must leave nothing behind. */
  function row(name: string, test: (t: Test) => Promise<void>): void {
    t.test(name, async (t) => {
      await test(t);
      t.strictSame(await network.linkNames(), FIXED_LINKS, 'nothing is left');
    });
  }

  row('as root: never "run as root"', async (t) => {
    const script = 'mount -t tmpfs -o nodev none /mnt && mknod -m 666 /mnt/tun c 10 200 && exec "$@"';
    const inMount = ['ip', 'netns', 'exec', netns, 'sh', '-c', script, '--'];
    const { nodev } = await callsInChild(
      { prefix: inMount },
      { nodev: `openTap({ devicePath: '/mnt/tun' })` },
    );
    t.match(nodev.error, { code: 'EACCES', syscall: 'open', path: '/mnt/tun', message: /mounted nodev/ });
    t.notMatch(nodev.error?.message, /run as root/);
    const bare = ['ip', 'netns', 'exec', netns, ...without('net_admin')];
    const lacking = await callsInChild(
      { prefix: bare },
      { tap: `openTap({ name: 'new' })`, macvtap: `openMacvtap({ lower: 'wire' })` },
    );
    for (const { error } of Object.values(lacking)) {
      t.match(error, { code: 'EPERM', message: /this root does not have.*--cap-add=NET_ADMIN/ });
      t.notMatch(error?.message, /run as root/);
    }
  });

  row('what the kernel says is not contradicted, and IPv6 names its MTU', async (t) => {
    const ipv6 = { netns, name: 'row', addresses: ['fd00::1/64'] };
    await t.rejects(openTun({ ...ipv6, mtu: 1000 }), {
      syscall: 'rtnetlink RTM_NEWADDR',
      message: /IPv6 needs an MTU of at least 1280, and that of row is 1000$/,
    });
    // Made on one of a small MTU, and gone again.
    await links.create({ kind: 'bridge', name: 'small', netns });
    await links.set('small', { mtu: 1000, netns });
    const small = { netns, addresses: ['fd00::1/64'], ipv6: true };
    await t.rejects(openTap({ ...small, bridge: 'small' }), { message: /that of tap0 is 1000$/ });
    await t.rejects(openMacvtap({ ...small, lower: 'small' }), { message: /that of macvtap0 is 1000$/ });
    // An existing one takes the bridge's for the time of the call.
    await run('ip', ['-n', netns, 'tuntap', 'add', 'joins', 'mode', 'tap']);
    await t.rejects(openTap({ ...small, name: 'joins', bridge: 'small' }), {
      message: /that of joins is 1000$/,
    });
    await run('ip', ['-n', netns, 'link', 'delete', 'joins']);
    await links.remove('small', { netns });
    // One that was there before.
    await run('ip', ['-n', netns, 'tuntap', 'add', 'row', 'mode', 'tun']);
    await run('ip', ['-n', netns, 'link', 'set', 'row', 'mtu', '1000']);
    await t.rejects(openTun(ipv6), { message: /that of row is 1000$/ });
    await run('ip', ['-n', netns, 'link', 'delete', 'row']);
    await t.rejects(openTap({ netns, name: 'row', addresses: ['ff02::1/64'] }), {
      code: 'EADDRNOTAVAIL',
      detail: /multicast address/,
      message: /kernel: [^;]*$/,
    });
  });

  row('without privilege', async (t) => {
    // In /dev, since devices may not be opened on other file systems (nodev), nor the repository be searched.
    const everyones = `/dev/tapfd-${process.pid}-everyones`;
    const roots = `/dev/tapfd-${process.pid}-roots`;
    const elsewhere = await ownNamespace(t);
    for (const [path, mode] of [
      [everyones, '666'],
      [roots, '600'],
    ]) {
      await run('mknod', ['-m', mode, path, 'c', '10', '200']);
      t.teardown(() => rm(path));
    }
    const lasting = { netns, persist: true, up: true };
    const devices = [
      await openTap({ ...lasting, name: 'theirs', owner: NOBODY }),
      await openTun({ ...lasting, name: 'group', group: NOBODY }),
      await openTap({ ...lasting, name: 'owner', owner: 4242 }),
      await openTap({ ...lasting, name: 'both', owner: 4242, group: 4343 }),
      await openTap({ ...lasting, name: 'others', group: 4343 }),
    ];
    for (const device of devices) await device[Symbol.asyncDispose]();
    await network.ip('tuntap', 'add', 'dev', 'downward', 'mode', 'tap', 'user', String(NOBODY));
    const node = `link add link wire name node index ${ownIndex(1)} type macvtap`;
    await network.ip(...node.split(' '));
    await network.ip('link', 'set', 'node', 'up');

    const device = JSON.stringify({ devicePath: everyones }).slice(1, -1);
    const outcomes = await callsInChild(
      { prefix: ['ip', 'netns', 'exec', netns], as: NOBODY },
      {
        'making a device': `openTap({ ${device}, name: 'new' })`,
        frags: `openTap({ ${device}, name: 'new', napi: 'frags' })`,
        'attaching as owner': `openTap({ ${device}, name: 'theirs' })`,
        'attaching as group': `openTun({ ${device}, name: 'group' })`,
        anothers: `openTap({ ${device}, name: 'owner' })`,
        'anothers, with group': `openTap({ ${device}, name: 'both' })`,
        'another groups': `openTap({ ${device}, name: 'others' })`,
        'attaching to a link that is down': `openTap({ ${device}, name: 'downward' })`,
        'the same, left down': `openTap({ ${device}, name: 'downward', up: false })`,
        'changing the link': `openTap({ ${device}, name: 'theirs', mtu: 1400 })`,
        'node of the clone device': `openTap({ devicePath: ${JSON.stringify(roots)} })`,
        'node of a macvtap': `openMacvtap({ name: 'node' })`,
        'making a macvtap': `openMacvtap({ lower: 'wire' })`,
        'entering a namespace': `openTap({ ${device}, netns: '${elsewhere.name}' })`,
        'MAC through the descriptor': `openTap({ ${device}, name: 'theirs' }).then(async (device) => {
          await device.setMac('02:00:00:00:00:77');
          return device;
        })`,
        'loading a program': `openTap({ ${device}, name: 'theirs' }).then(async (device) => {
          await device.setFilterProgram(new Uint8Array(8)).finally(() => device[Symbol.asyncDispose]());
        })`,
      },
    );
    const denied = { code: 'EPERM', errno: -1, syscall: TUNSETIFF, path: everyones };
    t.match(outcomes, {
      'making a device': {
        error: { ...denied, interface: 'new', message: /CAP_NET_ADMIN.*persist: true and owner/ },
      },
      frags: { error: { ...denied, interface: 'new', message: /'frags' needs CAP_NET_ADMIN/ } },
      'attaching as owner': { opened: { kind: 'tap', name: 'theirs' } },
      'attaching as group': { opened: { kind: 'tun', name: 'group' } },
      anothers: { error: { ...denied, interface: 'owner', message: /owner belongs to uid 4242:/ } },
      'anothers, with group': { error: { ...denied, message: /both belongs to uid 4242 and gid 4343:/ } },
      'another groups': { error: { ...denied, message: /others belongs to gid 4343:/ } },
      'attaching to a link that is down': {
        error: {
          code: 'EPERM',
          syscall: 'rtnetlink RTM_SETLINK',
          interface: 'downward',
          message: /downward is down, and setting it up needs CAP_NET_ADMIN.*up: false/,
        },
      },
      'the same, left down': { opened: { name: 'downward' } },
      'changing the link': {
        error: {
          code: 'EPERM',
          errno: -1,
          syscall: 'rtnetlink RTM_SETLINK',
          interface: 'theirs',
          message: /CAP_NET_ADMIN/,
        },
      },
      'node of the clone device': {
        error: { code: 'EACCES', errno: -13, syscall: 'open', path: roots, message: /mode 0666/ },
      },
      'node of a macvtap': {
        error: {
          code: 'EACCES',
          errno: -13,
          syscall: 'open',
          path: /^\/dev\/tap\d+$/,
          interface: 'node',
          message: /udev/,
        },
      },
      'making a macvtap': {
        error: { code: 'EPERM', errno: -1, syscall: 'rtnetlink RTM_NEWLINK', message: /CAP_NET_ADMIN/ },
      },
      'entering a namespace': {
        error: { code: 'EPERM', errno: -1, syscall: 'setns', message: /CAP_SYS_ADMIN/ },
      },
      'MAC through the descriptor': { opened: { name: 'theirs', mac: '02:00:00:00:00:77' } },
      'loading a program': {
        error: { code: 'EPERM', errno: -1, syscall: 'bpf BPF_PROG_LOAD', message: /CAP_BPF/ },
      },
    });
    for (const name of ['theirs', 'group', 'owner', 'both', 'others', 'node', 'downward']) {
      await network.ip('link', 'delete', 'dev', name);
    }
  });
});
