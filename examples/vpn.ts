/**
 * A VPN between two hosts: a TUN at each end, and its packets over UDP, encrypted. Both ends know one key of 32 bytes. From
 * it and from a key pair of X25519 that each end makes when it starts, they derive a key for each direction; packets are
 * sealed with ChaCha20-Poly1305, and accepted once.
 *
 *     node vpn.js --key FILE --address 10.99.0.1/24 --peer 192.0.2.2:4500 [--listen 4500] [--name vpn0]
 *
 * FILE holds 64 hexadecimal digits (`openssl rand -hex 32`). It shows what a VPN is made of. Where lives depend on it, use
 * WireGuard: ../docs/vpn.md says what this one lacks.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  timingSafeEqual,
} from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openTun } from 'tapfd';

const KEY_BYTES = 32;
const TAG_BYTES = 16;
/** Type and counter. */
const HEADER_BYTES = 9;
/** Type, the sender's public key, the key of the request that it answers, and their authentication. */
const HELLO_BYTES = 1 + 3 * KEY_BYTES;
const REQUEST = 1;
const RESPONSE = 2;
const DATA = 3;
/** How far packets may overtake each other. */
const WINDOW = 1024;
/** 1500 bytes of Ethernet, less IPv6 (40), UDP (8), header and tag. */
export const MTU = 1420;
/** X.509's bytes before a public key of X25519 (RFC 8410). */
const PUBLIC_KEY_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');

/** What has been dropped, by reason. */
export interface Drops {
  /** Not of this tunnel, or changed on the way. */
  forged: number;
  /** Came a second time, or later than the window. */
  replayed: number;
  /** There is no session yet. */
  early: number;
}

/** One end of the tunnel: turns packets into datagrams and back. Knows no socket and no device. */
export class Tunnel {
  readonly drops: Drops = { forged: 0, replayed: 0, early: 0 };
  readonly #sharedKey: Buffer;
  readonly #pair = generateKeyPairSync('x25519');
  readonly #publicKey: Buffer;
  #session: Session | undefined;
  /**
   * The peer's keys that have had a session. None gets a second one: its keys would be the same, and its counters would
   * begin at 0 again.
   */
  readonly #usedKeys = new Set<string>();

  constructor(sharedKey: Buffer) {
    if (sharedKey.length !== KEY_BYTES) throw new RangeError(`a key has ${KEY_BYTES} bytes`);
    this.#sharedKey = sharedKey;
    this.#publicKey = this.#pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(-KEY_BYTES);
  }

  get isReady(): boolean {
    return this.#session !== undefined;
  }

  /** The datagram that asks the peer for its key: to be sent again until the tunnel is ready. */
  request(): Buffer {
    return this.#hello(REQUEST, Buffer.alloc(KEY_BYTES));
  }

