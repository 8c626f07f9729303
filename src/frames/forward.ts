/** Forwards frames from one device to another. */

import { onAbort } from '../base/abort.js';
import { isThenable, refuseSurplus } from '../base/checks.js';
import { invalidArgument, TapfdError } from '../base/errors.js';
import type { FrameBatch } from './batch.js';
import { type BatchOptions, checkBatchOptions } from './batches.js';
import { FrameDuplex } from './duplex.js';
import type { BatchOutcome, BatchWrite } from './queued-write.js';
import type { BurstTaker, FrameReceiver } from './receiver.js';
import type { FrameStream } from './stream.js';

/**
 * Called for each batch: changes frames in place, removes or adds some, and returns nothing; or returns what to send
 * instead. Forwarding waits for a returned promise.
 */
export type ForwardTransform = (
  batch: FrameBatch,
  // biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing is the usual one
) => void | FrameBatch | readonly Uint8Array[] | Promise<void | FrameBatch | readonly Uint8Array[]>;

/** Options of {@link forward}. */
export interface ForwardOptions extends BatchOptions {
  /**
   * Ends the forwarding at once: the promise is then fulfilled, and both devices stay open. Of a batch that is in a
   * transform or waits for the kernel, what has not been sent counts as lost.
   */
  signal?: AbortSignal | undefined;
  /** Called for each batch before it is written. Default: none. */
  transform?: ForwardTransform | undefined;
}

/** The result of {@link forward}. */
export interface ForwardResult {
  /** Frames the other device took. */
  frames: number;
  /**
   * Frames that were not taken: refused, lost, or under way when the signal was aborted. The other device's
   * `stats.sent.drops` says why, except for frames in a transform.
   */
  lost: number;
}

/**
 * Reads frames from one device and writes them to another, batch by batch, until the signal is aborted or either device
 * ends. It works in one direction: call it twice for both. Nothing is copied in JavaScript. A frame that the other device
 * refuses is counted and skipped.
 *
 * @example
 * ```ts
 * import { forward, openTap } from 'tapfd';
 *
 * const [left, right] = [await openTap({ name: 'tap0' }), await openTap({ name: 'tap1' })];
 * const signal = AbortSignal.timeout(60_000);
 * await Promise.all([
 *   forward(left, right, { signal }),
 *   forward(right, left, { signal, transform: (batch) => batch.filter((frame) => frame.length < 600) }),
 * ]);
 * ```
 *
 * @returns How much was forwarded, when the signal is aborted, or when `from` is handed off and everything it had read has
 *   been written.
 * @throws TapfdError
 * - `ERR_TAPFD_INVALID_ARGUMENT`: not two devices, or a wrong option.
 * - `ERR_TAPFD_INVALID_STATE`: `from` is already being read in another way.
 * - `ERR_TAPFD_DEVICE_GONE`, `ERR_TAPFD_CLOSED`: either device ended, or had ended before.
 * - `ERR_TAPFD_HANDED_OFF`: `to` was handed off, or `from` had been.
 * - `ERR_STREAM_WRITE_AFTER_END`: `to.end()` was called, or had been.
 *
 * Nothing is written after the promise has settled.
 */
export async function forward(
  from: FrameStream,
  to: FrameStream,
  options: ForwardOptions = {},
): Promise<ForwardResult> {
  refuseSurplus('forward', arguments, 3);
  if (!FrameDuplex.is(from)) throw invalidArgument('from', 'a device', from);
  if (!FrameDuplex.is(to)) throw invalidArgument('to', 'a device', to);
  checkBatchOptions('forward', options, ['transform']);
  const { signal, transform } = options;
  if (transform !== undefined && typeof transform !== 'function') {
    throw invalidArgument('transform', 'a function', transform);
  }
  if (to.destroyed || to.handedOff || to.writableEnded) throw to.closedError('forward');
  const receiver = from.receiverFor('forward');
  const { maxFrames } = options;
  return new Promise((resolve, reject) => {
    new Forwarding(receiver, to, { maxFrames, transform, signal, resolve, reject }).start();
  });
}

