/**
 * User-mode Linux, the kernel as an ordinary program, with a network card on a TAP that it gets as a descriptor:
 * `vec0:transport=fd`. Kernel and guest ping each other. Everything is in its own network namespace, which is removed at
 * the end.
 *
 *     node user-mode-linux.js INITRAMFS     the file that scripts/guest/image.mjs builds
 *
 * Needs linux.uml, from Debian's package user-mode-linux.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createNetns, type Netns, openTap, type Tap } from 'tapfd';
import { spawnWithFds } from 'tapfd/qemu';
import { Guest } from './guest.ts';

const HOST = '10.89.0.1';
const GUEST = { mac: '52:54:00:89:00:02', address: '10.89.0.2' };

/** Boots User-mode Linux with `tap` as its `vec0`, and waits until it is ready. The TAP then belongs to the guest. */
export async function bootUserModeLinux(initramfs: string, tap: Tap, directory: string): Promise<Guest> {
  const card = `vec0:transport=fd,fd={fd:0},vec=0,mac=${GUEST.mac}`;
  // The image's modules are for another kernel; this one has the driver for its card built in.
  const kernel = [`initrd=${initramfs}`, 'mem=192M', 'quiet', 'panic=-1', 'tapfd.modules=none'];
  // Its first console is its standard streams. It leaves a management folder, which goes into `directory`.
  const place = [`uml_dir=${directory}`, 'umid=guest', 'con=null', 'con0=fd:0,fd:1', 'ssl=null'];
  const child = await spawnWithFds('linux.uml', [...kernel, ...place, card], [tap], { stdio: 'pipe' });
  return Guest.on(child, { name: 'User-mode Linux' });
}

/** Boots it on a TAP in `netns`, pings both ways, and shuts it down. */
export async function pingUserModeLinux(
  netns: Netns,
  initramfs: string,
  say: (text: string) => void,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'tapfd-uml-'));
  // With transport=fd its frames have no vnet header, which is the default for a TAP. Nothing here reads the TAP, so
  // the guest gets every frame.
  const tap = await openTap({ netns: netns.name, name: 'tap0', addresses: [`${HOST}/24`] });
  try {
    const guest = await bootUserModeLinux(initramfs, tap, directory);
    try {
      await guest.must(`ip address add ${GUEST.address}/24 dev vec0; ip link set vec0 up`);
      say(`${(await guest.must('uname -srm')).trim()} runs as process ${guest.pid}`);
      say(`its card: ${(await guest.must('cat /sys/class/net/vec0/address')).trim()}, ${GUEST.address}`);
      const ping = netns.spawn('ping', ['-n', '-c', '3', '-i', '0.2', '-W', '20', GUEST.address], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [output] = await Promise.all([ping.stdout?.setEncoding('utf8').toArray(), once(ping, 'exit')]);
      say(`the kernel: ${packets(output?.join('') ?? '')}`);
      say(`the guest: ${packets(await guest.must(`ping -c 3 -i 0.2 -W 20 ${HOST}`))}`);
    } finally {
      await guest.shutdown();
    }
  } finally {
    await tap.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** The summary line of a ping program's output. */
function packets(output: string): string {
  return output.split('\n').find((line) => line.includes('packets')) ?? output;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [initramfs] = process.argv.slice(2);
  if (initramfs === undefined)
    throw new Error('usage: user-mode-linux.js INITRAMFS, as built by node scripts/guest/image.mjs');
  await using netns = await createNetns();
  await pingUserModeLinux(netns, initramfs, console.log);
}
