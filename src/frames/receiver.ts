/** The reading half of a stream: what a burst brought goes into the stream, or to whoever has borrowed the reading. */
import type { Readable } from 'node:stream';
import { markAsUntransferable } from 'node:worker_threads';
import type { NativeBurstCallback } from '../base/native-queue.js';
import type { DeviceHandle } from '../descriptor/device-handle.js';
import { KernelDropLooks } from '../descriptor/kernel-drop-looks.js';
import { FrameBatch } from './batch.js';
import type { FrameCounters } from './counters.js';
import { batchSize, frameOf, provideBurstMemory, takeUnread } from './slab.js';
import { fatalError, meaningOfRead } from './write-outcome.js';

/** Frames read at one wake-up: more would hold up the rest of the event loop (one turn of 527 ms without a limit). */
const BURST_LIMIT = 64;

/** Takes bursts in place of the stream, one for each {@link FrameReceiver.ask}. */
export interface BurstTaker {
  /** The batch is valid until the next burst is asked for. */
  take(burst: FrameBatch): void;
  /** Nothing more will come: an error, or undefined after a hand-off, when all that was read has been taken. */
  end(error: Error | undefined): void;
  /** Gives up the frames of its burst that it has not passed on. Without this method, it passes on whole bursts. */
  recall?(): Buffer[];
}

/**
 * Frames reach whoever reads in this order, whatever changes hands, and when: those that the stream was given and nobody
 * has read, the rest of a burst, the kernel's. While there is a rest, nothing is read from the kernel.
 */
export class FrameReceiver {
  readonly #device: DeviceHandle;
  readonly #counters: FrameCounters;
  readonly #stream: Readable;
  readonly #lost: (error: Error) => void;
  readonly #drops = new KernelDropLooks(() => this.countDropsQuietly());
  #taker: BurstTaker | undefined;
  /** The taker has memory of its own, used again for each burst. */
  #hasOwnMemory = false;
  /** What a taker with memory of its own was given last: stale once it asks for more. */
  #lentBatch: FrameBatch | undefined;
  #maxFrames = Number.POSITIVE_INFINITY;
  #ownBytes = 0;
  /** Whoever takes bursts now, the stream or a taker, wants one. */
  #wanted = false;
  /** The stream asked for frames, and got none before a taker had the reading. */
  #streamWaits = false;
  #suspended = false;
  /** The queue polls, or will at the end of the burst that is being received: calls that change nothing are saved. */
  #polls = false;
  /** `reading`; `ending`: no more is read, but what was read is still passed on; `ended`: it was; `closed`: nothing is. */
  #state: 'reading' | 'ending' | 'ended' | 'closed' = 'reading';
  /** Frames of a burst that nobody has been given yet. They count as received when somebody is. */
  #rest: Buffer[] = [];
  /** The rest is being pushed into the stream, whose listeners may do anything in between. */
  #pushing = false;
  #hasRead = false;

