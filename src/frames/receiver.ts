/** The reading half of a stream: what a burst brought goes into the stream, or to whoever has borrowed the reading. */
import { markAsUntransferable } from 'node:worker_threads';
import type { NativeBurstCallback } from '../base/native-queue.js';
import type { DeviceHandle } from '../descriptor/device-handle.js';
import { FrameBatch, viewOf } from './batch.js';
import type { FrameCounters } from './counters.js';
import { provideBurstMemory } from './slab.js';
import { fatalError, meaningOfRead } from './write-outcome.js';

/** Frames read at one wake-up: more would hold up the rest of the event loop (one turn of 527 ms without a limit). */
const BURST_LIMIT = 64;
/** After a pause in reading the kernel's drop counter is read, but not more often than this. */
const DROP_COUNT_MS = 100;
/** The kernel cuts a frame that finds too little room, so the end of the memory is never used (native/frames/io.h). */
const MAX_FRAME_BYTES = 66 * 1024;
const MAX_MEMORY_BYTES = 8 * 1024 * 1024;
const DEFAULT_BATCH_FRAMES = 256;
const DEFAULT_BATCH_SUPER_FRAMES = 32;

/** Takes bursts in place of the stream, one for each {@link FrameReceiver.ask}. */
export interface BurstTaker {
  /** The batch is valid until the next burst is asked for. */
  take(burst: FrameBatch): void;
  /** Nothing more will come: an error, or undefined after a hand-off, when all that was read has been taken. */
  end(error: Error | undefined): void;
}

/** What the receiver does to the stream. */
interface Sink {
  /** Readable's: false when it wants no more for now; null is the end. */
  push(frame: Buffer | null): boolean;
  /** Readable's: what was pushed and not read yet. */
  read(): Buffer | null;
  readonly readableLength: number;
}

export class FrameReceiver {
  readonly #device: DeviceHandle;
  readonly #counters: FrameCounters;
  readonly #stream: Sink;
  readonly #lost: (error: Error) => void;
  #taker: BurstTaker | undefined;
  /** The taker has memory of its own, used again for each burst. */
  #hasOwnMemory = false;
  /** The last batch in that memory. */
  #batch: FrameBatch | undefined;
  #maxFrames = Number.POSITIVE_INFINITY;
  #ownBytes = 0;
  /** Whoever takes bursts now, the stream or a taker, wants one. */
  #wanted = false;
  /** The stream asked for frames while a taker had the reading. */
  #streamWaits = false;
  #suspended = false;
  /** The queue polls, or will at the end of the burst that is being received: calls that change nothing are saved. */
  #polls = false;
  /** `reading`; `ending`: no more is read, but what was read is still passed on; `closed`: nothing is. */
  #state: 'reading' | 'ending' | 'closed' = 'reading';
  /** A taker's frame that did not fit the memory of its burst: it comes by itself, behind that. */
  #spilled: Buffer | undefined;
  /** Frames of a burst that the stream has not been given yet. */
  #unpushed = 0;
  #hasRead = false;
  #dropsCountedAt = 0;

