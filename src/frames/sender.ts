/**
 * The writing half of a stream. What the kernel takes is written in the turn of its call; everything else stands in
 * Writable's own queue, frames and batches alike, so that the order is the order of the calls. Here: the one at the head of
 * that queue, which waits for the kernel, and the counting.
 */

import { isolated } from '../base/isolated.js';
import type { DeviceHandle } from '../descriptor/device-handle.js';
import type { FrameObservers } from '../descriptor/observers.js';
import type { FrameBatch } from './batch.js';
import type { FrameCounters } from './counters.js';
import {
  type BatchOutcome,
  BatchWrite,
  FrameWrite,
  type QueuedWrite,
  type Verdict,
  type WriteCallback,
  type WriteCounting,
} from './queued-write.js';
import { fatalError, lossOf, refusalError, refusalOf } from './write-outcome.js';

export class FrameSender implements WriteCounting {
  readonly #device: DeviceHandle;
  readonly #counters: FrameCounters;
  readonly #observers: FrameObservers;
  readonly #lost: (error: Error) => void;
  /** It waits for the kernel; Writable gives the next one when `#done` has been called. */
  #waiting: QueuedWrite | undefined;
  #done: (() => void) | undefined;
  /** Why nothing is sent any more. */
  #closed: Error | undefined;

  /** @param lost - Called when a write shows that the device is lost. */
  constructor(device: DeviceHandle, counters: FrameCounters, lost: (error: Error) => void) {
    this.#device = device;
    this.#counters = counters;
    this.#observers = device.observers;
    this.#lost = lost;
    device.queue.onWritable(this.resume);
  }

  frameWrite(frame: Uint8Array, callback: WriteCallback | undefined): FrameWrite {
    return new FrameWrite(this.#device.queue, frame, this, callback);
  }

  batchWrite(
    frames: FrameBatch | readonly Uint8Array[],
    finish: (outcome: BatchOutcome) => void,
  ): BatchWrite {
    return new BatchWrite(this.#device.queue, frames, this, finish);
  }

  /**
   * Sends the head of Writable's queue. `done` never gets an error, which would destroy the stream: a write's own error is
   * its own callback's.
   */
  send(write: QueuedWrite, done: () => void): void {
    if (this.#closed) write.fail(this.#closed);
    if (write.attempt()) {
      done();
      return;
    }
    this.#waiting = write;
    this.#done = done;
    this.#device.queue.awaitWritable();
  }

  /** The kernel takes frames again. */
  readonly resume = (): void => {
    if (this.#waiting === undefined) return;
    if (this.#waiting.attempt()) this.#next();
    else this.#device.queue.awaitWritable();
  };

  /** Takes a write back: what the kernel has not taken of it is not sent. */
  withdraw(write: QueuedWrite, error: Error): void {
    write.fail(error);
    if (this.#waiting === write) this.#next();
  }

  /** Nothing more is sent: what waits fails, and so does all that Writable still brings. */
  close(error: Error): void {
    this.#closed ??= error;
    if (this.#waiting) this.withdraw(this.#waiting, this.#closed);
  }

  /** As {@link settle}, for one frame. */
  settleFrame(frame: Uint8Array, outcome: number): Verdict {
    const verdict = this.settle(1, frame.length, outcome);
    if (this.#observers.present && verdict === 'sent') this.#observers.frame('out', frame);
    return verdict;
  }

  /** Somebody observes the frames, and is to be told which of a batch were sent. */
  get observed(): boolean {
    return this.#observers.present;
  }

  /** These were sent. */
  observe(memory: Uint8Array, spans: Uint32Array, count: number): void {
    this.#observers.frames('out', memory, spans, count);
  }

  /** Counts written frames. An outcome that ends the device destroys the stream before this returns. */
  settle(frames: number, bytes: number, outcome: number): Verdict {
    const loss = lossOf(this.#device, outcome);
    if (loss !== undefined) {
      this.#counters.drop({ direction: 'send', reason: loss, count: frames });
      return 'lost';
    }
    if (outcome === 0) {
      this.#counters.sentFrames += frames;
      this.#counters.sentBytes += bytes;
      return 'sent';
    }
    const refusal = refusalOf(outcome);
    if (refusal !== undefined) {
      this.#counters.drop({ direction: 'send', reason: refusal.reason, count: frames });
      return refusalError(this.#device, refusal, bytes);
    }
    this.unsent(frames);
    const error = fatalError(this.#device, 'write', outcome);
    this.#lost(error);
    return error;
  }

  /** Counts frames that were not sent because the writing has ended. */
  unsent(frames: number): void {
    this.#counters.drop({ direction: 'send', reason: 'ended', count: frames });
  }

  /** Lets Writable go on. It may give the next write within the call. */
  #next(): void {
    const done = this.#done;
    this.#waiting = undefined;
    this.#done = undefined;
    // A listener of 'drain' may throw.
    if (done) isolated(done);
  }
}
