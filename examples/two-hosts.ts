/**
 * Two hosts and a wire between them, and the two ways to put guests of both into one Ethernet. Each host is a network
 * namespace; docs/pictures/two-hosts.svg shows the whole, docs/hosts.md says when to use which.
 *
 * 1. VXLAN: each host has a bridge, with the guest's TAP as one port and a VXLAN to the other host as the other. The wire
 *    carries UDP between the hosts, containing the guests' frames.
 * 2. macvtap: a link with the guest's MAC on the host's end of the wire. The wire carries the guests' frames unchanged.
 *
 * Each guest has a card of each kind. If tcpdump is installed, it shows what the wire carries.
 *
 *     node two-hosts.js KERNEL INITRAMFS     guests under QEMU (the files that scripts/guest/image.mjs builds)
 *     node two-hosts.js --without-qemu       JavaScript in place of the guests
 */
import { existsSync } from 'node:fs';
import { createNetns, links, type Macvtap, type Netns, openMacvtap, openTap, type Tap } from 'tapfd';
import { EthernetHost } from './ethernet-host.ts';
import { bootGuest, type Guest, type GuestImage } from './guest.ts';
import { findTcpdump, WireCapture } from './wire-capture.ts';

/** A guest's card. */
interface Card {
  mac: string;
  address: string;
}

/** A host and its guest. */
interface Plan {
  name: string;
  /** The host's own address on the wire. */
  address: string;
  tap: Card;
  macvtap: Card;
}

interface Host extends Plan {
  netns: Netns;
}

/** The devices of a host's guest. */
interface Devices {
  tap: Tap;
  macvtap: Macvtap;
}

const A: Plan = {
  name: 'A',
  address: '192.0.2.1',
  tap: { mac: '52:54:00:42:00:0a', address: '10.42.0.10' },
  macvtap: { mac: '52:54:00:43:00:0a', address: '10.43.0.10' },
};
const B: Plan = {
  name: 'B',
  address: '192.0.2.2',
  tap: { mac: '52:54:00:42:00:0b', address: '10.42.0.11' },
  macvtap: { mac: '52:54:00:43:00:0b', address: '10.43.0.11' },
};

const WIRE_MTU = 1500;
/** What VXLAN over IPv4 adds to a packet: IPv4 20, UDP 8, VXLAN 8, and the guest's own Ethernet header 14. */
const VXLAN_BYTES = 50;
const GUEST_MTU = WIRE_MTU - VXLAN_BYTES;
const VXLAN_ID = 42;
const VXLAN_PORT = 4789;
/** A ping's IPv4 and ICMP headers. */
const PING_BYTES = 28;
const ETHERNET_BYTES = 14;
const PING_TIMEOUT_MS = 20_000;

/** Run in reverse order at the end, even after a failure. */
const cleanups: (() => Promise<void>)[] = [];

/** Creates two namespaces joined by a veth pair: what one end sends, the other receives. */
async function buildHosts(): Promise<[Host, Host]> {
  const makeHost = async (plan: Plan): Promise<Host> => {
    const netns = await createNetns(`two-hosts-${process.pid}-${plan.name}`);
    cleanups.push(() => netns.close());
    say(`host ${plan.name} is the network namespace ${netns.name}`);
    return { ...plan, netns };
  };
  const [a, b] = [await makeHost(A), await makeHost(B)];
  await links.create({
    kind: 'veth',
    name: 'eth0',
    mtu: WIRE_MTU,
    netns: a.netns.name,
    peer: { name: 'eth0', netns: b.netns.name },
  });
  for (const { netns, name, address } of [a, b]) {
    await links.set('eth0', { mtu: WIRE_MTU, up: true, netns: netns.name });
    await links.addAddress('eth0', `${address}/24`, { netns: netns.name });
    say(`host ${name}: eth0 is its end of the wire, ${address}, MTU ${WIRE_MTU}`);
  }
  return [a, b];
}

/** Creates the guest's TAP and a VXLAN to the other host, as ports of one bridge. */
async function buildVxlan(host: Host, other: Host): Promise<Tap> {
  const netns = host.netns.name;
  await links.create({ kind: 'bridge', name: 'br0', mtu: GUEST_MTU, up: true, netns });
  await links.create({
    kind: 'vxlan',
    name: 'vxlan42',
    id: VXLAN_ID,
    lower: 'eth0',
    local: host.address,
    remote: other.address,
    port: VXLAN_PORT,
    mtu: GUEST_MTU,
    master: 'br0',
    up: true,
    netns,
  });
  const tap = await openTap({ netns, name: 'tap0', bridge: 'br0', mtu: GUEST_MTU });
  cleanups.push(() => tap.close());
  say(`host ${host.name}: br0 joins tap0 and vxlan42 (to ${other.address}), MTU ${GUEST_MTU}`);
  return tap;
}