  /** @param lost - Called when a read shows that the device is lost. */
  constructor(device: DeviceHandle, counters: FrameCounters, stream: Readable, lost: (error: Error) => void) {
    this.#device = device;
    this.#counters = counters;
    this.#stream = stream;
    this.#lost = lost;
    provideBurstMemory();
    device.queue.onBurst(this.#receive, BURST_LIMIT);
  }

  /** True while a taker has the reading. */
  get lent(): boolean {
    return this.#taker !== undefined;
  }

  /** The stream wants frames (`_read`). */
  want(): void {
    if (this.#taker !== undefined) {
      this.#streamWaits = true;
      return;
    }
    this.#hasRead = true;
    this.#wanted = true;
    // Where the stream flows, a listener that throws within its read() would leave in its buffer what was pushed there.
    if (this.#stream.readableFlowing) this.#settle();
    else this.#pushRest();
  }

  /** Gives the reading to `taker` until {@link release}; the stream's own rests. Each frame it gets may be kept. */
  lend(taker: BurstTaker): void {
    this.#streamWaits ||= this.#wanted;
    this.#taker = taker;
    this.#stream.on('error', isReported);
    this.#wanted = false;
    this.#updatePolling();
  }

  /** As {@link lend}, but each burst is read over the one before: nothing is allocated for frames. */
  lendBatches(taker: BurstTaker, maxFrames: number | undefined): void {
    const { frames, bytes } = batchSize(this.#device.frameBytes, maxFrames);
    this.lend(taker);
    this.#hasOwnMemory = true;
    this.#maxFrames = frames;
    this.#readToOwnMemory(bytes);
  }

  #readToOwnMemory(bytes: number): void {
    const memory = Buffer.allocUnsafeSlow(bytes);
    // Native code reads to it: it must not go to another thread.
    markAsUntransferable(memory.buffer);
    this.#device.queue.useOwnMemory(memory, new Uint32Array(2 * this.#maxFrames));
    this.#ownBytes = bytes;
    this.#lentBatch = undefined;
  }

  /** The taker wants the next burst. */
  ask(): void {
    const taker = this.#taker;
    if (taker === undefined) return;
    this.#leaveBatch();
    this.#hasRead = true;
    this.#wanted = true;
    // In the middle of a burst: its rest is not known yet.
    if (this.#pushing) return;
    const waiting = this.#takeWaiting();
    if (waiting.length === 1) this.#give(taker, FrameBatch.around(waiting[0]));
    else if (waiting.length > 0) this.#give(taker, FrameBatch.of(waiting));
    else if (this.#state === 'ending' || this.#state === 'ended') this.#endTaker(undefined);
    else this.#updatePolling();
  }

  /** The taker is finished, unless it was before: the stream's own reading resumes. */
  release(taker: BurstTaker): void {
    if (this.#taker !== taker) return;
    this.#takeBack(taker);
    this.#forgetTaker();
    this.#stream.off('error', isReported);
    const waits = this.#streamWaits;
    this.#streamWaits = false;
    this.#wanted = false;
    if (waits) this.want();
    else this.#settle();
  }

  /** Puts a frame before all that were read and not passed on; `insert` puts it into the stream. */
  putBack(insert: () => void): void {
    const taker = this.#taker;
    if (taker !== undefined) this.#takeBack(taker);
    insert();
    if (taker !== undefined && this.#wanted) this.ask();
  }

  /** Rests, to hand the descriptor to a child that may yet fail to start. */
  suspend(): void {
    this.#suspended = true;
    this.#updatePolling();
  }

  /** Takes back {@link suspend}. */
  resume(): void {
    this.#suspended = false;
    this.#updatePolling();
  }

  /** Reads no more: the stream, or a taker, gets what was read already, and then the end. */
  finish(): void {
    this.#state = 'ending';
    this.#drops.stop();
    // The frames of a super-frame that was begun.
    const pending = this.#device.queue.takePending();
    for (const frame of pending) this.#device.observers.frame('in', frame);
    this.#rest.push(...pending);
    this.#updatePolling();
    if (this.#taker === undefined) this.#pushRest();
    else if (this.#wanted) this.ask();
  }

  /** The stream was destroyed: nothing more is read or passed on. */
  close(error: Error): void {
    this.#state = 'closed';
    this.#drops.stop();
    this.#rest = [];
    this.#updatePolling();
    this.#endTaker(error);
  }

  async countDrops(): Promise<void> {
    const count = await this.#device.newKernelDrops();
    if (count > 0) this.#counters.drop({ direction: 'receive', reason: 'kernel', count });
  }

  /** Reads the kernel's drop counter, if anything was read at all. A device that is gone has no counter, and is reported elsewhere. */
  async countDropsQuietly(): Promise<void> {
    if (this.#hasRead) await this.countDrops().catch(() => undefined);
  }

  /** The last batch's memory is read to again, unless a write still waits with it: then it keeps that. */
  #leaveBatch(): void {
    if (this.#lentBatch?.held) this.#readToOwnMemory(this.#ownBytes);
    else this.#lentBatch?.expire();
  }

  #endTaker(error: Error | undefined): void {
    const taker = this.#taker;
    this.#forgetTaker();
    if (error === undefined) this.#stream.off('error', isReported);
    taker?.end(error);
    this.#settle();
  }

  #forgetTaker(): void {
    this.#taker = undefined;
    if (this.#hasOwnMemory) this.#device.queue.useOwnMemory();
    this.#hasOwnMemory = false;
    this.#lentBatch = undefined;
    this.#maxFrames = Number.POSITIVE_INFINITY;
  }

  /** What a taker has not passed on comes again, behind what the stream was given. */
  #takeBack(taker: BurstTaker): void {
    const frames = taker.recall?.() ?? [];
    this.#rest.unshift(...frames);
    this.#counters.takeBack(frames);
  }

  /** What comes before anything that is read now, as many frames as the taker takes. */
  #takeWaiting(): Buffer[] {
    const { readableLength } = this.#stream;
    if (readableLength > 0) return takeUnread(this.#stream, Math.min(readableLength, this.#maxFrames));
    const frames = this.#rest.splice(0, this.#maxFrames);
    this.#counters.received(frames);
    return frames;
  }

  /** The queue holds it weakly while it does not poll. */
  readonly #receive: NativeBurstCallback = (slab, spans, count, last, error, faults) => {
    this.#drops.noteBurst();
    const { observers } = this.#device;
    if (observers.present) observers.burst(slab, spans, count, last);
    if (faults > 0) this.#counters.drop({ direction: 'receive', reason: 'malformed', count: faults });
    if (count > 0 && this.#taker !== undefined) this.#giveBurst(this.#taker, slab, spans, count, last);
    else if (count > 0) this.#pushBurst(slab, spans, count, last);
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
    // It comes by itself, behind the others.
    if (last !== undefined) this.#rest.push(last);
    if (inSlab > 0) {
      // The spans are those of all devices, unless the memory is the taker's own.
      const burst = FrameBatch.over(slab, this.#hasOwnMemory ? spans : spans.slice(0, 2 * inSlab), inSlab);
      this.#counters.receivedFrames += inSlab;
      this.#counters.receivedBytes += burst.bytes;
      this.#give(taker, burst);
    } else {
      this.ask();
    }
    // The next burst may be read over this one. Polling changes only by how the taker leaves it: each change is a call.
    this.#updatePolling();
  }

  #give(taker: BurstTaker, batch: FrameBatch): void {
    this.#wanted = false;
    if (this.#hasOwnMemory) this.#lentBatch = batch;
    taker.take(batch);
  }

  /** Gives a burst to the stream, whose listeners may throw, give the reading away, or end it: what is left then waits. */
  #pushBurst(slab: Buffer, spans: Uint32Array, count: number, last: Buffer | undefined): void {
    const { copyFrames } = this.#device.settings;
    const frameAt = (i: number) =>
      i + 1 === count && last !== undefined ? last : frameOf(slab, spans, i, copyFrames);
    let next = 0;
    this.#pushing = true;
    try {
      while (next < count && this.#taker === undefined && this.#state !== 'closed')
        this.#push(frameAt(next++));
    } finally {
      this.#pushing = false;
      if (next < count && this.#state !== 'closed') {
        this.#rest.unshift(...Array.from({ length: count - next }, (_, i) => frameAt(next + i)));
      }
      this.#settle();
    }
  }

  /** Gives the rest to the stream, as a burst. */
  #pushRest(): void {
    if (this.#pushing) return;
    this.#pushing = true;
    try {
      for (let frame = this.#nextOfRest(); frame !== undefined; frame = this.#nextOfRest()) this.#push(frame);
    } finally {
      this.#pushing = false;
      this.#settle();
    }
  }

  #nextOfRest(): Buffer | undefined {
    return this.#taker === undefined ? this.#rest.shift() : undefined;
  }

  #push(frame: Buffer): void {
    this.#counters.receivedFrames += 1;
    this.#counters.receivedBytes += frame.length;
    if (!this.#stream.push(frame)) this.#wanted = false;
  }

  /** What remains to be done when the stream, or a taker, has had its part of a burst. */
  #settle(): void {
    if (this.#pushing) return;
    if (this.#taker !== undefined) {
      if (this.#wanted) this.ask();
    } else if (this.#rest.length > 0) {
      // The rest comes in a turn of its own: a listener may throw again.
      setImmediate(() => this.#pushRest());
    } else if (this.#state === 'ending') {
      this.#state = 'ended';
      this.#stream.push(null);
    }
    this.#updatePolling();
  }

  #updatePolling(): void {
    const polls = this.#wanted && !this.#suspended && this.#state === 'reading' && this.#rest.length === 0;
    if (polls === this.#polls) return;
    this.#polls = polls;
    if (polls) this.#device.queue.startReading();
    else this.#device.queue.stopReading();
  }
}

/** A taker reports what ends it: its stream's `'error'` need not be heard as well. */
function isReported(): void {}
