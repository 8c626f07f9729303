/** A device as a Duplex of frames: reading, writing, batches, hand-off and the end. */
import type { Readable } from 'node:stream';
import { types } from 'node:util';
import { destroyOnAbort } from '../base/abort.js';
import { refuseSurplus } from '../base/checks.js';
import { invalidArgument, invalidState } from '../base/errors.js';
import { HAND_OVER, type HandOver } from '../base/hand-over.js';
import { isolated } from '../base/isolated.js';
import type { OpenedDevice } from '../descriptor/device-handle.js';
import { failureOf } from '../descriptor/gone.js';
import type { LinkChange } from '../descriptor/link-follower.js';
import { OBSERVE, type Observe } from '../descriptor/observers.js';
import type { FrameBatch } from './batch.js';
import { type BatchOptions, checkBatchOptions, FrameBatches } from './batches.js';
import type { FrameDrop, FrameStats } from './counters.js';
import { checkIteratorOptions, FrameIterator, type FrameIteratorOptions, iterateBeside } from './iterator.js';
import type { WriteCallback } from './queued-write.js';
import { FrameReceiver } from './receiver.js';
import { FrameWritable } from './writable.js';

/** Events of a {@link FrameStream} and the arguments of their listeners. */
export interface FrameStreamEvents {
  /** The link's name, MAC, MTU, carrier, up/down state or namespace changed. */
  link: [change: LinkChange];
  /** Frames were lost: at most one event for each direction and reason in a turn of the event loop. */
  drop: [drop: FrameDrop];
  /** A frame was read. Listening starts the reading. */
  data: [frame: Buffer];
  /**
   * The end, by an error: `ERR_TAPFD_DEVICE_GONE`, an `AbortError` by the opening's `signal`, or what `destroy()` was
   * given.
   */
  error: [error: Error];
  /** The descriptor is closed, and a link that the opening made is gone. Nothing is emitted after it. */
  close: [];
  /** Everything was read, after `handOff()`. */
  end: [];
  /** Everything was written, after `end()`. */
  finish: [];
  /** Frames may be written again, after `write()` has returned false. */
  drain: [];
  /** There are frames to `read()`, or the end. */
  readable: [];
  /** `pause()` was called. */
  pause: [];
  /** `resume()` was called. */
  resume: [];
  /** Another stream is piped into this one. */
  pipe: [source: Readable];
  /** Another stream is no longer piped into this one. */
  unpipe: [source: Readable];
}

/** Adds or removes a listener. One that has a parameter more, such as a promise's `resolve` for `'close'`, is welcome. */
export type ListenerCall<Device> = <Event extends keyof FrameStreamEvents>(
  event: Event,
  listener: (...args: [...FrameStreamEvents[Event], ...nothing: undefined[]]) => void,
) => Device;

