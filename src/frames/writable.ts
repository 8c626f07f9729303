/** The writing side of a device's stream: frames and batches, in the order of the calls. */
import { Duplex } from 'node:stream';
import { checkFrame } from '../base/checks.js';
import { TapfdError } from '../base/errors.js';
import { DeviceHandle, type OpenedDevice } from '../descriptor/device-handle.js';
import type { FrameBatch } from './batch.js';
import { FrameCounters } from './counters.js';
import {
  type BatchOutcome,
  type BatchWrite,
  batchError,
  callBack,
  type QueuedWrite,
  type WriteCallback,
} from './queued-write.js';
import { FrameSender } from './sender.js';
import { WOULD_WAIT } from './write-outcome.js';

/** What a stream of frames writes, and how the writing ends. */
export abstract class FrameWritable extends Duplex {
  /** @internal */
  protected readonly device: DeviceHandle;
  /** @internal */
  protected readonly counters = new FrameCounters((drop) => {
    if (!this.closed) this.emit('drop', drop);
  });
  readonly #sender: FrameSender;
  /** Nothing more may be written, after `end()`, a hand-off or `destroy()`. */
  #writingEnded = false;
  /** Who else must hear of that: not by an event, whose listeners anyone may remove. */
  readonly #onWritingEnded = new Set<() => void>();

