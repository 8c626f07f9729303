/**
 * src/capture/pcapng/: pcapng files, written and read. On top of descriptor, by type.
 *
 * Here: the writer of a file.
 */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { checkPath, refuseSurplus } from '../../base/checks.js';
import { TapfdError } from '../../base/errors.js';
import { writeStreamOf } from './file-streams.js';
import { OPTION } from './format.js';
import { OptionList } from './option-list.js';
import type { Budget } from './outlet.js';
import { SectionWriter } from './section.js';
import { wallClock } from './time.js';
import {
  type CaptureInterface,
  checkCaptureInterface,
  checkFrameToWrite,
  checkInterfaceStatistics,
  checkWritable,
  checkWriterOptions,
  type FrameSettings,
  type FrameToWrite,
  type InterfaceStatistics,
  type PcapngWriterOptions,
} from './writer-options.js';

/** What a {@link PcapngWriter} has done. */
export interface WriterStats {
  /** Frames in the file, or on their way into it. */
  frames: number;
  /** Frames that found no room in `bufferBytes`, or came after the writable had failed. */
  dropped: number;
  /** Bytes of the file, those that wait included. */
  bytes: number;
  /** Bytes that wait for the writable. */
  pendingBytes: number;
}

/**
 * Writes a pcapng file, which Wireshark, tshark and {@link PcapngReader} read, into any Writable: a file, a pipe, a socket.
 * Times are in nanoseconds.
 *
 * Memory is bounded: while the writable is slow, at most `bufferBytes` wait. `writeFrame()` then returns false, and the
 * frame is dropped, counted in {@link stats}, and reported in the file by the next one (`epb_dropcount`). To lose none,
 * await {@link ready} before each frame.
 *
 * What is written in one turn of the event loop reaches the writable at its end.
 *
 * @example
 * ```ts
 * import { PcapngWriter } from 'tapfd/capture';
 *
 * const frame = Buffer.alloc(60);
 * const writer = await PcapngWriter.toFile('frames.pcapng');
 * const wire = writer.addInterface({ name: 'wire0', linkType: 'ethernet' });
 * writer.writeFrame({ interface: wire, bytes: frame, direction: 'in', comment: 'the first one' });
 * await writer.close();
 * ```
 *
 * Needs no privilege.
 */
export class PcapngWriter {
  readonly #section: SectionWriter;
  readonly #budget: Budget;
  readonly #snapLengths: number[] = [];
  #frames = 0;
  #dropped = 0;
  #closing: Promise<void> | undefined;

  /**
   * A writer of one file, which begins with a section header.
   *
   * @param writable - Gets the bytes. Its errors end the writing: {@link ready} and {@link close} report them.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
   */
  constructor(writable: Writable, options: PcapngWriterOptions = {}) {
    const settings = checkWriterOptions('PcapngWriter', options);
    this.#budget = { bytes: settings.bufferBytes, pending: 0 };
    // Nobody needs to be told: the next call asks.
    this.#section = new SectionWriter(checkWritable('writable', writable), settings, this.#budget, () => {});
  }

  /**
   * A writer of the file `path`, which is made, or overwritten. Resolves when it is open.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
   * @throws The error of `fs.open()`: `ENOENT`, `EACCES`, …
   */
  static async toFile(path: string, options: PcapngWriterOptions = {}): Promise<PcapngWriter> {
    refuseSurplus('PcapngWriter.toFile', arguments, 2);
    // As they are now: what they become meanwhile may be wrong, with the file open.
    const { comments: comment, ...settings } = checkWriterOptions('PcapngWriter.toFile', options);
    const file = writeStreamOf(checkPath('path', path));
    await once(file, 'open');
    return new PcapngWriter(file, { ...settings, comment });
  }

  /** Frames and bytes so far. */
  get stats(): WriterStats {
    return {
      frames: this.#frames,
      dropped: this.#dropped,
      bytes: this.#section.bytes,
      pendingBytes: this.#budget.pending,
    };
  }

  /**
   * Adds an interface, at any time before its first frame.
   *
   * @returns Its number, for `writeFrame()` and `writeStatistics()`.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`, `ERR_TAPFD_CLOSED` after `close()`.
   */
  addInterface(settings: CaptureInterface): number {
    const checked = checkCaptureInterface(settings);
    this.#assertOpen('addInterface');
    this.#snapLengths.push(checked.snapLength);
    return this.#section.addInterface(checked);
  }

  /**
   * Writes a frame. Its bytes are copied: they may change afterwards.
   *
   * @returns False if the frame was dropped, because `bufferBytes` wait already or the writable has failed.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`, `ERR_TAPFD_CLOSED` after `close()`.
   */
  writeFrame(frame: FrameToWrite): boolean {
    const checked = checkFrameToWrite(frame, this.#snapLengths);
    this.#assertOpen('writeFrame');
    this.#section.noteDrops(checked.interface, checked.dropCount);
    const written = this.#section.frame({
      interface: checked.interface,
      timestamp: checked.timestamp ?? wallClock.now(),
      memory: checked.bytes,
      start: 0,
      end: checked.bytes.length,
      originalLength: checked.originalLength,
      direction: checked.direction,
      options: frameOptions(checked),
    });
    if (written) this.#frames += 1;
    else this.#dropped += 1;
    return written;
  }

  /**
   * Writes what is known of an interface: usually at the end, though it may come several times. It is always written, whatever
   * waits.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`, `ERR_TAPFD_CLOSED` after `close()`.
   */
  writeStatistics(statistics: InterfaceStatistics): void {
    const checked = checkInterfaceStatistics(statistics, this.#snapLengths.length);
    this.#assertOpen('writeStatistics');
    this.#section.statistics({ ...checked, timestamp: checked.timestamp ?? wallClock.now() });
  }

  /**
   * Waits until at least half of `bufferBytes` is free. A program that awaits this before each frame loses none.
   *
   * @throws The writable's error; TapfdError `ERR_TAPFD_CLOSED` if it was closed.
   */
  async ready(): Promise<void> {
    await this.#section.ready();
  }

  /**
   * Waits until everything is written and, unless the option `end` is false, the writable has ended. Interfaces that lost
   * frames since their last frame or statistics get statistics that say so. It may be called again.
   *
   * @throws The writable's error; TapfdError `ERR_TAPFD_CLOSED` if it was closed before everything was written.
   */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  /** As {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    for (const id of this.#snapLengths.keys()) {
      const osDropped = this.#section.unreportedDrops(id);
      if (osDropped === 0n) continue;
      this.#section.statistics({ interface: id, timestamp: wallClock.now(), osDropped, comments: [] });
    }
    await this.#section.close();
  }

  #assertOpen(operation: string): void {
    if (this.#closing) throw new TapfdError('ERR_TAPFD_CLOSED', `${operation}: the writer is closed`);
  }
}

/** Those that a frame of a device does not have. */
function frameOptions({ comments, queue, packetId }: FrameSettings): Buffer | undefined {
  if (comments.length === 0 && queue === undefined && packetId === undefined) return undefined;
  return new OptionList()
    .texts(OPTION.comment, comments)
    .uint64(OPTION.packetId, packetId)
    .uint32(OPTION.packetQueue, queue)
    .encodeOpen();
}