/** Creates a link with the guest's MAC on the host's end of the wire. */
async function buildMacvtap(host: Host): Promise<Macvtap> {
  const macvtap = await openMacvtap({
    netns: host.netns.name,
    name: 'macvtap0',
    lower: 'eth0',
    guestMac: host.macvtap.mac,
  });
  cleanups.push(() => macvtap.close());
  say(`host ${host.name}: macvtap0 on eth0 has index ${macvtap.index} and the guest's MAC ${macvtap.mac}`);
  return macvtap;
}

async function buildDevices(a: Host, b: Host): Promise<[Devices, Devices]> {
  step(`Bridges, joined by VXLAN ${VXLAN_ID}: ${VXLAN_BYTES} bytes of headers make the MTU ${GUEST_MTU}`);
  const taps = [await buildVxlan(a, b), await buildVxlan(b, a)];
  step('macvtaps, on the wire itself');
  const macvtaps = [await buildMacvtap(a), await buildMacvtap(b)];
  if (macvtaps[0].index === macvtaps[1].index) {
    say(
      `both have the index ${macvtaps[0].index}, as they may in two namespaces: each was proved to be the right one`,
    );
  }
  return [
    { tap: taps[0], macvtap: macvtaps[0] },
    { tap: taps[1], macvtap: macvtaps[1] },
  ];
}

async function withGuests([a, b]: [Host, Host], image: GuestImage): Promise<void> {
  const [ofA, ofB] = await buildDevices(a, b);
  step('A guest on each host boots under QEMU, with a card on each device');
  const [guestA, guestB] = await Promise.all([boot(image, a, ofA), boot(image, b, ofB)]);

  step('Guest A pings guest B through the bridges and VXLAN');
  await onWire(
    a,
    vxlanFrames(a, b),
    (seen) => seen.until(/vni 42\n.*ICMP echo reply/),
    () => guestPings(guestA, b.tap.address),
  );
  step(`The largest packet that fits, ${GUEST_MTU} bytes, is a full frame on the wire`);
  await onWire(
    a,
    vxlanFrames(a, b),
    (seen) => seen.until(fullFrame('reply')),
    () => guestPings(guestA, b.tap.address, GUEST_MTU - PING_BYTES),
  );
  step('A larger one cannot be sent: the card has told the guest its MTU');
  const { output } = await guestA.run(`ip link set eth0 mtu ${WIRE_MTU}`);
  say(`guest A, asked for an MTU of ${WIRE_MTU}: ${output}`);
  say(`guest A: eth0 has an MTU of ${(await guestA.must('cat /sys/class/net/eth0/mtu')).trim()}`);

  step('Guest A pings guest B through the macvtaps: no bridge, no VXLAN, the full MTU');
  await onWire(
    a,
    macvtapFrames(a, b),
    (seen) => seen.until(/ICMP echo reply/),
    () => guestPings(guestA, b.macvtap.address, WIRE_MTU - PING_BYTES),
  );
  await guestPings(guestB, a.macvtap.address);
  await sayCounts([a, b]);
}

async function boot(image: GuestImage, host: Host, { tap, macvtap }: Devices): Promise<Guest> {
  const name = `guest ${host.name}`;
  const cards = [
    // virtio cards tell the guest their MTU. Nothing else would: a bridge silently drops what is too large.
    { device: tap, mac: host.tap.mac, properties: { host_mtu: GUEST_MTU } },
    // The guest gets the link's MAC, as it must.
    { device: macvtap },
  ];
  const guest = await bootGuest(image, cards, { name });
  cleanups.push(() => guest.shutdown());
  for (const [i, { address }] of [host.tap, host.macvtap].entries()) {
    await guest.must(`ip address add ${address}/24 dev eth${i}; ip link set eth${i} up`);
  }
  say(
    `${name} runs as process ${guest.pid}: eth0 ${host.tap.address} on tap0, eth1 ${host.macvtap.address} on macvtap0`,
  );
  return guest;
}

async function withoutGuests([a, b]: [Host, Host]): Promise<void> {
  const [ofA, ofB] = await buildDevices(a, b);
  const [tapA, macvtapA] = [new EthernetHost(ofA.tap, a.tap), new EthernetHost(ofA.macvtap, a.macvtap)];
  // These only answer.
  new EthernetHost(ofB.tap, b.tap);
  new EthernetHost(ofB.macvtap, b.macvtap);

  step('JavaScript on host A pings JavaScript on host B through the bridges and VXLAN');
  await onWire(
    a,
    vxlanFrames(a, b),
    (seen) => seen.until(/vni 42\n.*ICMP echo reply/),
    () => scriptPings(tapA, b.tap.address),
  );
  step(`The largest packet that fits, ${GUEST_MTU} bytes, is a full frame on the wire`);
  await onWire(
    a,
    vxlanFrames(a, b),
    (seen) => seen.until(fullFrame('reply')),
    () => scriptPings(tapA, b.tap.address, GUEST_MTU - PING_BYTES),
  );
  step('A larger one cannot be sent: the device refuses it');
  const tooLong = Buffer.alloc(ETHERNET_BYTES + GUEST_MTU + 1);
  const refusal = await new Promise<Error | null | undefined>((resolve) => ofA.tap.write(tooLong, resolve));
  say(`tap0: ${refusal?.message ?? 'accepted it'}`);

  step('And through the macvtaps: no bridge, no VXLAN, the full MTU');
  await onWire(
    a,
    macvtapFrames(a, b),
    (seen) => seen.until(/ICMP echo reply/),
    () => scriptPings(macvtapA, b.macvtap.address, WIRE_MTU - PING_BYTES),
  );
  await sayCounts([a, b]);
}

