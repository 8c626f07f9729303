/** A device as a Duplex of frames: reading, writing, batches, hand-off and the end. */
import { refuseSurplus } from '../base/checks.js';
import { invalidState } from '../base/errors.js';
import { HAND_OVER, type HandOver } from '../base/hand-over.js';
import type { OpenedDevice } from '../descriptor/device-handle.js';
import { isGone } from '../descriptor/gone.js';
import type { LinkChange } from '../descriptor/link-follower.js';
import { isolated } from '../links/watch.js';
import type { FrameBatch } from './batch.js';
import { type BatchOptions, checkBatchOptions, FrameBatches } from './batches.js';
import type { FrameDrop, FrameStats } from './counters.js';
import { FrameIterator } from './iterator.js';
import type { WriteCallback } from './queued-write.js';
import { FrameReceiver } from './receiver.js';
import { FrameWritable } from './writable.js';

/** What {@link FrameStream} does with frames. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the interface below only types methods that Duplex has
export abstract class FrameDuplex extends FrameWritable {
  readonly #receiver: FrameReceiver;
  /** Resolves when the stream has closed, behind its `'close'`. */
  readonly #whenClosed: Promise<void>;
  #closedNow: () => void = () => undefined;
  /** `close()` was called. */
  #isClosing = false;

  /** @internal */
  constructor(opened: OpenedDevice) {
    super(opened);
    this.#receiver = new FrameReceiver(this.device, this.counters, this, (error) => this.lost(error));
    this.#whenClosed = new Promise((resolve) => {
      this.#closedNow = resolve;
    });
  }

  /**
   * Frames, bytes and losses since the descriptor was opened. The kernel's losses are as of the last
   * {@link refreshStats}, which the stream itself calls after a pause in reading and before it closes.
   */
  get stats(): FrameStats {
    return this.counters.snapshot();
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
   * Stops reading permanently and transfers ownership of the descriptor: it is the caller's to use, to pass on and to
   * close. Both sides of the stream end. Frames already read can still be read from it; then `'end'` comes, and `for await`,
   * {@link batches} and {@link forward} end. Frames that wait to be written, and those written from now on, fail with
   * `ERR_TAPFD_HANDED_OFF`, each in its own callback or promise, and are counted. Nothing else comes of what is done to the
   * stream afterwards: no `'error'`, and no effect on the device or its link.
   *
   * A macvtap link that the opening call made remains until {@link close}, or until the process ends. `'close'` comes
   * then; `destroy()` has no effect.
   *
   * @returns The descriptor's number.
   * @throws TapfdError `ERR_TAPFD_CLOSED` after `destroy()`, `ERR_TAPFD_HANDED_OFF` after an earlier hand-off,
   *   `ERR_TAPFD_INVALID_STATE` while a call on the device (`setMac()`, …) is in progress or while it is being handed over
   *   to a QEMU.
   */
  handOff(): number {
    const fd = this.device.handOff();
    this.#endBothSides();
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

  /** @internal */
  get [HAND_OVER](): HandOver {
    return {
      suspend: () => {
        this.device.claim();
        this.#receiver.suspend();
      },
      resume: () => {
        this.device.unclaim();
        this.#receiver.resume();
      },
      restoreSettings: async () => {
        // The kernel has accepted the same settings before. A device that refuses them now is not what it was.
        await this.device
          .restoreSettings()
          .catch((error) => this.lost(isGone(error) ? this.device.goneError() : error));
      },
      handOffWhenIdle: async () => {
        const fd = this.device.handOffWhenIdle();
        this.#endBothSides();
        return fd;
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
   * called again, and after `destroy()`; after {@link handOff} it is the only call that has an effect. What ended the
   * stream before is reported by `'error'`, not here.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.destroy();
    await this.#whenClosed;
  }

  /** As {@link close}. */
  override [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Ends the stream at once; `'close'` follows. No effect after {@link handOff}: the next owner needs the link, and Node
   * calls this itself when both sides of a stream have ended, or a loop or pipeline has.
   */
  override destroy(error?: Error): this {
    return this.handedOff && !this.#isClosing ? this : super.destroy(error);
  }

  /** @internal */
  override _read(): void {
    this.#receiver.want();
  }

  /** @internal */
  override _destroy(error: Error | null, callback: WriteCallback): void {
    this.#receiver.close(error ?? this.device.closedError('batches'));
    this.closeWriting(this.closedError('write'));
    const closed = (failure?: Error | null) => {
      callback(error ?? failure);
      process.nextTick(this.#closedNow);
    };
    const counted = this.handedOff ? Promise.resolve() : this.#receiver.countDropsQuietly();
    this.device.close(counted).then(() => closed(), closed);
  }

  /** The descriptor was handed off: all that waits fails, both sides end, and nothing that listens can prevent it. */
  #endBothSides(): void {
    this.closeWriting(this.device.closedError('write'));
    isolated(() => super.end());
    isolated(() => this.#receiver.finish());
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
   * The end, by an error: `ERR_TAPFD_DEVICE_GONE`, or what `destroy()` was given.
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
