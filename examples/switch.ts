/**
 * An Ethernet switch in JavaScript: each port is a TAP, or any object-mode Duplex of frames. It learns which MAC is behind
 * which port, sends frames there alone, and floods what it does not know. As a program it makes some hosts, each a network
 * namespace with one TAP, lets them ping each other through the switch, and prints what it has learnt.
 *
 *     node switch.js [HOSTS]     from 2 to 20; default 3
 */
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { createNetns, formatMac, type Netns, openTap, type Tap } from 'tapfd';

const MIN_FRAME_BYTES = 14;

export interface SwitchOptions {
  /** How long a MAC is remembered after its last frame. Default: 300 seconds, as in IEEE 802.1Q. */
  ageMs?: number;
  /** How many MACs a port may have. One more, and its oldest is forgotten: no port can take the table from the others. Default 1024. */
  maxMacsPerPort?: number;
  /** Milliseconds, for tests. */
  now?: () => number;
}

/** A port, and what went through it. */
export interface SwitchPort {
  readonly device: Duplex;
  received: number;
  sent: number;
  /** Frames that the device could not take in time, refused, or that no switch passes on. */
  dropped: number;
}

interface Place {
  port: SwitchPort;
  seenAt: number;
}

export class LearningSwitch {
  readonly #ageMs: number;
  readonly #maxMacsPerPort: number;
  readonly #now: () => number;
  /** Where each MAC was last seen. */
  readonly #places = new Map<string, Place>();
  /** The MACs of each port, that seen longest ago first. */
  readonly #macs = new Map<SwitchPort, Set<string>>();

  constructor({ ageMs = 300_000, maxMacsPerPort = 1024, now = Date.now }: SwitchOptions = {}) {
    this.#ageMs = ageMs;
    this.#maxMacsPerPort = maxMacsPerPort;
    this.#now = now;
  }

  /** Starts reading a device. It is a port until it closes. */
  connect(device: Duplex): SwitchPort {
    const port: SwitchPort = { device, received: 0, sent: 0, dropped: 0 };
    this.#macs.set(port, new Set());
    device.on('data', (frame: Buffer) => this.#receive(frame, port));
    device.on('error', () => {}); // 'close' follows
    device.once('close', () => {
      for (const mac of this.#macs.get(port) ?? []) this.#places.delete(mac);
      this.#macs.delete(port);
    });
    return port;
  }

  /** The port behind which a MAC is, if it is known. */
  portOf(mac: string): SwitchPort | undefined {
    const place = this.#places.get(mac);
    if (place === undefined) return undefined;
    if (this.#now() - place.seenAt <= this.#ageMs) return place.port;
    this.#forget(mac, place.port);
    return undefined;
  }

  /** The MACs of a port. */
  macsOf(port: SwitchPort): string[] {
    return [...(this.#macs.get(port) ?? [])].filter((mac) => this.portOf(mac) === port);
  }

  #receive(frame: Buffer, from: SwitchPort): void {
    from.received += 1;
    if (frame.length < MIN_FRAME_BYTES || isForNeighbourOnly(frame)) {
      from.dropped += 1;
      return;
    }
    if (!isGroup(frame, 6)) this.#learn(macAt(frame, 6), from);
    const to = isGroup(frame, 0) ? undefined : this.portOf(macAt(frame, 0));
    // One whose destination is on the port it came from has arrived already.
    for (const port of to === undefined ? this.#macs.keys() : [to]) {
      if (port !== from) send(frame, port);
    }
  }

  #learn(mac: string, port: SwitchPort): void {
    const place = this.#places.get(mac);
    if (place !== undefined) this.#forget(mac, place.port);
    const macs = this.#macs.get(port);
    if (macs === undefined) return; // closed, with frames still in the stream
    const [oldest] = macs;
    if (macs.size >= this.#maxMacsPerPort && oldest !== undefined) this.#forget(oldest, port);
    this.#places.set(mac, { port, seenAt: this.#now() });
    macs.add(mac);
  }

  #forget(mac: string, port: SwitchPort): void {
    this.#places.delete(mac);
    this.#macs.get(port)?.delete(mac);
  }
}

/** A switch does not wait for a slow port: it drops, as its queue is full. */
function send(frame: Buffer, port: SwitchPort): void {
  if (!port.device.writable || port.device.writableNeedDrain) {
    port.dropped += 1;
    return;
  }
  port.device.write(frame, (error) => {
    if (error) port.dropped += 1;
    else port.sent += 1;
  });
}

/** Broadcast or multicast: the lowest bit of the first byte. */
function isGroup(frame: Buffer, offset: number): boolean {
  return (frame.readUInt8(offset) & 1) === 1;
}

/** 01:80:c2:00:00:00 to 0f, which bridges never forward (IEEE 802.1Q, 8.6.3): spanning tree, LLDP, pause frames. */
function isForNeighbourOnly(frame: Buffer): boolean {
  return frame.readUIntBE(0, 5) === 0x0180c20000 && frame.readUInt8(5) < 0x10;
}

function macAt(frame: Buffer, offset: number): string {
  return formatMac(frame.subarray(offset, offset + 6));
}

/** Makes the hosts, has each ping each, and prints what happened. Everything is removed at the end. */
async function demonstrate(count: number): Promise<void> {
  const hub = new LearningSwitch();
  const hosts: { netns: Netns; tap: Tap; port: SwitchPort; address: string }[] = [];
  try {
    for (let n = 1; n <= count; n += 1) {
      const address = `10.66.0.${n}`;
      const netns = await createNetns();
      const tap = await openTap({ netns: netns.path, addresses: [`${address}/24`], ipv6: false });
      hosts.push({ netns, tap, port: hub.connect(tap), address });
    }
    for (const { netns, address } of hosts) {
      for (const other of hosts.filter((host) => host.address !== address)) {
        const ping = netns.spawn('ping', ['-n', '-c', '1', '-W', '5', other.address], { stdio: 'ignore' });
        const [status] = await once(ping, 'exit');
        console.log(`${address} pings ${other.address}: ${status === 0 ? 'answered' : 'no answer'}`);
        if (status !== 0) process.exitCode = 1;
      }
    }
    for (const { address, port } of hosts) {
      console.log(
        `port of ${address}: ${hub.macsOf(port).join(', ')}; ${port.received} in, ${port.sent} out`,
      );
    }
  } finally {
    for (const { tap, netns } of hosts) {
      await tap.close();
      await netns.close();
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await demonstrate(Math.min(20, Math.max(2, Number(process.argv[2] ?? 3))));
}
