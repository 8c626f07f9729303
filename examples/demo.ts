/**
 * The demo, `npm run demo`: the two ways to give a virtual machine a network, on one wire. There is a TAP in a bridge, and
 * a macvtap on a veth pair that ends in the same bridge, with a QEMU guest on each, and JavaScript on a third device of
 * the same Ethernet. They all ping each other, and the frames that JavaScript sees are printed. Everything is in its own
 * network namespace, which is removed at the end.
 *
 *     node demo.js KERNEL INITRAMFS     with guests (the files that scripts/guest/image.mjs builds)
 *     node demo.js                      without: JavaScript is behind both devices, and the kernel pings it
 */
import { once } from 'node:events';
import { createNetns, type FrameStream, links, type Netns, openMacvtap, openTap } from 'tapfd';
import type { QemuNetworkDevice } from 'tapfd/qemu';
import { EthernetHost } from './ethernet-host.ts';
import { bootGuest, type Guest, type GuestImage } from './guest.ts';

const KERNEL = { address: '10.77.0.1' };
const SCRIPT = { address: '10.77.0.2', mac: '52:54:00:77:00:02' };
const TAP_SIDE = { address: '10.77.0.3', mac: '52:54:00:77:00:03' };
const MACVTAP_SIDE = { address: '10.77.0.4', mac: '52:54:00:77:00:04' };
const PING_TIMEOUT_MS = 20_000;

/** Run in reverse order at the end, even after a failure. */
const cleanups: (() => Promise<void>)[] = [];

/** Creates bridge, wire, and both kinds of device; returns the devices for the guests. */
async function buildNetwork(netns: Netns) {
  const ns = netns.name;
  say(`network namespace ${ns}:`);
  // By default the kernel answers ARP for its address on every link; here only on the one that has it.
  await run(netns, 'sh', ['-c', 'echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore']);
  await links.create({ kind: 'bridge', name: 'br0', up: true, netns: ns });
  await links.addAddress('br0', `${KERNEL.address}/24`, { netns: ns });
  await links.create({
    kind: 'veth',
    name: 'port',
    master: 'br0',
    up: true,
    peer: { name: 'wire' },
    netns: ns,
  });
  await links.set('wire', { up: true, netns: ns });
  const tap = await openTap({ netns: ns, name: 'tap0', bridge: 'br0' });
  cleanups.push(() => tap.close());
  const macvtap = await openMacvtap({
    netns: ns,
    name: 'macvtap0',
    lower: 'wire',
    guestMac: MACVTAP_SIDE.mac,
  });
  cleanups.push(() => macvtap.close());
  return { tap, macvtap };
}

async function withGuests(netns: Netns, image: GuestImage): Promise<void> {
  const { tap, macvtap } = await buildNetwork(netns);
  const scriptTap = await openTap({ netns: netns.name, name: 'tap1', bridge: 'br0' });
  cleanups.push(() => scriptTap.close());
  say(`
  guest A ------- tap0 --+-----+
  ${TAP_SIDE.address}              | br0 +-- port ======= wire --+-- macvtap0 ---- guest B
  JavaScript ---- tap1 --+-----+      (veth pair)                    ${MACVTAP_SIDE.address}
  ${SCRIPT.address}
`);
  step('Two Linux guests boot under QEMU, each with the descriptor of its device');
  const start = Date.now();
  const [a, b] = await Promise.all([
    boot(image, 'guest A', tap, TAP_SIDE),
    boot(image, 'guest B', macvtap, MACVTAP_SIDE),
  ]);
  say(`both are up after ${((Date.now() - start) / 1000).toFixed(1)} s`);

  const script = scriptHost(scriptTap, SCRIPT, 'JavaScript');
  step('Guest A pings JavaScript, which answers ARP and echo requests frame by frame');
  await guestPings(a, SCRIPT.address);
  step('Guest B pings JavaScript: from the macvtap, over the wire, through the bridge');
  await guestPings(b, SCRIPT.address);
  step('JavaScript pings both guests');
  for (const { address } of [TAP_SIDE, MACVTAP_SIDE]) await scriptPings(script, address);
  step('Guest A and guest B ping each other, between TAP and macvtap');
  await guestPings(a, MACVTAP_SIDE.address);
  await guestPings(b, TAP_SIDE.address);

  step('What passed the devices, in frames');
  for (const name of ['tap0', 'tap1', 'macvtap0']) {
    const { stats, kind } = await links.get(name, { netns: netns.name });
    // A TAP counts from the kernel's side, which receives what the guest sends; a macvtap counts from the guest's side.
    const [sent, received] =
      kind === 'macvtap' ? [stats.txPackets, stats.rxPackets] : [stats.rxPackets, stats.txPackets];
    say(`${name.padEnd(8)} sent by its user: ${sent}, received: ${received}`);
  }
}

