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
  const incoming = new Incoming(socket);
  const init = Buffer.alloc(INIT_BYTES, '0');
  init.write(MAGIC);
  init.writeUInt32LE(VERSION, MAGIC.length);
  socket.write(init);
  const theirs = await incoming.take(INIT_BYTES);
  if (theirs.toString('latin1', 0, MAGIC.length) !== MAGIC) {
    throw new TapfdError('ERR_TAPFD_FRAMING', 'the peer does not answer as VPNKit does');
  }
  const request = Buffer.alloc(REQUEST_BYTES);
  request.writeUInt8(REQUEST_ETHERNET, 0);
  request.write(uuid, UUID_OFFSET, 'latin1');
  socket.write(request);
  const answer = await incoming.take(ANSWER_BYTES);
  if (answer.readUInt8(0) !== ANSWER_GRANTED) {
    throw new TapfdError('ERR_TAPFD_FRAMING', 'the peer gives no network card');
  }
  incoming.release();
  return { mtu: answer.readUInt16LE(1), mac: formatMac(answer.subarray(5, 11)) };
}

/** What a socket has brought, in pieces as long as they are asked for. */
class Incoming {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  async take(count: number): Promise<Buffer> {
    while (this.#bytes.length < count) {
      // All that is there: a socket that is asked for more than it has would be readable again at once, for ever.
      const piece: Buffer | null = this.#socket.read();
      if (piece !== null) this.#bytes = Buffer.concat([this.#bytes, piece]);
      else if (this.#socket.readableEnded || this.#socket.destroyed) throw this.#lost();
      else await readable(this.#socket);
    }
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }

  /** Gives what follows back to the socket. */
  release(): void {
    if (this.#bytes.length > 0) this.#socket.unshift(this.#bytes);
  }

  #lost(): Error {
    return (
      this.#socket.errored ?? new TapfdError('ERR_TAPFD_FRAMING', 'the peer went away within its greeting')
    );
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
