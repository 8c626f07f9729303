/** addNic(): the steps, and what it hands over. */
import { once } from 'node:events';
import * as fs from 'node:fs';
import t from 'tap';
import { QmpClient } from 'tapfd/qemu';
import { FakeMonitor } from '../../kit/fake-monitor.js';
import { deviceOn, qemu, started, withGuest } from '../../kit/hot-plug-monitor.js';

t.test('getfd: the steps, with the words of spawnQemu', async (t) => {
  const { monitor, client } = await started(t);
  const [one, two] = [deviceOn(t, 'a'), deviceOn(t, 'b')];
  const numbers = [one.fd, two.fd];
  const added = await client.addNic({
    device: [one, two],
    id: 'lan',
    mac: '52:54:00:00:00:01',
    bus: 'rp0',
    romfile: '',
    properties: { host_mtu: 1400 },
    netdevProperties: { sndbuf: 0 },
  });
  t.strictSame(added, { netdevId: 'lan', deviceId: 'lan-nic', mac: '52:54:00:00:00:01' });
  const [name0, name1] = monitor.commands.slice(1, 3).map(({ arguments: args }) => String(args.fdname));
  t.match(name0, /^lan-[0-9a-f]{8}-fd0$/, 'unique to the call');
  const path = '/machine/peripheral/lan-nic';
  t.strictSame(
    monitor.commands.slice(1).map(({ execute, arguments: args, fds }) => [execute, args, fds]),
    [
      ['getfd', { fdname: name0 }, [numbers[0]]],
      ['getfd', { fdname: name1 }, [numbers[1]]],
      ['netdev_add', { type: 'tap', id: 'lan', fds: `${name0}:${name1}`, sndbuf: 0 }, []],
      [
        'device_add',
        {
          driver: 'virtio-net-pci',
          id: 'lan-nic',
          netdev: 'lan',
          mac: '52:54:00:00:00:01',
          mq: true,
          vectors: 6,
          bus: 'rp0',
          romfile: '',
          host_mtu: 1400,
        },
        [],
      ],
      ['qom-get', { path, property: 'netdev' }, []],
      ['qom-get', { path, property: 'mac' }, []],
    ],
  );
  for (const device of [one, two]) {
    t.strictSame(device.calls, ['isAlive', 'suspend', 'handOff']);
    t.equal(device.handedOff, true);
  }
  withGuest(monitor);
  await client.removeNic('lan');
  t.strictSame(monitor.names.slice(6), ['device_del', 'query-fdsets', 'netdev_del']);
  for (const device of [one, two]) t.equal(device.calls.at(-1), 'destroy');
  t.strictSame(await client.execute('what-is-left'), []);
});

t.test('add-fd: numbers out of labelled sets, which are removed by any client', async (t) => {
  const { monitor, client } = await started(t);
  const devices = [deviceOn(t, 'a'), deviceOn(t, 'b')];
  await client.addNic({ device: devices, id: 'lan', via: 'add-fd' });
  t.match(monitor.commands[2], {
    execute: 'add-fd',
    arguments: { opaque: /^tapfd lan-[0-9a-f]{8}$/ },
    fds: [Number],
  });
  t.match(monitor.commands[4], { execute: 'netdev_add', arguments: { fds: '40:41' } });
  withGuest(monitor);
  const other = new FakeMonitor(monitor.answer);
  const { answer } = monitor;
  other.answer = (command) => {
    const answered = answer(command);
    if (command.execute === 'device_del') other.happen('DEVICE_DELETED', { device: 'lan-nic' });
    return answered;
  };
  const second = await QmpClient.connect(other);
  await second.removeNic('lan');
  t.strictSame(other.names, [
    ...['device_del', 'query-fdsets', 'human-monitor-command', 'query-status'],
    ...['netdev_del', 'remove-fd', 'remove-fd'],
  ]);
  t.strictSame(await client.execute('what-is-left'), []);
  t.notOk(devices[0].destroyed, 'the devices are those of the client that plugged them in');
  await client.close();
  t.notOk(devices[0].destroyed, 'and stay when it is closed here');
});

