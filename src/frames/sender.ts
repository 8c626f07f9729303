/** The writing half of a stream: a frame goes to the kernel at once, or waits its turn, and is counted. */
import { invalidArgument, type TapfdError } from '../base/errors.js';
import type { NativeQueue } from '../base/native-queue.js';
import type { DeviceHandle } from '../descriptor/device-handle.js';
import type { FrameBatch } from './batch.js';
import { type BatchOutcome, BatchWrite, checkFrames, type Settle } from './batch-write.js';
import type { FrameCounters } from './counters.js';
import { type WaitingWrite, WaitingWrites } from './waiting-writes.js';
import { fatalError, lossOf, refusalError, refusalOf, WOULD_WAIT } from './write-outcome.js';

export class FrameSender {
  readonly #device: DeviceHandle;
  readonly #counters: FrameCounters;
  readonly #lost: (error: Error) => void;
  /** Batches and queued frames that the kernel has not taken yet. */
  readonly #waiting: WaitingWrites;
  readonly #queuedWrite: QueuedWrite;
  /** Why nothing is sent any more. */
  #closed: Error | undefined;

  /** @param lost - Called when a write shows that the device is lost. */
  constructor(device: DeviceHandle, counters: FrameCounters, lost: (error: Error) => void) {
    this.#device = device;
    this.#counters = counters;
    this.#lost = lost;
    this.#waiting = new WaitingWrites(device.queue);
    this.#queuedWrite = new QueuedWrite(device.queue, this.settle);
    device.queue.onWritable(this.resume);
  }

  /** True while frames wait for the kernel. */
  get waiting(): boolean {
    return this.#waiting.any;
  }

  /** Sends one frame of Writable's queue, behind everything that waits. */
  sendQueued(chunk: QueuedChunk, done: (error?: Error | null) => void): void {
    const frame = frameIn(chunk);
    if (!(frame instanceof Uint8Array)) {
      done(invalidArgument('frame', 'a Buffer or Uint8Array', frame));
      return;
    }
    this.#queuedWrite.begin(chunk, done);
    this.#waiting.add(this.#queuedWrite);
  }

  /**
   * Sends the frames of a batch, behind everything that waits.
   *
   * @param finish - Called with the result, before this returns if the kernel takes them all at once.
   */
  sendBatch(
    frames: FrameBatch | readonly Uint8Array[],
    finish: (outcome: BatchOutcome | Error) => void,
  ): void {
    checkFrames(frames);
    this.#device.assertOpen('writeBatch');
    if (this.#closed) throw this.#closed;
    this.#waiting.add(new BatchWrite(this.#device.queue, frames, this.settle, finish));
  }

  /** Calls back when everything that waits has been sent, or has failed. */
  finish(callback: (error?: Error | null) => void): void {
    const attempt = () => {
      callback();
      return true;
    };
    this.#waiting.add({ attempt, fail: callback });
  }

  /** The kernel takes frames again. */
  readonly resume = (): void => this.#waiting.resume();

  /** Nothing more is sent: everything that waits fails. */
  close(error: Error): void {
    // The callbacks of failed writes may ask for more.
    this.#closed = error;
    this.#waiting.fail(error);
  }

  /** Counts written frames; returns the error if they were refused or ended the device. */
  readonly settle = (frames: number, bytes: number, outcome: number): TapfdError | undefined => {
    const loss = lossOf(this.#device, outcome);
    if (loss !== undefined) {
      this.#counters.drop({ direction: 'send', reason: loss, count: frames });
      return undefined;
    }
    if (outcome === 0) {
      this.#counters.sentFrames += frames;
      this.#counters.sentBytes += bytes;
      return undefined;
    }
    const refusal = refusalOf(outcome);
    if (refusal !== undefined) {
      this.#counters.drop({ direction: 'send', reason: refusal.reason, count: frames });
      return refusalError(this.#device, refusal, bytes);
    }
    const error = fatalError(this.#device, 'write', outcome);
    this.#lost(error);
    return error;
  };
}

/** A frame in Writable's queue whose callback is to get the frame's own error. */
export class QueuedFrame {
  error: TapfdError | undefined;
  constructor(readonly frame: Uint8Array) {}
}

export type QueuedChunk = QueuedFrame | Uint8Array;

/** Writes the frames of Writable's queue. Only one is in progress at a time, so one object serves all of them. */
class QueuedWrite implements WaitingWrite {
  readonly #queue: NativeQueue;
  readonly #settle: Settle;
  #chunk: QueuedChunk = Buffer.alloc(0);
  #done: ((error?: Error) => void) | undefined;

  constructor(queue: NativeQueue, settle: Settle) {
    this.#queue = queue;
    this.#settle = settle;
  }

  /** The next frame; `done` of the previous one has been called. */
  begin(chunk: QueuedChunk, done: (error?: Error) => void): void {
    this.#chunk = chunk;
    this.#done = done;
  }

  attempt(): boolean {
    const chunk = this.#chunk;
    const frame = frameIn(chunk);
    const outcome = this.#queue.write(frame);
    if (outcome === WOULD_WAIT) return false;
    const error = this.#settle(1, frame.length, outcome);
    // `done(error)` would end the stream; the frame's own callback gets it instead.
    if (error && chunk instanceof QueuedFrame) chunk.error = error;
    this.#finish();
    return true;
  }

  fail(error: Error): void {
    this.#finish(error);
  }

  /** Calls `done` once, though the stream may end while it runs; `done` begins the next frame, if there is one. */
  #finish(error?: Error): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(error);
  }
}

/** The frame in a chunk of Writable's queue. */
function frameIn(chunk: QueuedChunk): Uint8Array {
  return chunk instanceof QueuedFrame ? chunk.frame : chunk;
}
