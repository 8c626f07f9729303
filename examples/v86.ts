/**
 * A guest inside Node: the PC emulator v86 runs a small Linux, first with its network card on a TAP and then on a macvtap.
 * Kernel and guest ping each other. No other process is involved: every frame passes through JavaScript. Everything is in
 * its own network namespace, which is removed at the end.
 *
 *     node v86.js DIRECTORY     the directory that scripts/guest/v86-image.mjs prints
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createNetns, type FrameStream, links, type Netns, openMacvtap, openTap } from 'tapfd';
import { V86Guest, type V86Image } from './v86-guest.ts';

const GUEST_MAC = '52:54:00:86:00:02';

/** Runs the guest on a TAP, with the kernel at the other end. */
export async function onTap(netns: Netns, image: V86Image, say: (text: string) => void): Promise<void> {
  const tap = await openTap({ netns: netns.name, name: 'tap0', addresses: ['10.86.0.1/24'] });
  try {
    // A TAP takes any MAC but its own.
    await pingBothWays(netns, image, tap, { host: '10.86.0.1', guest: '10.86.0.2' }, say);
  } finally {
    await tap.close();
  }
}

/** Runs the guest on a macvtap on one end of a wire, as a separate machine, with the kernel at the other end. */
export async function onMacvtap(netns: Netns, image: V86Image, say: (text: string) => void): Promise<void> {
  await links.create({ kind: 'veth', name: 'wire', up: true, peer: { name: 'far' }, netns: netns.name });
  await links.addAddress('far', '10.87.0.1/24', { netns: netns.name });
  await links.set('far', { up: true, netns: netns.name });
  // A macvtap delivers by MAC: link and guest must have the same. If not, every frame the guest sends is refused.
  const macvtap = await openMacvtap({
    netns: netns.name,
    name: 'macvtap0',
    lower: 'wire',
    guestMac: GUEST_MAC,
  });
  try {
    await pingBothWays(netns, image, macvtap, { host: '10.87.0.1', guest: '10.87.0.2' }, say);
  } finally {
    await macvtap.close();
  }
}

async function pingBothWays(
  netns: Netns,
  image: V86Image,
  device: FrameStream,
  address: { host: string; guest: string },
  say: (text: string) => void,
): Promise<void> {
  await using guest = await V86Guest.boot(image, device);
  await guest.bringUp({ mac: GUEST_MAC, address: `${address.guest}/24` });
  say(`${device.name}: ${(await guest.must('uname -srm')).trim()} with ${guest.mac} and ${address.guest}`);
  const ping = netns.spawn('ping', ['-n', '-c', '5', '-i', '0.2', '-W', '20', address.guest], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output, [status]] = await Promise.all([
    ping.stdout?.setEncoding('utf8').toArray(),
    once(ping, 'exit'),
  ]);
  say(`${device.name}: the kernel: ${summary(output?.join('') ?? '')}`);
  if (status !== 0) throw new Error(`the guest on ${device.name} does not answer the kernel`);
  const answer = await guest.must(`ping -c 5 -i 0.2 -W 20 ${address.host}`);
  say(`${device.name}: the guest: ${summary(answer)}`);
  const { received, sent } = device.stats;
  say(`${device.name}: frames to the guest: ${received.frames}, from it: ${sent.frames}`);
}

/** The summary of a ping program's output. */
function summary(output: string): string {
  return output
    .split('\n')
    .filter((line) => /packets|round-trip|rtt/.test(line))
    .join(', ');
}

/** @param directory The directory that `scripts/guest/v86-image.mjs` prints. */
export function v86Image(directory: string): V86Image {
  const path = (name: string): string => join(directory, name);
  return {
    bios: path('bios'),
    vgaBios: path('vgaBios'),
    kernel: path('vmlinuz'),
    initramfs: path('initramfs'),
    state: path('state'),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [directory] = process.argv.slice(2);
  if (directory === undefined)
    throw new Error('usage: v86.js DIRECTORY, as printed by node scripts/guest/v86-image.mjs');
  await using netns = await createNetns();
  await onTap(netns, v86Image(directory), console.log);
  await onMacvtap(netns, v86Image(directory), console.log);
}
