/** A guest on a macvtap by one line of shell: `tapfd exec`, as the README of the command has it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { Guest, guestArguments } from '../../examples/guest.ts';
import { needs } from '../kit/capabilities.ts';
import { commandWords } from '../kit/command.ts';
import { guestImage } from '../kit/guest-image.ts';
import { ownNamespace, vethPair } from '../kit/namespace.ts';

t.setTimeout(180_000);

t.test('QEMU with a macvtap in one line', { skip: needs('root', 'macvtap', 'veth', 'guest') }, async (t) => {
  const host = await ownNamespace(t);
  const outside = await ownNamespace(t);
  await vethPair(host, 'wire', outside, 'eth0');
  await outside.ip('address', 'add', '10.78.0.1/24', 'dev', 'eth0');
  const qemu = ['qemu-system-x86_64', ...guestArguments(guestImage())];
  const card = ['-netdev', 'tap,id=n0,fd={fd}', '-device', 'virtio-net-pci,netdev=n0,mac={mac},romfile='];
  const [program, ...words] = commandWords(['exec', '--macvtap', 'lower=wire', '--', ...qemu, ...card], host);
  const child = spawn(program, words, { stdio: 'pipe' });
  const ended = once(child, 'exit');
  const guest = await Guest.on(child);
  t.teardown(() => guest.shutdown());
  await guest.must('ip address add 10.78.0.2/24 dev eth0 && ip link set eth0 up');
  const mac = (await guest.must('cat /sys/class/net/eth0/address')).trim();
  t.equal(mac, await host.sysfs('macvtap0', 'address'), 'the guest has the MAC of the macvtap');
  t.match(await guest.must('ping -c 1 -W 5 10.78.0.1'), '1 packets received');
  t.equal(await outside.ping('10.78.0.2'), 1);
  await guest.shutdown();
  t.same(await ended, [0, null]);
  t.same(await host.linkNames(), ['wire'], 'the macvtap went with the guest');
});
