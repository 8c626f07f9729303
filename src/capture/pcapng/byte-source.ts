/** The bytes of a file or stream, asked for by number. */
import type { Readable } from 'node:stream';
import { types } from 'node:util';
import { onAbort, untilAborted } from '../../base/abort.js';
import { invalidArgument, TapfdError } from '../../base/errors.js';
import { readStreamOf } from './file-streams.js';

/** Where a capture is read from: a path, or chunks in whatever sizes. */
export type CaptureSource = string | Readable | AsyncIterable<Uint8Array>;

export class ByteSource {
  /** How many bytes have been taken. */
  offset = 0;
  readonly #given: CaptureSource;
  /** What ends a wait: `close()`, or the caller's signal. */
  readonly #ending = new AbortController();
  readonly #letSignalGo: () => void;
  #source: (AsyncIterable<unknown> & { destroy?: unknown }) | undefined;
  #chunks: AsyncIterator<unknown> | undefined;
  #buffered: Buffer = Buffer.alloc(0);
  /** Where `#buffered` ends if it came in several chunks, and how much of this is filled. */
  #joined: Buffer = Buffer.alloc(0);
  #joinedBytes = 0;

  constructor(source: CaptureSource, signal: AbortSignal | undefined) {
    this.#given = source;
    this.#letSignalGo = onAbort(signal, () => this.#ending.abort(signal?.reason));
    if (signal?.aborted) this.#ending.abort(signal.reason);
  }

  /** How many bytes can be taken without waiting. */
  get buffered(): number {
    return this.#buffered.length;
  }

  /** Waits until `bytes` can be taken; false if the source ends before. */
  async ensure(bytes: number): Promise<boolean> {
    while (this.#buffered.length < bytes) {
      const chunk = await this.#next();
      if (chunk === undefined) return false;
      if (this.#buffered.length === 0) this.#replace(chunk);
      else this.#append(chunk, bytes);
    }
    return true;
  }

  /** The next bytes, which must be there. They stay in place. */
  peek(bytes: number): Buffer {
    return this.#buffered.subarray(0, bytes);
  }

  /** Takes bytes, which must be there. */
  take(bytes: number): Buffer {
    const taken = this.peek(bytes);
    this.#buffered = this.#buffered.subarray(bytes);
    this.offset += bytes;
    return taken;
  }

  /** Takes bytes and forgets them as they come; false if the source ends before. */
  async skip(bytes: number): Promise<boolean> {
    let left = bytes;
    while (left > 0) {
      if (!(await this.ensure(1))) return false;
      left -= this.take(Math.min(left, this.#buffered.length)).length;
    }
    return true;
  }

  /** Lets go of what is read from. It may be called again. */
  close(): void {
    this.#letSignalGo();
    this.#ending.abort(new TapfdError('ERR_TAPFD_CLOSED', 'the reader of a capture is closed'));
    const [source, chunks] = [this.#source, this.#chunks];
    this.#source = undefined;
    if (source === undefined) return;
    // A Readable's iterator cannot be left while it waits. How other sources end is their own affair.
    if (typeof source.destroy === 'function') source.destroy();
    else leave(chunks).catch(() => undefined);
  }

  #replace(chunk: Buffer): void {
    this.#buffered = chunk;
    this.#joined = Buffer.alloc(0);
    this.#joinedBytes = 0;
  }

  /** Puts a chunk behind others, which may be many and small: in memory of our own, up to what is `wanted`. */
  #append(chunk: Buffer, wanted: number): void {
    const before = this.#buffered.length;
    const sum = before + chunk.length;
    if (this.#joined.length - this.#joinedBytes < chunk.length || this.#joinedBytes === 0) {
      this.#joined = Buffer.allocUnsafeSlow(Math.max(sum, Math.min(wanted, 2 * sum)));
      this.#buffered.copy(this.#joined);
      this.#joinedBytes = before;
    }
    chunk.copy(this.#joined, this.#joinedBytes);
    this.#joinedBytes += chunk.length;
    this.#buffered = this.#joined.subarray(this.#joinedBytes - sum, this.#joinedBytes);
  }

  async #next(): Promise<Buffer | undefined> {
    this.#ending.signal.throwIfAborted();
    // Not before somebody reads: a path that cannot be opened is then that reader's error.
    this.#source ??= typeof this.#given === 'string' ? readStreamOf(this.#given) : this.#given;
    this.#chunks ??= this.#source[Symbol.asyncIterator]();
    const { done, value } = await untilAborted(this.#ending.signal, this.#chunks.next());
    if (done) return undefined;
    if (!types.isUint8Array(value)) throw invalidArgument('source', 'a source of Buffers', value);
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
}

async function leave(chunks: AsyncIterator<unknown> | undefined): Promise<void> {
  await chunks?.return?.();
}
