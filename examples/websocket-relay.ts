/**
 * A web page with a PC in it that is on a real Ethernet: the page runs v86, and this server connects the PC's network card
 * to a TAP over a WebSocket. All TAPs are in one bridge, on which the kernel has an address. Bridge and TAPs are removed
 * at the end.
 *
 *     node websocket-relay.js DIRECTORY [PORT]     the directory that scripts/guest/v86-image.mjs prints; port 8086
 */
import { createReadStream, existsSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { links, openTap } from 'tapfd';
import { FrameRelay } from './frame-relay.ts';
import { V86_MACHINE } from './v86-guest.ts';

const BRIDGE = 'v86br0';
const NETWORK = '10.90.0';
const LISTEN = '127.0.0.1';

const [directory, port = '8086'] = process.argv.slice(2);
if (directory === undefined)
  throw new Error(
    'usage: websocket-relay.js DIRECTORY [PORT]; node scripts/guest/v86-image.mjs prints DIRECTORY',
  );

// The compiled file is in a different directory from the page.
const page = [new URL('./', import.meta.url), new URL('../../examples/', import.meta.url)]
  .map((base) => fileURLToPath(new URL('websocket-relay.html', base)))
  .find(existsSync);
const emulator = dirname(fileURLToPath(import.meta.resolve('v86')));

/** Only these files are served. */
const FILES: Record<string, [path: string | undefined, type: string]> = {
  '/': [page, 'text/html; charset=utf-8'],
  '/libv86.mjs': [join(emulator, 'libv86.mjs'), 'text/javascript'],
  '/v86.wasm': [join(emulator, 'v86.wasm'), 'application/wasm'],
  ...Object.fromEntries(
    ['bios', 'vgaBios', 'vmlinuz', 'initramfs', 'state'].map((name) => [
      `/machine/${name}`,
      [join(directory, name), 'application/octet-stream'],
    ]),
  ),
};

let guests = 0;

/** What the page needs to build its machine. Each visit is a new guest. */
function machine(): string {
  guests += 1;
  const number = 2 + (guests % 250);
  return JSON.stringify({
    options: V86_MACHINE,
    hasState: existsSync(join(directory, 'state')),
    mac: `52:54:00:90:00:${number.toString(16).padStart(2, '0')}`,
    address: `${NETWORK}.${number}`,
    host: `${NETWORK}.1`,
  });
}

function serve(url: string, response: ServerResponse): void {
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  if (url === '/machine.json') {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
    response.end(machine());
    return;
  }
  const [path, type] = FILES[url] ?? [];
  if (path === undefined || type === undefined || !existsSync(path)) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'Content-Type': type });
  createReadStream(path)
    .on('error', () => response.destroy())
    .pipe(response);
}

const hosts = [`${LISTEN}:${port}`];
const relay = new FrameRelay({
  open: () => openTap({ bridge: BRIDGE }),
  hosts,
  origins: hosts.map((host) => `http://${host}`),
});
const server = createServer((request, response) => {
  if (!hosts.includes(request.headers.host ?? '')) response.writeHead(403).end();
  else serve(request.url ?? '', response);
});
server.on('upgrade', (request, socket, head: Buffer) => {
  if (request.url === '/relay') void relay.handleUpgrade(request, socket, head);
  else socket.destroy();
});

await links.create({ kind: 'bridge', name: BRIDGE, up: true });
let isEnding = false;
async function end(): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  for (const { mac, counters } of relay.clients)
    console.log(`${mac ?? 'no frames'}: ${JSON.stringify(counters)}`);
  server.close();
  server.closeAllConnections();
  await relay.close();
  await links.remove(BRIDGE);
}
process.once('SIGINT', () => void end());
process.once('SIGTERM', () => void end());
try {
  await links.addAddress(BRIDGE, `${NETWORK}.1/24`);
  server.listen(Number(port), LISTEN, () => console.log(`open http://${hosts[0]}/`));
  server.once('error', (error) => {
    console.error(error.message);
    process.exitCode = 1;
    void end();
  });
} catch (error) {
  await end();
  throw error;
}
