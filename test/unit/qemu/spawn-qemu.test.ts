/** spawnQemu(): devices handed over to a child, or given back. */
import { once } from 'node:events';
import { fstatSync } from 'node:fs';
import t from 'tap';
import { spawnQemu } from 'tapfd/qemu';
import type { FakeDevice } from '../../kit/fake-device.js';
import { closedHere, deviceOn, env, openFile, program, tell, told } from '../../kit/holding-child.js';

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
      [['q', new Array(1), { nics }], 'args[0]'],
      [['q', [], { nics, detach: true }], 'detach'],
      [['q', [], { nics, signal: {} }], 'signal'],
      [['q', [], { nics }, {}], 'argument 4'],
      [['q', [], undefined], 'options'],
      [['q', [], {}], 'nics'],
      [['q', [], { nics, style: 'old' }], 'style'],
    ];
    for (const [args, argument] of bad) {
      // @ts-expect-error: these are the wrong types on purpose
      await t.rejects(spawnQemu(...args), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument }, argument);
    }
  });

  t.test('what the caller does with its objects during the call does not matter', async (t) => {
    const device = deviceOn(t, 'a');
    const [args, own, nics] = [tell('-m', '64'), { ...env }, [{ device, id: 'lan' }]];
    const spawning = spawnQemu(program, args, { env: own, nics });
    args.length = 0;
    Object.assign(own, { NODE_OPTIONS: '--no-such-option' });
    nics[0].id = 'wan';
    nics.push({ device, id: 'b' });
    const child = await spawning;
    const { pid }: { pid: number } = child;
    t.ok(pid > 0);
    t.strictSame((await told(child)).args.slice(0, 4), ['-m', '64', '-netdev', 'tap,id=lan,fd=3']);
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
