/**
 * Connects WebSockets to Ethernet: each client gets its own device, and one binary message is one frame, as in v86's
 * network relay. A browser cannot be trusted, and may read slowly:
 *
 * - The request must have an expected Host and Origin, so that no other web page can use the relay.
 * - A client may use only the source MAC of its first frame; frames with another are dropped.
 * - Its frames per second are limited; excess frames are dropped. A message that is not a frame ends the connection.
 * - Queues are bounded both ways; what does not fit is dropped, as a network card does.
 *
 * All drops are counted.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

/** The Ethernet header, and the longest frame with one VLAN tag at an MTU of 1500. */
const MIN_FRAME_BYTES = 14;
const MAX_FRAME_BYTES = 1518;

export interface FrameRelayOptions {
  /** Opens a new client's device: an object-mode Duplex of frames. The relay destroys it when the client leaves. */
  open: () => Promise<Duplex>;
  /** Accepted `Host` headers: `['127.0.0.1:8086']`. */
  hosts: readonly string[];
  /** Accepted `Origin` headers: `['http://127.0.0.1:8086']`. */
  origins: readonly string[];
  /** Any more get status 503. Default 8. */
  maxClients?: number;
  /** How much may wait for a slow browser, in bytes. Default 256 KiB. */
  maxBufferedBytes?: number;
  /** How many frames a client may send per second; after a pause, as many at once. Default 20,000. */
  framesPerSecond?: number;
  /** A client that does not answer a WebSocket ping for this many milliseconds is disconnected. Default 30,000. */
  pingMs?: number;
}

/** Frames to and from a client. */
export interface RelayCounters {
  toClient: number;
  fromClient: number;
  /** Dropped frames, by reason. */
  dropped: { clientSlow: number; deviceBusy: number; foreignMac: number; rate: number };
}

/** One client. */
export interface RelayClient {
  readonly device: Duplex;
  readonly counters: RelayCounters;
  /** The source MAC of its first frame, in hexadecimal; undefined before that frame. */
  readonly mac: string | undefined;
}

export class FrameRelay {
  readonly #options: Required<FrameRelayOptions>;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FRAME_BYTES,
    perMessageDeflate: false,
  });
  readonly #clients = new Set<ConnectedClient>();
  /** Clients whose device is being opened. */
  #opening = 0;
  #closed = false;

  constructor(options: FrameRelayOptions) {
    this.#options = {
      maxClients: 8,
      maxBufferedBytes: 256 * 1024,
      framesPerSecond: 20_000,
      pingMs: 30_000,
      ...options,
    };
  }

  get clients(): readonly RelayClient[] {
    return [...this.#clients];
  }

  /** Call this for the HTTP server's `'upgrade'` event. */
  async handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    const { hosts, origins, maxClients } = this.#options;
    const { host = '', origin = '' } = request.headers;
    // Any page may open a WebSocket to any address, including a name that its owner has pointed at this machine.
    if (!hosts.includes(host) || !origins.includes(origin)) return refuse(socket, '403 Forbidden');
    if (this.#closed || this.#clients.size + this.#opening >= maxClients) {
      return refuse(socket, '503 Service Unavailable');
    }
    this.#opening += 1;
    let device: Duplex;
    try {
      device = await this.#options.open();
    } catch {
      return refuse(socket, '500 Internal Server Error');
    } finally {
      this.#opening -= 1;
    }
    if (this.#closed || socket.destroyed) {
      device.destroy();
      socket.destroy();
      return;
    }
    // A request that is not a WebSocket's ends here, and never becomes a client.
    const giveUp = (): unknown => device.destroy();
    socket.once('close', giveUp);
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      socket.off('close', giveUp);
      const client = new ConnectedClient(webSocket, device, this.#options);
      this.#clients.add(client);
      webSocket.once('close', () => this.#clients.delete(client));
    });
  }

  /** Ends all connections and their devices. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#clients].map((client) => client.close()));
  }
}

class ConnectedClient implements RelayClient {
  readonly device: Duplex;
  readonly counters: RelayCounters = {
    toClient: 0,
    fromClient: 0,
    dropped: { clientSlow: 0, deviceBusy: 0, foreignMac: 0, rate: 0 },
  };
  mac: string | undefined;
  readonly #webSocket: WebSocket;
  readonly #options: Required<FrameRelayOptions>;
  readonly #deviceClosed: Promise<void>;
  /** How many more frames may be sent now, and when this was last updated. */
  #allowance: number;
  #allowedAt = performance.now();
  #isAlive = true;

  constructor(webSocket: WebSocket, device: Duplex, options: Required<FrameRelayOptions>) {
    this.device = device;
    this.#webSocket = webSocket;
    this.#options = options;
    this.#allowance = options.framesPerSecond;
    this.#deviceClosed = new Promise((resolve) => device.once('close', resolve));
    const heartbeat = setInterval(() => this.#beat(), options.pingMs);
    webSocket.on('message', (message: Buffer, isBinary: boolean) => this.#receive(message, isBinary));
    webSocket.on('pong', () => {
      this.#isAlive = true;
    });
    webSocket.on('error', () => webSocket.terminate()); // a message too long, or not in the WebSocket protocol
    webSocket.once('close', () => {
      clearInterval(heartbeat);
      device.destroy();
    });
    device.on('data', (frame: Buffer) => this.#send(frame));
    device.on('error', () => {}); // 'close' follows
    device.once('close', () => webSocket.close(1001, 'the device is gone'));
  }

  async close(): Promise<void> {
    this.#webSocket.terminate();
    this.device.destroy();
    await this.#deviceClosed;
  }

  #beat(): void {
    if (this.#isAlive) this.#webSocket.ping();
    else this.#webSocket.terminate();
    this.#isAlive = false;
  }

  #send(frame: Buffer): void {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    if (this.#webSocket.bufferedAmount > this.#options.maxBufferedBytes) {
      this.counters.dropped.clientSlow += 1;
      return;
    }
    this.counters.toClient += 1;
    this.#webSocket.send(frame);
  }

  #receive(frame: Buffer, isBinary: boolean): void {
    if (!isBinary || frame.length < MIN_FRAME_BYTES) {
      this.#webSocket.close(1003, 'not a frame');
      return;
    }
    const { dropped } = this.counters;
    if (!this.#isAllowed()) {
      dropped.rate += 1;
      return;
    }
    if (!this.#isOwnMac(frame)) {
      dropped.foreignMac += 1;
      return;
    }
    if (this.device.writableNeedDrain) {
      dropped.deviceBusy += 1;
      return;
    }
    this.counters.fromClient += 1;
    // If the device refuses a frame, only that frame fails.
    this.device.write(frame, () => {});
  }

  #isOwnMac(frame: Buffer): boolean {
    // The lowest bit of the first byte marks a group address, which cannot be a source.
    if ((frame.readUInt8(6) & 1) === 1) return false;
    const source = frame.toString('hex', 6, 12);
    this.mac ??= source;
    return this.mac === source;
  }

  #isAllowed(): boolean {
    const now = performance.now();
    const { framesPerSecond } = this.#options;
    const earned = ((now - this.#allowedAt) / 1000) * framesPerSecond;
    this.#allowance = Math.min(framesPerSecond, this.#allowance + earned);
    this.#allowedAt = now;
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