  /** @internal */
  constructor(opened: OpenedDevice) {
    super({
      objectMode: true,
      readableHighWaterMark: opened.settings.readableHighWaterMark,
      writableHighWaterMark: opened.settings.writableHighWaterMark,
    });
    const lost = (error: Error) => this.lost(error);
    this.device = new DeviceHandle(opened, {
      changed: (change) => {
        // The kernel no longer says when a device that is down takes frames: those that wait are lost.
        if (!change.up) process.nextTick(() => this.#sender.resume());
        this.emit('link', change);
      },
      gone: () => lost(this.device.goneError()),
    });
    this.#sender = new FrameSender(this.device, this.counters, lost);
  }

  /** The descriptor, borrowed: it remains the stream's. -1 after {@link handOff} or `destroy()`. */
  get fd(): number {
    return this.handedOff || this.destroyed ? -1 : this.device.queue.fd;
  }

  /** True after {@link handOff}. */
  get handedOff(): boolean {
    return this.device.handedOff;
  }

  /**
   * Writes one frame. One call, one frame: nothing is merged or split. Frames and batches are sent in the order of the
   * calls.
   *
   * An error of a write is its callback's alone, and counted in {@link stats}; it never ends the stream. That is so for a
   * refused frame, and for one written after `end()` (`ERR_STREAM_WRITE_AFTER_END`), {@link handOff}
   * (`ERR_TAPFD_HANDED_OFF`) or `destroy()` (`ERR_TAPFD_CLOSED`).
   *
   * @param frame - A whole frame, with packet information and vnet header if the device has them. Its memory must not
   *   change until the callback, which comes when the kernel has taken the frame. (The type allows text so that other
   *   streams can be piped here; text is refused.)
   * @returns false when frames wait for the kernel and `'drain'` will follow.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for anything but a Buffer or Uint8Array.
   */
  override write(frame: Uint8Array | string, callback?: WriteCallback): boolean;
  /** As the other `write()`; an encoding has no effect on frames. */
  override write(frame: Uint8Array | string, encoding?: BufferEncoding, callback?: WriteCallback): boolean;
  override write(
    chunk: Uint8Array | string,
    encoding?: BufferEncoding | WriteCallback,
    callback?: WriteCallback,
  ): boolean {
    const given = typeof encoding === 'function' ? encoding : callback;
    const done = typeof given === 'function' ? given : undefined;
    const frame = checkFrame('frame', chunk);
    // With nothing waiting, the frame needs none of Writable's queueing: a refused one fails alone and costs little.
    if (!this.#writesAtOnce()) return this.#queueWrite('write', this.#sender.frameWrite(frame, done));
    const outcome = this.device.queue.write(frame);
    if (outcome === WOULD_WAIT) return this.#queueWrite('write', this.#sender.frameWrite(frame, done));
    const verdict = this.#sender.settleFrame(frame, outcome);
    if (done) callBack(done, verdict);
    return true;
  }

  /**
   * Ends the writing, behind everything written before; `'finish'` follows. With a frame, writes that one first, as
   * {@link write} does.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for a frame that is not a Buffer or Uint8Array.
   */
  override end(callback?: () => void): this;
  /** As the other `end()`, with a last frame. */
  override end(frame: Uint8Array | string | null, callback?: () => void): this;
  /** As the other `end()`; an encoding has no effect on frames. */
  override end(frame: Uint8Array | string | null, encoding?: BufferEncoding, callback?: () => void): this;
  override end(...given: unknown[]): this {
    const [frame] = given;
    const callback = given.find((value): value is () => void => typeof value === 'function');
    if (typeof frame !== 'function' && frame !== undefined && frame !== null) this.write(frame as Uint8Array);
    super.end(callback);
    this.#endWriting();
    return this;
  }

  /**
   * Writes the frames of a batch, or Buffers, in order, behind everything written before. The memory of the frames must
   * not change until the promise is settled. The array may; a FrameBatch that waits refuses to be changed
   * (`ERR_TAPFD_INVALID_STATE`), and the next batch that is read gets other memory.
   *
   * @returns How many the kernel took, without those lost as a network card loses them (`'drop'`).
   * @throws TapfdError that of the first refused frame (see {@link FrameStream}), with the number taken as
   *   `framesTaken`: the others have been sent all the same, and the stream remains usable. `ERR_TAPFD_INVALID_ARGUMENT`,
   *   and, again with `framesTaken`, `ERR_STREAM_WRITE_AFTER_END`, `ERR_TAPFD_CLOSED`, `ERR_TAPFD_HANDED_OFF`,
   *   `ERR_TAPFD_DEVICE_GONE`.
   */
  async writeBatch(frames: FrameBatch | readonly Uint8Array[]): Promise<number> {
    const outcome = await new Promise<BatchOutcome>((resolve) => this.sendFrames(frames, resolve));
    const error = batchError(outcome);
    if (error) throw error;
    return outcome.taken;
  }

  /** @internal {@link writeBatch} for callers that count refused frames and continue. `finish` must not throw. */
  sendFrames(
    frames: FrameBatch | readonly Uint8Array[],
    finish: (outcome: BatchOutcome) => void,
  ): BatchWrite {
    const write = this.#sender.batchWrite(frames, finish);
    if (this.#writesAtOnce() && write.attempt()) return write;
    write.hold();
    this.#queueWrite('writeBatch', write);
    return write;
  }

  /** @internal Takes back what the kernel has not taken of a batch: the rest is counted as not sent. */
  withdraw(write: BatchWrite, error: Error): void {
    this.#sender.withdraw(write, error);
  }

  /** @internal Calls `listener` when nothing more may be written. Returns what forgets the listener. */
  onWritingEnded(listener: () => void): () => void {
    this.#onWritingEnded.add(listener);
    return () => this.#onWritingEnded.delete(listener);
  }

  /** @internal Why a call on a closed stream, or a write on an ended one, fails. */
  closedError(operation: string): Error {
    if (this.destroyed || this.handedOff) return this.errored ?? this.device.closedError(operation);
    const { name } = this.device.link;
    // Node's own code for it.
    return new TapfdError(
      'ERR_STREAM_WRITE_AFTER_END',
      `${operation}: the writing to ${name} was ended by end()`,
      { interface: name, recoverable: true },
    );
  }

  /** @internal */
  override _write(write: QueuedWrite, _encoding: BufferEncoding, done: WriteCallback): void {
    this.#sender.send(write, done);
  }

  /** @internal Everything has been written; the callbacks of the last frames come before `'finish'`. */
  override _final(callback: WriteCallback): void {
    process.nextTick(callback);
  }

  /** The device is lost. After a hand-off it is its new owner's. */
  protected lost(error: Error): void {
    if (!this.handedOff) this.destroy(error);
  }

  /** Writes nothing more: what waits fails with `error`. */
  protected closeWriting(error: Error): void {
    this.#endWriting();
    this.#sender.close(error);
  }

  #endWriting(): void {
    this.#writingEnded = true;
    for (const listener of this.#onWritingEnded) listener();
  }

  /** Whether a write need not stand behind others, in Writable's queue. */
  #writesAtOnce(): boolean {
    return !this.#writingEnded && this.writableLength === 0 && this.writableCorked === 0;
  }

  /** Puts a write behind everything written before. */
  #queueWrite(operation: string, write: QueuedWrite): boolean {
    if (this.#writingEnded) {
      write.fail(this.closedError(operation));
      return false;
    }
    // Only the end of the stream reports an error here.
    return super.write(write, (error) => {
      if (error) write.fail(this.closedError(operation));
    });
  }
}
