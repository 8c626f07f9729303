/** Frames in one piece of memory, which are read, changed and written without a copy or an object for each. */
import { checkFrame, checkInteger, verdict } from '../base/checks.js';
import { invalidState } from '../base/errors.js';

/**
 * Frames read together by `device.batches()`. A batch is valid until the next one is asked for, which reuses its memory: all
 * its members then throw `ERR_TAPFD_INVALID_STATE`. {@link copy} makes one to keep.
 *
 * Frames may be changed in place, removed and added, and the batch may be passed to `writeBatch()` of another device.
 *
 * @example
 * ```ts
 * import { openTap } from 'tapfd';
 *
 * const tap = await openTap();
 * for await (const batch of tap.batches()) {
 *   batch.filter((frame) => frame.readUInt16BE(12) === 0x0800); // IPv4 only
 *   console.log(batch.length, batch.bytes);
 * }
 * ```
 */
export class FrameBatch implements Iterable<Buffer> {
  #memory: Buffer;
  #spans: Uint32Array;
  #length: number;
  /** How many writes wait with its frames. */
  #held = 0;
  /** Where the next appended frame goes, if it fits: behind all frames that the batch ever had. */
  #end: number;
  #expired = false;

  private constructor(memory: Buffer, spans: Uint32Array, length: number) {
    this.#memory = memory;
    this.#spans = spans;
    this.#length = length;
    this.#end = endOf(spans, length);
  }

  /** @internal `spans` holds [offset, length] pairs, of which the first `length` are used. */
  static over(memory: Buffer, spans: Uint32Array, length: number): FrameBatch {
    return new FrameBatch(memory, spans, length);
  }

  /** @internal These frames, copied into new memory. */
  static of(frames: readonly Uint8Array[]): FrameBatch {
    const bytes = frames.reduce((sum, frame) => sum + aligned(frame.length), 0);
    const memory = Buffer.allocUnsafeSlow(bytes);
    const spans = new Uint32Array(2 * frames.length);
    let position = 0;
    frames.forEach((frame, i) => {
      memory.set(frame, position);
      spans[2 * i] = position;
      spans[2 * i + 1] = frame.length;
      position += aligned(frame.length);
    });
    return new FrameBatch(memory, spans, frames.length);
  }

  /** @internal A single frame, not copied. */
  static around(frame: Buffer): FrameBatch {
    return new FrameBatch(frame, Uint32Array.of(0, frame.length), 1);
  }

  /** @internal Whether a value has frames that can be read: `instanceof` would believe a Proxy of one, too. */
  static is(value: unknown): value is FrameBatch {
    return typeof value === 'object' && value !== null && #spans in value;
  }

  /** @internal A write waits with these frames: they stay as they are until {@link release}. */
  hold(): void {
    this.#assertValid();
    this.#held += 1;
  }

  /** @internal */
  release(): void {
    this.#held -= 1;
  }

  /** @internal True while a write waits with these frames: their memory must not be read to. */
  get held(): boolean {
    return this.#held > 0;
  }

  /** @internal The next batch was asked for: its memory is not this batch's any more. */
  expire(): void {
    this.#expired = true;
  }

  /** Number of frames. */
  get length(): number {
    this.#assertValid();
    return this.#length;
  }

