/** Cards of running guests: plugged in, with a cable, with queues that are used; and the nodes of their macvtaps. */
import { fstatSync } from 'node:fs';
import type { Test } from 'tap';
import type { Macvtap } from 'tapfd';
import type { QemuHotPlugNic } from 'tapfd/qemu';
import type { Guest, GuestWithMonitor } from '../../examples/guest.ts';
import type { TestNamespace } from './namespace.ts';

/** More than a guest sends of its own accord while it sends so many pings. */
const PINGS = 10;

export type NamedGuest = GuestWithMonitor & { name: string };

export interface Card {
  name: string;
  driver: string;
  address: string;
  peer: string;
  /** Where flows to it come from. */
  from: TestNamespace;
}

/** The file of a macvtap in /dev. */
export interface Node {
  path: string;
  number: number;
}

export function nodeOf({ fd, index }: Macvtap): Node {
  return { path: `/dev/tap${index}`, number: fstatSync(fd).rdev };
}

/** Plugs a card in, and waits until the guest has it. */
export async function plug(
  t: Test,
  { guest, qmp, name }: NamedGuest,
  nic: QemuHotPlugNic,
  interfaceName: string,
) {
  const begin = performance.now();
  const added = await qmp.addNic({ romfile: '', ...nic });
  const answered = performance.now() - begin;
  await guest.must(`until [ -e /sys/class/net/${interfaceName} ]; do sleep 0.02; done`);
  const seen = performance.now() - begin;
  t.comment(
    `${name}: QEMU had the card after ${answered.toFixed(0)} ms, the guest after ${seen.toFixed(0)} ms`,
  );
  return added;
}

/** Waits until the guest notices that the cable is plugged in, or out. */
export function untilGuestCarrier(guest: Guest, interfaceName: string, wanted: 0 | 1): Promise<string> {
  return guest.must(
    `until [ "$(cat /sys/class/net/${interfaceName}/carrier)" = ${wanted} ]; do sleep 0.02; done`,
  );
}

/** Flows of many ports arrive by both queues, and what a processor sends leaves through its own queue. */
export async function usesBothQueues(t: Test, guest: Guest, card: Card): Promise<void> {
  const { name, driver, address, peer, from } = card;
  t.equal(await guest.must(`ls -d /sys/class/net/${name}/queues/rx-* | wc -l`), '2');
  t.equal(await guest.must(`ls -d /sys/class/net/${name}/queues/tx-* | wc -l`), '2');
  // Each queue has an interrupt of its own: QEMU has put a frame in, or has taken one out.
  const interrupts = async (direction: 'input' | 'output'): Promise<number[]> => {
    const text = await guest.must(`grep ${driver}-${direction} /proc/interrupts`);
    return text.split('\n').map((line) => Number(line.split(/\s+/)[2]) + Number(line.split(/\s+/)[3]));
  };
  await guest.must(`ping -c 1 -W 10 ${peer}`);
  const before = await interrupts('input');
  await from.exec('bash', '-c', `for i in {1..100}; do echo x >/dev/udp/${address}/9; done`);
  await guest.must(`ping -c 1 -W 10 ${peer}`);
  const after = await interrupts('input');
  t.equal(after.length, 2);
  for (const [queue, count] of after.entries()) t.ok(count > before[queue], `rx-${queue} of ${name}`);
  for (const processor of [0, 1]) {
    const before = await interrupts('output');
    // One at a time: QEMU may take out two with one interrupt.
    const ping = `taskset ${1 << processor} ping -c 1 -W 10 ${peer}`;
    await guest.must(`for i in $(seq ${PINGS}); do ${ping} || exit 1; done`);
    const used = (await interrupts('output')).map((count, queue) => count - before[queue]);
    t.equal(used.length, 2);
    t.ok(used[processor] >= PINGS, `tx-${processor} of ${name}: ${used}`);
  }
}
