/** Reading batches: one wake-up of the loop, one call, one batch. */
import type { Duplex } from 'node:stream';
import { markAsUntransferable } from 'node:worker_threads';
import { checkInteger, checkObject } from '../base/checks.js';
import { invalidState } from '../base/errors.js';
import type { NativeQueue } from '../base/native-queue.js';
import { FrameBatch } from './batch.js';
import type { BurstTaker, FrameReceiver } from './receiver.js';

/** Options of `device.batches()` and {@link forward}. */
export interface BatchOptions {
  /** The most frames in a batch, 1 to 4096. Default 256; 32 where offloads were granted and frames have up to 64 KiB. */
  maxFrames?: number;
}

const MOST_FRAMES = 4096;
const DEFAULT_FRAMES = 256;
const DEFAULT_SUPER_FRAMES = 32;
/** The kernel cuts a frame that finds too little room, so the memory's end is never used (native/frames/io.h). */
const LARGEST_FRAME_BYTES = 66 * 1024;
const MOST_BYTES = 8 * 1024 * 1024;

export function checkBatchOptions(options: unknown): void {
  const { maxFrames }: BatchOptions = checkObject('options', options);
  if (maxFrames !== undefined) checkInteger('maxFrames', maxFrames, 1, MOST_FRAMES);
}

/** Who reads batches: gets one for each {@link BatchReader.ask}. */
export interface BatchTaker {
  /** The batch is valid until the next one is asked for. */
  take(batch: FrameBatch): void;
  /** Nothing more will be read: an error, or undefined after a hand-off. */
  end(error: Error | undefined): void;
}

/** Reads into the same memory again and again, in place of the stream. */
export class BatchReader implements BurstTaker {
  readonly #stream: Duplex;
  readonly #queue: NativeQueue;
  readonly #receiver: FrameReceiver;
  readonly #memory: Buffer;
  readonly #spans: Uint32Array;
  #taker: BatchTaker | undefined;
  #asked = false;
  #handedOff = false;

  constructor(
    stream: Duplex,
    queue: NativeQueue,
    receiver: FrameReceiver,
    frameBytes: number,
    options: BatchOptions,
  ) {
    const frames =
      options.maxFrames ?? (frameBytes > LARGEST_FRAME_BYTES / 2 ? DEFAULT_SUPER_FRAMES : DEFAULT_FRAMES);
    const bytes = Math.min(frames * (frameBytes + 8), MOST_BYTES) + LARGEST_FRAME_BYTES;
    this.#stream = stream;
    this.#queue = queue;
    this.#receiver = receiver;
    this.#memory = Buffer.allocUnsafeSlow(bytes);
    // Native code reads to it: it must not go to another thread.
    markAsUntransferable(this.#memory.buffer);
    this.#spans = new Uint32Array(2 * frames);
  }

  start(taker: BatchTaker): void {
    this.#taker = taker;
    this.#queue.useOwnMemory(this.#memory, this.#spans);
    this.#receiver.lend(this);
  }

  /** Asks for the next batch: from here on the memory of the one before is used again. */
  ask(): void {
    this.#asked = true;
    if (this.#handedOff) this.#giveRest();
    else this.#receiver.ask();
  }

  /** Gives the reading back to the stream. */
  stop(): void {
    this.#queue.useOwnMemory();
    this.#receiver.giveBack();
  }

  /** The receiver has read a batch. */
  take(count: number, last: Buffer | undefined): number {
    this.#asked = false;
    const batch = new FrameBatch(this.#memory, this.#spans, last ? count - 1 : count);
    if (last) batch.append(last);
    const { bytes } = batch; // before the taker changes it
    this.#taker?.take(batch);
    return bytes;
  }

  /** The receiver reads no more. After a hand-off the taker gets what is left, and then the end, as it asks. */
  end(error: Error | undefined): void {
    this.#queue.useOwnMemory();
    this.#handedOff = error === undefined;
    if (error) this.#taker?.end(error);
    else if (this.#asked) this.#giveRest();
  }

  #giveRest(): void {
    const batch = new FrameBatch(this.#memory, this.#spans, 0);
    while (2 * batch.length < this.#spans.length && this.#stream.readableLength > 0) {
      batch.append(this.#stream.read() as Buffer);
    }
    if (batch.length > 0) this.#taker?.take(batch);
    else this.#taker?.end(undefined);
  }
}

interface WaitingNext {
  resolve: (result: IteratorResult<FrameBatch, undefined>) => void;
  reject: (error: Error) => void;
}

/** `device.batches()`: one batch for each `next()`, no queue in between. */
export class FrameBatches implements AsyncIterableIterator<FrameBatch, undefined>, BatchTaker {
  readonly #reader: BatchReader;
  #waiting: WaitingNext | undefined;
  /** undefined: goes on; null: at the end; else the error that the next `next()` throws. */
  #ended: Error | null | undefined;

  constructor(reader: BatchReader) {
    this.#reader = reader;
    reader.start(this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<FrameBatch, undefined>> {
    return new Promise((resolve, reject) => {
      if (this.#waiting) throw invalidState('batches: the next batch was asked for already: await it first');
      const ended = this.#ended;
      if (ended === undefined) {
        this.#waiting = { resolve, reject };
        this.#reader.ask();
      } else {
        this.#ended = null;
        if (ended) reject(ended);
        else resolve({ done: true, value: undefined });
      }
    });
  }

  return(): Promise<IteratorResult<FrameBatch, undefined>> {
    if (this.#ended === undefined) this.#reader.stop();
    this.#end(null);
    return Promise.resolve({ done: true, value: undefined });
  }

  take(batch: FrameBatch): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve({ done: false, value: batch });
  }

  end(error: Error | undefined): void {
    this.#end(error ?? null);
  }

  #end(ended: Error | null): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#ended = waiting ? null : ended;
    if (ended) waiting?.reject(ended);
    else waiting?.resolve({ done: true, value: undefined });
  }
}
