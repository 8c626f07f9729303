import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { spawnQemu, spawnWithFds } from 'tapfd/qemu';
import { type FakeDevice, fakeDevice } from '../../kit/fake-device.js';
import { descriptorTargets } from '../../kit/open-files.js';

const directory = t.testdir({ a: 'first', b: 'second', c: 'third', 'no-program': '' });
const path = (name: string): string => join(directory, name);

/** The child's program: tells its arguments, and which of the test's files it holds under which number. */
const TELL = `
  const { readdirSync, readlinkSync } = require('node:fs');
  const link = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } };
  const fds = readdirSync('/proc/self/fd').map((fd) => [fd, link(fd)]);
  const held = fds.filter(([, path]) => path.startsWith(process.env.DIRECTORY));
  const names = held.map(([fd, path]) => [fd, path.slice(path.lastIndexOf('/') + 1)]);
  console.log(JSON.stringify({ args: process.argv.slice(1), held: Object.fromEntries(names) }));
`;
const program = process.execPath;
const tell = (...args: string[]): string[] => ['-e', TELL, '--', ...args];
const env = { ...process.env, NODE_OPTIONS: '', DIRECTORY: directory };

/** What a {@link TELL} child told. */
async function told(child: ChildProcess): Promise<{ args: string[]; held: Record<string, string> }> {
  if (child.stdout === null) throw new Error('the child has no stdout');
  return JSON.parse(await text(child.stdout));
}

/** Which of the test's files this process holds. */
function heldHere(): string[] {
  return descriptorTargets()
    .filter((target) => target.startsWith(`${directory}/`))
    .map((target) => target.slice(directory.length + 1));
}

function openFile(t: Test, name: string): number {
  const fd = openSync(path(name), 'r+');
  t.teardown(() => {
    if (heldHere().includes(name)) closeSync(fd);
  });
  return fd;
}

function deviceOn(t: Test, name: string, facts = {}): FakeDevice {
  return fakeDevice({ fd: openFile(t, name), name, ...facts });
}

