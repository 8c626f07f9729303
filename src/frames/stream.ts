/** A descriptor as a stream of frames: what TUN, TAP and macvtap devices have in common. */
import { Duplex } from 'node:stream';
import { checkInteger } from '../base/checks.js';
import { invalidArgument, invalidState, TapfdError } from '../base/errors.js';
import { HAND_OVER, type HandOver } from '../base/hand-over.js';
import type { DeviceKind } from '../base/native-queue.js';
import { type DeviceFlags, IFF_DETACH_QUEUE } from '../descriptor/device-flags.js';
import { DeviceHandle, type OpenedDevice } from '../descriptor/device-handle.js';
import type { LinkChange } from '../descriptor/link-follower.js';
import { checkOffload, type Offload } from '../descriptor/offload.js';
import { diagnose } from '../diagnose/diagnose.js';
import type { Finding } from '../diagnose/finding.js';
import type { FrameBatch } from './batch.js';
import { type BatchOptions, BatchReader, checkBatchOptions, FrameBatches } from './batch-reader.js';
import type { BatchOutcome } from './batch-write.js';
import { FrameCounters, type FrameDrop, type FrameStats } from './counters.js';
import { FrameIterator } from './iterator.js';
import { type QueuedChunk, QueuedFrame } from './queued-write.js';
import { FrameReceiver } from './receiver.js';
import { FrameSender } from './sender.js';
import { WOULD_WAIT } from './write-outcome.js';

/** What the kernel's driver knows and what it granted. */
export interface DeviceFeatures {
  /** Flags of the driver by name (TUNGETFEATURES): `packetInfo` is always known to tun, `vnetHeader`, `napi`, … */
  supported: string[];
  /** Offloads granted. */
  offload: Offload[];
  /**
   * Whether the frames of a batch are joined for the kernel: with `segment`, until the kernel refuses joined ones for the
   * first time (EINVAL, or EMSGSIZE with `napi: 'frags'`). Their pieces are sent then, and from then on each frame singly.
   */
  joins: boolean;
}

/** @internal Emitted when nothing can be written any more, after a hand-off and at the end: for who waits to write. */
export const WRITING_ENDED = Symbol('writing ended');

type WriteCallback = (error?: Error | null) => void;

