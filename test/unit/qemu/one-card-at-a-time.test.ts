/** Calls on one card: they stand in line, an undo takes back only what its call did, and each device has its own end. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { QemuHotPlugNic } from 'tapfd/qemu';
import { type Answer, FakeMonitor, refusal } from '../../kit/fake-monitor.js';
import { deviceOn, qemu, started, withGuest } from '../../kit/hot-plug-monitor.js';

type Via = NonNullable<QemuHotPlugNic['via']>;
const vias: Via[] = ['getfd', 'add-fd'];

/** Does `command`, does not answer it, and aborts. */
function losing(answer: Answer, command: string) {
  const aborter = new AbortController();
  const lossy: Answer = (given) => {
    const answered = answer(given);
    if (given.execute !== command) return answered;
    aborter.abort(new Error('enough'));
    return undefined;
  };
  return { lossy, limits: { signal: aborter.signal, undoTimeoutMs: 40 } };
}

t.test('in line', async (t) => {
  t.test('of two addNic of one id the second is refused', async (t) => {
    const { client } = await started(t);
    const [one, two] = [deviceOn(t, 'a'), deviceOn(t, 'b')];
    const first = client.addNic({ device: one, id: 'x' });
    await t.rejects(client.addNic({ device: two, id: 'x' }), {
      code: 'ERR_TAPFD_QMP',
      command: 'netdev_add',
      detail: /Duplicate/,
    });
    await first;
    t.strictSame(await client.execute('what-is-left'), ['x', 'x-nic']);
    t.strictSame([one.handedOff, two.handedOff], [true, false]);
    t.equal(two.calls.at(-1), 'resume');
  });

  t.test('removeNic twice at once: what both wanted is done', async (t) => {
    for (const via of vias) {
      const { monitor, client } = await started(t);
      await client.addNic({ device: deviceOn(t, 'a'), id: 'x', via });
      withGuest(monitor);
      await Promise.all([client.removeNic('x'), client.removeNic('x')]);
      t.equal(monitor.names.filter((name) => name === 'device_del').length, 1);
      t.strictSame(await client.execute('what-is-left'), []);
      await t.rejects(client.removeNic('x'), { code: 'ERR_TAPFD_QMP', qmpClass: 'DeviceNotFound' });
    }
  });

  t.test('a call that is aborted while it waits lets nobody pass', async (t) => {
    const { monitor, client } = await started(t);
    await client.addNic({ device: deviceOn(t, 'a'), id: 'x' });
    const first = client.removeNic('x');
    await nextTurn();
    const aborter = new AbortController();
    const second = client.removeNic('x', { signal: aborter.signal });
    const adding = client.addNic({ device: deviceOn(t, 'b'), id: 'x' });
    aborter.abort(new Error('enough'));
    await t.rejects(second, { message: 'enough' });
    await nextTurn();
    t.equal(monitor.names.at(-1), 'device_del', 'the first still waits for the guest');
    monitor.happen('DEVICE_DELETED', { device: 'x-nic' });
    await first;
    await adding;
    t.strictSame(await client.execute('what-is-left'), ['x', 'x-nic']);
  });
});

t.test('another client', async (t) => {
  /** Two clients of one QEMU. */
  const two = async (t: Test) => {
    const answer = qemu();
    return { answer, one: await started(t, answer), other: await started(t, answer) };
  };

  t.test('a backend without a card that this client knows nothing of is left alone', async (t) => {
    const { one, other } = await two(t);
    await one.client.execute('netdev_add', { id: 'x', type: 'tap', fd: 'mine' });
    await t.rejects(other.client.removeNic('x'), { code: 'ERR_TAPFD_QMP', command: 'device_del' });
    t.strictSame(await one.client.execute('what-is-left'), ['x']);
  });

  t.test('the sets of another card that is to have the same id are left alone', async (t) => {
    const { one, other } = await two(t);
    await one.client.addNic({ device: deviceOn(t, 'a'), id: 'x', via: 'add-fd' });
    const foreign = await other.client.execute('add-fd', { opaque: 'tapfd x-12345678' }, { fds: [1] });
    withGuest(one.monitor);
    await one.client.removeNic('x');
    t.match(await one.client.execute('query-fdsets'), [{}, { 'fdset-id': Object(foreign)['fdset-id'] }]);
  });

  t.test('it has removed the card, and finished first', async (t) => {
    const { answer, one } = await two(t);
    const device = deviceOn(t, 'a');
    await one.client.addNic({ device, id: 'x', via: 'add-fd' });
    one.monitor.answer = (command) => {
      if (command.execute === 'remove-fd') {
        answer(command);
        return refusal('File descriptor not found');
      }
      return command.execute === 'netdev_del' ? refusal('gone', 'DeviceNotFound') : answer(command);
    };
    withGuest(one.monitor);
    await one.client.removeNic('x');
    t.equal(device.destroyed, true);
  });

  t.test('it has removed a card whose id is then used again: both devices end with QEMU', async (t) => {
    const { one, other } = await two(t);
    const [first, second] = [deviceOn(t, 'a'), deviceOn(t, 'b')];
    await one.client.addNic({ device: first, id: 'x' });
    withGuest(other.monitor);
    await other.client.removeNic('x');
    t.equal(first.destroyed, false);
    await one.client.addNic({ device: second, id: 'x' });
    t.equal(first.destroyed, true, 'QEMU cannot have its card any more');
    t.equal(second.destroyed, false);
    one.monitor.end();
    await nextTurn();
    t.equal(second.destroyed, true);
  });

  t.test('an aborted removeNic has done so', async (t) => {
    const { answer, one } = await two(t);
    const [first, second] = [deviceOn(t, 'a'), deviceOn(t, 'b')];
    await one.client.addNic({ device: first, id: 'x' });
    const { lossy, limits } = losing(answer, 'netdev_del');
    one.monitor.answer = lossy;
    withGuest(one.monitor);
    await t.rejects(one.client.removeNic('x', limits.signal ? { signal: limits.signal } : {}), {
      message: 'enough',
    });
    one.monitor.answer = answer;
    await one.client.addNic({ device: second, id: 'x' });
    one.monitor.end();
    await nextTurn();
    t.strictSame([first.destroyed, second.destroyed], [true, true]);
  });
});

