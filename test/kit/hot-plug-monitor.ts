/** A fake monitor that keeps track of cards, backends and descriptors as QEMU does. */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { QmpClient } from 'tapfd/qemu';
import { type FakeDevice, fakeDevice } from './fake-device.js';
import { type Answer, type Command, FakeMonitor, refusal } from './fake-monitor.js';

const directory = t.testdir({ a: '', b: '' });

export function deviceOn(t: Test, name: string, facts = {}): FakeDevice {
  const fd = openSync(join(directory, name), 'r');
  const device = fakeDevice({ fd, ...facts });
  t.teardown(() => {
    if (!device.handedOff) closeSync(fd);
  });
  return device;
}

/** A QEMU that keeps track of what it was given. */
export function qemu(): Answer {
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

export async function started(t: Test, answer = qemu()) {
  const monitor = new FakeMonitor(answer);
  const client = await QmpClient.connect(monitor);
  t.teardown(() => client[Symbol.asyncDispose]());
  return { monitor, client };
}

/** The guest releases whatever it is asked to. */
export function withGuest(monitor: FakeMonitor): void {
  const { answer } = monitor;
  monitor.answer = (command) => {
    const answered = answer(command);
    if (command.execute === 'device_del' && answered && 'return' in answered) {
      // Before QEMU's answer.
      monitor.happen('DEVICE_DELETED', { path: '/machine/x' });
      monitor.happen('DEVICE_DELETED', { device: command.arguments.id });
    }
    return answered;
  };
}
