/** addNic and removeNic, step by step, against a monitor that refuses, hangs and dies where the test wants. */
import { once } from 'node:events';
import * as fs from 'node:fs';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type QemuHotPlugNic, QmpClient } from 'tapfd/qemu';
import { type FakeDevice, fakeDevice } from '../../kit/fake-device.js';
import { type Answer, type Command, FakeMonitor, refusal } from '../../kit/fake-monitor.js';

const directory = t.testdir({ a: '', b: '' });

function deviceOn(t: Test, name: string, facts = {}): FakeDevice {
  const fd = openSync(join(directory, name), 'r');
  const device = fakeDevice({ fd, ...facts });
  t.teardown(() => {
    if (!device.handedOff) closeSync(fd);
  });
  return device;
}

/** A QEMU that keeps count of what it was given. */
function qemu(): Answer {
  const named = new Set<unknown>();
  const sets = new Map<number, unknown>();
  const objects = new Set<unknown>();
  const take = (args: Command['arguments']): void => {
    for (const name of String(args.fds ?? args.fd).split(':')) named.delete(name);
  };
  const remove = (id: unknown): object =>
    objects.delete(id) ? { return: {} } : refusal(`Device '${id}' not found`, 'DeviceNotFound');
  return ({ execute, arguments: args, fds }) => {
    switch (execute) {
      case 'getfd':
        named.add(args.fdname);
        return fds.length === 1 ? { return: {} } : refusal('No file descriptor supplied via SCM_RIGHTS');
      case 'closefd':
        return named.delete(args.fdname) ? { return: {} } : refusal('File descriptor not found');
      case 'add-fd':
        sets.set(40 + sets.size, args.opaque);
        return { return: { 'fdset-id': sets.size - 1, fd: 39 + sets.size } };
      case 'query-fdsets':
        return {
          return: [
            { 'fdset-id': 99, fds: [{ fd: 99, opaque: 'somebody else' }] },
            ...[...sets].map(([fd, opaque]) => ({ 'fdset-id': fd - 40, fds: [{ fd, opaque }] })),
          ],
        };
      case 'remove-fd':
        return sets.delete(Number(args.fd)) ? { return: {} } : refusal('no such descriptor');
      case 'netdev_add':
      case 'device_add':
        take(args);
        objects.add(args.id);
        return { return: {} };
      case 'device_del':
      case 'netdev_del':
        return remove(args.id);
      case 'query-status':
        return { return: { running: true } };
      case 'what-is-left':
        return { return: [...named, ...sets.keys(), ...objects] };
      default:
        return { return: {} };
    }
  };
}

async function started(t: Test, answer = qemu()) {
  const monitor = new FakeMonitor(answer);
  const client = await QmpClient.connect(monitor);
  t.teardown(() => client[Symbol.asyncDispose]());
  return { monitor, client };
}

/** The guest lets go of whatever it is asked to. */
function withGuest(monitor: FakeMonitor): void {
  const { answer } = monitor;
  monitor.answer = (command) => {
    const answered = answer(command);
    if (command.execute === 'device_del' && answered && 'return' in answered) {
      // Quicker than QEMU's answer.
      monitor.happen('DEVICE_DELETED', { path: '/machine/x' });
      monitor.happen('DEVICE_DELETED', { device: command.arguments.id });
    }
    return answered;
  };
}

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
  t.strictSame(
    monitor.commands.slice(1).map(({ execute, arguments: args, fds }) => [execute, args, fds]),
    [
      ['getfd', { fdname: 'lan-fd0' }, [numbers[0]]],
      ['getfd', { fdname: 'lan-fd1' }, [numbers[1]]],
      ['netdev_add', { type: 'tap', id: 'lan', fds: 'lan-fd0:lan-fd1', sndbuf: 0 }, []],
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
    ],
  );
  for (const device of [one, two]) {
    t.strictSame(device.calls, ['isAlive', 'suspend', 'handOff']);
    t.equal(device.handedOff, true);
  }
  withGuest(monitor);
  await client.removeNic('lan');
  t.strictSame(monitor.names.slice(4), ['device_del', 'query-fdsets', 'netdev_del']);
  for (const device of [one, two]) t.equal(device.calls.at(-1), 'destroy');
  t.strictSame(await client.execute('what-is-left'), []);
});