interface ForwardingPlan {
  maxFrames: number | undefined;
  transform: ForwardTransform | undefined;
  signal: AbortSignal | undefined;
  resolve: (result: ForwardResult) => void;
  reject: (error: unknown) => void;
}

/** One direction: each batch is written in the turn it is read in, with no promise in between unless it has to wait. */
class Forwarding implements BurstTaker {
  readonly #receiver: FrameReceiver;
  readonly #to: FrameStream;
  readonly #plan: ForwardingPlan;
  readonly #counted: ForwardResult = { frames: 0, lost: 0 };
  /** What ends the listening on the signal and on the other device. */
  readonly #forget: (() => void)[] = [];
  /** Frames of the batch that a transform has. */
  #inTransform = 0;
  /** The batch that waits for the kernel. */
  #write: BatchWrite | undefined;
  /** Asking for a burst: one that is there already comes within the call. */
  #isAsking = false;
  #asksAgain = false;
  #sourceEnded = false;
  #isOver = false;

  constructor(receiver: FrameReceiver, to: FrameStream, plan: ForwardingPlan) {
    this.#receiver = receiver;
    this.#to = to;
    this.#plan = plan;
  }

  start(): void {
    const { signal } = this.#plan;
    // First, because a signal of the caller's own may throw.
    this.#forget.push(onAbort(signal, () => this.#finish()));
    this.#forget.push(this.#to.onWritingEnded(() => this.#sinkEnded()));
    this.#receiver.lendBatches(this, this.#plan.maxFrames);
    if (signal?.aborted) this.#finish();
    else this.#ask();
  }

  take(batch: FrameBatch): void {
    this.#inTransform = batch.length;
    try {
      const changed = this.#plan.transform?.(batch);
      if (isThenable(changed)) {
        // One that is not JavaScript's own may call back twice, or throw.
        Promise.resolve(changed).then(
          (frames) => this.#send(frames ?? batch),
          (error) => this.#fail(error),
        );
      } else {
        this.#send(changed ?? batch);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The device read from has ended, by an error or a hand-off, when all it had read was taken. */
  end(error: Error | undefined): void {
    this.#sourceEnded = true;
    if (error) this.#fail(error);
    else this.#finish();
  }

  /** The writing has ended. After a mere `end()`, what waits is still written. */
  #sinkEnded(): void {
    const { destroyed, handedOff } = this.#to;
    if (destroyed || handedOff || this.#write === undefined) this.#failWithSink();
  }

  #failWithSink(): void {
    this.#fail(this.#to.closedError('forward'));
  }

  /** Loops, since each of many bursts that are there already would otherwise be taken within the one before. */
  #ask(): void {
    this.#asksAgain = true;
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      while (this.#asksAgain && !this.#isOver) {
        this.#asksAgain = false;
        this.#receiver.ask();
      }
    } finally {
      this.#isAsking = false;
    }
  }

  #send(frames: FrameBatch | readonly Uint8Array[]): void {
    this.#inTransform = 0;
    if (this.#isOver) return;
    let isSent = false;
    try {
      const write = this.#to.sendFrames(frames, (outcome) => {
        isSent = true;
        this.#sent(outcome);
      });
      if (!isSent) this.#write = write;
    } catch (error) {
      this.#fail(error);
    }
  }

  #sent({ length, taken, ended }: BatchOutcome): void {
    this.#write = undefined;
    this.#counted.frames += taken;
    this.#counted.lost += length - taken;
    if (this.#isOver) return;
    if (ended) this.#fail(ended);
    else if (this.#to.writableEnded) this.#failWithSink();
    else this.#ask();
  }

  #finish(): void {
    this.#end(() => this.#plan.resolve(this.#counted));
  }

  #fail(error: unknown): void {
    this.#end(() => this.#plan.reject(error));
  }

  /** Takes back what is under way. The first end counts. */
  #end(settle: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const forgetOne of this.#forget) forgetOne();
    this.#counted.lost += this.#inTransform;
    if (this.#write)
      this.#to.withdraw(this.#write, new TapfdError('ERR_TAPFD_CLOSED', 'forward: it has ended'));
    settle();
    if (!this.#sourceEnded) this.#receiver.release(this);
  }
}
