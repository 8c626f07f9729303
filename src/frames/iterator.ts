/** `for await` over a stream of frames: from the burst to the loop, past Readable's queue. */
import { type Duplex, finished } from 'node:stream';
import type { FrameBatch } from './batch.js';
import { type BurstTaker, type FrameReceiver, frameOf } from './receiver.js';

type FrameResult = IteratorResult<Buffer, undefined>;

interface WaitingNext {
  resolve: (result: FrameResult) => void;
  reject: (error: Error) => void;
}

/**
 * What Readable's own iterator promises, without its queue, which costs as much again as the frame: frames in order, the
 * stream's error thrown, the stream destroyed when the loop is left or has come to the end. One burst is read, handed out
 * frame by frame, and only then the next one: a loop that pauses stops the reading.
 */
export class FrameIterator implements AsyncIterableIterator<Buffer, undefined>, BurstTaker {
  readonly #stream: Duplex & { readonly handedOff: boolean };
  readonly #receiver: FrameReceiver;
  readonly #copyFrames: boolean;
  readonly #stopListening: () => void;
  readonly #waiting: WaitingNext[] = [];

  #burst: FrameBatch | undefined;
  /** The frame of the burst that comes next. */
  #next = 0;
  /** undefined: goes on; null: at the end; else what the stream ended with. */
  #ended: Error | null | undefined;

  constructor(
    stream: Duplex & { readonly handedOff: boolean },
    receiver: FrameReceiver,
    copyFrames: boolean,
  ) {
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
    const burst = this.#burst;
    if (burst && this.#next < burst.length) {
      return Promise.resolve({ done: false, value: this.#frameOf(burst) });
    }
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

  take(burst: FrameBatch): void {
    this.#burst = burst;
    this.#next = 0;
    this.#serve();
  }

  /** An error comes by `finished()`, when the stream has closed. */
  end(error: Error | undefined): void {
    if (error !== undefined) return;
    // Handed off. The stream is not destroyed, as a link that its opening made would go with it.
    this.#stopListening();
    this.#ended = null;
    this.#serve();
  }

  #frameOf({ memory, spans }: FrameBatch): Buffer {
    return frameOf(memory, spans, this.#next++, this.#copyFrames);
  }

  /** Resolves the calls that wait with what there is: frames, or the end. Asks for more if there is neither. */
  #serve(): void {
    const burst = this.#burst;
    while (this.#waiting.length > 0 && burst && this.#next < burst.length) {
      this.#waiting.shift()?.resolve({ done: false, value: this.#frameOf(burst) });
    }
    while (this.#waiting.length > 0 && this.#ended !== undefined) this.#giveEnd(this.#ended);
    if (this.#waiting.length > 0) this.#receiver.ask();
  }

  #giveEnd(ended: Error | null): void {
    const waiting = this.#waiting.shift();
    this.#leave();
    // Thrown once, as by a generator.
    this.#ended = null;
    if (ended) waiting?.reject(ended);
    else waiting?.resolve({ done: true, value: undefined });
    // Only this loop reads the stream to its 'end'.
    if (this.#stream.handedOff) this.#stream.resume();
  }

  #leave(): void {
    this.#ended ??= null;
    this.#burst = undefined;
    this.#stopListening();
    if (!this.#stream.handedOff) this.#stream.destroy();
  }
}
