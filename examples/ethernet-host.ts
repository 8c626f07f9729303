/**
 * A small computer on an Ethernet, in TypeScript: it answers ARP and ping for one IPv4 address, and can ping others. It
 * works on any object-mode Duplex whose chunks are frames, such as those from `openTap` and `openMacvtap`. The other
 * examples and the demo put it behind a device; to everything else on the wire it is a real host.
 */
import { randomInt } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { decodeFrame, encodeFrame, type Layers, type Packet, replyTo, summarize } from 'tapfd/packets';

const BROADCAST = 'ff:ff:ff:ff:ff:ff';

export interface EthernetHostOptions {
  /** Its MAC: on a macvtap that of the device; on a TAP any but the device's own, which is the kernel's. */
  mac: string;
  /** Its IPv4 address: `10.0.0.1`. */
  address: string;
  /** Called for every frame received or sent, with a one-line description. */
  onFrame?: (direction: 'received' | 'sent', description: string) => void;
}

/** The reply to a ping. */
export interface PingReply {
  /** The MAC that answered. */
  mac: string;
  milliseconds: number;
  /** The reply's payload, which is what was sent. */
  payload: Buffer;
}

export class EthernetHost {
  readonly mac: string;
  readonly address: string;
  /** Echo requests answered so far. */
  answered = 0;

  readonly #device: Duplex;
  readonly #onFrame: EthernetHostOptions['onFrame'];
  readonly #identifier = randomInt(0x10000);
  #sequence = 0;
  /** Callbacks waiting for the MAC of an address, and for the reply to an echo request. */
  readonly #arpWaiters = new Map<string, (mac: string) => void>();
  readonly #echoWaiters = new Map<number, (mac: string, payload: Buffer) => void>();

  /** Starts reading `device`. The host lasts as long as the device. */
  constructor(device: Duplex, options: EthernetHostOptions) {
    this.#device = device;
    this.mac = options.mac;
    this.address = options.address;
    this.#onFrame = options.onFrame;
    device.on('data', (frame: Buffer) => this.#receive(frame));
  }

  /**
   * Sends one echo request, after resolving the MAC, and waits for the reply.
   *
   * @throws Error when there is no answer within `timeoutMs` (default 5000). Both requests are repeated every second.
   */
  async ping(address: string, options: { payload?: Buffer; timeoutMs?: number } = {}): Promise<PingReply> {
    const { payload = Buffer.from('frames from JavaScript'), timeoutMs = 5000 } = options;
    const deadline = performance.now() + timeoutMs;
    const mac = await this.resolve(address, timeoutMs);
    const sequence = ++this.#sequence & 0xffff;
    let sent = 0;
    try {
      return await askUntil<PingReply>(
        deadline,
        `${address} (${mac}) does not answer the ping of ${this.address}`,
        () => {
          sent = performance.now();
          this.#send({
            ethernet: { source: this.mac, destination: mac },
            ipv4: { source: this.address, destination: address },
            icmp: { type: 'echo-request', identifier: this.#identifier, sequence },
            payload,
          });
        },
        (found) => {
          this.#echoWaiters.set(sequence, (from, content) =>
            found({ mac: from, milliseconds: performance.now() - sent, payload: content }),
          );
        },
      );
    } finally {
      this.#echoWaiters.delete(sequence);
    }
  }

  /**
   * Finds the MAC of an IPv4 address by ARP.
   *
   * @throws Error when there is no answer within `timeoutMs` (default 5000).
   */
  async resolve(address: string, timeoutMs = 5000): Promise<string> {
    try {
      return await askUntil<string>(
        performance.now() + timeoutMs,
        `no answer to the ARP request of ${this.address} for ${address}`,
        () =>
          this.#send({
            ethernet: { source: this.mac, destination: BROADCAST },
            arp: { operation: 'request', senderAddress: this.address, targetAddress: address },
          }),
        (found) => this.#arpWaiters.set(address, found),
      );
    } finally {
      this.#arpWaiters.delete(address);
    }
  }

  #receive(frame: Buffer): void {
    const packet = decodeFrame(frame);
    const { ethernet } = packet;
    if (ethernet === undefined) return;
    // A bridge floods frames for unknown MACs: ignore those addressed to others.
    const isForGroup = (frame.readUInt8(0) & 1) === 1;
    if (ethernet.destination !== this.mac && !isForGroup) return;
    this.#onFrame?.('received', describeFrame(frame));
    if (isRequest(packet, this.address)) this.#answer(packet);
    else this.#take(packet, ethernet.source);
  }

  #answer(packet: Packet): void {
    const reply = replyTo(packet, { mac: this.mac });
    if (reply === undefined) return;
    if (packet.icmp) this.answered += 1;
    this.#send(reply);
  }

  /** Passes an answer to whoever waits for it. */
  #take({ arp, ipv4, icmp, payload }: Packet, from: string): void {
    if (arp?.operation === 'reply' && arp.targetAddress === this.address) {
      this.#arpWaiters.get(arp.senderAddress)?.(arp.senderMac);
    }
    const isOurs = ipv4?.destination === this.address && icmp?.identifier === this.#identifier;
    if (isOurs && icmp.type === 'echo-reply') this.#echoWaiters.get(icmp.sequence ?? -1)?.(from, payload);
  }

  #send(layers: Layers): void {
    const frame = encodeFrame(layers);
    this.#onFrame?.('sent', describeFrame(frame));
    this.#device.write(frame);
  }
}

/** Whether a packet asks the host with this address for its MAC, or for an echo. */
function isRequest({ arp, ipv4, icmp }: Packet, address: string): boolean {
  if (arp) return arp.operation === 'request' && arp.targetAddress === address;
  return icmp?.type === 'echo-request' && ipv4?.destination === address;
}

/** Describes a frame in one line: `52:54:00:00:00:01 > ff:ff:ff:ff:ff:ff, ARP, request who-has 10.0.0.2 tell 10.0.0.1`. */
export function describeFrame(frame: Buffer): string {
  return summarize(decodeFrame(frame), { macs: true });
}

/** Calls `ask` now and every second, until an answer comes or `deadline` passes. */
function askUntil<T>(
  deadline: number,
  failure: string,
  ask: () => void,
  listen: (found: (answer: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const again = setInterval(ask, 1000);
    const stop = setTimeout(
      () => {
        clearInterval(again);
        reject(new Error(failure));
      },
      Math.max(0, deadline - performance.now()),
    );
    listen((answer) => {
      clearInterval(again);
      clearTimeout(stop);
      resolve(answer);
    });
    ask();
  });
}
