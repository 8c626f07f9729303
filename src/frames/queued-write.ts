/** What one call of `write()` or `writeBatch()` has to write, at once or from Writable's queue. */
import { checkFrame, isList } from '../base/checks.js';
import { invalidArgument, TapfdError } from '../base/errors.js';
import type { NativeQueue } from '../base/native-queue.js';
import { FrameBatch } from './batch.js';
import { WOULD_WAIT } from './write-outcome.js';

/** A chunk of Writable's queue. Its caller's callback runs in a tick of its own, so none of these throws. */
export interface QueuedWrite {
  /** Writes what it can; false when it has to wait. True, with no effect, when it is over. */
  attempt(): boolean;
  /** It will not be written, or no further. No effect when it is over. */
  fail(error: Error): void;
}

/** What became of frames: sent, lost as a network card loses them, or the error that they were refused or ended with. */
export type Verdict = 'sent' | 'lost' | TapfdError;

/** Counts what the kernel or the checks made of frames, and what was never tried. */
export interface WriteCounting {
  settle(frames: number, bytes: number, outcome: number): Verdict;
  settleFrame(frame: Uint8Array, outcome: number): Verdict;
  readonly observed: boolean;
  observe(memory: Uint8Array, spans: Uint32Array, count: number): void;
  unsent(frames: number): void;
}

/** Called when the kernel has taken a frame, or with the reason why it has not: as `stream.Writable` calls it. */
export type WriteCallback = (error?: Error | null) => void;

/** One frame that could not be written in the turn of its call. */
export class FrameWrite implements QueuedWrite {
  readonly #queue: NativeQueue;
  readonly #frame: Uint8Array;
  readonly #counting: WriteCounting;
  readonly #callback: WriteCallback | undefined;
  #isOver = false;

  constructor(
    queue: NativeQueue,
    frame: Uint8Array,
    counting: WriteCounting,
    callback: WriteCallback | undefined,
  ) {
    this.#queue = queue;
    this.#frame = frame;
    this.#counting = counting;
    this.#callback = callback;
  }

