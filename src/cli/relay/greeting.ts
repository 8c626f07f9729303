/** VPNKit's greeting, which comes before the frames: who speaks, and what card the other end may have. */
import type { Socket } from 'node:net';
import { formatMac, TapfdError } from '../../index.js';

const MAGIC = 'VMN3T';
const VERSION = 22;
/** Magic, version, and the 40 digits of a commit. */
const INIT_BYTES = MAGIC.length + 4 + 40;
/** What is asked for, and the 36 characters of a UUID, with padding. */
const REQUEST_BYTES = 41;
const REQUEST_ETHERNET = 1;
const UUID_OFFSET = 1;
/** Whether it is granted, MTU, longest frame, MAC, and padding. */
const ANSWER_BYTES = 258;
const ANSWER_GRANTED = 1;

/** What the peer says of the card. */
export interface Card {
  mtu: number;
  mac: string;
}

/**
 * Greets as the side that connects.
 *
 * @throws TapfdError `ERR_TAPFD_FRAMING`: the peer does not speak this protocol, or refuses.
 */
export async function greet(socket: Socket, uuid: string): Promise<Card> {
  const init = Buffer.alloc(INIT_BYTES, '0');
  init.write(MAGIC);
  init.writeUInt32LE(VERSION, MAGIC.length);
  socket.write(init);
  const theirs = await take(socket, INIT_BYTES);
  if (theirs.toString('latin1', 0, MAGIC.length) !== MAGIC) {
    throw new TapfdError('ERR_TAPFD_FRAMING', 'the peer does not answer as VPNKit does');
  }
  const request = Buffer.alloc(REQUEST_BYTES);
  request.writeUInt8(REQUEST_ETHERNET, 0);
  request.write(uuid, UUID_OFFSET, 'latin1');
  socket.write(request);
  const answer = await take(socket, ANSWER_BYTES);
  if (answer.readUInt8(0) !== ANSWER_GRANTED) {
    throw new TapfdError('ERR_TAPFD_FRAMING', 'the peer gives no network card');
  }
  return { mtu: answer.readUInt16LE(1), mac: formatMac(answer.subarray(5, 11)) };
}

/** Exactly so many bytes; what follows stays in the socket. */
async function take(socket: Socket, bytes: number): Promise<Buffer> {
  for (;;) {
    const taken: Buffer | null = socket.read(bytes);
    if (taken !== null && taken.length === bytes) return taken;
    if (taken !== null || socket.readableEnded || socket.destroyed) {
      throw socket.errored ?? new TapfdError('ERR_TAPFD_FRAMING', 'the peer went away within its greeting');
    }
    await readable(socket);
  }
}

function readable(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const names = ['readable', 'end', 'close'] as const;
    const done = (): void => {
      for (const name of names) socket.off(name, done);
      resolve();
    };
    for (const name of names) socket.on(name, done);
  });
}
