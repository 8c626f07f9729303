/** A device at one end, and at the other whoever is connected: one peer after the other, or none. */
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { encodeFrames, type LengthFormat } from '../../frames/framing.js';
import { FrameDecoder, type FrameStream } from '../../index.js';

/** The longest frame that two bytes can announce. */
const MAX_SHORT = 0xffff;

/** What has passed, and what has not. */
export interface Counters {
  toPeer: number;
  fromPeer: number;
  /** Frames of the device that nobody was there for, or that were too long for the framing. */
  dropped: number;
  /** Frames of the peer that the device did not take. */
  refused: number;
}

export class Joint {
  readonly counters: Counters = { toPeer: 0, fromPeer: 0, dropped: 0, refused: 0 };
  readonly #device: FrameStream;
  readonly #length: LengthFormat;
  #peer: Socket | undefined;

  constructor(device: FrameStream, length: LengthFormat) {
    this.#device = device;
    this.#length = length;
  }

  /** Reads the device until it ends. Without a peer its frames are dropped, as on a card without a cable. */
  async readDevice(): Promise<never> {
    for await (const batch of this.#device.batches()) {
      const peer = this.#peer;
      const frames =
        this.#length === 'u16le' ? [...batch].filter(({ length }) => length <= MAX_SHORT) : batch;
      if (peer === undefined) {
        this.counters.dropped += batch.length;
        continue;
      }
      this.counters.toPeer += frames.length;
      this.counters.dropped += batch.length - frames.length;
      // A peer that does not read stops the reading; the kernel then drops what its queue has no room for.
      if (!peer.write(encodeFrames(frames, this.#length))) await untilWritable(peer);
    }
    /* c8 ignore next 2 -- a loop that nobody leaves ends with the error of the device */
    throw this.#device.closedError('relay');
  }

  /**
   * Exchanges frames with a peer until it goes, and leaves no socket.
   *
   * @throws What went wrong: `ERR_TAPFD_FRAMING`, or an error of the socket. A peer that ends its stream between two frames
   *   has done nothing wrong.
   */
  async serve(peer: Socket): Promise<void> {
    this.#peer = peer;
    try {
      const decoder = new FrameDecoder({ length: this.#length });
      await Promise.all([pipeline(peer, decoder), this.#takeFrames(decoder)]);
    } finally {
      this.#peer = undefined;
      peer.destroy();
    }
  }

  async #takeFrames(decoder: FrameDecoder): Promise<void> {
    for await (const frame of decoder) {
      const isAtOnce = this.#device.write(frame, (error) => {
        if (error) this.counters.refused += 1;
        else this.counters.fromPeer += 1;
      });
      if (!isAtOnce) await untilWritable(this.#device);
    }
  }
}

function untilWritable(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}
