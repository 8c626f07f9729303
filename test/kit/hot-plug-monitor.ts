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
  let lastFd = 39;
  const objects = new Map<unknown, Command['arguments']>();
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
        lastFd += 1;
        sets.set(lastFd, args.opaque);
        return { return: { 'fdset-id': lastFd - 40, fd: lastFd } };
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
        if (objects.has(args.id)) return refusal(`Duplicate ID '${args.id}'`);
        take(args);
        objects.set(args.id, args);
        return { return: {} };
      case 'device_del':
      case 'netdev_del':
        return remove(args.id);
      case 'qom-get': {
        const id = String(args.path).slice('/machine/peripheral/'.length);
        const card = objects.get(id);
        return card === undefined
          ? refusal(`Device '${args.path}' not found`, 'DeviceNotFound')
          : { return: card[String(args.property)] };
      }
      case 'human-monitor-command':
        return { return: networkInfo(objects) };
      case 'query-status':
        return { return: { running: true } };
      case 'what-is-left':
        return { return: [...named, ...sets.keys(), ...objects.keys()] };
      default:
        return { return: {} };
    }
  };
}

/** As `info network` of QEMU 7.2 does. */
function networkInfo(objects: Map<unknown, Command['arguments']>): string {
  const lines: string[] = [];
  for (const [id, { type, fd, fds }] of objects) {
    if (type === undefined) lines.push(`${id}: index=0,type=nic,model=virtio-net-pci`);
    else
      for (const number of String(fds ?? fd).split(':')) lines.push(`${id}: index=0,type=tap,fd=${number}`);
  }
  return lines.map((line) => `${line}\r\n`).join('');
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
