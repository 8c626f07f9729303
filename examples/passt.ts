/**
 * A network without privileges behind a TAP: passt turns frames into ordinary sockets of its own process. It does not
 * accept a TAP, but the connected stream socket that QEMU would give it, on which each frame follows its length.
 * JavaScript connects the two. Whatever uses the TAP, here another network namespace, reaches the world as passt does.
 *
 *     node passt.js
 *
 * Needs passt.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Duplex, pipeline } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { createNetns, FrameDecoder, FrameEncoder, type FrameStream, links, type Netns, openTap } from 'tapfd';

const MTU = 1500;

/** Carries frames between a device and passt's socket until either ends; the other is destroyed then. */
export function join(device: FrameStream, socket: Duplex): void {
  const ended = () => {}; // passt's 'exit' says it
  pipeline(device, new FrameEncoder(), socket, ended);
  pipeline(socket, new FrameDecoder(), device, ended);
}

/** Starts passt in `netns`, which is connected to the world, with one end of a socket pair; returns it and the other end. */
export async function startPasst(
  netns: Netns,
  addresses: { guest: string; gateway: string; link: string },
): Promise<{ child: ChildProcess; socket: Duplex }> {
  const { guest, gateway, link } = addresses;
  const address = ['--ipv4-only', '--address', guest, '--gateway', gateway, '--interface', link];
  // Node's 'pipe' is a pair of stream sockets, which --fd needs. Without --runas, passt as root would become nobody.
  const child = netns.spawn(
    'passt',
    ['--foreground', '--stderr', '--quiet', '--runas', '0', '--mtu', String(MTU), ...address, '--fd', '3'],
    { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] },
  );
  await once(child, 'spawn');
  const socket = child.stdio[3];
  if (!(socket instanceof Duplex)) throw new Error('passt has no socket');
  socket.on('error', () => {}); // the child's 'exit' says it
  return { child, socket };
}

const WORLD = { address: '198.51.100.1', link: 'world' };
const GUEST = '198.51.100.10';

/** Sets up a guest namespace with nothing but a TAP, a world namespace with a web server, and passt in between. */
export async function fetchThroughPasst(): Promise<string> {
  await using world = await createNetns();
  await using guest = await createNetns();
  for (const { name } of [world, guest]) await links.set('lo', { up: true, netns: name });
  await links.create({ kind: 'bridge', name: WORLD.link, up: true, netns: world.name });
  await links.addAddress(WORLD.link, `${WORLD.address}/24`, { netns: world.name });

  await using tap = await openTap({ netns: guest.name, name: 'tap0', addresses: [`${GUEST}/24`], mtu: MTU });
  const { child, socket } = await startPasst(world, {
    guest: GUEST,
    gateway: WORLD.address,
    link: WORLD.link,
  });
  const ended = once(child, 'exit');
  const server = world.spawn(process.execPath, ['--eval', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const serverEnded = once(server, 'exit');
  try {
    if (server.stdout !== null) await once(server.stdout, 'data');
    join(tap, socket);
    const url = `http://${WORLD.address}:8080/`;
    const client = guest.spawn(process.execPath, ['--eval', CLIENT, url], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [output, [status]] = await Promise.all([
      client.stdout?.setEncoding('utf8').toArray(),
      once(client, 'exit'),
    ]);
    if (status !== 0) throw new Error(`the guest could not fetch ${url}`);
    return output?.join('').trim() ?? '';
  } finally {
    server.kill();
    socket.destroy(); // passt ends with it
    await Promise.all([ended, serverEnded]);
  }
}

/** The answer spans many frames, and names the client's address. */
const SERVER = `
  const answer = (request, response) => response.end(request.socket.remoteAddress + ' ' + 'x'.repeat(1_000_000));
  require('node:http').createServer(answer).listen(8080, '0.0.0.0', () => console.log('listening'));`;
const CLIENT = `
  fetch(process.argv[1]).then((answer) => answer.text()).then((text) => {
    console.log(text.length, 'bytes; the server saw', text.split(' ')[0]);
  });`;

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await fetchThroughPasst());