t.test('an undo takes back only what its call did', async (t) => {
  for (const via of vias) {
    t.test(`${via}: not a running card, whose id it was refused without hearing of it`, async (t) => {
      const answer = qemu();
      const { monitor, client } = await started(t, answer);
      const running = deviceOn(t, 'a');
      await client.addNic({ device: running, id: 'x', via: 'add-fd' });
      const before = await client.execute('what-is-left');
      const { lossy, limits } = losing(answer, 'netdev_add');
      monitor.answer = lossy;
      await t.rejects(client.addNic({ device: deviceOn(t, 'b'), id: 'x', via }, limits), {
        message: 'enough',
      });
      t.strictSame(await client.execute('what-is-left'), before);
      t.equal(running.destroyed, false);
    });

    t.test(`${via}: aborted at any step while a card of that id runs`, async (t) => {
      for (const step of via === 'getfd' ? [via, 'netdev_add'] : ['query-status', via, 'netdev_add']) {
        const answer = qemu();
        const { monitor, client } = await started(t, answer);
        await client.addNic({ device: deviceOn(t, 'a'), id: 'x', via: 'add-fd' });
        const before = await client.execute('what-is-left');
        const aborter = new AbortController();
        monitor.answer = (command) => {
          if (command.execute === step) aborter.abort(new Error('enough'));
          return answer(command);
        };
        const device = deviceOn(t, 'b');
        await t.rejects(client.addNic({ device, id: 'x', via }, { signal: aborter.signal }));
        t.strictSame(await client.execute('what-is-left'), before, step);
      }
    });
  }

  t.test('not a card of somebody else with the same id', async (t) => {
    const answer = qemu();
    const { monitor, client } = await started(t, answer);
    await client.execute('device_add', { id: 'x-nic', netdev: 'other' });
    const { lossy, limits } = losing(answer, 'device_add');
    monitor.answer = lossy;
    await t.rejects(client.addNic({ device: deviceOn(t, 'a'), id: 'x' }, limits), { message: 'enough' });
    t.strictSame(await client.execute('what-is-left'), ['x-nic']);
  });

  t.test('what somebody else has removed meanwhile is not left', async (t) => {
    const answer = qemu();
    const { monitor, client } = await started(t, answer);
    monitor.answer = (command) => {
      if (command.execute !== 'device_add') return answer(command);
      answer({ ...command, execute: 'netdev_del', arguments: { id: 'x' } });
      return refusal("can't find value 'x'");
    };
    await t.rejects(client.addNic({ device: deviceOn(t, 'a'), id: 'x' }), {
      code: 'ERR_TAPFD_QMP',
      command: 'device_add',
    });
  });

  t.test('a card that is on another backend in the end', async (t) => {
    const other = { netdev: 'y', mac: '52:54:00:00:00:99' };
    for (const property of ['netdev', 'mac'] as const) {
      const answer = qemu();
      const { monitor, client } = await started(t, answer);
      monitor.answer = (command) =>
        command.arguments.property === property ? { return: other[property] } : answer(command);
      const device = deviceOn(t, 'a');
      await t.rejects(client.addNic({ device, id: 'x' }), {
        code: 'ERR_TAPFD_QMP_NOT_UNDONE',
        message: /card "x-nic" \(Error: the guest was asked to release it\)/,
        cause: { code: 'ERR_TAPFD_WRONG_DEVICE', message: new RegExp(other[property]) },
      });
      t.equal(device.calls.at(-1), 'resume');
      monitor.answer = answer;
      t.strictSame(await client.execute('what-is-left'), []);
    }
  });

  t.test('what could not be undone can be removed later', async (t) => {
    const answer = qemu();
    const { monitor, client } = await started(t, answer);
    monitor.answer = (command) =>
      ['device_add', 'netdev_del'].includes(command.execute) ? refusal('injected') : answer(command);
    const device = deviceOn(t, 'a');
    await t.rejects(client.addNic({ device, id: 'x' }), { code: 'ERR_TAPFD_QMP_NOT_UNDONE' });
    monitor.answer = answer;
    await client.removeNic('x');
    t.strictSame(await client.execute('what-is-left'), []);
    t.equal(device.destroyed, false, 'it was given back');
  });

  t.test('the connection is over before QEMU says whose the backend is', async (t) => {
    for (const via of vias) {
      const answer = qemu();
      const { monitor, client } = await started(t, answer);
      const { lossy, limits } = losing(answer, 'netdev_add');
      monitor.answer = (command) => {
        if (['closefd', 'human-monitor-command'].includes(command.execute)) return void client.close();
        return lossy(command);
      };
      await t.rejects(client.addNic({ device: deviceOn(t, 'a'), id: 'x', via }, limits), {
        code: 'ERR_TAPFD_QMP_NOT_UNDONE',
        message: /left with netdev "x"/,
      });
    }
  });

  t.test('undoTimeoutMs limits all of it', async (t) => {
    const answer = qemu();
    const { monitor, client } = await started(t, answer);
    const aborter = new AbortController();
    monitor.answer = (command) => {
      if (command.execute !== 'netdev_add')
        return command.execute === 'closefd' ? undefined : answer(command);
      aborter.abort(new Error('enough'));
      return undefined;
    };
    const delays: number[] = [];
    const original = globalThis.setTimeout;
    const recording = (run: () => void, ms: number) => {
      delays.push(ms);
      return original(run, ms);
    };
    globalThis.setTimeout = Object.assign(recording, original);
    t.teardown(() => {
      globalThis.setTimeout = original;
    });
    const limits = { signal: aborter.signal, undoTimeoutMs: 100 };
    await t.rejects(client.addNic({ device: deviceOn(t, 'a'), id: 'x' }, limits), {
      code: 'ERR_TAPFD_QMP_NOT_UNDONE',
    });
    t.equal(delays.length, 2, 'for the answer, and for the undoing');
    // Timers fire a little early; each would be 100 if there were two limits.
    t.ok(delays[0] + delays[1] <= 110, String(delays));
  });
});

