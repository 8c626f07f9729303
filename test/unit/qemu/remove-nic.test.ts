/** removeNic(): the guest releases its card, late or never. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { refusal } from '../../kit/fake-monitor.js';
import { deviceOn, qemu, started, withGuest } from '../../kit/hot-plug-monitor.js';
import { foreignSignal } from '../../kit/odd-values.js';

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

  t.test('a signal of another realm ends the waiting, too', async (t) => {
    const answer = qemu();
    const { client } = await started(t, (command) =>
      command.execute === 'device_del' ? { return: {} } : answer(command),
    );
    await client.addNic({ device: deviceOn(t, 'a'), id: 'x' });
    const { signal, abort } = foreignSignal();
    const removing = client.removeNic('x', { signal });
    await nextTurn();
    abort(new Error('later'));
    await t.rejects(removing, { message: 'later' });
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
    await client.execute('query-status');
    t.equal(device.destroyed, true, 'QEMU has answered, though to nobody');
    await client.removeNic('x');
    await t.rejects(client.removeNic('x'), { code: 'ERR_TAPFD_QMP', command: 'device_del' });
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

  t.test('a guest that released the card after the call was aborted', async (t) => {
    const { client } = await started(t);
    await client.addNic({ device: deviceOn(t, 'a'), id: 'x' });
    const aborter = new AbortController();
    const first = client.removeNic('x', { signal: aborter.signal });
    await nextTurn();
    aborter.abort(new Error('later'));
    await t.rejects(first, { message: 'later' });
    await client.removeNic('x');
    t.strictSame(await client.execute('what-is-left'), []);
  });

  t.test('answers that QEMU would not give', async (t) => {
    const opaque = 'tapfd x-1';
    const deep = `${'['.repeat(1000)}${']'.repeat(1000)}`;
    const answers: [string, unknown][] = [
      ...[{}, 5, deep, [{ 'fdset-id': 1 }], [{ 'fdset-id': { valueOf: 1 }, fds: [{ fd: 1, opaque }] }]].map(
        (sets): [string, unknown] => ['query-fdsets', sets],
      ),
      ['query-fdsets', [{ 'fdset-id': 1, fds: [{ fd: -1, opaque }] }]],
      ['query-status', { running: 'yes' }],
      ['query-status', null],
      ['human-monitor-command', { toString: 1 }],
    ];
    for (const [name, value] of answers) {
      const answer = qemu();
      const { monitor, client } = await started(t, answer);
      await client.addNic({ device: deviceOn(t, 'a'), id: 'x', via: 'add-fd' });
      monitor.answer = (command) => {
        if (command.execute !== name) return answer(command);
        if (value !== deep) return { return: value };
        monitor.say(`{"id": ${command.id}, "return": [${deep}]}\n`);
        return undefined;
      };
      withGuest(monitor);
      await t.rejects(client.removeNic('x'), {
        code: 'ERR_TAPFD_QMP_PROTOCOL',
        message: new RegExp(name.replace('human-monitor-command', 'info network')),
      });
      monitor.answer = answer;
      await client.removeNic('x');
      t.strictSame(await client.execute('what-is-left'), [], 'and it can be done later');
    }
  });

  t.test('add-fd: not while the guest is paused', async (t) => {
    const answer = qemu();
    const { monitor, client } = await started(t, answer);
    const device = deviceOn(t, 'a');
    await client.addNic({ device, id: 'x', via: 'add-fd' });
    monitor.answer = (command) =>
      command.execute === 'query-status' ? { return: { running: false } } : answer(command);
    withGuest(monitor);
    await t.rejects(client.removeNic('x'), { code: 'ERR_TAPFD_INVALID_STATE' });
    t.equal(device.destroyed, false);
    monitor.answer = answer;
    await client.removeNic('x');
    t.strictSame(await client.execute('what-is-left'), []);
    t.equal(device.destroyed, true);
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