  /** Bytes of all frames, packet information and vnet headers included. */
  get bytes(): number {
    this.#assertValid();
    let sum = 0;
    for (let i = 0; i < this.#length; i++) sum += this.#spans[2 * i + 1];
    return sum;
  }

  /** @internal */
  get memory(): Buffer {
    this.#assertValid();
    return this.#memory;
  }

  /** @internal */
  get spans(): Uint32Array {
    this.#assertValid();
    return this.#spans;
  }

  /**
   * One frame, as a view of the batch's memory: writing to it changes the batch.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for an index outside 0 to `length - 1`.
   */
  frame(index: number): Buffer {
    return this.#view(checkInteger('index', index, 0, this.length - 1));
  }

  /** Its frames one by one, each a view as returned by {@link frame}. */
  *[Symbol.iterator](): Generator<Buffer, void, undefined> {
    for (let i = 0; i < this.length; i++) yield this.#view(i);
  }

  /**
   * Removes a frame; those behind it move up. Views of it remain as they are.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for an index outside 0 to `length - 1`; `ERR_TAPFD_INVALID_STATE` while
   *   a `writeBatch()` waits with this batch.
   */
  remove(index: number): void {
    this.#assertFree('remove');
    checkInteger('index', index, 0, this.#length - 1);
    this.#spans.copyWithin(2 * index, 2 * (index + 1), 2 * this.#length);
    this.#length -= 1;
  }

  /**
   * Keeps the frames for which `keep` returns true; if it throws, all from that one on.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_STATE` while a `writeBatch()` waits with this batch;
   *   `ERR_TAPFD_INVALID_ARGUMENT` if `keep` returns a promise.
   */
  filter(keep: (frame: Buffer, index: number) => boolean): void {
    this.#assertFree('filter');
    let kept = 0;
    let i = 0;
    try {
      for (; i < this.#length; i++) {
        if (!verdict('keep', keep(this.#view(i), i))) continue;
        this.#spans[2 * kept] = this.#spans[2 * i];
        this.#spans[2 * kept + 1] = this.#spans[2 * i + 1];
        kept += 1;
      }
    } finally {
      // Those that nothing was decided of, if `keep` threw.
      this.#spans.copyWithin(2 * kept, 2 * i, 2 * this.#length);
      this.#length -= i - kept;
    }
  }

  /**
   * Appends a copy of a frame. The memory may have to grow, so views taken before may no longer belong to the batch.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for anything but a Buffer or Uint8Array; `ERR_TAPFD_INVALID_STATE`
   *   while a `writeBatch()` waits with this batch.
   */
  append(frame: Uint8Array): void {
    this.#assertFree('append');
    checkFrame('frame', frame);
    if (this.#end + frame.length > this.#memory.length) this.#growMemory(frame.length);
    if (2 * this.#length === this.#spans.length) this.#growSpans();
    this.#place(frame, this.#length);
    this.#length += 1;
  }

  /** The same frames in new memory, which stay valid. */
  copy(): FrameBatch {
    return FrameBatch.of([...this]);
  }

  #assertFree(operation: string): void {
    this.#assertValid();
    if (this.held) throw invalidState(`${operation}: a writeBatch() waits with this batch: await it first`);
  }

  #assertValid(): void {
    if (this.#expired) {
      throw invalidState(
        'this FrameBatch is no longer valid, as the next one was asked for: copy() keeps a batch',
      );
    }
  }

  #view(index: number): Buffer {
    return viewOf(this.#memory, this.#spans, index);
  }

  /** Copies a frame behind all others. */
  #place(frame: Uint8Array, index: number): void {
    this.#memory.set(frame, this.#end);
    this.#spans[2 * index] = this.#end;
    this.#spans[2 * index + 1] = frame.length;
    this.#end += aligned(frame.length);
  }

  /** The frames alone move: what was removed may still be in use, and stays in the old memory. */
  #growMemory(more: number): void {
    const frames = [...this];
    const bytes = frames.reduce((sum, { length }) => sum + aligned(length), 0);
    this.#memory = Buffer.allocUnsafeSlow(2 * (bytes + more));
    this.#end = 0;
    for (const [i, frame] of frames.entries()) this.#place(frame, i);
  }

  #growSpans(): void {
    const spans = new Uint32Array(2 * this.#spans.length + 2);
    spans.set(this.#spans);
    this.#spans = spans;
  }
}

/** The end of the last frame of `spans`, which follow one another. */
function endOf(spans: Uint32Array, length: number): number {
  return length === 0 ? 0 : aligned(spans[2 * length - 2] + spans[2 * length - 1]);
}

/** The frame at pair `index` of `spans`. */
export function viewOf(memory: Buffer, spans: Uint32Array, index: number): Buffer {
  const position = spans[2 * index];
  return memory.subarray(position, position + spans[2 * index + 1]);
}

/** Frames begin at multiples of 8 bytes. */
function aligned(bytes: number): number {
  return (bytes + 7) & ~7;
}