async function boot(
  image: GuestImage,
  name: string,
  device: QemuNetworkDevice,
  { mac, address }: { mac: string; address: string },
): Promise<Guest> {
  // From here on the device belongs to QEMU. On the macvtap the guest must have the link's MAC; a TAP takes any.
  const guest = await bootGuest(image, [{ device, mac }], { name });
  cleanups.push(() => guest.shutdown());
  await guest.must(`ip address add ${address}/24 dev eth0; ip link set eth0 up`);
  say(`${name} runs as process ${guest.pid}, with ${mac} and ${address} on ${device.name}`);
  return guest;
}

async function withoutGuests(netns: Netns): Promise<void> {
  const { tap, macvtap } = await buildNetwork(netns);
  say(`
  JavaScript ---- tap0 --+-----+
  ${TAP_SIDE.address}              | br0 +-- port ======= wire --+-- macvtap0 ---- JavaScript
                         +-----+      (veth pair)                    ${MACVTAP_SIDE.address}
         the kernel ${KERNEL.address}
`);
  const onTap = scriptHost(tap, TAP_SIDE, 'JavaScript on the TAP');
  const onMacvtap = scriptHost(macvtap, MACVTAP_SIDE, 'JavaScript on the macvtap');
  step('The kernel pings JavaScript on the TAP');
  await kernelPings(netns, TAP_SIDE.address);
  step('The kernel pings JavaScript on the macvtap, through the bridge and over the wire');
  await kernelPings(netns, MACVTAP_SIDE.address);
  step('JavaScript pings the kernel, and itself from macvtap to TAP');
  await scriptPings(onTap, KERNEL.address);
  await scriptPings(onMacvtap, TAP_SIDE.address);

  step('What passed the devices, in frames');
  for (const device of [tap, macvtap]) {
    const { received, sent } = device.stats;
    say(`${device.name.padEnd(8)} received: ${received.frames}, sent: ${sent.frames}`);
  }
}

/** JavaScript as a computer on the Ethernet; prints its frames. */
function scriptHost(device: FrameStream, { mac, address }: { mac: string; address: string }, name: string) {
  return new EthernetHost(device, {
    mac,
    address,
    onFrame: (direction, text) => {
      // Guests also announce themselves over IPv6, which nothing here uses.
      if (/ (ARP|ICMP)\b/.test(text)) say(`${name} ${direction.padEnd(8)} ${text}`);
    },
  });
}

async function guestPings(guest: Guest, address: string): Promise<void> {
  sayReplies(guest.name, await guest.must(`ping -c 2 -i 0.2 -W 20 ${address}`));
}

async function kernelPings(netns: Netns, address: string): Promise<void> {
  sayReplies('the kernel', await run(netns, 'ping', ['-n', '-c', '2', '-i', '0.2', '-W', '20', address]));
}

/** Prints the replies and the summary from a ping program's output. */
function sayReplies(who: string, output: string): void {
  for (const line of output.split('\n')) {
    if (/bytes from|packets/.test(line)) say(`${who}: ${line}`);
  }
}

async function scriptPings(script: EthernetHost, address: string): Promise<void> {
  const { mac, milliseconds } = await script.ping(address, { timeoutMs: PING_TIMEOUT_MS });
  say(`${address} (${mac}) answered in ${milliseconds.toFixed(1)} ms`);
}

/** Runs a program in the namespace until it exits, and returns its output. */
async function run(netns: Netns, command: string, args: string[]): Promise<string> {
  const child = netns.spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const output = child.stdout === null ? [] : await child.stdout.setEncoding('utf8').toArray();
  const status = child.exitCode ?? (await once(child, 'exit'))[0];
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with status ${status}`);
  return output.join('');
}

let steps = 0;

function step(title: string): void {
  steps += 1;
  process.stdout.write(`\n${steps}. ${title}\n`);
}

function say(text: string): void {
  process.stdout.write(`   ${text.replaceAll('\n', '\n   ')}\n`);
}

// Exit in an orderly way on Ctrl-C: guests and namespace go with the process.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

const [kernel, initramfs] = process.argv.slice(2);
const start = Date.now();
step('A separate network');
const netns = await createNetns();
cleanups.push(() => netns.close());
try {
  if (kernel !== undefined && initramfs !== undefined) await withGuests(netns, { kernel, initramfs });
  else await withoutGuests(netns);
} finally {
  step('Cleanup');
  for (const cleanup of cleanups.reverse()) await cleanup();
}
say('guests off, devices closed, namespace removed');
say(`done in ${((Date.now() - start) / 1000).toFixed(1)} s`);
