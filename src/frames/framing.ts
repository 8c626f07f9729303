/** Frames in a byte stream: each behind its length, as QEMU's stream netdev, passt and gvproxy speak. */
import { Transform, type TransformCallback } from 'node:stream';
import { checkFrame, checkInteger, checkObject, checkOneOf, checkOptionNames } from '../base/checks.js';
import { TapfdError } from '../base/errors.js';

/**
 * How the length before each frame is written: `u32be`, 4 bytes in network byte order, or `u16le`, 2 bytes in the other
 * order, as VPNKit has it.
 */
export type LengthFormat = 'u32be' | 'u16le';

interface Length {
  readonly bytes: number;
  /** The longest frame that it can announce. */
  readonly max: number;
  read(from: Buffer): number;
  write(into: Buffer, value: number): void;
}

const LENGTHS: Readonly<Record<LengthFormat, Length>> = {
  u32be: {
    bytes: 4,
    max: 0xffff_ffff,
    read: (from) => from.readUInt32BE(0),
    write: (into, value) => into.writeUInt32BE(value, 0),
  },
  u16le: {
    bytes: 2,
    max: 0xffff,
    read: (from) => from.readUInt16LE(0),
    write: (into, value) => into.writeUInt16LE(value, 0),
  },
};
/** More than any frame of a device: 64 KiB of packet and all headers (native/frames/io.h `kMaxFrameBytes`). */
const DEFAULT_MAX_FRAME_BYTES = 66 * 1024;
const MAX_MAX_FRAME_BYTES = 0x7fff_ffff;

/** Options of {@link FrameEncoder} and {@link FrameDecoder}. */
export interface FramingOptions {
  /**
   * Bytes of the longest frame. For a decoder this is the memory that the peer can make it hold. Default 67584, more than
   * any frame of a device.
   */
  maxFrameBytes?: number | undefined;
  /**
   * How the length before each frame is written. Default `'u32be'`: QEMU, passt, gvproxy. With `'u16le'` (VPNKit) no frame
   * is longer than 65535 bytes.
   */
  length?: LengthFormat | undefined;
}

/**
 * Turns frames into a byte stream: writes each behind its length, a 4-byte big-endian number. QEMU (`-netdev stream`),
 * passt (`--fd`, `--socket-path`) and gvproxy speak this framing. A device that is piped to a slow connection is read as
 * slowly, and the kernel counts what it has to drop.
 *
 * Without a framing, `device.pipe(socket)` loses the frames' boundaries: a byte stream keeps none.
 *
 * It is destroyed by `ERR_TAPFD_FRAME_TOO_SHORT` (a frame without bytes), `ERR_TAPFD_FRAME_TOO_LONG` and
 * `ERR_TAPFD_INVALID_ARGUMENT` (no Buffer or Uint8Array). No privilege is needed.
 *
 * @example
 * ```ts
 * import { connect } from 'node:net';
 * import { pipeline } from 'node:stream/promises';
 * import { FrameDecoder, FrameEncoder, openTap } from 'tapfd';
 *
 * const tap = await openTap();
 * const socket = connect(7777, '192.0.2.1');
 * await Promise.all([pipeline(tap, new FrameEncoder(), socket), pipeline(socket, new FrameDecoder(), tap)]);
 * ```
 */
export class FrameEncoder extends Transform {
  readonly #maxFrameBytes: number;
  readonly #length: Length;

  /**
   * An encoder for one connection.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
   */
  constructor(options: FramingOptions = {}) {
    super({ writableObjectMode: true });
    const { maxFrameBytes, length } = checkFraming('FrameEncoder', options);
    this.#maxFrameBytes = maxFrameBytes;
    this.#length = length;
  }

  /** @internal */
  override _transform(frame: unknown, _encoding: BufferEncoding, done: TransformCallback): void {
    let bytes: Buffer;
    try {
      bytes = encoded(this.#checked(frame), this.#length);
    } catch (error) {
      done(error as TapfdError);
      return;
    }
    done(null, bytes);
  }

  /** Before a byte is copied: a frame may be announced as long as all of memory. */
  #checked(value: unknown): Uint8Array {
    const frame = checkFrame('frame', value);
    const bytes = frame.length;
    const max = this.#maxFrameBytes;
    if (bytes > 0 && bytes <= max) return frame;
    throw bytes === 0
      ? new TapfdError('ERR_TAPFD_FRAME_TOO_SHORT', 'a frame without bytes cannot be encoded')
      : new TapfdError(
          'ERR_TAPFD_FRAME_TOO_LONG',
          `a frame of ${bytes} bytes is over maxFrameBytes, ${max}: raise it at both ends`,
        );
  }
}

