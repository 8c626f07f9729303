/** A device as a Duplex of frames: reading, writing, batches, hand-off and the end. */
import { Duplex } from 'node:stream';
import { refuseSurplus } from '../base/checks.js';
import { invalidArgument, invalidState, TapfdError } from '../base/errors.js';
import { HAND_OVER, type HandOver } from '../base/hand-over.js';
import { DeviceHandle, type OpenedDevice } from '../descriptor/device-handle.js';
import type { LinkChange } from '../descriptor/link-follower.js';
import type { FrameBatch } from './batch.js';
import type { BatchOutcome } from './batch-write.js';
import { type BatchOptions, checkBatchOptions, FrameBatches } from './batches.js';
import { FrameCounters, type FrameDrop, type FrameStats } from './counters.js';
import { FrameIterator } from './iterator.js';
import { FrameReceiver } from './receiver.js';
import { FrameSender, type QueuedChunk, QueuedFrame } from './sender.js';
import { WOULD_WAIT } from './write-outcome.js';

/** @internal Emitted when nothing can be written any more, after a hand-off and at the end. */
export const WRITING_ENDED = Symbol('writing ended');

type WriteCallback = (error?: Error | null) => void;

/** What {@link FrameStream} does with frames. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the interface below only types methods that Duplex has
export abstract class FrameDuplex extends Duplex {
  /** @internal */
  protected readonly device: DeviceHandle;
  readonly #counters = new FrameCounters((drop) => this.emit('drop', drop));
  readonly #sender: FrameSender;
  readonly #receiver: FrameReceiver;

  /** @internal */
  constructor(opened: OpenedDevice) {
    super({
      objectMode: true,
      readableHighWaterMark: opened.settings.readableHighWaterMark,
      writableHighWaterMark: opened.settings.writableHighWaterMark,
    });
    const lost = (error: Error) => this.#end(error);
    this.device = new DeviceHandle(opened, {
      changed: (change) => {
        // The kernel no longer says when a device that is down takes frames: those that wait are lost.
        if (!change.up) process.nextTick(() => this.#sender.resume());
        this.emit('link', change);
      },
      gone: () => lost(this.device.goneError()),
      failed: lost,
    });
    this.#sender = new FrameSender(this.device, this.#counters, lost);
    this.#receiver = new FrameReceiver(this.device, this.#counters, this, lost);
  }

  /** The descriptor, borrowed: it remains the stream's. -1 after {@link handOff} or `destroy()`. */
  get fd(): number {
    return this.device.queue.fd;
  }

  /** True after {@link handOff}. */
  get handedOff(): boolean {
    return this.device.handedOff;
  }

  /**
   * Frames, bytes and losses since the descriptor was opened. The kernel's losses are as of the last
   * {@link refreshStats}, which the stream itself calls after a pause in reading and before it closes.
   */
  get stats(): FrameStats {
    return this.#counters.snapshot();
  }

  /**
   * Reads the kernel's drop counter, then returns the {@link stats}.
   *
   * @throws TapfdError `ENODEV` when the device is gone, `ERR_TAPFD_INVALID_STATE` for a macvtap that has moved to another
   *   namespace, `ERR_TAPFD_CLOSED` after `destroy()`, `ERR_TAPFD_HANDED_OFF` after `handOff()`.
   */
  async refreshStats(): Promise<FrameStats> {
    await this.#receiver.countDrops();
    return this.stats;
  }

  /**
   * Writes one frame. One call, one frame: nothing is merged or split.
   *
   * @param frame - A whole frame, with packet information and vnet header if the device has them. Its memory must not
   *   change until the callback, which comes when the kernel has taken the frame. (The type allows text so that other
   *   streams can be piped here; text is refused.)
   * @returns false when frames wait for the kernel and `'drain'` will follow.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for anything but a Buffer or Uint8Array.
   */
  override write(frame: Uint8Array | string, callback?: (error?: Error | null) => void): boolean;
  /** As the other `write()`; an encoding has no effect on frames. */
  override write(
    frame: Uint8Array | string,
    encoding?: BufferEncoding,
    callback?: (error?: Error | null) => void,
  ): boolean;
  override write(
    frame: Uint8Array | string,
    encoding?: BufferEncoding | WriteCallback,
    callback?: WriteCallback,
  ): boolean {
    const done = typeof encoding === 'function' ? encoding : callback;
    if (!(frame instanceof Uint8Array)) throw invalidArgument('frame', 'a Buffer or Uint8Array', frame);
    // With nothing waiting, the frame needs none of Writable's queueing: a refused one fails alone and costs little.
    const queued = this.writableLength > 0 || this.writableCorked > 0 || this.writableEnded || this.destroyed;
    if (queued || this.#sender.waiting || this.handedOff) return this.#writeQueued(frame, done);
    const outcome = this.device.queue.write(frame);
    if (outcome === WOULD_WAIT) return this.#writeQueued(frame, done);
    const error = this.#sender.settle(1, frame.length, outcome);
    if (done) process.nextTick(done, error ?? null);
    return true;
  }

  /**
   * Reads frames in batches, which is the fastest way: no object for each frame, no copy. Each batch is valid until the
   * next one is asked for. While batches are read, the stream's own reading pauses; it resumes when the loop is left.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_STATE` when frames are being read otherwise, `ERR_TAPFD_INVALID_ARGUMENT`,
   *   `ERR_TAPFD_CLOSED`, `ERR_TAPFD_HANDED_OFF`. The loop throws what ends the device: `ERR_TAPFD_DEVICE_GONE`,
   *   `ERR_TAPFD_CLOSED` after `destroy()`; after `handOff()` it ends.
   */
  batches(options: BatchOptions = {}): AsyncIterableIterator<FrameBatch, undefined> {
    refuseSurplus('batches', arguments, 1);
    checkBatchOptions(options);
    return new FrameBatches(this.receiverFor('batches'), options);
  }

  /** @internal The reading half, for a taker that borrows the reading. */
  receiverFor(operation: string): FrameReceiver {
    this.device.assertOpen(operation);
    if (this.#receiver.busy || this.readableLength > 0) {
      const { name } = this.device.link;
      throw invalidState(`${operation}: frames of ${name} are being read already`, { interface: name });
    }
    return this.#receiver;
  }

  /**
   * Writes the frames of a batch, or Buffers, in order, behind everything written before. Their memory must not change
   * until the promise is settled.
   *
   * @returns How many the kernel took, without those lost as a network card loses them (`'drop'`).
   * @throws TapfdError that of the first refused frame (see {@link FrameStream}), with the number taken as
   *   `framesTaken`: the others have been sent all the same, and the stream remains usable. `ERR_TAPFD_INVALID_ARGUMENT`,
   *   `ERR_TAPFD_CLOSED`, `ERR_TAPFD_HANDED_OFF`, `ERR_TAPFD_DEVICE_GONE`.
   */
  async writeBatch(frames: FrameBatch | readonly Uint8Array[]): Promise<number> {
    const { taken, refusal } = await new Promise<BatchOutcome>((resolve, reject) =>
      this.sendFrames(frames, (outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome))),
    );
    if (refusal === undefined) return taken;
    const { code, message, recoverable } = refusal;
    throw new TapfdError(code, message, {
      interface: this.device.link.name,
      recoverable,
      framesTaken: taken,
    });
  }

  /** @internal {@link writeBatch} for callers that count refused frames and continue. */
  sendFrames(
    frames: FrameBatch | readonly Uint8Array[],
    finish: (outcome: BatchOutcome | Error) => void,
  ): void {
    this.#sender.sendBatch(frames, finish);
  }

  /**
   * Stops reading permanently and transfers ownership of the descriptor: it is the caller's to use, to pass on and to
   * close. Frames already read can still be read from the stream, which then ends; so do `for await`, {@link batches} and
   * {@link forward}. Frames that wait to be written fail with `ERR_TAPFD_HANDED_OFF`.
   *
   * A macvtap link that the opening call made is still removed by `close()` and `destroy()`, or when the process ends.
   *
   * @returns The descriptor's number.
   * @throws TapfdError `ERR_TAPFD_CLOSED` after `destroy()`, `ERR_TAPFD_HANDED_OFF` after an earlier hand-off,
   *   `ERR_TAPFD_INVALID_STATE` while a call on the device (`setMac()`, …) is in progress.
   */
  handOff(): number {
    const fd = this.device.handOff();
    this.#sender.close(this.device.closedError('write'));
    this.emit(WRITING_ENDED);
    this.#receiver.finish();
    return fd;
  }

  /** Keeps the event loop running for this device's frames while it reads. This is the default. */
  ref(): this {
    this.device.queue.ref();
    return this;
  }

  /** Lets the process end although this device reads. */
  unref(): this {
    this.device.queue.unref();
    return this;
  }

  /** @internal Why a call on a closed stream fails. */
  closedError(operation: string): Error {
    return this.errored ?? this.device.closedError(operation);
  }

  /** @internal */
  get [HAND_OVER](): HandOver {
    return {
      suspend: () => {
        this.device.assertOpen('handOff');
        this.#receiver.suspend();
      },
      resume: () => this.#receiver.resume(),
      restoreSettings: async () => {
        // The kernel has accepted the same settings before: only a device that is gone refuses them.
        await this.device.restoreSettings().catch(() => this.#end(this.device.goneError()));
      },
      handOffWhenIdle: async () => {
        await this.device.idle();
        return this.handOff();
      },
    };
  }

  /**
   * `for await (const frame of device)`: as with every Readable, leaving the loop destroys the stream, and the loop throws
   * what ends the stream. While it runs, `'data'` and `'readable'` are not emitted. After `handOff()` the loop ends, and
   * the stream is not destroyed.
   */
  override [Symbol.asyncIterator](): NodeJS.AsyncIterator<Buffer> {
    const readOtherwise = this.readableFlowing === true || this.listenerCount('readable') > 0;
    if (readOtherwise || this.#receiver.lent) return super[Symbol.asyncIterator]();
    return new FrameIterator(this, this.#receiver, this.device.settings.copyFrames);
  }

  /**
   * Destroys the stream and waits until the descriptor and, if the opening call made one, the link are gone. It may be
   * called again, and after `destroy()`. What ended the stream before is reported by `'error'`, not here.
   */
  async close(): Promise<void> {
    if (this.closed) return;
    const closed = new Promise<void>((resolve) => this.once('close', resolve));
    this.destroy();
    await closed;
  }

  /** As {@link close}. */
  override [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  override _read(): void {
    this.#receiver.want();
  }

  /** @internal */
  override _write(chunk: QueuedChunk, _encoding: BufferEncoding, done: WriteCallback): void {
    if (this.handedOff) done(this.device.closedError('write'));
    else this.#sender.sendQueued(chunk, done);
  }

  /** @internal */
  override _final(callback: WriteCallback): void {
    this.#sender.finish(callback);
  }

  /** @internal */
  override _destroy(error: Error | null, callback: WriteCallback): void {
    this.#receiver.close(error ?? this.device.closedError('batches'));
    this.#sender.close(error ?? this.device.closedError('write'));
    this.emit(WRITING_ENDED);
    const counted = this.handedOff ? Promise.resolve() : this.#receiver.countDropsQuietly();
    this.device.close(counted).then(
      () => callback(error),
      (failure: Error) => callback(error ?? failure),
    );
  }

  /** The device is lost. */
  #end(error: Error): void {
    if (!this.handedOff) this.destroy(error);
  }

  /** Queues a frame behind those that wait; Writable's own errors (write after end) come from here too. */
  #writeQueued(frame: Uint8Array, done: WriteCallback | undefined): boolean {
    if (done === undefined) return super.write(frame);
    const queued = new QueuedFrame(frame);
    return super.write(queued, (error) => done(error ?? queued.error ?? null));
  }
}

// What Duplex leaves untyped: its chunks, and the events that it does not have.
export interface FrameDuplex {
  /**
   * The next frame that has been read, or null when there is none yet: as `stream.Readable.read()`, one frame a call.
   */
  read(size?: number): Buffer | null;

  /**
   * The link's name, MAC, MTU, carrier, up/down state or namespace changed.
   *
   * @event
   */
  on(event: 'link', listener: (change: LinkChange) => void): this;
  /**
   * Frames were lost: at most one event for each direction and reason in a turn of the event loop.
   *
   * @event
   */
  on(event: 'drop', listener: (drop: FrameDrop) => void): this;
  /**
   * A frame was read. Listening starts the reading.
   *
   * @event
   */
  on(event: 'data', listener: (frame: Buffer) => void): this;
  /**
   * The end, by an error: `ERR_TAPFD_DEVICE_GONE`, `ERR_TAPFD_WATCH_LOST`, or what `destroy()` was given.
   *
   * @event
   */
  on(event: 'error', listener: (error: Error) => void): this;
  /** The other events of `stream.Duplex`. */
  on(event: string | symbol, listener: (...args: never[]) => void): this;

  /** As {@link on}, for one event. */
  once(event: 'link', listener: (change: LinkChange) => void): this;
  /** As {@link on}, for one event. */
  once(event: 'drop', listener: (drop: FrameDrop) => void): this;
  /** As {@link on}, for one event. */
  once(event: 'data', listener: (frame: Buffer) => void): this;
  /** As {@link on}, for one event. */
  once(event: 'error', listener: (error: Error) => void): this;
  /** As {@link on}, for one event. */
  once(event: string | symbol, listener: (...args: never[]) => void): this;
}