/** A tcpdump filter: the tunnel, and any frame of a guest's TAP card that bypasses it. */
function vxlanFrames(...hosts: Host[]): string {
  return [`udp port ${VXLAN_PORT}`, ...hosts.map(({ tap }) => `ether host ${tap.mac}`)].join(' or ');
}

function macvtapFrames(...hosts: Host[]): string {
  return hosts.map(({ macvtap }) => `ether host ${macvtap.mac}`).join(' or ');
}

/** Matches a VXLAN frame that fills the wire's MTU and contains an echo. */
function fullFrame(echo: string): RegExp {
  return new RegExp(`${WIRE_MTU + ETHERNET_BYTES} bytes, vni ${VXLAN_ID}\n.*ICMP echo ${echo}`);
}

/** Runs `action` while tcpdump listens at the host's end of the wire, and prints the frames that `enough` waits for. */
async function onWire(
  host: Host,
  filter: string,
  enough: (capture: WireCapture) => Promise<string[]>,
  action: () => Promise<void>,
): Promise<void> {
  if (findTcpdump() === undefined) return action();
  const capture = await WireCapture.start(host.netns, 'eth0', filter);
  try {
    await action();
    for (const frame of await enough(capture)) {
      // Guests also announce themselves over IPv6, which nothing here uses.
      if (/ARP|ICMP /.test(frame)) say(`on the wire: ${frame.replace('\n', '\n             ')}`);
    }
  } finally {
    await capture.stop();
  }
}

async function guestPings(guest: Guest, address: string, payloadBytes = 56): Promise<void> {
  const output = await guest.must(`ping -c 1 -s ${payloadBytes} -W 20 ${address}`);
  for (const line of output.split('\n')) {
    if (/bytes from|packets/.test(line)) say(`${guest.name}: ${line}`);
  }
}

async function scriptPings(script: EthernetHost, address: string, payloadBytes = 56): Promise<void> {
  const payload = Buffer.alloc(payloadBytes, 'frames from JavaScript ');
  const { mac, payload: back } = await script.ping(address, { payload, timeoutMs: PING_TIMEOUT_MS });
  if (!back.equals(payload)) throw new Error(`${address} answered with different bytes`);
  say(`${address} (${mac}) answered with ${payloadBytes} bytes`);
}

async function sayCounts(hosts: Host[]): Promise<void> {
  step('What passed the links, in frames');
  for (const { name, netns } of hosts) {
    for (const link of ['vxlan42', 'macvtap0', 'eth0']) {
      const { stats } = await links.get(link, { netns: netns.name });
      say(`host ${name} ${link.padEnd(8)} sent ${stats.txPackets}, received ${stats.rxPackets}`);
    }
  }
}

let steps = 0;

function step(title: string): void {
  steps += 1;
  process.stdout.write(`\n${steps}. ${title}\n`);
}

function say(text: string): void {
  process.stdout.write(`   ${text.replaceAll('\n', '\n   ')}\n`);
}

// Exit in an orderly way on Ctrl-C: guests, devices and namespaces go with the process.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

const [kernel, initramfs] = process.argv.slice(2);
const withoutQemu = kernel === '--without-qemu';
if (!withoutQemu && initramfs === undefined) {
  process.stderr.write('usage: node two-hosts.js KERNEL INITRAMFS, or node two-hosts.js --without-qemu\n');
  process.exit(2);
}
step('Two hosts and a wire');
const paths: string[] = [];
try {
  const hosts = await buildHosts();
  paths.push(...hosts.map(({ netns }) => netns.path));
  if (findTcpdump() === undefined) say('tcpdump is not installed, so the wire is not shown');
  if (withoutQemu) await withoutGuests(hosts);
  else await withGuests(hosts, { kernel, initramfs });
} finally {
  step('Cleanup');
  for (const cleanup of cleanups.reverse()) await cleanup();
}
const left = paths.filter((path) => existsSync(path));
if (left.length > 0) throw new Error(`${left.join(' and ')} left behind`);
say('guests off, devices closed, namespaces removed');