  /** The datagram for a packet; undefined before the tunnel is ready. */
  seal(packet: Buffer): Buffer | undefined {
    if (this.#session === undefined) this.drops.early += 1;
    return this.#session?.seal(packet);
  }

  /** Takes a datagram: the packet in it, or the replies to it. What is not genuine changes nothing but the counts. */
  receive(datagram: Buffer): { packet?: Buffer; replies?: Buffer[] } {
    const type = datagram[0];
    if (type === DATA) return this.#open(datagram);
    if ((type === REQUEST || type === RESPONSE) && this.#isGenuine(datagram)) {
      const key = datagram.subarray(1, 1 + KEY_BYTES);
      const answered = datagram.subarray(1 + KEY_BYTES, 1 + 2 * KEY_BYTES);
      if (type === REQUEST) return { replies: this.#answer(key) };
      // Only an answer to this end's own key is fresh: anything else may have been recorded before it started.
      if (answered.equals(this.#publicKey)) this.#meet(key);
      return {};
    }
    this.drops.forged += 1;
    return {};
  }

  /** A request with a key that is new comes from a peer that has restarted, or is a recorded one: ask who is there now. */
  #answer(key: Buffer): Buffer[] {
    const response = this.#hello(RESPONSE, key);
    return this.#usedKeys.has(key.toString('hex')) ? [response] : [response, this.request()];
  }

  #meet(key: Buffer): void {
    const name = key.toString('hex');
    if (this.#usedKeys.has(name) || key.equals(this.#publicKey)) return;
    this.#usedKeys.add(name);
    const publicKey = createPublicKey({
      key: Buffer.concat([PUBLIC_KEY_PREFIX, key]),
      format: 'der',
      type: 'spki',
    });
    const secret = diffieHellman({ privateKey: this.#pair.privateKey, publicKey });
    // Both ends put the keys in the same order. Each direction has a key of its own, as both count from 0.
    const isFirst = Buffer.compare(this.#publicKey, key) < 0;
    const salt = Buffer.concat(isFirst ? [this.#publicKey, key] : [key, this.#publicKey]);
    const input = Buffer.concat([secret, this.#sharedKey]);
    const keys = Buffer.from(hkdfSync('sha256', input, salt, 'tapfd example vpn: data', 2 * KEY_BYTES));
    const [first, second] = [keys.subarray(0, KEY_BYTES), keys.subarray(KEY_BYTES)];
    this.#session = isFirst ? new Session(first, second) : new Session(second, first);
  }

  #open(datagram: Buffer): { packet?: Buffer } {
    if (this.#session === undefined) {
      this.drops.early += 1;
      return {};
    }
    const result = this.#session.open(datagram);
    if (typeof result !== 'string') return { packet: result };
    this.drops[result] += 1;
    return {};
  }

  #hello(type: number, answered: Buffer): Buffer {
    const hello = Buffer.concat([Buffer.of(type), this.#publicKey, answered]);
    return Buffer.concat([hello, this.#authentication(hello)]);
  }

  #isGenuine(datagram: Buffer): boolean {
    if (datagram.length !== HELLO_BYTES) return false;
    const [hello, code] = [datagram.subarray(0, -KEY_BYTES), datagram.subarray(-KEY_BYTES)];
    return timingSafeEqual(this.#authentication(hello), code);
  }

  #authentication(hello: Buffer): Buffer {
    const key = Buffer.from(hkdfSync('sha256', this.#sharedKey, '', 'tapfd example vpn: hello', KEY_BYTES));
    return createHmac('sha256', key).update(hello).digest();
  }
}

/** The keys of both directions, the next counter of one and the counters seen of the other. */
class Session {
  readonly #sendKey: Buffer;
  readonly #receiveKey: Buffer;
  #sent = 0;
  #highest = -1;
  /** One for each of the last counters: whether it has been seen. */
  readonly #seen = new Uint8Array(WINDOW);

  constructor(sendKey: Buffer, receiveKey: Buffer) {
    this.#sendKey = sendKey;
    this.#receiveKey = receiveKey;
  }

  seal(packet: Buffer): Buffer {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt8(DATA);
    header.writeBigUInt64BE(BigInt(this.#sent), 1);
    this.#sent += 1;
    const cipher = createCipheriv('chacha20-poly1305', this.#sendKey, nonce(header), {
      authTagLength: TAG_BYTES,
    });
    cipher.setAAD(header, { plaintextLength: packet.length });
    const sealed = [cipher.update(packet), cipher.final()];
    return Buffer.concat([header, ...sealed, cipher.getAuthTag()]);
  }

  /** The packet, or why it is dropped. The window moves only when the packet is genuine. */
  open(datagram: Buffer): Buffer | 'forged' | 'replayed' {
    if (datagram.length < HEADER_BYTES + TAG_BYTES) return 'forged';
    const header = datagram.subarray(0, HEADER_BYTES);
    const sealed = datagram.subarray(HEADER_BYTES, -TAG_BYTES);
    const decipher = createDecipheriv('chacha20-poly1305', this.#receiveKey, nonce(header), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(header, { plaintextLength: sealed.length });
    decipher.setAuthTag(datagram.subarray(-TAG_BYTES));
    let packet: Buffer;
    try {
      packet = Buffer.concat([decipher.update(sealed), decipher.final()]);
    } catch {
      return 'forged';
    }
    return this.#isFirst(Number(header.readBigUInt64BE(1))) ? packet : 'replayed';
  }

  #isFirst(counter: number): boolean {
    if (counter <= this.#highest - WINDOW) return false;
    for (let skipped = Math.max(this.#highest + 1, counter - WINDOW + 1); skipped <= counter; skipped += 1) {
      this.#seen[skipped % WINDOW] = 0;
    }
    this.#highest = Math.max(this.#highest, counter);
    if (this.#seen[counter % WINDOW] === 1) return false;
    this.#seen[counter % WINDOW] = 1;
    return true;
  }
}

/** Twelve bytes, which no other packet under the same key has. */
function nonce(header: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(4), header.subarray(1)]);
}

/** How many datagrams may wait in the socket: a tunnel that is full drops, as every network does. */
const MAX_WAITING = 256;
const REQUEST_MS = 1000;

async function run(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { key: text, address: text, peer: text, listen: { ...text, default: '4500' }, name: text },
  });
  const { key, address, listen } = values;
  const [, host, port] = /^\[?(.+?)\]?:(\d+)$/.exec(values.peer ?? '') ?? [];
  if (key === undefined || address === undefined || host === undefined) {
    throw new Error(
      'usage: vpn.js --key FILE --address ADDRESS/LENGTH --peer HOST:PORT [--listen PORT] [--name NAME]',
    );
  }
  const tunnel = new Tunnel(Buffer.from(readFileSync(key, 'utf8').trim(), 'hex'));
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.bind(Number(listen));
  await once(socket, 'listening');
  const name = values.name ?? 'vpn%d';
  const tun = await openTun({ name, addresses: [address], mtu: MTU, ipv6: address.includes(':') });

  let waiting = 0;
  const counts = { sent: 0, received: 0, full: 0, refused: 0 };
  const send = (datagram: Buffer): void => {
    if (waiting === MAX_WAITING) {
      counts.full += 1;
      return;
    }
    waiting += 1;
    // A host that cannot be reached now loses packets; the tunnel stays.
    socket.send(datagram, Number(port), host, (error) => {
      waiting -= 1;
      if (error !== null) counts.full += 1;
    });
  };
  const ask = setInterval(() => {
    if (!tunnel.isReady) send(tunnel.request());
  }, REQUEST_MS);
  send(tunnel.request());

  tun.on('data', (packet: Buffer) => {
    const datagram = tunnel.seal(packet);
    if (datagram === undefined) return;
    counts.sent += 1;
    send(datagram);
  });
  let wasReady = false;
  socket.on('message', (datagram) => {
    const { packet, replies = [] } = tunnel.receive(datagram);
    for (const reply of replies) send(reply);
    if (!wasReady && tunnel.isReady) console.log(`${tun.name}: connected to ${values.peer}`);
    wasReady = tunnel.isReady;
    if (packet === undefined) return;
    counts.received += 1;
    // A peer with the key can still send what is no packet: it fails alone.
    tun.write(packet, (error) => {
      if (error) counts.refused += 1;
    });
  });
  console.log(`${tun.name}: ${address}, waiting for ${values.peer}`);

  const end = (): void => {
    clearInterval(ask);
    socket.close();
    void tun.close();
    console.log(JSON.stringify({ ...counts, ...tunnel.drops }));
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run();