  /** @param lost - Called when a read shows that the device is lost. */
  constructor(device: DeviceHandle, counters: FrameCounters, stream: Sink, lost: (error: Error) => void) {
    this.#device = device;
    this.#counters = counters;
    this.#stream = stream;
    this.#lost = lost;
    provideBurstMemory();
    device.queue.onBurst(this.#receive, BURST_LIMIT);
  }

  /** True while a taker has the reading, or the stream itself reads. */
  get busy(): boolean {
    return this.#taker !== undefined || this.#wanted;
  }

  /** True while a taker has the reading. */
  get lent(): boolean {
    return this.#taker !== undefined;
  }

  /** The stream wants frames (`_read`). */
  want(): void {
    const resumed = !this.#wanted && this.#hasRead;
    if (this.#taker !== undefined) {
      this.#streamWaits = true;
      return;
    }
    this.#start();
    this.#pushSpilled();
    // While nobody read, the kernel's queue may have overflowed.
    if (resumed && performance.now() - this.#dropsCountedAt > DROP_COUNT_MS) void this.countDropsQuietly();
  }

  /** Gives the reading to `taker` until {@link release}; the stream's own rests. Each frame it gets may be kept. */
  lend(taker: BurstTaker): void {
    this.#taker = taker;
    this.#stop();
  }

  /** As {@link lend}, but each burst is read over the one before: nothing is allocated for frames. */
  lendBatches(taker: BurstTaker, maxFrames: number | undefined): void {
    const { frameBytes } = this.#device;
    const isSuper = frameBytes > MAX_FRAME_BYTES / 2;
    const frames = maxFrames ?? (isSuper ? DEFAULT_BATCH_SUPER_FRAMES : DEFAULT_BATCH_FRAMES);
    this.lend(taker);
    this.#hasOwnMemory = true;
    this.#maxFrames = frames;
    this.#readToOwnMemory(Math.min(frames * (frameBytes + 8), MAX_MEMORY_BYTES) + MAX_FRAME_BYTES);
  }

  #readToOwnMemory(bytes: number): void {
    const memory = Buffer.allocUnsafeSlow(bytes);
    // Native code reads to it: it must not go to another thread.
    markAsUntransferable(memory.buffer);
    this.#device.queue.useOwnMemory(memory, new Uint32Array(2 * this.#maxFrames));
    this.#ownBytes = bytes;
    this.#batch = undefined;
  }

  /** The taker wants the next burst. What the stream had read before comes first. */
  ask(): void {
    const taker = this.#taker;
    if (taker === undefined || this.#giveSpilled(taker)) return;
    // A write still waits with the last batch, which keeps its memory.
    if (this.#batch?.held) this.#readToOwnMemory(this.#ownBytes);
    const { readableLength } = this.#stream;
    if (readableLength > 0) taker.take(this.#takeFromStream(Math.min(readableLength, this.#maxFrames)));
    else if (this.#state === 'reading') this.#start();
    else if (this.#state === 'ending') this.#endTaker(undefined);
  }

  /** The taker is finished: the stream's own reading resumes. */
  release(): void {
    this.#forgetTaker();
    this.#stop();
    const waits = this.#streamWaits;
    this.#streamWaits = false;
    if (waits) this.want();
  }

  /** Rests, to hand the descriptor to a child that may yet fail to start. */
  suspend(): void {
    this.#suspended = true;
    this.#poll(false);
  }

  /** Takes back {@link suspend}. */
  resume(): void {
    this.#suspended = false;
    if (this.#wanted) this.#start();
  }

  /** Reads no more: the stream, or a taker, gets what was read already, and then the end. */
  finish(): void {
    const taking = this.#taker !== undefined && this.#wanted;
    this.#state = 'ending';
    this.#stop();
    if (this.#unpushed === 0) this.#pushEnd();
    if (taking) this.ask();
  }

  /** The stream was destroyed: nothing more is read or passed on. */
  close(error: Error): void {
    this.#state = 'closed';
    this.#stop();
    this.#endTaker(error);
  }

  /** The end, behind the frames of a super-frame that was begun. */
  #pushEnd(): void {
    this.#pushSpilled();
    for (const frame of this.#device.queue.takePending()) {
      this.#counters.receivedFrames += 1;
      this.#counters.receivedBytes += frame.length;
      this.#stream.push(frame);
    }
    this.#stream.push(null);
  }

  #pushSpilled(): void {
    const frame = this.#spilled;
    this.#spilled = undefined;
    if (frame !== undefined) this.#stream.push(frame);
  }

  #takeFromStream(count: number): FrameBatch {
    const frames = Array.from({ length: count }, () => this.#stream.read());
    return FrameBatch.of(frames.filter((frame) => frame !== null));
  }

  #endTaker(error: Error | undefined): void {
    const taker = this.#taker;
    this.#forgetTaker();
    taker?.end(error);
  }

  #forgetTaker(): void {
    this.#taker = undefined;
    if (this.#hasOwnMemory) this.#device.queue.useOwnMemory();
    this.#hasOwnMemory = false;
    this.#batch = undefined;
    this.#maxFrames = Number.POSITIVE_INFINITY;
  }

  /** Reads the kernel's drop counter. */
  async countDrops(): Promise<void> {
    this.#dropsCountedAt = performance.now();
    const count = await this.#device.newKernelDrops();
    if (count > 0) this.#counters.drop({ direction: 'receive', reason: 'kernel', count });
  }

  /** As {@link countDrops}, if anything was read at all. A device that is gone has no counter, and is reported elsewhere. */
  async countDropsQuietly(): Promise<void> {
    if (this.#hasRead) await this.countDrops().catch(() => undefined);
  }

  #start(): void {
    this.#hasRead = true;
    if (this.#state !== 'reading') return;
    this.#wanted = true;
    if (!this.#suspended) this.#poll(true);
  }

  #stop(): void {
    this.#wanted = false;
    this.#poll(false);
  }

  #poll(polls: boolean): void {
    if (polls === this.#polls) return;
    this.#polls = polls;
    if (polls) this.#device.queue.startReading();
    else this.#device.queue.stopReading();
  }

  /** The queue holds it weakly while it does not poll. */
  readonly #receive: NativeBurstCallback = (slab, spans, count, last, error, faults) => {
    if (faults > 0) this.#counters.drop({ direction: 'receive', reason: 'malformed', count: faults });
    if (count > 0 && this.#taker !== undefined) this.#giveBurst(this.#taker, slab, spans, count, last);
    else if (count > 0) this.#pushFrames(slab, spans, 0, count, last);
    if (error !== 0) this.#failed(error);
  };

  #failed(errno: number): void {
    const meaning = meaningOfRead(errno);
    if (meaning === 'end') this.#lost(fatalError(this.#device, 'read', errno));
    if (meaning === 'frame lost') {
      this.#counters.drop({ direction: 'receive', reason: 'unreadable', count: 1 });
    }
  }

  /** An error or a fault without frames is no burst: the taker still waits for one. */
  #giveBurst(
    taker: BurstTaker,
    slab: Buffer,
    spans: Uint32Array,
    count: number,
    last: Buffer | undefined,
  ): void {
    const inSlab = last === undefined ? count : count - 1;
    // The spans are those of all devices, unless the memory is the taker's own.
    const burst = FrameBatch.over(slab, this.#hasOwnMemory ? spans : spans.slice(0, 2 * inSlab), inSlab);
    if (this.#hasOwnMemory) this.#batch = burst;
    this.#counters.receivedFrames += count;
    this.#counters.receivedBytes += burst.bytes + (last?.length ?? 0);
    // The next burst may be read over this one. Polling changes only by how the taker leaves it: each change is a call.
    this.#wanted = false;
    this.#spilled = last;
    if (inSlab > 0) taker.take(burst);
    else this.#giveSpilled(taker);
    if (!this.#wanted) this.#poll(false);
  }

  /** Returns false where no frame has been put aside. */
  #giveSpilled(taker: BurstTaker): boolean {
    const frame = this.#spilled;
    if (frame === undefined) return false;
    this.#spilled = undefined;
    taker.take(FrameBatch.around(frame));
    return true;
  }

  #pushFrames(
    slab: Buffer,
    pairs: Uint32Array,
    first: number,
    count: number,
    last: Buffer | undefined,
  ): void {
    const { copyFrames } = this.#device.settings;
    let next = first;
    try {
      while (next < count && this.#state !== 'closed') {
        const frame = next + 1 === count && last ? last : frameOf(slab, pairs, next, copyFrames);
        next += 1;
        this.#unpushed = count - next;
        this.#counters.receivedFrames += 1;
        this.#counters.receivedBytes += frame.length;
        if (!this.#stream.push(frame)) this.#wanted = false;
      }
    } finally {
      // A listener threw: the frames behind the one it threw at must not be lost, nor must later ones overtake them.
      if (next < count && this.#state !== 'closed') {
        const rest = pairs.slice(0, 2 * count);
        this.#poll(false);
        setImmediate(() => {
          this.#pushFrames(slab, rest, next, count, last);
          if (this.#wanted) this.#start();
        });
      } else if (this.#state === 'ending') {
        this.#pushEnd();
      }
    }
    if (!this.#wanted) this.#poll(false);
  }
}

/** One frame of a burst, to keep: a view of its slab, or memory of its own. */
export function frameOf(slab: Buffer, pairs: Uint32Array, index: number, copy: boolean): Buffer {
  const frame = viewOf(slab, pairs, index);
  return copy ? ownCopy(frame) : frame;
}

/** Not `Buffer.from()`, which takes small memory from a pool that other Buffers share. */
function ownCopy(frame: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(frame.length);
  frame.copy(copy);
  return copy;
}