t.test('answers that QEMU would not give', async (t) => {
  const answers: [string, unknown][] = [
    ['query-status', {}],
    ['query-status', null],
    ['add-fd', null],
    ['add-fd', { 'fdset-id': { valueOf: 1, toString: 1 }, fd: 1 }],
    ['add-fd', { 'fdset-id': 1, fd: 'x' }],
    ['qom-get', { toString: 1 }],
  ];
  for (const [name, value] of answers) {
    const answer = qemu();
    const { monitor, client } = await started(t, answer);
    monitor.answer = (command) => (command.execute === name ? { return: value } : answer(command));
    const error = await client.addNic({ device: deviceOn(t, 'a'), id: 'x', via: 'add-fd' }).catch((e) => e);
    t.match(error.code === 'ERR_TAPFD_QMP_NOT_UNDONE' ? error.cause : error, {
      code: 'ERR_TAPFD_QMP_PROTOCOL',
      message: new RegExp(`^${name}: `),
    });
  }
});

t.test('what the caller does with its object during the call does not matter', async (t) => {
  const { monitor, client } = await started(t);
  const device = [deviceOn(t, 'a'), deviceOn(t, 'b')];
  const properties: Record<string, number> = { host_mtu: 1400 };
  const nic = { device, id: 'x', via: 'getfd' as Via, properties };
  const adding = client.addNic(nic);
  Object.assign(nic, { id: 'y', via: 'add-fd', mac: '52:54:00:00:00:77' });
  device.length = 0;
  properties.host_mtu = 9000;
  t.match(await adding, { netdevId: 'x', mac: '52:54:00:aa:bb:cc' });
  t.match(monitor.commands.find(({ execute }) => execute === 'device_add')?.arguments, {
    id: 'x-nic',
    host_mtu: 1400,
  });
});

t.test('a device that is being handed over is so for each copy of the library', async (t) => {
  const { client } = await started(t);
  const device = deviceOn(t, 'a');
  const copy = await t.mockImport<typeof import('tapfd/qemu')>('#lib/qemu/index.js', {});
  const other = await copy.QmpClient.connect(new FakeMonitor(qemu()));
  t.teardown(() => other.close());
  const adding = client.addNic({ device });
  await t.rejects(other.addNic({ device }), { code: 'ERR_TAPFD_QEMU_DEVICE_BUSY' });
  await adding;
});
