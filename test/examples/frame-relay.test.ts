/** What the WebSocket relay lets through and what it does not. Over a unix socket, so that no network is needed. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { FrameRelay, type FrameRelayOptions } from '../../examples/frame-relay.ts';

const HOST = 'relay.test';
const ORIGIN = 'http://relay.test';
const MAC = '525400000001';

/** A device that records what it is given. */
class Device extends Duplex {
  written: string[] = [];
  /** True: what is written is not taken before `release`. */
  holds = false;
  release: () => void = () => {};
  constructor() {
    super({ objectMode: true, writableHighWaterMark: 1 });
  }
  override _read(): void {}
  override _write(frame: Buffer, _encoding: string, callback: () => void): void {
    this.written.push(frame.toString('hex'));
    this.emit('written');
    if (this.holds) this.release = callback;
    else callback();
  }
}

async function relayOn(t: Test, options: Partial<FrameRelayOptions> = {}) {
  const devices: Device[] = [];
  const relay = new FrameRelay({
    open: async () => {
      const device = new Device();
      devices.push(device);
      return device;
    },
    hosts: [HOST],
    origins: [ORIGIN],
    ...options,
  });
  const server = createServer((_request, response) => response.writeHead(404).end());
  server.on('upgrade', (request, socket, head: Buffer) => void relay.handleUpgrade(request, socket, head));
  // The path of a socket must be short; that of the test's own folder is not.
  const directory = mkdtempSync(join(tmpdir(), 'tapfd-relay-'));
  const path = join(directory, 'socket');
  server.listen(path);
  await once(server, 'listening');
  t.teardown(async () => {
    await relay.close();
    server.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true });
  });
  const connect = (headers: { host?: string; origin?: string } = {}): WebSocket =>
    new WebSocket(`ws+unix://${path}:/relay`, { headers: { host: HOST, origin: ORIGIN, ...headers } });
  const client = async (): Promise<{ webSocket: WebSocket; device: Device }> => {
    const webSocket = connect();
    await once(webSocket, 'open');
    const device = devices.at(-1);
    if (device === undefined) throw new Error('no device was opened');
    return { webSocket, device };
  };
  return { relay, devices, connect, client };
}

/** An Ethernet frame from `source` that holds `content`. */
function frame(content: string, source = MAC): Buffer {
  return Buffer.from(`ffffffffffff${source}88b5${Buffer.from(content).toString('hex')}`, 'hex');
}

/** Why a connection was refused. */
function refusal(webSocket: WebSocket): Promise<Error> {
  return new Promise((resolve, reject) => {
    webSocket.once('error', resolve);
    webSocket.once('open', () => reject(new Error('it was let in')));
  });
}

/** Sends and waits until the relay has seen all of it: it answers in order. */
async function send(webSocket: WebSocket, ...frames: Buffer[]): Promise<void> {
  for (const one of frames) webSocket.send(one);
  const pong = once(webSocket, 'pong');
  webSocket.ping();
  await pong;
}

t.test('one message is one frame, both ways', async (t) => {
  const { relay, client } = await relayOn(t);
  const { webSocket, device } = await client();
  const frames = [frame('a'), frame('b'.repeat(1500))];
  await send(webSocket, ...frames);
  t.same(
    device.written,
    frames.map((one) => one.toString('hex')),
  );
  const message = once(webSocket, 'message');
  device.push(frame('to you'));
  const [data, isBinary] = await message;
  t.same(data, frame('to you'));
  t.equal(isBinary, true);
  t.match(relay.clients, [{ mac: MAC, counters: { toClient: 1, fromClient: 2 } }]);
  const closed = once(device, 'close');
  webSocket.close();
  await closed;
  t.equal(relay.clients.length, 0, 'the device goes with the client');
});

t.test('other pages and other names are refused, before a device is opened', async (t) => {
  const { devices, connect } = await relayOn(t);
  for (const headers of [
    { origin: 'http://evil.test' },
    { origin: '' },
    { origin: 'null' },
    { host: 'evil.test' },
    { origin: 'http://evil.test', host: 'evil.test' },
  ]) {
    const error = await refusal(connect(headers));
    t.match(error, /403/, JSON.stringify(headers));
  }
  t.equal(devices.length, 0);
});

