/** `for await` over a stream of frames: from the burst to the loop, past Readable's queue. */
import { type Duplex, finished } from 'node:stream';
import { type BurstTaker, type FrameReceiver, frameOf } from './receiver.js';
import { currentSlab, spans } from './slab.js';

type FrameResult = IteratorResult<Buffer, undefined>;

interface WaitingNext {
  resolve: (result: FrameResult) => void;
  reject: (error: Error) => void;
}

/**
 * What Readable's own iterator promises, without its queue, whose cost is that of the frame over again: frames in order, the stream's error thrown,
 * the stream destroyed when the loop is left or has come to the end. One burst is read, handed out frame by frame, and
 * only then the next one: a loop that rests stops the reading.
 */
export class FrameIterator implements AsyncIterableIterator<Buffer, undefined>, BurstTaker {
  readonly #stream: Duplex;
  readonly #receiver: FrameReceiver;
  readonly #copyFrames: boolean;
  readonly #stopListening: () => void;
  readonly #waiting: WaitingNext[] = [];

  // The burst: its frames from `#next` to `#count`.
  #slab: Buffer = Buffer.alloc(0);
  #pairs = new Uint32Array(0);
  #last: Buffer | undefined;
  #next = 0;
  #count = 0;

  /** undefined: goes on; null: at the end; else what the stream ended with. */
  #ended: Error | null | undefined;
  #destroys = true;

  constructor(stream: Duplex, receiver: FrameReceiver, copyFrames: boolean) {
    this.#stream = stream;
    this.#receiver = receiver;
    this.#copyFrames = copyFrames;
    this.#stopListening = finished(stream, { writable: false }, (error) => {
      this.#ended = error ?? null;
      this.#serve();
    });
    receiver.lend(this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<FrameResult> {
    if (this.#next < this.#count) return Promise.resolve({ done: false, value: this.#shift() });
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#serve();
    });
  }

  return(): Promise<FrameResult> {
    this.#leave();
    this.#serve();
    return Promise.resolve({ done: true, value: undefined });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  take(count: number, last: Buffer | undefined): number {
    // The spans are shared by all devices, and the loop takes its time.
    if (this.#pairs.length < 2 * count) this.#pairs = new Uint32Array(spans.length);
    let bytes = last?.length ?? 0;
    const inSlab = last ? count - 1 : count;
    for (let i = 0; i < inSlab; i++) {
      this.#pairs[2 * i] = spans[2 * i];
      this.#pairs[2 * i + 1] = spans[2 * i + 1];
      bytes += spans[2 * i + 1];
    }
    this.#slab = currentSlab();
    this.#last = last;
    this.#next = 0;
    this.#count = count;
    this.#serve();
    return bytes;
  }

  /** An error comes by `finished()`, when the stream has closed. */
  end(error: Error | undefined): void {
    if (error !== undefined) return;
    // Handed off: what was read is still given out. The stream is not destroyed, for a link that its opening made would
    // go with it.
    this.#stopListening();
    this.#ended = null;
    this.#destroys = false;
    this.#serve();
  }

  #shift(): Buffer {
    const index = this.#next++;
    if (this.#next === this.#count && this.#last) return this.#last;
    return frameOf(this.#slab, this.#pairs, index, this.#copyFrames);
  }

  /** Gives those who wait what there is: frames, or the end; asks for more where there is nothing. */
  #serve(): void {
    while (this.#waiting.length > 0) {
      const frame = this.#available();
      if (frame !== null) this.#waiting.shift()?.resolve({ done: false, value: frame });
      else if (this.#ended !== undefined) this.#giveEnd(this.#ended);
      else break;
    }
    if (this.#waiting.length > 0) this.#receiver.ask();
  }

  /** A frame of the burst, or of what the stream had read before. */
  #available(): Buffer | null {
    if (this.#next < this.#count) return this.#shift();
    return this.#stream.readableLength > 0 ? (this.#stream.read() as Buffer) : null;
  }

  #giveEnd(ended: Error | null): void {
    const waiting = this.#waiting.shift();
    this.#leave();
    // Thrown once, as by a generator.
    this.#ended = null;
    if (ended) waiting?.reject(ended);
    else waiting?.resolve({ done: true, value: undefined });
    // Nobody but this loop reads the stream to its 'end'.
    if (!this.#destroys) this.#stream.resume();
  }

  #leave(): void {
    this.#ended ??= null;
    this.#next = this.#count = 0;
    this.#stopListening();
    if (this.#destroys) this.#stream.destroy();
  }
}
