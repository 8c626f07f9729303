/** The reading half of a stream: what a burst brought goes into the stream, or to who has taken the reading over. */
import type { DeviceHandle } from '../descriptor/device-handle.js';
import type { FrameCounters } from './counters.js';
import { currentSlab, provideBurstMemory, spans } from './slab.js';
import { fatalError, isDown } from './write-outcome.js';

/** Frames read at one wake-up: more would hold up the rest of the event loop (one turn of 527 ms without a limit). */
const BURST_LIMIT = 64;
/** After a pause in reading the kernel's drop counter is read, but not more often than this. */
const DROP_COUNT_MS = 100;

/** What the stream does for its receiver. */
export interface ReceivingStream {
  /** Readable's: false when it wants no more for now; null is the end. */
  push(frame: Buffer | null): boolean;
  /** The device is lost. */
  lost(error: Error): void;
}

/**
 * Takes bursts in place of the stream, one for each {@link FrameReceiver.ask}. It must have done with the slab and the
 * spans of a burst when `take` returns, or have copied the spans.
 */
export interface BurstTaker {
  /** A burst was read: returns how many bytes it has. `last` stands in place of a last frame that did not fit. */
  take(count: number, last: Buffer | undefined): number;
  /**
   * Nothing more will be read: an error, or undefined after a hand-off. Then the stream has what is left, the rest of a
   * super-frame that was begun.
   */
  end(error: Error | undefined): void;
}

export class FrameReceiver {
  readonly #device: DeviceHandle;
  readonly #counters: FrameCounters;
  readonly #stream: ReceivingStream;
  // The queue holds its callbacks weakly while it does not poll.
  readonly #onWritable: () => void;
  readonly #onBurst = (count: number, last: Buffer | undefined, error: number, faults: number) =>
    this.#receive(count, last, error, faults);

  #taker: BurstTaker | undefined;
  /** Whoever takes bursts now, the stream or a taker, wants one. */
  #wanted = false;
  /** The stream asked for frames while a taker had the reading. */
  #streamWaits = false;
  #suspended = false;
  /** The queue polls, or will at the end of the burst that is being received: calls that change nothing are saved. */
  #polls = false;
  /** `reading`; `ending`: no more is read, but what was read still goes on; `closed`: nothing does. */
  #state: 'reading' | 'ending' | 'closed' = 'reading';
  /** Frames of a burst that the stream has not been given yet. */
  #unpushed = 0;
  #hasRead = false;
  #dropsCountedAt = 0;

  /** @param onWritable - Called when the kernel takes frames again. */
  constructor(
    device: DeviceHandle,
    counters: FrameCounters,
    stream: ReceivingStream,
    onWritable: () => void,
  ) {
    this.#device = device;
    this.#counters = counters;
    this.#stream = stream;
    this.#onWritable = onWritable;
    provideBurstMemory();
    device.queue.listen(this.#onBurst, this.#onWritable, BURST_LIMIT);
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
    // While nobody read, the kernel's queue may have overflowed.
    if (resumed && performance.now() - this.#dropsCountedAt > DROP_COUNT_MS) void this.countDropsQuietly();
  }

  /** Gives the reading to `taker` until {@link giveBack}; the stream's own rests. */
  lend(taker: BurstTaker): void {
    this.#taker = taker;
    this.#wanted = false;
  }

  /** The taker wants the next burst. */
  ask(): void {
    this.#start();
  }

  /** The stream's own reading goes on. */
  giveBack(): void {
    this.#taker = undefined;
    this.#stop();
    if (this.#streamWaits) this.#start();
    this.#streamWaits = false;
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

  /** Reads no more, for ever: the stream gets what was read already, and then its end. */
  finish(): void {
    this.#state = 'ending';
    this.#stop();
    if (this.#unpushed === 0) this.#pushEnd();
    this.#endTaker(undefined);
  }

  /** The stream was destroyed: nothing more is read or passed on. */
  close(error: Error): void {
    this.#state = 'closed';
    this.#stop();
    this.#endTaker(error);
  }

  /** The end, behind the frames of a super-frame that was begun. */
  #pushEnd(): void {
    for (const frame of this.#device.queue.takePending()) {
      this.#counters.receivedFrames += 1;
      this.#counters.receivedBytes += frame.length;
      this.#stream.push(frame);
    }
    this.#stream.push(null);
  }

  #endTaker(error: Error | undefined): void {
    const taker = this.#taker;
    this.#taker = undefined;
    taker?.end(error);
  }

  /** Reads the kernel's drop counter. */
  async countDrops(): Promise<void> {
    this.#dropsCountedAt = performance.now();
    const count = await this.#device.newKernelDrops();
    if (count > 0) this.#counters.drop({ direction: 'receive', reason: 'kernel', count });
  }

  /** As {@link countDrops}, where anything was read at all: a device that is gone, which has no counter, is told of elsewhere. */
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

  #receive(count: number, last: Buffer | undefined, error: number, faults: number): void {
    if (faults > 0) this.#counters.drop({ direction: 'receive', reason: 'malformed', count: faults });
    if (count > 0 && this.#taker !== undefined) this.#lendBurst(this.#taker, count, last);
    else if (count > 0) this.#pushFrames(currentSlab(), spans, 0, count, last);
    if (error !== 0 && !isDown(error)) this.#stream.lost(fatalError(this.#device, 'read', error));
  }

  #lendBurst(taker: BurstTaker, count: number, last: Buffer | undefined): void {
    // The next burst may be read over this one. An error or a fault without frames is no burst: it is still waited for.
    this.#stop();
    this.#counters.receivedFrames += count;
    this.#counters.receivedBytes += taker.take(count, last);
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
  const position = pairs[2 * index];
  const frame = slab.subarray(position, position + pairs[2 * index + 1]);
  return copy ? ownCopy(frame) : frame;
}

/** Not `Buffer.from()`, which takes small memory from a pool that other Buffers share. */
function ownCopy(frame: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(frame.length);
  frame.copy(copy);
  return copy;
}
