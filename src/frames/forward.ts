/** Forwards frames from one device to another. */

import { checkSignal } from '../base/abort.js';
import { refuseSurplus } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import type { FrameBatch } from './batch.js';
import type { BatchOutcome } from './batch-write.js';
import { type BatchOptions, checkBatchOptions } from './batches.js';
import { WRITING_ENDED } from './duplex.js';
import type { BurstTaker, FrameReceiver } from './receiver.js';
import { FrameStream } from './stream.js';

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
  /** Ends the forwarding: the promise is then fulfilled, and both devices stay open. */
  signal?: AbortSignal;
  /** Called for each batch before it is written. Default: none. */
  transform?: ForwardTransform;
}

/** The result of {@link forward}. */
export interface ForwardResult {
  /** Frames the other device took. */
  frames: number;
  /** Frames it refused or lost; its `stats.sent.drops` says why. */
  lost: number;
}

/**
 * Reads frames from one device and writes them to another, batch by batch, until the signal is aborted or either device
 * ends. It works in one direction: call it twice for both. Nothing is copied in JavaScript. A frame that the other device
 * refuses is counted and skipped.
 *
 * @returns How much was forwarded, when the signal is aborted, or when `from` is handed off and everything it had read has
 *   been written.
 * @throws TapfdError
 * - `ERR_TAPFD_INVALID_ARGUMENT`: not two devices, or a wrong option.
 * - `ERR_TAPFD_INVALID_STATE`: `from` is already being read in another way.
 * - `ERR_TAPFD_DEVICE_GONE`, `ERR_TAPFD_CLOSED`: either device ended, or had ended before.
 * - `ERR_TAPFD_HANDED_OFF`: `to` was handed off, or `from` had been.
 */
export async function forward(
  from: FrameStream,
  to: FrameStream,
  options: ForwardOptions = {},
): Promise<ForwardResult> {
  refuseSurplus('forward', arguments, 3);
  if (!(from instanceof FrameStream)) throw invalidArgument('from', 'a device', from);
  if (!(to instanceof FrameStream)) throw invalidArgument('to', 'a device', to);
  checkBatchOptions(options);
  const signal = checkSignal(options.signal);
  const { transform } = options;
  if (transform !== undefined && typeof transform !== 'function') {
    throw invalidArgument('transform', 'a function', transform);
  }
  if (to.destroyed || to.handedOff) throw to.closedError('forward');
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
  readonly #sinkEnded = () => this.#fail(this.#to.closedError('forward'));
  readonly #stop = () => this.stop();
  /** A batch is in the transform or waits for the kernel. */
  #busy = false;
  #state: 'on' | 'stopping' | 'ended' = 'on';
  #sourceEnded = false;

  constructor(receiver: FrameReceiver, to: FrameStream, plan: ForwardingPlan) {
    this.#receiver = receiver;
    this.#to = to;
    this.#plan = plan;
  }

  start(): void {
    const { signal } = this.#plan;
    this.#receiver.lendBatches(this, this.#plan.maxFrames);
    this.#to.once(WRITING_ENDED, this.#sinkEnded);
    signal?.addEventListener('abort', this.#stop);
    if (signal?.aborted) this.stop();
    else this.#receiver.ask();
  }

  take(batch: FrameBatch): void {
    this.#busy = true;
    try {
      const changed = this.#plan.transform?.(batch);
      if (changed instanceof Promise) {
        changed.then((frames) => this.#send(frames ?? batch)).catch((error) => this.#fail(error));
      } else {
        this.#send(changed ?? batch);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The device read from has ended, by an error or a hand-off. */
  end(error: Error | undefined): void {
    this.#sourceEnded = true;
    if (error) this.#fail(error);
    else this.stop();
  }

  /** Ends when the current batch has been written. */
  stop(): void {
    this.#state = 'stopping';
    if (!this.#busy) this.#finish();
  }

  #send(frames: FrameBatch | readonly Uint8Array[]): void {
    const count = frames.length;
    this.#to.sendFrames(frames, (outcome) => this.#sent(count, outcome));
  }

  #sent(count: number, outcome: BatchOutcome | Error): void {
    this.#busy = false;
    if (outcome instanceof Error) {
      this.#fail(outcome);
      return;
    }
    const { taken, refusal } = outcome;
    if (refusal?.recoverable === false) {
      this.#fail(refusal);
      return;
    }
    this.#counted.frames += taken;
    this.#counted.lost += count - taken;
    if (this.#state === 'on') this.#receiver.ask();
    else this.#finish();
  }

  #finish(): void {
    if (this.#end()) this.#plan.resolve(this.#counted);
  }

  #fail(error: unknown): void {
    if (this.#end()) this.#plan.reject(error);
  }

  /** False if it had ended before; a batch in progress then still completes. */
  #end(): boolean {
    if (this.#state === 'ended') return false;
    this.#state = 'ended';
    this.#to.off(WRITING_ENDED, this.#sinkEnded);
    this.#plan.signal?.removeEventListener('abort', this.#stop);
    if (!this.#sourceEnded) this.#receiver.release();
    return true;
  }
}
