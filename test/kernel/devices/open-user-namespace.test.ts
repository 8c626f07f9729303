/** An ordinary user in a user namespace of their own: all of TUN and TAP, and macvtap where root provided the node. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, rm, stat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { needs } from '../../kit/capabilities.js';
import { childCommand } from '../../kit/child.js';
import { ownIndex } from '../../kit/namespace.js';
import { callsInChild, type Outcome } from '../../kit/open-in-child.js';
import { readableCopy } from '../../kit/readable-copy.js';

const run = promisify(execFile);
const USER = 54321;

/** The runner's settings for Node name files of the repository. */
const asUser = (...unshare: string[]) => [
  ...['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', '--'],
  ...[
    'env',
    '--unset=NODE_OPTIONS',
    '--unset=NODE_V8_COVERAGE',
    'unshare',
    '--user',
    '--map-root-user',
    '--net',
  ],
  ...unshare,
];

t.test(
  'an ordinary user',
  { skip: needs('root', 'tun-device', 'macvtap', 'veth', 'user-namespace', 'ip') },
  async (t) => {
    const directory = await readableCopy(t);
    const clone = `/dev/tapfd-${process.pid}-user`;
    await run('mknod', ['-m', '666', clone, 'c', '10', '200']);
    t.teardown(() => rm(clone));
    const device = `devicePath: '${clone}'`;

    t.test('TUN and TAP, with what needs CAP_NET_ADMIN', async (t) => {
      const opened = (kind: string, name: string) => ({ opened: { kind, name } });
      t.match(
        await callsInChild(
          { prefix: asUser(), directory },
          {
            tap: `openTap({ ${device}, mac: '02:00:00:00:00:01', mtu: 1400, addresses: ['10.0.0.1/24'] })`,
            tun: `openTun({ ${device}, persist: true, multiQueue: true, addresses: ['fd00::1/64'] })`,
            again: `openTun({ ${device}, name: 'tun0', multiQueue: true })`,
            frags: `openTap({ ${device}, name: 'frags', napi: 'frags' })`,
            lower: `openMacvtap({ lower: 'nothing' })`,
          },
        ),
        {
          tap: opened('tap', 'tap0'),
          tun: opened('tun', 'tun0'),
          again: opened('tun', 'tun0'),
          frags: { error: { code: 'EPERM', message: /outside any user namespace/ } },
          lower: { error: { code: 'ENODEV' } },
        },
      );
    });

    /** Makes a macvtap in a new user namespace, lets `prepare` provide its node, and opens it there. */
    async function openMacvtapThere(
      t: Test,
      unshare: string[],
      index: number,
      prepare: (node: string) => Promise<void>,
    ): Promise<Outcome> {
      const module = `
        import { openMacvtap } from 'tapfd';
        const outcome = await openMacvtap({ name: 'guest' }).then(
          ({ kind, name, index, mac }) => ({ opened: { kind, name, index, mac } }),
          ({ code, syscall, message }) => ({ error: { code, syscall, message } }),
        );
        process.stdout.write(JSON.stringify(outcome));
        process.exit();`;
      const script = `
        set -e
        ip link add wire type veth peer name far
        ip link add link wire name guest index ${index} address 02:00:00:00:00:0a type macvtap mode bridge
        ip link set wire up; ip link set guest up
        echo ready; read go
        exec "$@"`;
      const [command, ...args] = [...asUser(...unshare), 'sh', '-c', script, 'sh', ...childCommand(module)];
      const child = spawn(command, args, { cwd: directory, stdio: ['pipe', 'pipe', 'inherit'] });
      t.teardown(() => child.kill());
      await once(child.stdout, 'data');
      await prepare(`/dev/tap${index}`);
      child.stdin.end('go\n');
      return JSON.parse(await text(child.stdout));
    }

    const give = (node: string) => chown(node, USER, USER);
    const opened = (index: number) => ({
      opened: { kind: 'macvtap', name: 'guest', index, mac: '02:00:00:00:00:0a' },
    });

    t.test('macvtap: its node is roots, and he can make none', async (t) => {
      const index = ownIndex(90);
      const { error } = await openMacvtapThere(t, ['--mount'], index, async (node) => {
        const { uid, mode } = await stat(node);
        t.strictSame([uid, mode & 0o777], [0, 0o600]);
      });
      t.match(error, { code: 'EACCES', syscall: 'open', message: /no permission on that file/ });
      const without = await openMacvtapThere(t, ['--mount'], ownIndex(91), (node) => rm(node));
      t.match(without.error, { code: 'ERR_TAPFD_WRONG_DEVICE', message: /CAP_MKNOD/ });
    });

    t.test('macvtap: with a node that root gave him', async (t) => {
      const index = ownIndex(92);
      t.strictSame(await openMacvtapThere(t, ['--mount'], index, give), opened(index));
    });

    t.test('macvtap: without a mount namespace of his own nothing proves the node', async (t) => {
      const { error } = await openMacvtapThere(t, [], ownIndex(93), give);
      t.match(error, { code: 'ERR_TAPFD_WRONG_DEVICE', message: /unshare --mount/ });
    });
  },
);
