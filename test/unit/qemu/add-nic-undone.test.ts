/**
 * addNic() that fails at a step, is aborted or loses its connection: what is undone, and what is reported if that
 * fails.
 */
import { getEventListeners } from 'node:events';
import { fstatSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { QemuHotPlugNic, QmpClient } from 'tapfd/qemu';
import { type FakeMonitor, refusal } from '../../kit/fake-monitor.js';
import { deviceOn, qemu, started } from '../../kit/hot-plug-monitor.js';

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

  t.test('while QEMU hangs: the error says what may be left', async (t) => {
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
      message: /netdev "x" .*descriptor "x-[0-9a-f]{8}-fd0"/,
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

t.test('what cannot be undone is reported', async (t) => {
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
    if (command.execute === 'netdev_add') {
      answer(command);
      aborter.abort(new Error('no'));
    } else if (command.execute === 'netdev_del') return refusal("Device 'x' is not a netdev");
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

  t.test('while QEMU lives: what is left is reported', async (t) => {
    const ends: [(monitor: FakeMonitor, client: QmpClient) => unknown, string][] = [
      [(_monitor, client) => client.close(), 'ERR_TAPFD_QMP_CLOSED'],
      [(monitor) => monitor.end(new Error('the proxy is gone')), 'ERR_TAPFD_QMP_CLOSED'],
      [(monitor) => monitor.say('no QMP\n'), 'ERR_TAPFD_QMP_PROTOCOL'],
    ];
    for (const [end, code] of ends) {
      await t.rejects(endAt(t, 'getfd', end), {
        code: 'ERR_TAPFD_QMP_NOT_UNDONE',
        message: /left with descriptor "x-[0-9a-f]{8}-fd0"/,
        cause: { code },
      });
      await t.rejects(endAt(t, 'netdev_add', end), {
        code: 'ERR_TAPFD_QMP_NOT_UNDONE',
        message: /left with netdev "x" .*, descriptor "x-[0-9a-f]{8}-fd0"/,
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

t.test('twelve cards of twelve guests wait with one signal', async (t) => {
  const warnings: Error[] = [];
  const warned = (warning: Error): number => warnings.push(warning);
  process.on('warning', warned);
  t.teardown(() => process.off('warning', warned));
  const controller = new AbortController();
  const { signal } = controller;
  const adding: Promise<unknown>[] = [];
  for (let i = 0; i < 12; i += 1) {
    const { monitor, client } = await started(t, qemu());
    monitor.answer = () => undefined;
    adding.push(client.addNic({ device: deviceOn(t, 'a') }, { signal, undoTimeoutMs: 20 }));
    while (monitor.names.at(-1) === 'qmp_capabilities') await nextTurn();
  }
  t.equal(getEventListeners(signal, 'abort').length, 1);
  t.same(warnings, []);
  controller.abort(new Error('enough'));
  for (const { status } of await Promise.allSettled(adding)) t.equal(status, 'rejected');
  t.equal(getEventListeners(signal, 'abort').length, 0);
});
