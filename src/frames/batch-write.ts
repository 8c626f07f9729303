/** Writes many frames in order, waiting for the kernel as often as needed. */
import { invalidArgument, type TapfdError } from '../base/errors.js';
import type { NativeQueue } from '../base/native-queue.js';
import { FrameBatch } from './batch.js';
import type { WaitingWrite } from './waiting-writes.js';
import { WOULD_WAIT } from './write-outcome.js';

/** The result of writing a batch. */
export interface BatchOutcome {
  /** Frames the kernel took. */
  taken: number;
  /** The error of the first refused frame; the others were sent nevertheless. */
  refusal: TapfdError | undefined;
}

/** Counts frames; returns the error if they were refused, undefined if they were sent or lost. */
export type Settle = (frames: number, bytes: number, outcome: number) => TapfdError | undefined;

/** native/frames/io.h `Losses::kMaxReasons`. */
const MAX_REASONS = 4;
/**
 * What native code reports of a run of frames: the first that was not taken, the bytes of those before it, for how many
 * reasons some of these were lost, and for each reason its errno and number of frames. Valid within one call only.
 */
const report = new Int32Array(3 + 2 * MAX_REASONS);

export class BatchWrite implements WaitingWrite {
  readonly #queue: NativeQueue;
  readonly #frames: FrameBatch | readonly Uint8Array[];
  readonly #settle: Settle;
  readonly #finish: (outcome: BatchOutcome | Error) => void;
  readonly #outcome: BatchOutcome = { taken: 0, refusal: undefined };
  #next = 0;

  constructor(
    queue: NativeQueue,
    frames: FrameBatch | readonly Uint8Array[],
    settle: Settle,
    finish: (outcome: BatchOutcome | Error) => void,
  ) {
    this.#queue = queue;
    // Joining needs them in one piece of memory.
    this.#frames = queue.joins && !(frames instanceof FrameBatch) ? FrameBatch.of(frames) : frames;
    this.#settle = settle;
    this.#finish = finish;
  }

  attempt(): boolean {
    const frames = this.#frames;
    while (this.#next < frames.length) {
      const first = this.#next;
      const outcome = frames instanceof FrameBatch ? this.#writeRun(frames) : this.#writeOne(frames[first]);
      if (outcome === WOULD_WAIT) return false;
      if (this.#next === first) {
        // The buffer that says where the frames are has been transferred to another thread.
        this.#finish(invalidArgument('frames', 'a FrameBatch that still has its memory', frames));
        return true;
      }
    }
    this.#finish(this.#outcome);
    return true;
  }

  fail(error: Error): void {
    this.#finish(error);
  }

  /** Writes as many frames in a row as the kernel takes, then handles the one it does not take. */
  #writeRun(batch: FrameBatch): number {
    const first = this.#next;
    const outcome = this.#queue.writeFrames(batch.memory, batch.spans, first, batch.length, report);
    const [next, bytes, reasons] = report;
    this.#next = next;
    let taken = next - first;
    for (let i = 0; i < reasons; i++) taken -= report[4 + 2 * i];
    if (taken > 0) this.#count(taken, bytes, 0);
    for (let i = 0; i < reasons; i++) this.#count(report[4 + 2 * i], 0, report[3 + 2 * i]);
    if (outcome !== 0 && outcome !== WOULD_WAIT) this.#count(1, batch.spans[2 * this.#next++ + 1], outcome);
    return outcome;
  }

  #writeOne(frame: Uint8Array): number {
    const outcome = this.#queue.write(frame);
    if (outcome === WOULD_WAIT) return outcome;
    this.#next += 1;
    this.#count(1, frame.length, outcome);
    return outcome;
  }

  #count(frames: number, bytes: number, outcome: number): void {
    const error = this.#settle(frames, bytes, outcome);
    if (error === undefined && outcome === 0) this.#outcome.taken += frames;
    this.#outcome.refusal ??= error;
    // After an error that ends the device nothing more can be written.
    if (error !== undefined && !error.recoverable) this.#next = this.#frames.length;
  }
}

export function checkFrames(frames: unknown): void {
  if (frames instanceof FrameBatch) return;
  if (!Array.isArray(frames)) throw invalidArgument('frames', 'a FrameBatch or an array of Buffers', frames);
  const wrong = frames.findIndex((frame) => !(frame instanceof Uint8Array));
  if (wrong >= 0) throw invalidArgument(`frames[${wrong}]`, 'a Buffer or Uint8Array', frames[wrong]);
}
