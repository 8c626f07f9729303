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
import { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { createNetns, type FrameStream, links, type Netns, openTap } from 'tapfd';

/** Each frame is preceded by its length, in network byte order. */
const LENGTH_BYTES = 4;
/** passt allows TCP segments up to this size; since it is told the MTU, a TAP of 1500 never gets one. */
const MAX_FRAME_BYTES = 65_535 + 14;
const MTU = 1500;

/** Splits the bytes from passt into frames. */
export class FrameCutter {
  #rest: Buffer = Buffer.alloc(0);

  /** @throws Error when the bytes cannot be frames; nothing after them can be parsed. */
  add(bytes: Buffer): Buffer[] {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const frames: Buffer[] = [];
    while (rest.length >= LENGTH_BYTES) {
      const length = rest.readUInt32BE(0);
      if (length > MAX_FRAME_BYTES) throw new Error(`a frame of ${length} bytes is impossible`);
      if (rest.length < LENGTH_BYTES + length) break;
      frames.push(rest.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
      rest = rest.subarray(LENGTH_BYTES + length);
    }
    this.#rest = rest;
    return frames;
  }
}

/** Carries frames between a device and passt's socket until either ends. Drops what a side cannot take yet. */
export function join(device: FrameStream, socket: Duplex): { dropped: number } {
  const counters = { dropped: 0 };
  const cutter = new FrameCutter();
  device.on('data', (frame: Buffer) => {
    if (!socket.writable || socket.writableNeedDrain) {
      counters.dropped += 1;
      return;
    }
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(frame.length);
    socket.write(Buffer.concat([length, frame]));
  });
  socket.on('data', (bytes: Buffer) => {
    try {
      for (const frame of cutter.add(bytes)) {
        if (device.writableNeedDrain) counters.dropped += 1;
        else device.write(frame, () => {}); // the device counts refused frames
      }
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
  return counters;
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
