/** `device.batches()`: one wake-up of the event loop, one call, one batch. */
import { checkSignal, onAbort } from '../base/abort.js';
import { checkInteger, checkObject, checkOptionNames, optional } from '../base/checks.js';
import { invalidState } from '../base/errors.js';
import type { FrameBatch } from './batch.js';
import type { BurstTaker, FrameReceiver } from './receiver.js';

/** Options of `device.batches()` and {@link forward}. */
export interface BatchOptions {
  /** The most frames in a batch, 1 to 4096. Default 256; 32 where offloads were granted and frames have up to 64 KiB. */
  maxFrames?: number | undefined;
  /** Ends the loop, which throws the signal's reason, and leaves the device open. */
  signal?: AbortSignal | undefined;
}

const MAX_FRAMES = 4096;

/** @param more - Names of options that `call` has beside these. */
export function checkBatchOptions(call: string, options: BatchOptions, more: readonly string[] = []): void {
  checkOptionNames(call, checkObject('options', options), ['maxFrames', 'signal', ...more]);
  optional(options.maxFrames, (value) => checkInteger('maxFrames', value, 1, MAX_FRAMES));
  checkSignal(options.signal);
}

interface WaitingNext {
  resolve: (result: IteratorResult<FrameBatch, undefined>) => void;
  reject: (error: unknown) => void;
}

/** One batch for each `next()`, no queue in between. */
export class FrameBatches implements AsyncIterableIterator<FrameBatch, undefined>, BurstTaker {
  readonly #receiver: FrameReceiver;
  readonly #letSignalGo: () => void;
  #waiting: WaitingNext | undefined;
  /** undefined: goes on; else what the next `next()` does. */
  #ended: { error?: unknown } | undefined;

  /** @throws The reason of `signal`, if it was aborted before. */
  constructor(receiver: FrameReceiver, { maxFrames, signal }: BatchOptions) {
    signal?.throwIfAborted();
    this.#receiver = receiver;
    this.#letSignalGo = onAbort(signal, () => {
      receiver.release(this);
      this.#end({ error: signal?.reason });
    });
    receiver.lendBatches(this, maxFrames);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<FrameBatch, undefined>> {
    return new Promise((resolve, reject) => {
      if (this.#waiting) throw invalidState('batches: the next batch was asked for already: await it first');
      this.#waiting = { resolve, reject };
      if (this.#ended) this.#end(this.#ended);
      else this.#receiver.ask();
    });
  }

  return(): Promise<IteratorResult<FrameBatch, undefined>> {
    this.#receiver.release(this);
    this.#end({});
    return Promise.resolve({ done: true, value: undefined });
  }

  take(batch: FrameBatch): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve({ done: false, value: batch });
  }

  end(error: Error | undefined): void {
    this.#end(error ? { error } : {});
  }

  /** The call that waits gets the error, or else the next one, and that once, as from a generator. */
  #end(ended: { error?: unknown }): void {
    this.#letSignalGo();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#ended = waiting ? {} : ended;
    if ('error' in ended) waiting?.reject(ended.error);
    else waiting?.resolve({ done: true, value: undefined });
  }
}