/**
 * Turns the byte stream of a {@link FrameEncoder}, or of QEMU, passt or gvproxy, into frames again, however the stream was
 * cut: one chunk is one frame, a Buffer to keep.
 *
 * It is destroyed by `ERR_TAPFD_FRAMING`: the peer announces a frame of 0 bytes or of more than `maxFrameBytes`, or the
 * stream ends within a frame. No privilege is needed.
 */
export class FrameDecoder extends Transform {
  readonly #maxFrameBytes: number;
  readonly #format: Length;
  readonly #length: Buffer;
  /** How much of the length, or of the frame once there is one, has come. */
  #received = 0;
  /** A frame that comes in several chunks. */
  #frame: Buffer | undefined;

  /**
   * A decoder for one connection.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
   */
  constructor(options: FramingOptions = {}) {
    super({ readableObjectMode: true, decodeStrings: true });
    const { maxFrameBytes, length } = checkFraming('FrameDecoder', options);
    this.#maxFrameBytes = maxFrameBytes;
    this.#format = length;
    this.#length = Buffer.alloc(length.bytes);
  }

  /** @internal */
  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      let at = 0;
      while (at < chunk.length) at = this.#take(chunk, at);
      done();
    } catch (error) {
      done(error as TapfdError);
    }
  }

  /** @internal */
  override _flush(done: TransformCallback): void {
    const frame = this.#frame;
    if (frame === undefined && this.#received === 0) done();
    else {
      const expected = frame === undefined ? 'the length of a frame' : `a frame of ${frame.length} bytes`;
      done(framingError(`the stream ended after ${this.#received} bytes of ${expected}`));
    }
  }

  /** Takes the bytes from `at` on, up to the end of a length or a frame; returns where it stopped. */
  #take(chunk: Buffer, at: number): number {
    const frame = this.#frame;
    if (frame !== undefined) {
      const end = this.#fill(frame, chunk, at);
      if (this.#received === frame.length) this.#emit(frame);
      return end;
    }
    const end = this.#fill(this.#length, chunk, at);
    if (this.#received < this.#length.length) return end;
    const bytes = this.#format.read(this.#length);
    if (bytes === 0 || bytes > this.#maxFrameBytes) {
      throw framingError(`a frame of ${bytes} bytes: it must have 1 to ${this.#maxFrameBytes}`);
    }
    this.#received = 0;
    if (chunk.length - end >= bytes) {
      this.#emit(chunk.subarray(end, end + bytes));
      return end + bytes;
    }
    this.#frame = Buffer.allocUnsafeSlow(bytes);
    return end;
  }

  /** Copies what fits into `target`, behind what it has; returns where it stopped. */
  #fill(target: Buffer, chunk: Buffer, at: number): number {
    const copied = chunk.copy(target, this.#received, at);
    this.#received += copied;
    return at + copied;
  }

  #emit(frame: Buffer): void {
    this.#frame = undefined;
    this.#received = 0;
    this.push(frame);
  }
}

function encoded(frame: Uint8Array, length: Length): Buffer {
  const bytes = Buffer.allocUnsafe(length.bytes + frame.length);
  length.write(bytes, frame.length);
  bytes.set(frame, length.bytes);
  return bytes;
}

/** The frames of a batch as one piece of such a stream. */
export function encodeFrames(frames: Iterable<Uint8Array>, format: LengthFormat): Buffer {
  return Buffer.concat(Array.from(frames, (frame) => encoded(frame, LENGTHS[format])));
}

function checkFraming(call: string, options: unknown): { maxFrameBytes: number; length: Length } {
  const checked: FramingOptions = checkObject('options', options);
  checkOptionNames(call, checked, ['maxFrameBytes', 'length']);
  const format = checkOneOf('length', checked.length ?? 'u32be', ['u32be', 'u16le']);
  const length = LENGTHS[format];
  const { maxFrameBytes = Math.min(DEFAULT_MAX_FRAME_BYTES, length.max) } = checked;
  const max = Math.min(MAX_MAX_FRAME_BYTES, length.max);
  return { maxFrameBytes: checkInteger('maxFrameBytes', maxFrameBytes, 1, max), length };
}

function framingError(message: string): TapfdError {
  return new TapfdError('ERR_TAPFD_FRAMING', message);
}