  attempt(): boolean {
    if (this.#isOver) return true;
    const outcome = this.#queue.write(this.#frame);
    if (outcome === WOULD_WAIT) return false;
    // Before it is settled: an outcome that ends the device fails everything that waits.
    this.#isOver = true;
    callBack(this.#callback, this.#counting.settleFrame(this.#frame, outcome));
    return true;
  }

  fail(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#counting.unsent(1);
    callBack(this.#callback, error);
  }
}

/** Calls back in a tick of its own: what a callback throws, or does to the stream, cannot come in between. */
export function callBack(callback: WriteCallback | undefined, result: Verdict | Error): void {
  if (callback) process.nextTick(callback, result instanceof Error ? result : null);
}

/** The result of writing a batch. */
export interface BatchOutcome {
  /** Frames of the batch. */
  readonly length: number;
  /** Frames the kernel took, without those that were lost. */
  taken: number;
  /** The error of the first refused frame; the others were sent nevertheless. */
  refusal: TapfdError | undefined;
  /** Why the rest was not written. */
  ended: Error | undefined;
}

/** native/frames/io.h `Losses::kMaxReasons`. */
const MAX_REASONS = 8;
/** {@link NativeQueue.writeFrames}'s. Valid within one call only. */
const report = new Int32Array(4 + 3 * MAX_REASONS);
/** Batches are numbered because one may be made at the address of an earlier one. */
let lastBatch = 0;

/** Many frames, written in order, waiting for the kernel as often as needed. */
export class BatchWrite implements QueuedWrite {
  readonly #queue: NativeQueue;
  readonly #frames: FrameBatch | readonly Uint8Array[];
  readonly #counting: WriteCounting;
  readonly #finish: (outcome: BatchOutcome) => void;
  readonly #outcome: BatchOutcome;
  readonly #number: number;
  #next = 0;
  /** Frames that were sent, lost or refused: where frames are joined, some of them behind `#next`. */
  #settled = 0;
  /** `writing`: an outcome that ends the device fails everything that waits, and comes back to this very write. */
  #state: 'waiting' | 'writing' | 'over' = 'waiting';
  #holds = false;

  /**
   * @param finish - Called once, with the result. It must not throw.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for anything but frames.
   */
  constructor(
    queue: NativeQueue,
    frames: FrameBatch | readonly Uint8Array[],
    counting: WriteCounting,
    finish: (outcome: BatchOutcome) => void,
  ) {
    this.#queue = queue;
    this.#frames = ownFrames(frames, queue.joins);
    this.#counting = counting;
    this.#finish = finish;
    this.#outcome = { length: this.#frames.length, taken: 0, refusal: undefined, ended: undefined };
    lastBatch = (lastBatch + 1) >>> 0;
    this.#number = lastBatch;
  }

  attempt(): boolean {
    if (this.#state === 'over') return true;
    this.#state = 'writing';
    if (this.#writeOn()) {
      this.#end();
      return true;
    }
    this.#state = 'waiting';
    return false;
  }

  /**
   * It has to wait, for the kernel or behind others: until it is over, its frames stay as they are.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_STATE` for a FrameBatch that is no longer valid.
   */
  hold(): void {
    if (!FrameBatch.is(this.#frames)) return;
    this.#frames.hold();
    this.#holds = true;
  }

  fail(error: Error): void {
    if (this.#state === 'over' || this.#state === 'writing') return;
    this.#outcome.ended = error;
    this.#end();
  }

  #end(): void {
    if (this.#holds && FrameBatch.is(this.#frames)) this.#frames.release();
    this.#state = 'over';
    const unsent = this.#frames.length - this.#settled;
    if (unsent > 0) this.#counting.unsent(unsent);
    this.#finish(this.#outcome);
  }

  /** False when it has to wait. */
  #writeOn(): boolean {
    const frames = this.#frames;
    const isBatch = FrameBatch.is(frames);
    while (this.#next < frames.length && this.#outcome.ended === undefined) {
      const first = this.#next;
      const outcome = isBatch ? this.#writeRun(frames) : this.#writeOne(frames[first]);
      if (outcome === WOULD_WAIT) return false;
      if (this.#next > first) continue;
      // The buffer that says where the frames are has been transferred to another thread.
      this.#outcome.ended = invalidArgument('frames', 'a FrameBatch that still has its memory', frames);
    }
    return true;
  }

  /** Writes as many frames in a row as the kernel takes, then handles the one it does not take. */
  #writeRun(batch: FrameBatch): number {
    const first = this.#next;
    const { memory, spans, length } = batch;
    const accepted = this.#counting.observed ? new Uint8Array(length) : undefined;
    const outcome = this.#queue.writeFrames(this.#number, memory, spans, first, length, report, accepted);
    const [next, taken, bytes, reasons] = report;
    this.#next = next;
    if (taken > 0 && this.#count(taken, bytes, 0) === 'sent' && accepted !== undefined) {
      this.#counting.observe(memory, spansOf(spans, accepted, taken), taken);
    }
    for (let i = 4; i < 4 + 3 * reasons; i += 3) this.#count(report[i + 1], report[i + 2], report[i]);
    if (outcome !== 0 && outcome !== WOULD_WAIT) this.#count(1, batch.spans[2 * this.#next++ + 1], outcome);
    return outcome;
  }

  #writeOne(frame: Uint8Array): number {
    const outcome = this.#queue.write(frame);
    if (outcome === WOULD_WAIT) return outcome;
    this.#next += 1;
    this.#note(1, this.#counting.settleFrame(frame, outcome));
    return outcome;
  }

  #count(frames: number, bytes: number, outcome: number): Verdict {
    const verdict = this.#counting.settle(frames, bytes, outcome);
    this.#note(frames, verdict);
    return verdict;
  }

  #note(frames: number, verdict: Verdict): void {
    this.#settled += frames;
    if (verdict === 'sent') this.#outcome.taken += frames;
    else if (verdict === 'lost') return;
    else if (verdict.recoverable) this.#outcome.refusal ??= verdict;
    else this.#outcome.ended ??= verdict;
  }
}

/** The pairs of `spans` whose frames were accepted: `count` of them. */
function spansOf(spans: Uint32Array, accepted: Uint8Array, count: number): Uint32Array {
  const found = new Uint32Array(2 * count);
  let at = 0;
  accepted.forEach((mark, i) => {
    if (mark === 1) {
      found.set(spans.subarray(2 * i, 2 * i + 2), at);
      at += 2;
    }
  });
  return found;
}

/** The frames, in a list that the caller cannot change while they wait. */
function ownFrames(frames: unknown, joins: boolean): FrameBatch | readonly Uint8Array[] {
  if (FrameBatch.is(frames)) return frames;
  if (!isList(frames)) throw invalidArgument('frames', 'a FrameBatch or an array of Buffers', frames);
  const own: Uint8Array[] = [];
  for (let i = 0; i < frames.length; i++) own.push(checkFrame(`frames[${i}]`, frames[i]));
  // Joining needs them in one piece of memory.
  return joins ? FrameBatch.of(own) : own;
}

/** What `writeBatch()` rejects with. */
export function batchError({ taken, refusal, ended }: BatchOutcome): Error | undefined {
  const error = ended ?? refusal;
  // What destroy() was given is thrown as it is.
  if (!(error instanceof TapfdError)) return error;
  return new TapfdError(error.code, error.message, { ...error, cause: error.cause, framesTaken: taken });
}
