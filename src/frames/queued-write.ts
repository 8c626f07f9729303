/** Writing a frame of Writable's queue, which has one at a time under way: one object serves all of them. */

import type { TapfdError } from '../base/errors.js';
import type { NativeQueue } from '../base/native-queue.js';
import type { Settle } from './batch-write.js';
import type { WaitingWrite } from './waiting-writes.js';
import { WOULD_WAIT } from './write-outcome.js';

/** A frame in Writable's queue whose callback wants to know what became of it. */
export class QueuedFrame {
  error: TapfdError | undefined;
  constructor(readonly frame: Uint8Array) {}
}

export type QueuedChunk = QueuedFrame | Uint8Array;

export class QueuedWrite implements WaitingWrite {
  readonly #queue: NativeQueue;
  readonly #settle: Settle;
  #chunk: QueuedChunk = Buffer.alloc(0);
  #done: ((error?: Error) => void) | undefined;

  constructor(queue: NativeQueue, settle: Settle) {
    this.#queue = queue;
    this.#settle = settle;
  }

  /** The next frame; `done` of the one before has been called. */
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

  /** Once, though the end of the stream may come while `done` runs; that begins the next frame, if there is one. */
  #finish(error?: Error): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(error);
  }
}

/** The frame in a chunk of Writable's queue. */
export function frameIn(chunk: QueuedChunk): Uint8Array {
  return chunk instanceof QueuedFrame ? chunk.frame : chunk;
}
