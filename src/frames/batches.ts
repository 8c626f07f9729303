/** `device.batches()`: one wake-up of the event loop, one call, one batch. */
import { checkInteger, checkObject } from '../base/checks.js';
import { invalidState } from '../base/errors.js';
import type { FrameBatch } from './batch.js';
import type { BurstTaker, FrameReceiver } from './receiver.js';

/** Options of `device.batches()` and {@link forward}. */
export interface BatchOptions {
  /** The most frames in a batch, 1 to 4096. Default 256; 32 where offloads were granted and frames have up to 64 KiB. */
  maxFrames?: number | undefined;
}

const MAX_FRAMES = 4096;

export function checkBatchOptions(options: unknown): void {
  const { maxFrames }: BatchOptions = checkObject('options', options);
  if (maxFrames !== undefined) checkInteger('maxFrames', maxFrames, 1, MAX_FRAMES);
}

interface WaitingNext {
  resolve: (result: IteratorResult<FrameBatch, undefined>) => void;
  reject: (error: Error) => void;
}

/** One batch for each `next()`, no queue in between. */
export class FrameBatches implements AsyncIterableIterator<FrameBatch, undefined>, BurstTaker {
  readonly #receiver: FrameReceiver;
  #waiting: WaitingNext | undefined;
  /** undefined: goes on; null: at the end; else the error that the next `next()` throws. */
  #ended: Error | null | undefined;

  constructor(receiver: FrameReceiver, { maxFrames }: BatchOptions) {
    this.#receiver = receiver;
    receiver.lendBatches(this, maxFrames);
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
        this.#receiver.ask();
      } else {
        this.#ended = null;
        if (ended) reject(ended);
        else resolve({ done: true, value: undefined });
      }
    });
  }

  return(): Promise<IteratorResult<FrameBatch, undefined>> {
    if (this.#ended === undefined) this.#receiver.release();
    this.end(undefined);
    return Promise.resolve({ done: true, value: undefined });
  }

  take(batch: FrameBatch): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve({ done: false, value: batch });
  }

  end(error: Error | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#ended = waiting ? null : (error ?? null);
    if (error) waiting?.reject(error);
    else waiting?.resolve({ done: true, value: undefined });
  }
}