/** What {@link FrameStream} does with frames. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the interface below only types methods that Duplex has
export abstract class FrameDuplex extends FrameWritable {
  readonly #receiver: FrameReceiver;
  readonly #letSignalGo: () => void;
  /** Resolves when the stream has closed, behind its `'close'`. */
  readonly #whenClosed: Promise<void>;
  #closedNow!: () => void;
  /** `close()` was called. */
  #isClosing = false;

  /** @internal Whether a value is an opened device: `instanceof` would believe a Proxy, and an object made on the prototype. */
  static is(value: unknown): value is FrameDuplex {
    return typeof value === 'object' && value !== null && #receiver in value;
  }

  /** @internal */
  constructor(opened: OpenedDevice) {
    super(opened);
    this.#receiver = new FrameReceiver(this.device, this.counters, this, (error) => this.lost(error));
    this.#whenClosed = new Promise((resolve) => {
      this.#closedNow = resolve;
    });
    this.#letSignalGo = destroyOnAbort(this, opened.signal);
  }

  /**
   * Frames, bytes and losses since the descriptor was opened. The kernel's losses are as of the last look at its counter:
   * {@link refreshStats}, about once a second while frames are read, and before the stream closes.
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
   * @throws TapfdError `ERR_TAPFD_INVALID_STATE` when frames are being read otherwise (by another loop, a `'readable'`
   *   listener, or `'data'` and `pipe()` without a `pause()`), `ERR_TAPFD_INVALID_ARGUMENT`,
   *   `ERR_TAPFD_CLOSED`, `ERR_TAPFD_HANDED_OFF`. The loop ends as {@link FrameStream} says.
   * @throws The reason of `options.signal`, here if it was aborted before, and in the loop.
   */
  batches(options: BatchOptions = {}): AsyncIterableIterator<FrameBatch, undefined> {
    refuseSurplus('batches', arguments, 1);
    checkBatchOptions('batches', options);
    return new FrameBatches(this.receiverFor('batches'), options);
  }

  /** @internal The reading half, for a taker that borrows the reading. */
  receiverFor(operation: string): FrameReceiver {
    this.device.assertOpen(operation);
    if (this.#receiver.lent || this.#isReadOtherwise()) {
      const { name } = this.device.link;
      const remedy = "leave the other loop, remove 'readable' listeners, or pause() 'data' and pipe()";
      throw invalidState(`${operation}: frames of ${name} are being read already: ${remedy}`, {
        interface: name,
      });
    }
    return this.#receiver;
  }

  /** Whether the stream itself passes on frames as they come. */
  #isReadOtherwise(): boolean {
    return this.readableFlowing === true || this.listenerCount('readable') > 0;
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
        await this.device.restoreSettings().catch((error: Error) => this.lost(failureOf(this.device, error)));
      },
      handOffWhenIdle: async () => {
        const fd = this.device.handOffWhenIdle();
        this.#endBothSides();
        return fd;
      },
    };
  }

  /** @internal */
  get [OBSERVE](): Observe {
    this.device.assertOpen('capture');
    return (observer) => this.device.observers.add(observer);
  }

  /**
   * `for await (const frame of device)`: as with every Readable, leaving the loop destroys the stream. While the loop runs,
   * `'data'` and `'readable'` are not emitted.
   *
   * How it ends is the same for every loop over a device, and for {@link forward}: it throws what ends the stream,
   * `ERR_TAPFD_CLOSED` if that is `destroy()` or `close()`. After `handOff()` it ends when everything that was read has
   * been passed on, and the stream is not destroyed.
   */
  override [Symbol.asyncIterator](): NodeJS.AsyncIterator<Buffer> {
    return this.iterator();
  }

  /**
   * The same with the choice to go on: with `destroyOnReturn: false` the stream outlives the loop, and what the loop did not
   * get to is read next.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
   */
  override iterator(options: FrameIteratorOptions = {}): NodeJS.AsyncIterator<Buffer> {
    checkIteratorOptions(options);
    if (this.#receiver.lent || this.#isReadOtherwise()) {
      return iterateBeside(this, super.iterator({ destroyOnReturn: false }), options);
    }
    return new FrameIterator(this, this.#receiver, this.device.settings.copyFrames, options);
  }

  /** Puts a frame (a Buffer or Uint8Array, else it throws `ERR_TAPFD_INVALID_ARGUMENT`) back, to be read next. */
  override unshift(frame: Uint8Array): void {
    if (!types.isUint8Array(frame)) throw invalidArgument('frame', 'a Buffer or Uint8Array', frame);
    const { buffer, byteOffset, length } = frame;
    this.#receiver.putBack(() => super.unshift(Buffer.from(buffer, byteOffset, length)));
  }

  /** Throws `ERR_TAPFD_INVALID_ARGUMENT`: a decoder would carry the end of one frame into the next. Decode each frame. */
  override setEncoding(encoding: BufferEncoding): never {
    throw invalidArgument('encoding', 'left out: a frame is a Buffer, to be decoded by itself', encoding);
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
    this.#letSignalGo();
    this.#receiver.close(error ?? this.device.closedError('batches'));
    this.closeWriting(this.closedError('write'));
    const closed = (failure?: Error | null) => {
      callback(error ?? failure);
      this.device.observers.end();
      process.nextTick(this.#closedNow);
    };
    const counted = this.handedOff ? Promise.resolve() : this.#receiver.countDropsQuietly();
    this.device.close(counted).then(() => closed(), closed);
  }

  /** The descriptor was handed off: all that waits fails, both sides end, and nothing that listens can prevent it. */
  #endBothSides(): void {
    this.#letSignalGo();
    this.closeWriting(this.device.closedError('write'));
    isolated(() => super.end());
    isolated(() => this.#receiver.finish());
    this.device.observers.end();
  }
}

// What Duplex leaves untyped: its chunks and events. `emit()` is as EventEmitter has it, for a program's own events.
export interface FrameDuplex {
  /**
   * The next frame that has been read, or null when there is none yet: as `stream.Readable.read()`, one frame a call.
   */
  read(size?: number): Buffer | null;
  /** Listens for an event of {@link FrameStreamEvents}. */
  on: ListenerCall<this>;
  /** As `on()`. */
  addListener: ListenerCall<this>;
  /** As `on()`, before the listeners that are there. */
  prependListener: ListenerCall<this>;
  /** As `on()`, for one event. */
  once: ListenerCall<this>;
  /** As `prependListener()`, for one event. */
  prependOnceListener: ListenerCall<this>;
  /** Ends the listening. */
  off: ListenerCall<this>;
  /** As `off()`. */
  removeListener: ListenerCall<this>;
}