t.test('no more clients than agreed', async (t) => {
  const { client, connect, devices } = await relayOn(t, { maxClients: 1 });
  await client();
  const error = await refusal(connect());
  t.match(error, /503/);
  t.equal(devices.length, 1);
});

t.test('a device that cannot be opened is reported', async (t) => {
  const { connect, relay } = await relayOn(t, { open: () => Promise.reject(new Error('no')) });
  const error = await refusal(connect());
  t.match(error, /500/);
  t.equal(relay.clients.length, 0);
});

t.test('a client has one source MAC', async (t) => {
  const { relay, client } = await relayOn(t);
  const { webSocket, device } = await client();
  await send(
    webSocket,
    frame('group', '010000000001'),
    frame('mine'),
    frame('theirs', '525400000002'),
    frame('2'),
  );
  t.same(
    device.written,
    [frame('mine'), frame('2')].map((one) => one.toString('hex')),
  );
  t.match(relay.clients, [{ counters: { fromClient: 2, dropped: { foreignMac: 2 } } }]);
});

t.test('what comes faster than allowed is dropped', async (t) => {
  const { relay, client } = await relayOn(t, { framesPerSecond: 3 });
  const { webSocket, device } = await client();
  await send(webSocket, ...Array.from({ length: 1000 }, (_, i) => frame(String(i))));
  const [{ counters }] = relay.clients;
  t.equal(counters.fromClient + counters.dropped.rate, 1000);
  t.ok(counters.fromClient >= 3 && counters.dropped.rate > 0, JSON.stringify(counters));
  t.equal(device.written.length, counters.fromClient);
});

t.test('what the device cannot take yet is dropped', async (t) => {
  const { relay, client } = await relayOn(t);
  const { webSocket, device } = await client();
  device.holds = true;
  await send(webSocket, frame('1'), frame('2'), frame('3'));
  t.match(relay.clients, [{ counters: { fromClient: 1, dropped: { deviceBusy: 2 } } }]);
  device.holds = false;
  device.release();
  await send(webSocket, frame('4'));
  t.same(
    device.written,
    [frame('1'), frame('4')].map((one) => one.toString('hex')),
    'and then it goes on',
  );
});

t.test('what a slow client has not taken is bounded, and the rest dropped', async (t) => {
  const { relay, client } = await relayOn(t, { maxBufferedBytes: 10_000 });
  const { webSocket, device } = await client();
  webSocket.pause();
  const [{ counters }] = relay.clients;
  const sent = 5000;
  for (let i = 0; i < sent; i += 1) device.push(frame('x'.repeat(1400)));
  while (counters.toClient + counters.dropped.clientSlow < sent) await new Promise(setImmediate);
  t.ok(counters.dropped.clientSlow > 0, JSON.stringify(counters));
  let received = 0;
  const all = new Promise<void>((resolve) => {
    webSocket.on('message', () => {
      received += 1;
      if (received === counters.toClient) resolve();
    });
  });
  webSocket.resume();
  await all;
  t.equal(received, counters.toClient, 'all that was not dropped arrives');
});

t.test('what is no frame ends the connection', async (t) => {
  const { client } = await relayOn(t);
  for (const message of ['text', Buffer.alloc(13), Buffer.alloc(1519)]) {
    const { webSocket, device } = await client();
    webSocket.on('error', () => {});
    const gone = [once(webSocket, 'close'), once(device, 'close')];
    webSocket.send(message);
    await Promise.all(gone);
    t.same(device.written, [], `${message.length} bytes, ${typeof message}`);
  }
});

t.test('a client is told that its device is gone', async (t) => {
  const { relay, client } = await relayOn(t);
  const { webSocket, device } = await client();
  device.destroy(new Error('deleted'));
  const [code] = await once(webSocket, 'close');
  t.equal(code, 1001);
  while (relay.clients.length > 0) await new Promise(setImmediate); // its own end follows the client's
});

t.test('a client that is silent is taken for gone', async (t) => {
  const { client } = await relayOn(t, { pingMs: 20 });
  const { webSocket, device } = await client();
  webSocket.pause();
  await once(device, 'close');
  t.ok(device.destroyed);
  webSocket.resume();
});
