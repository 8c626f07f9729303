/** Bad input that only the kernel can detect: descriptors, namespaces and names that are not what they should be. */
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, open, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type FrameStream, openMacvtap, openTap, openTun } from 'tapfd';
import { needs } from '../../kit/capabilities.js';
import { ownNamespace } from '../../kit/namespace.js';
import { descriptorsOf, leftDescriptors } from '../../kit/open-files.js';

interface Expected {
  code: string | RegExp;
  syscall?: string;
  path?: string;
  interface?: string;
  message?: RegExp;
}

const NO_ADDRESS = { code: /^E(INVAL|ADDRNOTAVAIL)$/, syscall: 'rtnetlink RTM_NEWADDR' };

t.test('bad input', { skip: needs('root', 'tun-device', 'macvtap', 'veth', 'ip') }, async (t) => {
  const network = await ownNamespace(t);
  await network.wire('wire', 'far');
  const FIXED_LINKS = await network.linkNames();

  const OPENINGS: Record<string, (options: object) => Promise<FrameStream>> = {
    openTap: (options) => openTap({ netns: network.name, name: 'bad', ...options }),
    openTun: (options) => openTun({ netns: network.name, name: 'bad', ...options }),
    openMacvtap: (options) => openMacvtap({ netns: network.name, lower: 'wire', name: 'bad', ...options }),
  };

  for (const [call, opening] of Object.entries(OPENINGS)) {
    /** Checks that the call fails like this and leaves neither links nor descriptors. */
    const leavesNothing = async (options: object, expected: Expected, what: string) => {
      // The first call of a process opens what remains open: libuv's threads, the watch of a namespace.
      const device = await opening({});
      await device[Symbol.asyncDispose]();
      const descriptors = descriptorsOf();
      await t.rejects(opening(options), expected, `${call}: ${what}`);
      t.strictSame(await leftDescriptors(descriptors), [], 'no descriptor is left');
      t.strictSame(await network.linkNames(), FIXED_LINKS, 'no link is left');
    };

    t.test(`${call}: what is no network namespace`, async (t) => {
      const directory = await mkdtemp(join(tmpdir(), 'tapfd-'));
      t.teardown(() => rm(directory, { recursive: true }));
      const file = join(directory, 'file');
      await (await open(file, 'w')).close();
      const dangling = join(directory, 'dangling');
      await symlink(join(directory, 'nothing'), dangling);
      const toNamespace = join(directory, 'to-namespace');
      await symlink(network.path, toNamespace);

      const notOne = (path: string) => ({ code: 'ERR_TAPFD_NOT_A_NAMESPACE', path });
      const cases: [string, Expected][] = [
        [file, notOne(file)],
        [directory, notOne(directory)],
        ['/', notOne('/')],
        ['/dev/null', notOne('/dev/null')],
        ['/dev/net/tun', notOne('/dev/net/tun')],
        ['/proc/self/ns/uts', notOne('/proc/self/ns/uts')],
        ['/proc/self/ns/mnt', notOne('/proc/self/ns/mnt')],
        ['/proc/self/ns/user', notOne('/proc/self/ns/user')],
        [dangling, { code: 'ENOENT', syscall: 'open', path: dangling }],
        [join(file, 'below'), { code: 'ENOTDIR', syscall: 'open' }],
        ['/proc/0/ns/net', { code: 'ENOENT', syscall: 'open' }],
        ['tapfd-none', { code: 'ENOENT', syscall: 'open', path: '/run/netns/tapfd-none' }],
      ];
      for (const [netns, expected] of cases) await leavesNothing({ netns }, expected, netns);

      const device = await opening({ netns: toNamespace });
      await device[Symbol.asyncDispose]();
      t.pass('but a link that leads to one is one');
    });

    t.test(`${call}: descriptors that are no network namespace`, async (t) => {
      const server = createServer().listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      t.teardown(() => server.close());
      const paths = [
        '/dev/null',
        '/dev/net/tun',
        '/',
        '/proc/self/ns/uts',
        '/proc/self/ns/user',
        '/proc/self/status',
      ];
      for (const path of paths) {
        const fd = openSync(path, 'r');
        await leavesNothing({ netns: fd }, { code: 'ERR_TAPFD_NOT_A_NAMESPACE' }, path);
        closeSync(fd);
      }
      await leavesNothing(
        { netns: 0x7fff_ffff },
        { code: 'EBADF', syscall: 'fcntl F_DUPFD_CLOEXEC', message: /not open/ },
        'a closed one',
      );
    });

    t.test(
      `${call}: addresses and settings that the kernel refuses come after the device, and take it along`,
      async () => {
        const cases: [object, Expected, string][] = [
          [{ addresses: ['10.0.0.1/24', '::/64'] }, NO_ADDRESS, 'no address'],
          [{ addresses: ['fd00::1/64', '::1/128'] }, NO_ADDRESS, 'the loopback address'],
          [{ addresses: ['ff02::1/64'] }, NO_ADDRESS, 'a multicast address'],
        ];
        for (const [options, expected, what] of cases) {
          await leavesNothing({ persist: true, ...options }, { ...expected, interface: 'bad' }, what);
        }
      },
    );
  }

  t.test('openTap: what fails after the device was made takes it along, persistent or not', async (t) => {
    for (const persist of [undefined, true]) {
      await t.rejects(openTap({ netns: network.name, name: 'bad', persist, bridge: 'nowhere' }), {
        code: 'ENODEV',
        interface: 'nowhere',
      });
      await t.rejects(openTap({ netns: network.name, name: 'bad', persist, bridge: 'wire' }), {
        code: 'ERR_TAPFD_NOT_A_BRIDGE',
      });
      t.strictSame(await network.linkNames(), FIXED_LINKS);
    }
  });

  t.test('a device that was there is left as it was by an open that fails', async (t) => {
    const first = await openTap({ netns: network.name, name: 'there', persist: true, owner: 1234 });
    await first[Symbol.asyncDispose]();
    await t.rejects(openTap({ netns: network.name, name: 'there', persist: false, bridge: 'nowhere' }), {
      code: 'ENODEV',
    });
    t.equal((await network.info('there')).persist, true);
    t.equal(await network.sysfs('there', 'owner'), '1234');
    await network.ip('link', 'delete', 'there');
  });
});
