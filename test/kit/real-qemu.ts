/** A QEMU without a guest, and clients of its monitors. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Test } from 'tap';
import { FdSocket, openTap, type Tap } from 'tapfd';
import { QmpClient, type QmpSocket, spawnQemu } from 'tapfd/qemu';
import type { TestNamespace } from './namespace.js';
import { descriptorTargets } from './open-files.js';

export const QEMU = 'qemu-system-x86_64';
export const MACHINE = ['-M', 'pc,accel=tcg', '-nodefaults', '-display', 'none', '-S'];

/** QEMU with as many monitors as `sockets`, which are this side's ends. */
export async function launchQemu(t: Test, sockets: number) {
  const pairs = Array.from({ length: sockets }, () => FdSocket.pair());
  const monitors = pairs.flatMap((_pair, i) => [
    ...['-chardev', `socket,id=monitor${i},fd=${3 + i}`],
    ...['-mon', `chardev=monitor${i},mode=control`],
  ]);
  const child = await spawnQemu(QEMU, [...MACHINE, ...monitors], {
    nics: [],
    stdio: ['ignore', 'ignore', 'inherit', ...pairs.map(([, theirs]) => theirs.fd)],
  });
  t.teardown(() => child.kill('SIGKILL'));
  for (const [, theirs] of pairs) void theirs.close();
  return { child, sockets: pairs.map(([ours]) => ours) };
}

export async function connected(t: Test, socket: QmpSocket): Promise<QmpClient> {
  const qmp = await QmpClient.connect(socket);
  t.teardown(() => qmp[Symbol.asyncDispose]());
  return qmp;
}

export async function startQemu(t: Test, wrap: (socket: FdSocket) => QmpSocket = (socket) => socket) {
  const { child, sockets } = await launchQemu(t, 1);
  const qmp = await connected(t, wrap(sockets[0]));
  // Its firmware finds nothing to boot and halts.
  await qmp.execute('cont');
  return { child, qmp };
}

/**
 * Resets the machine once its firmware has halted: firmware that is reset while it copies itself is broken, and its
 * processor, which then never pauses, keeps QEMU from reporting that a device is gone.
 */
export async function reset(qmp: QmpClient): Promise<void> {
  const registers = { 'command-line': 'info registers' };
  while (!String(await qmp.execute('human-monitor-command', registers)).includes('HLT=1')) await wait(5);
  await qmp.execute('system_reset');
}

export async function tapQueues(t: Test, { name: netns }: TestNamespace): Promise<[Tap, Tap]> {
  const first = await openTap({ netns, bridge: 'br0', multiQueue: true });
  t.teardown(() => first[Symbol.asyncDispose]());
  const second = await first.openQueue();
  t.teardown(() => second[Symbol.asyncDispose]());
  return [first, second];
}

/** How many TUN/TAP descriptors a process has. */
export function tapsOf(pid: number | 'self' | undefined): number {
  return descriptorTargets(pid).filter((path) => path === '/dev/net/tun').length;
}