t.test('add-fd: numbers out of labelled sets, which are removed by any client', async (t) => {
  const { monitor, client } = await started(t);
  const devices = [deviceOn(t, 'a'), deviceOn(t, 'b')];
  await client.addNic({ device: devices, id: 'lan', via: 'add-fd' });
  t.match(monitor.commands[2], { execute: 'add-fd', arguments: { opaque: 'tapfd lan' }, fds: [Number] });
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
  t.strictSame(other.names, ['device_del', 'query-fdsets', 'netdev_del', 'remove-fd', 'remove-fd']);
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
    if (command.execute === 'device_add') queueMicrotask(() => monitor.end());
    return answer(command);
  };
  const device = deviceOn(t, 'a');
  await client.addNic({ device });
  t.equal(client.closed, true);
  t.equal(device.destroyed, true);
});

type Via = NonNullable<QemuHotPlugNic['via']>;
const vias: Via[] = ['getfd', 'add-fd'];
for (const via of vias) {
  const passing = via === 'getfd' ? [via, via] : ['query-status', via, via];
  t.test(`${via}: whichever step is refused, all is as before`, async (t) => {
    for (const [step, name] of [...passing, 'netdev_add', 'device_add'].entries()) {
      const answer = qemu();
      const { monitor, client } = await started(t, answer);
      const devices = [deviceOn(t, 'a'), deviceOn(t, 'b')];
      let seen = 0;
      monitor.answer = (command) => {
        seen += 1;
        return seen === step + 1 ? refusal('injected') : answer(command);
      };
      await t.rejects(client.addNic({ device: devices, via }), {
        code: 'ERR_TAPFD_QMP',
        command: name,
        detail: 'injected',
      });
      t.strictSame(await client.execute('what-is-left'), [], `${name}, step ${step}`);
      for (const device of devices) {
        const restored = ['netdev_add', 'device_add'].includes(name) ? ['restoreSettings'] : [];
        t.strictSame(device.calls, ['isAlive', 'suspend', ...restored, 'resume']);
        t.ok(fstatSync(device.fd));
      }
      monitor.answer = answer;
      await client.addNic({ device: devices, via });
      t.equal(devices[0].handedOff, true, 'and the next try has them');
    }
  });
}

t.test('add-fd: the sets go in the same turn as the backend, which closes their numbers too', async (t) => {
  const answer = qemu();
  const { monitor, client } = await started(t, answer);
  monitor.answer = (command) => {
    if (command.execute === 'device_add') return refusal('injected');
    return command.execute === 'netdev_del' ? undefined : answer(command);
  };
  const device = [deviceOn(t, 'a'), deviceOn(t, 'b')];
  const adding = client.addNic({ device, id: 'x', via: 'add-fd' });
  while (monitor.names.at(-1) !== 'remove-fd') await nextTurn();
  t.strictSame(monitor.names.slice(5), ['netdev_del', 'remove-fd', 'remove-fd'], 'QEMU is not asked first');
  monitor.say({ return: {}, id: monitor.commands.at(-3)?.id });
  await t.rejects(adding, { code: 'ERR_TAPFD_QMP', command: 'device_add' });
});