t.test('spawnWithFds', async (t) => {
  t.test('writes the numbers into the arguments, and the child has the descriptors there', async (t) => {
    const fds = [openFile(t, 'a'), openFile(t, 'b')];
    const args = tell('{fd:0}', 'x={fd:1},y={fd:0}{fd:1}', '{fd}', 'fd:0', '{ fd:0}');
    const { args: seen, held } = await told(await spawnWithFds(program, args, fds, { env }));
    t.strictSame(seen, ['3', 'x=4,y=34', '{fd}', 'fd:0', '{ fd:0}']);
    t.strictSame(held, { 3: 'a', 4: 'b' });
  });

  t.test("comes after the caller's own stdio", async (t) => {
    const [a, b, c] = [openFile(t, 'a'), openFile(t, 'b'), openFile(t, 'c')];
    const child = await spawnWithFds(program, tell('{fd:0}'), [a], {
      env,
      stdio: ['ignore', 'pipe', 'inherit', b, 'ignore', c],
    });
    const { args, held } = await told(child);
    t.strictSame(args, ['6']);
    t.strictSame(held, { 3: 'b', 5: 'c', 6: 'a' });
  });

  t.test('fills up a short or a single stdio', async (t) => {
    const a = openFile(t, 'a');
    const short = await spawnWithFds(program, tell('{fd:0}'), [a], { env, stdio: ['ignore'] });
    t.strictSame(await told(short), { args: ['3'], held: { 3: 'a' } });
    const single = await spawnWithFds(program, ['-e', 'process.exit(fs.fstatSync({fd:0}).size)'], [a], {
      env,
      stdio: 'ignore',
    });
    t.equal(single.stdout, null);
    t.strictSame(await once(single, 'exit'), ['first'.length, null]);
  });

  t.test('takes what has a descriptor, and one twice', async (t) => {
    const handle = await open(path('b'));
    t.teardown(() => handle.close());
    const { held } = await told(await spawnWithFds(program, tell(), [handle, handle.fd], { env }));
    t.strictSame(held, { 3: 'b', 4: 'b' });
  });

  t.test('leaves the descriptors here as they are: open, and no heritage of another child', async (t) => {
    const a = openFile(t, 'a');
    await told(await spawnWithFds(program, tell(), [a], { env }));
    t.equal(fstatSync(a).size, 5);
    const other = spawnSync(program, tell(), { env, encoding: 'utf8' });
    t.strictSame(JSON.parse(other.stdout).held, {});
  });

  t.test('the child misses no event although it ends at once', async (t) => {
    const child = await spawnWithFds('/bin/sh', ['-c', 'echo said; exit 7'], []);
    const output = text(child.stdout);
    t.strictSame(await once(child, 'exit'), [7, null]);
    t.equal(await output, 'said\n');
  });

  t.test('refuses a wrong placeholder before it starts anything', async (t) => {
    const a = openFile(t, 'a');
    for (const bad of [
      '{fd:1}',
      '{fd:x}',
      '{fd:}',
      '{fd:',
      '{fd:-1}',
      '{fd:01}',
      '{fd:0',
      'fd={fd:0}:{fd:9}',
    ]) {
      await t.rejects(
        spawnWithFds('/nonexistent', ['ok', bad], [a]),
        { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'args[1]', message: /N from 0 to 0/ },
        bad,
      );
    }
    await t.rejects(spawnWithFds('/nonexistent', ['{fd:0}'], []), {
      code: 'ERR_TAPFD_INVALID_ARGUMENT',
      message: /fds is empty/,
    });
  });

  t.test('refuses a closed descriptor before it starts anything', async (t) => {
    const a = openFile(t, 'a');
    const closed = openSync(path('c'), 'r');
    closeSync(closed);
    await t.rejects(spawnWithFds('/nonexistent', [], [a, closed]), {
      code: 'EBADF',
      syscall: 'fstat',
      errno: -9,
      argument: 'fds[1]',
    });
  });

  t.test('misuse', async (t) => {
    const bad: [unknown[], string][] = [
      [['', [], []], 'command'],
      [[5, [], []], 'command'],
      [['sh', 'x', []], 'args'],
      [['sh', ['a', 5], []], 'args[1]'],
      [['sh', [], 3], 'fds'],
      [['sh', [], [-1]], 'fds[0]'],
      [['sh', [], [null]], 'fds[0]'],
      [['sh', [], [{}]], 'fds[0]'],
      [['sh', [], [{ fd: '3' }]], 'fds[0]'],
      [['sh', [], [], 'x'], 'options'],
    ];
    for (const [args, argument] of bad) {
      // @ts-expect-error: these are the wrong types on purpose
      await t.rejects(spawnWithFds(...args), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument }, argument);
    }
    // @ts-expect-error: what Node refuses is Node's error
    await t.rejects(spawnWithFds('sh', [], [], { uid: 'x' }), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  t.test('a program that cannot be started leaves everything as it was', async (t) => {
    const a = openFile(t, 'a');
    const before = heldHere();
    const fails = async (
      code: string,
      message: RegExp,
      ...[command, options]: [string, object?]
    ): Promise<void> => {
      await t.rejects(
        spawnWithFds(command, ['{fd:0}'], [a], { ...options }),
        { name: 'TapfdError', code, syscall: 'spawn', path: command, message },
        code,
      );
    };
    await fails('ENOENT', /PATH/, '/nonexistent');
    await fails('ENOENT', /cwd/, program, { cwd: '/nonexistent' });
    await fails('EACCES', /execut/, path('no-program'));
    await fails('E2BIG', /argument/, program, { env: { LONG: 'x'.repeat(1 << 20) } });
    t.strictSame(heldHere(), before);
    t.equal(fstatSync(a).size, 5);
  });

  t.test('an aborted signal', async (t) => {
    t.test('before: nothing is started', async (t) => {
      const reason = new Error('changed my mind');
      const signal = AbortSignal.abort(reason);
      await t.rejects(spawnWithFds('/bin/sh', ['-c', `touch ${path('made')}`], [], { signal }), reason);
      t.throws(() => accessSync(path('made')));
    });
    t.test('between the start and its news: the child is gone when the call fails', async (t) => {
      const aborter = new AbortController();
      const { signal } = aborter;
      const started = spawnWithFds('sleep', ['1000'], [], { signal, stdio: 'ignore' });
      aborter.abort();
      await t.rejects(started, { name: 'AbortError' });
      const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
      t.equal(children, '', 'not even as a zombie');
    });
    t.test('later: as with any child', async (t) => {
      const aborter = new AbortController();
      const child = await spawnWithFds('sleep', ['1000'], [], { signal: aborter.signal });
      const failed = once(child, 'error');
      const exited = new Promise((resolve) => child.once('exit', (_code, killedBy) => resolve(killedBy)));
      aborter.abort();
      t.match(await failed, [{ name: 'AbortError' }]);
      t.equal(await exited, 'SIGTERM');
    });
  });
});

/** Waits until this process has closed its copy. */
async function closedHere(name: string): Promise<void> {
  while (heldHere().includes(name)) await nextTurn();
}

t.test('spawnQemu', async (t) => {
  const macs = { mac: '02:00:00:00:00:08', index: 8 };

  t.test('hands the devices over once the child runs', async (t) => {
    const one = deviceOn(t, 'a');
    const two = deviceOn(t, 'b', macs);
    const child = await spawnQemu(program, tell('-m', '64'), {
      env,
      nics: [{ device: one }, { device: two, id: 'wan' }],
    });
    const exited = once(child, 'exit');
    t.strictSame(one.calls, ['isAlive', 'suspend', 'handOff']);
    t.strictSame(two.calls, ['isAlive', 'suspend', 'handOff']);
    t.strictSame(await told(child), {
      args: [
        '-m',
        '64',
        '-netdev',
        'tap,id=tapfd0,fd=3',
        '-device',
        'virtio-net-pci,id=tapfd0-nic,netdev=tapfd0,mac=52:54:00:aa:bb:cc',
        '-netdev',
        'tap,id=wan,fd=4',
        '-device',
        'virtio-net-pci,id=wan-nic,netdev=wan,mac=52:54:00:00:00:08',
      ],
      held: { 3: 'a', 4: 'b' },
    });
    await closedHere('a');
    await closedHere('b');
    t.pass('the copies here are closed');
    await exited;
    t.equal(one.calls.at(-1), 'destroy', 'and what else there is of the devices goes with QEMU');
    t.equal(two.calls.at(-1), 'destroy');
  });

  t.test("counts on from the caller's stdio, in classic style too", async (t) => {
    const child = await spawnQemu(program, tell(), {
      env,
      nics: [{ device: deviceOn(t, 'a') }],
      style: 'classic',
      stdio: ['ignore', 'pipe', 'inherit', openFile(t, 'c')],
    });
    t.strictSame(await told(child), {
      args: ['-net', 'nic,model=virtio-net-pci,macaddr=52:54:00:aa:bb:cc', '-net', 'tap,fd=4'],
      held: { 3: 'c', 4: 'a' },
    });
  });

  t.test('gives the devices back when the child cannot be started', async (t) => {
    const device = deviceOn(t, 'a');
    await t.rejects(spawnQemu('/nonexistent/qemu', [], { nics: [{ device }] }), {
      code: 'ENOENT',
      syscall: 'spawn',
      path: '/nonexistent/qemu',
      message: /^spawnQemu: /,
    });
    t.strictSame(device.calls, ['isAlive', 'suspend', 'resume']);
    t.equal(fstatSync(device.fd).size, 5, 'its descriptor is open');
    const child = await spawnQemu(program, tell(), { env, nics: [{ device }] });
    t.strictSame((await told(child)).held, { 3: 'a' }, 'and good for another try');
  });

  t.test('refuses, without touching the device', async (t) => {
    const refused = async (device: FakeDevice, code: string, options = {}): Promise<void> => {
      await t.rejects(spawnQemu(program, [], { nics: [{ device }], ...options }), { code });
      t.notOk(device.calls.includes('suspend'), code);
    };
    await refused(deviceOn(t, 'a', { kind: 'tun', mac: undefined }), 'ERR_TAPFD_QEMU_TUN');
    await refused(deviceOn(t, 'a', { whenAsked: () => false }), 'ERR_TAPFD_QEMU_DEAD_DEVICE');
    const signal = AbortSignal.abort();
    await t.rejects(spawnQemu(program, [], { nics: [{ device: deviceOn(t, 'a') }], signal }), signal.reason);
  });

  t.test('a device closed while the kernel is asked', async (t) => {
    const device = deviceOn(t, 'a', {
      whenAsked: () => {
        device.destroyed = true;
        return true;
      },
    });
    await t.rejects(spawnQemu(program, [], { nics: [{ device }] }), { code: 'ERR_TAPFD_QEMU_DEAD_DEVICE' });
  });

  t.test('a device closed while the child starts is left to its owner', async (t) => {
    const device = deviceOn(t, 'a', {
      whenSuspended: () =>
        queueMicrotask(() => {
          device.destroyed = true;
        }),
    });
    const start = spawnQemu(program, tell(), { env, nics: [{ device }] });
    t.strictSame((await told(await start)).held, { 3: 'a' });
    t.strictSame(device.calls.slice(0, 3), ['isAlive', 'suspend', 'handOff']);
    t.equal(fstatSync(device.fd).size, 5, 'its descriptor is left to destroy()');
  });

  t.test('an abort while the kernel is asked gives the device back', async (t) => {
    const aborter = new AbortController();
    const device = deviceOn(t, 'a', {
      whenAsked: () => {
        aborter.abort();
        return true;
      },
    });
    await t.rejects(spawnQemu(program, [], { nics: [{ device }], signal: aborter.signal }), {
      name: 'AbortError',
    });
    t.strictSame(device.calls, ['isAlive', 'suspend', 'resume']);
  });

  t.test('a device serves one QEMU', async (t) => {
    const device = deviceOn(t, 'a');
    const first = spawnQemu('/nonexistent', [], { nics: [{ device }] });
    await t.rejects(spawnQemu(program, [], { nics: [{ device }] }), {
      code: 'ERR_TAPFD_QEMU_DEVICE_BUSY',
      interface: 'a',
    });
    await t.rejects(first, { code: 'ENOENT' });
    const child = await spawnQemu(program, tell(), { env, nics: [{ device }] });
    t.strictSame((await told(child)).held, { 3: 'a' }, 'free again after the failed start');
  });

  t.test('misuse', async (t) => {
    const nics = [{ device: deviceOn(t, 'a') }];
    const bad: [unknown[], string][] = [
      [['', [], { nics }], 'binary'],
      [['q', 'x', { nics }], 'args'],
      [['q', [1], { nics }], 'args[0]'],
      [['q', [], undefined], 'options'],
      [['q', [], {}], 'nics'],
      [['q', [], { nics, style: 'old' }], 'style'],
    ];
    for (const [args, argument] of bad) {
      // @ts-expect-error: these are the wrong types on purpose
      await t.rejects(spawnQemu(...args), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument }, argument);
    }
  });

  t.test('vhost asks for /dev/vhost-net', async (t) => {
    const asked: string[] = [];
    const opening = async (answer: () => Promise<object>): Promise<typeof spawnQemu> => {
      const mocked = await t.mockImport<typeof import('tapfd/qemu')>('#lib/qemu/index.js', {
        'node:fs/promises': {
          open: (file: string, flags: string) => {
            asked.push(file, flags);
            return answer();
          },
        },
      });
      return mocked.spawnQemu;
    };
    const device = deviceOn(t, 'a');
    const nics = [{ device, vhost: true }];
    const cause = Object.assign(new Error('a node without its driver'), { code: 'ENODEV' });
    const without = await opening(() => Promise.reject(cause));
    await t.rejects(without(program, [], { nics }), {
      code: 'ERR_TAPFD_QEMU_VHOST',
      path: '/dev/vhost-net',
      message: /modprobe vhost_net/,
      cause,
    });
    const having = await opening(() => Promise.resolve({ close: async () => asked.push('close') }));
    t.match((await told(await having(program, tell(), { env, nics }))).args[1], /,fd=3,vhost=on$/);
    t.strictSame(asked, ['/dev/vhost-net', 'r+', '/dev/vhost-net', 'r+', 'close']);
  });
});