/**
 * A stream of whole frames: each chunk read is one frame the kernel sent out of the interface, each chunk written is
 * one frame the interface receives. Made by {@link openTap}, {@link openTun}, {@link openMacvtap} and {@link adoptFd}.
 *
 * A received frame is a Buffer that may be kept: nothing overwrites it.
 *
 * A frame that cannot be sent as it is gets refused: its own write callback has the error
 * (`ERR_TAPFD_FRAME_TOO_SHORT`, `ERR_TAPFD_FRAME_TOO_LONG`, `ERR_TAPFD_FRAME_INVALID`, `ERR_TAPFD_MAC_MISMATCH`), it is
 * counted and reported by `'drop'`, and the stream lives on.
 *
 * The stream ends with `ERR_TAPFD_DEVICE_GONE` when the device is deleted.
 *
 * Events beside those of `stream.Duplex`: `'link'` with a {@link LinkChange}, `'drop'` with a {@link FrameDrop}.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the interface below only types methods that Duplex has
export abstract class FrameStream extends Duplex {
  /** What the descriptor is. */
  abstract readonly kind: DeviceKind;

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
        if (!change.up) process.nextTick(() => this.#sender.goOn());
        this.emit('link', change);
      },
      gone: () => lost(this.device.goneError()),
      failed: lost,
    });
    this.#sender = new FrameSender(this.device, this.#counters, lost);
    const stream = { push: (frame: Buffer | null) => this.push(frame), lost };
    this.#receiver = new FrameReceiver(this.device, this.#counters, stream, () => this.#sender.goOn());
  }

  /** The descriptor, borrowed: it stays the stream's. -1 after {@link handOff} or `destroy()`. */
  get fd(): number {
    return this.device.queue.fd;
  }

  /** The interface's name, followed when it is renamed. */
  get name(): string {
    return this.device.link.name;
  }

  /** The interface's index in its namespace. */
  get index(): number {
    return this.device.link.index;
  }

  /** The interface's MAC, followed when it changes; undefined on TUN. On TAP this is the host's side. */
  get mac(): string | undefined {
    return this.device.link.mac;
  }

  /** Bytes of the longest packet, without Ethernet header; followed when it changes. */
  get mtu(): number {
    return this.device.link.mtu;
  }

  /** How the device is set up. */
  get flags(): DeviceFlags {
    return this.device.flags;
  }

  /** What the driver knows and granted. */
  get features(): DeviceFeatures {
    return {
      supported: [...this.device.supported],
      offload: this.device.offload,
      joins: this.device.queue.joins,
    };
  }

  /** Bytes of the vnet header in front of each frame; 0 without. */
  get vnetHeaderBytes(): number {
    return this.device.vnetHeaderBytes;
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
   * Reads the kernel's drop counter and returns the figures then.
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
   * @param frame - A whole frame, with packet information and vnet header if the device has them. The kernel has taken
   *   it when the callback is called; until then its memory must not change. (The type allows text so that other
   *   streams can be piped here; text is refused.)
   * @returns false when frames wait for the kernel and `'drain'` will follow.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for anything but a Buffer or Uint8Array.
   */
  override write(frame: Uint8Array | string, callback?: (error?: Error | null) => void): boolean;
  /** As the other `write()`; an encoding means nothing for frames. */
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
   * Reads frames in batches, the fast way: no object for each frame, no copy. Each batch is valid until the next one is
   * asked for. While batches are read, the stream's own reading rests; leaving the loop gives it back.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_STATE` when frames are being read otherwise, `ERR_TAPFD_INVALID_ARGUMENT`,
   *   `ERR_TAPFD_CLOSED`, `ERR_TAPFD_HANDED_OFF`. The loop throws what ends the device: `ERR_TAPFD_DEVICE_GONE`,
   *   `ERR_TAPFD_CLOSED` after `destroy()`; after `handOff()` it ends.
   */
  batches(options: BatchOptions = {}): AsyncIterableIterator<FrameBatch, undefined> {
    checkBatchOptions(options);
    return new FrameBatches(this.batchReader('batches', options));
  }

  /** @internal Reading in batches, for who takes the reading over. */
  batchReader(operation: string, options: BatchOptions): BatchReader {
    this.device.assertOpen(operation);
    if (this.#receiver.busy || this.readableLength > 0) {
      throw invalidState(`${operation}: frames of ${this.name} are being read already`, {
        interface: this.name,
      });
    }
    return new BatchReader(this, this.device.queue, this.#receiver, this.device.frameBytes, options);
  }

  /**
   * Writes the frames of a batch, or Buffers, in order, behind all that was written before. Their memory must not change
   * until the promise is settled.
   *
   * @returns How many the kernel took; frames lost as a network card loses them (`'drop'`) are not among them.
   * @throws TapfdError that of the first refused frame (see {@link FrameStream}), with the number taken as
   *   `framesTaken`: the others have been sent all the same, and the stream lives on. `ERR_TAPFD_INVALID_ARGUMENT`,
   *   `ERR_TAPFD_CLOSED`, `ERR_TAPFD_HANDED_OFF`, `ERR_TAPFD_DEVICE_GONE`.
   */
  async writeBatch(frames: FrameBatch | readonly Uint8Array[]): Promise<number> {
    const { taken, refusal } = await new Promise<BatchOutcome>((resolve, reject) =>
      this.sendFrames(frames, (outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome))),
    );
    if (refusal === undefined) return taken;
    const { code, message, recoverable } = refusal;
    throw new TapfdError(code, message, { interface: this.name, recoverable, framesTaken: taken });
  }

  /** @internal {@link writeBatch} for who counts refused frames and goes on. */
  sendFrames(
    frames: FrameBatch | readonly Uint8Array[],
    finish: (outcome: BatchOutcome | Error) => void,
  ): void {
    this.#sender.sendBatch(frames, finish);
  }

  /**
   * Stops reading for ever and gives the descriptor away: it is the caller's to use, to pass on and to close. Frames
   * already read can still be read from the stream, which then ends, by `for await`, {@link batches} and {@link forward}
   * too; frames that wait to be written fail with `ERR_TAPFD_HANDED_OFF`.
   *
   * A macvtap link that the opening call made still is removed at `destroy()` or when the process ends.
   *
   * @returns The descriptor's number.
   * @throws TapfdError `ERR_TAPFD_CLOSED` after `destroy()`, `ERR_TAPFD_HANDED_OFF` after an earlier hand-off,
   *   `ERR_TAPFD_INVALID_STATE` while a call on the device (`setMac()`, …) is under way.
   */
  handOff(): number {
    const fd = this.device.handOff();
    this.#sender.close(this.device.closedError('write'));
    this.emit(WRITING_ENDED);
    this.#receiver.finish();
    return fd;
  }

  /** Lets the event loop wait for this device's frames while it reads. This is the default. */
  ref(): this {
    this.device.queue.ref();
    return this;
  }

  /** Lets the process end although this device reads. */
  unref(): this {
    this.device.queue.unref();
    return this;
  }

  /**
   * Takes this queue out of the device's traffic: it is sent nothing until {@link attachQueue}. Needs `multiQueue` on
   * TUN and TAP.
   *
   * @throws TapfdError `EINVAL` (`ioctl TUNSETQUEUE`) when it is detached already.
   */
  async detachQueue(): Promise<void> {
    await this.device.control('detachQueue', (queue) => queue.setAttached(false));
    this.device.noteFlag(IFF_DETACH_QUEUE, true);
  }

  /**
   * Takes part in the device's traffic again after {@link detachQueue}.
   *
   * @throws TapfdError `EINVAL` (`ioctl TUNSETQUEUE`) when it is attached already.
   */
  async attachQueue(): Promise<void> {
    await this.device.control('attachQueue', (queue) => queue.setAttached(true));
    this.device.noteFlag(IFF_DETACH_QUEUE, false);
  }

  /**
   * Asks for these offloads in place of those there are, best combination first.
   *
   * @returns What was granted. The mask belongs to the device: all its queues have it, and those that `openQueue()` opened
   *   in this thread know of it.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for a list no kernel takes, or without a vnet header.
   */
  async setOffload(offload: Offload[]): Promise<Offload[]> {
    const list = checkOffload('offload', offload);
    if (list.length > 0 && this.vnetHeaderBytes === 0 && !this.device.settings.segment) {
      throw invalidArgument('offload', 'used on a device opened with vnetHeader: true', list.join(', '));
    }
    return this.device.setOffload(list);
  }

  /**
   * Sets how many bytes of written frames the kernel holds before `write()` has to wait (TUNSETSNDBUF).
   *
   * @param bytes - 1 to 2147483647, the default at opening.
   */
  async setSendBuffer(bytes: number): Promise<void> {
    checkInteger('bytes', bytes, 1, 0x7fff_ffff);
    await this.device.setSendBuffer(bytes);
  }

  /**
   * Whether the device still exists (TUNGETIFF on the descriptor).
   *
   * @throws TapfdError `ERR_TAPFD_CLOSED` after `destroy()`, `ERR_TAPFD_HANDED_OFF` after `handOff()`.
   */
  async isAlive(): Promise<boolean> {
    return this.device.control('isAlive', () => this.device.follower.isAlive());
  }

  /** @internal Why a call on a closed stream fails. */
  closedError(operation: string): Error {
    return this.errored ?? this.device.closedError(operation);
  }

  /**
   * Looks for what stops frames of this device, or will, and says what to do about each: whether it is up and has a
   * carrier, its bridge or lower device, MAC, mode, multicast, MTU, other queues, the node in `/dev`. It asks the
   * kernel anew and changes nothing.
   *
   * Needs no privilege. Queues in other processes are named where the caller may look into those.
   *
   * @returns What was found, errors first; an empty list when nothing was.
   * @throws TapfdError `ERR_TAPFD_DEVICE_GONE` when the device was deleted, `ERR_TAPFD_CLOSED` after `destroy()`,
   *   `ERR_TAPFD_HANDED_OFF` after `handOff()`.
   */
  async diagnose(): Promise<Finding[]> {
    return diagnose(this.device);
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
   * `for await (const frame of device)`: as every Readable's, leaving the loop destroys the stream, and what ends the
   * stream is thrown. While the loop runs, `'data'` and `'readable'` are not emitted. After `handOff()` the loop ends, and
   * the stream is not destroyed.
   */
  override [Symbol.asyncIterator](): NodeJS.AsyncIterator<Buffer> {
    const readOtherwise = this.readableFlowing === true || this.listenerCount('readable') > 0;
    if (readOtherwise || this.#receiver.lent) return super[Symbol.asyncIterator]();
    return new FrameIterator(this, this.#receiver, this.device.settings.copyFrames);
  }

  /** Destroys the stream and waits until descriptor and, where the opening call made one, link are gone. */
  override async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    const closed = new Promise<void>((resolve) => this.once('close', resolve));
    this.destroy();
    await closed;
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
export interface FrameStream {
  /**
   * The next frame that has been read, or null when there is none yet: as `stream.Readable.read()`, one frame a call.
   */
  read(size?: number): Buffer | null;

  /**
   * Name, MAC, MTU, carrier, up/down or namespace of the link changed.
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