t.test('without an id it has one of its own; a device without a wish gets a MAC', async (t) => {
  const { client } = await started(t);
  const first = await client.addNic({ device: deviceOn(t, 'a') });
  const second = await client.addNic({ device: deviceOn(t, 'b') });
  t.match(first, { netdevId: /^tapfd-[0-9a-f]{8}$/, mac: '52:54:00:aa:bb:cc' });
  t.not(first.netdevId, second.netdevId);
});

t.test('when QEMU ends, so do the devices', async (t) => {
  const { monitor, client } = await started(t);
  const device = deviceOn(t, 'a');
  await client.addNic({ device });
  const closed = once(client, 'close');
  monitor.end();
  await closed;
  t.equal(device.destroyed, true);

  const again = await started(t);
  const stays = deviceOn(t, 'b');
  await again.client.addNic({ device: stays });
  const lost = once(again.client, 'close');
  again.monitor.say('no QMP\n');
  await lost;
  t.equal(stays.destroyed, false, 'but not when only the connection is lost');
});

t.test('QEMU ends right after its last answer: the device goes all the same', async (t) => {
  const answer = qemu();
  const { monitor, client } = await started(t, answer);
  monitor.answer = (command) => {
    if (command.arguments.property === 'mac') queueMicrotask(() => monitor.end());
    return answer(command);
  };
  const device = deviceOn(t, 'a');
  await client.addNic({ device });
  t.equal(client.closed, true);
  t.equal(device.destroyed, true);
});

t.test('a device is looked at anew before each step', async (t) => {
  const answer = qemu();
  const { monitor, client } = await started(t, answer);
  const device = deviceOn(t, 'a');
  monitor.answer = (command) => {
    if (command.execute === 'netdev_add') device.destroyed = true;
    return answer(command);
  };
  await t.rejects(client.addNic({ device }), { code: 'ERR_TAPFD_QEMU_DEAD_DEVICE' });
  t.strictSame(await client.execute('what-is-left'), []);

  const dead = deviceOn(t, 'b', { whenAsked: () => false });
  await t.rejects(client.addNic({ device: dead }), { code: 'ERR_TAPFD_QEMU_DEAD_DEVICE' });
});

t.test('vhost', async (t) => {
  const mockedClient = async (mocks: Record<string, unknown>) => {
    const mocked = await t.mockImport<typeof import('tapfd/qemu')>('#lib/qemu/index.js', mocks);
    const monitor = new FakeMonitor(qemu());
    return { monitor, client: await mocked.QmpClient.connect(monitor) };
  };

  t.test('where its device cannot be opened', async (t) => {
    const open = () => Promise.reject(new Error('missing'));
    const { monitor, client } = await mockedClient({ 'node:fs/promises': { open } });
    await t.rejects(client.addNic({ device: deviceOn(t, 'a'), vhost: true }), {
      code: 'ERR_TAPFD_QEMU_VHOST',
      message: /^addNic: /,
    });
    t.strictSame(monitor.names, []);
  });

  t.test('with descriptors of it, which have names like the others', async (t) => {
    const fstatSync = () => ({ rdev: (10 << 8) | 238, isCharacterDevice: () => true });
    const { monitor, client } = await mockedClient({ 'node:fs': t.createMock(fs, { fstatSync }) });
    const device = [deviceOn(t, 'a'), deviceOn(t, 'b')];
    const passed = [...device.map(({ fd }) => fd), 1, 2];
    await client.addNic({ device, id: 'lan', vhostFds: [1, { fd: 2 }] });
    const call = String(monitor.commands[1].arguments.fdname).slice(0, -'-fd0'.length);
    t.strictSame(
      monitor.commands.slice(1, 5).map(({ arguments: { fdname }, fds }) => [fdname, ...fds]),
      passed.map((fd, i) => [`${call}-fd${i}`, fd]),
    );
    t.match(monitor.commands[5], {
      execute: 'netdev_add',
      arguments: { fds: `${call}-fd0:${call}-fd1`, vhost: true, vhostfds: `${call}-fd2:${call}-fd3` },
    });
  });
});

t.test('a device serves one guest', async (t) => {
  const { client } = await started(t);
  const device = deviceOn(t, 'a');
  const first = client.addNic({ device });
  await t.rejects(client.addNic({ device }), { code: 'ERR_TAPFD_QEMU_DEVICE_BUSY', message: /^addNic: / });
  await first;
});