t.test('aborted', async (t) => {
  t.test('before: nothing is sent', async (t) => {
    const { monitor, client } = await started(t);
    const device = deviceOn(t, 'a');
    const signal = AbortSignal.abort(new Error('no'));
    await t.rejects(client.addNic({ device }, { signal }), { message: 'no' });
    t.strictSame([monitor.names, device.calls], [[], []]);
  });

  for (const [position, name] of ['getfd', 'netdev_add'].entries()) {
    t.test(`while QEMU is at ${name}: it is undone as soon as QEMU has answered`, async (t) => {
      const answer = qemu();
      const { monitor, client } = await started(t, answer);
      const device = deviceOn(t, 'a');
      const aborter = new AbortController();
      monitor.answer = (command) => {
        if (command.execute === name) aborter.abort(new Error('no'));
        return answer(command);
      };
      await t.rejects(client.addNic({ device, id: 'x' }, { signal: aborter.signal }), { message: 'no' });
      t.equal(monitor.names[position], name);
      t.notOk(monitor.names.includes('device_add'));
      t.strictSame(await client.execute('what-is-left'), []);
      t.equal(device.calls.at(-1), 'resume');
    });
  }

  t.test('while QEMU is at the last step: the card is there', async (t) => {
    const answer = qemu();
    const { monitor, client } = await started(t, answer);
    const aborter = new AbortController();
    monitor.answer = (command) => {
      if (command.execute === 'device_add') aborter.abort();
      return answer(command);
    };
    await client.addNic({ device: deviceOn(t, 'a'), id: 'x' }, { signal: aborter.signal });
    t.strictSame(await client.execute('what-is-left'), ['x', 'x-nic']);
  });

  t.test('while QEMU hangs: the error tells what may be left', async (t) => {
    const answer = qemu();
    const { monitor, client } = await started(t, answer);
    const device = deviceOn(t, 'a');
    const aborter = new AbortController();
    monitor.answer = (command) => {
      if (command.execute === 'getfd') return answer(command);
      aborter.abort(new Error('no'));
      return undefined;
    };
    await t.rejects(client.addNic({ device, id: 'x' }, { signal: aborter.signal, undoTimeoutMs: 20 }), {
      code: 'ERR_TAPFD_QMP_NOT_UNDONE',
      message: /netdev "x" .*descriptor "x-fd0"/,
      cause: { message: 'no' },
    });
    t.equal(device.calls.at(-1), 'resume');
  });
});

t.test('a step whose answer is missed is undone as well', async (t) => {
  const late = async (t: Test, step: string, isDone: boolean) => {
    const answer = qemu();
    const { monitor, client } = await started(t, answer);
    const aborter = new AbortController();
    monitor.answer = (command) => {
      if (command.execute !== step) return answer(command);
      if (isDone) answer(command);
      aborter.abort(new Error('no'));
      return undefined;
    };
    const device = [deviceOn(t, 'a'), deviceOn(t, 'b')];
    const limits = { signal: aborter.signal, undoTimeoutMs: 20 };
    return { client, added: (via: Via) => client.addNic({ device, id: 'x', via }, limits) };
  };
  for (const via of vias) {
    for (const step of [via, 'netdev_add']) {
      for (const isDone of [true, false]) {
        const { client, added } = await late(t, step, isDone);
        await t.rejects(added(via), { message: 'no' }, step);
        t.strictSame(await client.execute('what-is-left'), [], `${via}: ${step}`);
      }
    }
    const { client, added } = await late(t, 'device_add', false);
    await t.rejects(added(via), { message: 'no' });
    t.strictSame(await client.execute('what-is-left'), []);
    const plugged = await late(t, 'device_add', true);
    await t.rejects(plugged.added(via), {
      code: 'ERR_TAPFD_QMP_NOT_UNDONE',
      message: /left with card "x-nic" \(Error: the guest was asked to release it\)$/,
    });
    t.strictSame(await plugged.client.execute('what-is-left'), []);
  }
});

t.test('what cannot be undone is told', async (t) => {
  const answer = qemu();
  const { monitor, client } = await started(t, answer);
  monitor.answer = (command) =>
    ['device_add', 'netdev_del'].includes(command.execute) ? refusal('injected') : answer(command);
  await t.rejects(client.addNic({ device: deviceOn(t, 'a'), id: 'x' }), {
    code: 'ERR_TAPFD_QMP_NOT_UNDONE',
    message: /device_add: QEMU says: injected.*left with netdev "x" \(.*injected/,
    cause: { code: 'ERR_TAPFD_QMP', command: 'device_add' },
  });
});

t.test('what is not undone for another reason', async (t) => {
  const answer = qemu();
  const { monitor, client } = await started(t, answer);
  const aborter = new AbortController();
  monitor.answer = (command) => {
    if (command.execute === 'netdev_add') aborter.abort(new Error('no'));
    else if (command.execute === 'netdev_del') return refusal("Device 'x' is not a netdev");
    else return answer(command);
    return undefined;
  };
  const limits = { signal: aborter.signal, undoTimeoutMs: 20 };
  await t.rejects(client.addNic({ device: deviceOn(t, 'a'), id: 'x' }, limits), {
    code: 'ERR_TAPFD_QMP_NOT_UNDONE',
    message: /netdev "x" \(.*not a netdev/,
  });
});

t.test('a connection that ends in between', async (t) => {
  const endAt = async (t: Test, step: string, end: (monitor: FakeMonitor, client: QmpClient) => unknown) => {
    const answer = qemu();
    const { monitor, client } = await started(t, answer);
    const device = deviceOn(t, 'a');
    monitor.answer = (command) => {
      if (command.execute !== step) return answer(command);
      return void end(monitor, client);
    };
    const added = client.addNic({ device, id: 'x' });
    await added.catch(() => {});
    t.equal(device.calls.at(-1), 'resume', 'the device is the caller’s');
    return added;
  };

  t.test('with QEMU: nothing is left', async (t) => {
    await t.rejects(
      endAt(t, 'netdev_add', (monitor) => monitor.end()),
      { code: 'ERR_TAPFD_QMP_CLOSED' },
    );
    const refuseAndEnd = (monitor: FakeMonitor): void => {
      monitor.say({ id: monitor.commands.at(-1)?.id, ...refusal('injected') });
      monitor.end();
    };
    await t.rejects(endAt(t, 'device_add', refuseAndEnd), { code: 'ERR_TAPFD_QMP', command: 'device_add' });
  });

  t.test('while QEMU lives: what is left is told', async (t) => {
    const ends: [(monitor: FakeMonitor, client: QmpClient) => unknown, string][] = [
      [(_monitor, client) => client.close(), 'ERR_TAPFD_QMP_CLOSED'],
      [(monitor) => monitor.end(new Error('the proxy is gone')), 'ERR_TAPFD_QMP_CLOSED'],
      [(monitor) => monitor.say('no QMP\n'), 'ERR_TAPFD_QMP_PROTOCOL'],
    ];
    for (const [end, code] of ends) {
      await t.rejects(endAt(t, 'getfd', end), {
        code: 'ERR_TAPFD_QMP_NOT_UNDONE',
        message: /left with descriptor "x-fd0"/,
        cause: { code },
      });
      await t.rejects(endAt(t, 'netdev_add', end), {
        code: 'ERR_TAPFD_QMP_NOT_UNDONE',
        message: /left with netdev "x" .*, descriptor "x-fd0"/,
        cause: { code },
      });
    }
  });

  t.test('before: nothing was sent', async (t) => {
    const { client } = await started(t);
    await client.close();
    await t.rejects(client.addNic({ device: deviceOn(t, 'a') }), { code: 'ERR_TAPFD_QMP_CLOSED' });
  });
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
    t.strictSame(
      monitor.commands.slice(1, 5).map(({ arguments: { fdname }, fds }) => [fdname, ...fds]),
      passed.map((fd, i) => [`lan-fd${i}`, fd]),
    );
    t.match(monitor.commands[5], {
      execute: 'netdev_add',
      arguments: { fds: 'lan-fd0:lan-fd1', vhost: true, vhostfds: 'lan-fd2:lan-fd3' },
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

t.test('removing', async (t) => {
  t.test('a card that is not there', async (t) => {
    const { client } = await started(t);
    await t.rejects(client.removeNic('x'), { code: 'ERR_TAPFD_QMP', qmpClass: 'DeviceNotFound' });
  });

  t.test('a guest that takes its time: a second call waits for the first request', async (t) => {
    const answer = qemu();
    const { monitor, client } = await started(t, answer);
    const device = deviceOn(t, 'a');
    await client.addNic({ device, id: 'x' });
    let asked = 0;
    monitor.answer = (command) => {
      if (command.execute !== 'device_del') return answer(command);
      asked += 1;
      return asked === 1 ? { return: {} } : refusal('guest is busy (power indicator blinking)');
    };
    const aborter = new AbortController();
    const first = client.removeNic('x', { signal: aborter.signal });
    await nextTurn();
    aborter.abort(new Error('later'));
    await t.rejects(first, { message: 'later' });
    t.equal(device.destroyed, false);
    const second = client.removeNic('x');
    await nextTurn();
    monitor.happen('DEVICE_DELETED', { device: 'x-nic' });
    await second;
    t.equal(device.destroyed, true);
    await t.rejects(
      client.removeNic('x'),
      { code: 'ERR_TAPFD_QMP', command: 'device_del' },
      'and none is under way',
    );
  });

  t.test('one that was asked by an earlier client', async (t) => {
    const answer = qemu();
    const { client } = await started(t, answer);
    await client.addNic({ device: deviceOn(t, 'a'), id: 'x' });
    const next = await started(t, (command) =>
      command.execute === 'device_del'
        ? refusal('Device x-nic is already in the process of unplug')
        : answer(command),
    );
    const removing = next.client.removeNic('x');
    await nextTurn();
    next.monitor.happen('DEVICE_DELETED', { device: 'x-nic' });
    await removing;
  });

  t.test('a call that was aborted when the backend was gone already', async (t) => {
    const answer = qemu();
    const { monitor, client } = await started(t, answer);
    const device = deviceOn(t, 'a');
    await client.addNic({ device, id: 'x' });
    const aborter = new AbortController();
    monitor.answer = (command) => {
      const answered = answer(command);
      if (command.execute === 'netdev_del') aborter.abort(new Error('later'));
      return answered;
    };
    withGuest(monitor);
    await t.rejects(client.removeNic('x', { signal: aborter.signal }), { message: 'later' });
    t.equal(device.destroyed, false);
    await client.removeNic('x');
    t.equal(device.destroyed, true);
    await t.rejects(client.removeNic('x'), { code: 'ERR_TAPFD_QMP', command: 'netdev_del' });
  });

  t.test('a set that QEMU does not remove', async (t) => {
    const answer = qemu();
    const { monitor, client } = await started(t, answer);
    const device = deviceOn(t, 'a');
    await client.addNic({ device, id: 'x', via: 'add-fd' });
    monitor.answer = (command) => (command.execute === 'remove-fd' ? refusal('injected') : answer(command));
    withGuest(monitor);
    await t.rejects(client.removeNic('x'), { code: 'ERR_TAPFD_QMP', command: 'remove-fd' });
    t.equal(device.destroyed, true, 'the card is gone all the same');
  });

  t.test('a guest that has let go after the call was aborted', async (t) => {
    const { client } = await started(t);
    await client.addNic({ device: deviceOn(t, 'a'), id: 'x' });
    const aborter = new AbortController();
    const first = client.removeNic('x', { signal: aborter.signal });
    aborter.abort(new Error('later'));
    await t.rejects(first, { message: 'later' });
    await client.removeNic('x');
    t.strictSame(await client.execute('what-is-left'), []);
  });

  t.test('a QEMU that has nothing to tell of descriptor sets', async (t) => {
    for (const sets of [{}, [{ 'fdset-id': 1 }]]) {
      const answer = qemu();
      const { monitor, client } = await started(t, answer);
      await client.addNic({ device: deviceOn(t, 'a'), id: 'x' });
      monitor.answer = (command) => (command.execute === 'query-fdsets' ? { return: sets } : answer(command));
      withGuest(monitor);
      await client.removeNic('x');
      t.strictSame(await client.execute('what-is-left'), []);
    }
  });

  t.test('a guest that refuses', async (t) => {
    const { monitor, client } = await started(t);
    await client.addNic({ device: deviceOn(t, 'a'), id: 'x' });
    const removing = client.removeNic('x');
    await nextTurn();
    monitor.happen('DEVICE_UNPLUG_GUEST_ERROR', { device: 'x-nic' });
    await t.rejects(removing, { code: 'ERR_TAPFD_QMP_UNPLUG', recoverable: true });
  });

  t.test('QEMU ends in between', async (t) => {
    const { monitor, client } = await started(t);
    const device = deviceOn(t, 'a');
    await client.addNic({ device, id: 'x' });
    const removing = client.removeNic('x');
    await nextTurn();
    monitor.end();
    await t.rejects(removing, { code: 'ERR_TAPFD_QMP_CLOSED' });
    t.equal(device.destroyed, true);
  });
});
