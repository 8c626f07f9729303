/** The bytes of a file or stream, asked for by number. */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { types } from 'node:util';
import { untilAborted } from '../../base/abort.js';
import { invalidArgument, TapfdError } from '../../base/errors.js';

/** Where a capture is read from: a path, or chunks in whatever sizes. */
export type CaptureSource = string | Readable | AsyncIterable<Uint8Array>;

export class ByteSource {
  /** How many bytes have been taken. */
  offset = 0;
  readonly #source: AsyncIterable<unknown>;
  readonly #chunks: AsyncIterator<unknown>;
  readonly #signal: AbortSignal | undefined;
  #buffered: Buffer = Buffer.alloc(0);
  #isOver = false;

  constructor(source: CaptureSource, signal: AbortSignal | undefined) {
    this.#source = typeof source === 'string' ? createReadStream(source) : source;
    this.#chunks = this.#source[Symbol.asyncIterator]();
    this.#signal = signal;
  }

  /** How many bytes can be taken without waiting. */
  get buffered(): number {
    return this.#buffered.length;
  }

  /** Waits until `bytes` can be taken; false if the source ends before. */
  async ensure(bytes: number): Promise<boolean> {
    if (this.#buffered.length >= bytes) return true;
    const chunks = [this.#buffered];
    let sum = this.#buffered.length;
    try {
      while (sum < bytes) {
        const chunk = await this.#next();
        if (chunk === undefined) return false;
        chunks.push(chunk);
        sum += chunk.length;
      }
      return true;
    } finally {
      this.#buffered = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    }
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
      if (this.#buffered.length === 0 && !(await this.ensure(1))) return false;
      left -= this.take(Math.min(left, this.#buffered.length)).length;
    }
    return true;
  }

  /** Lets go of what is read from. */
  async close(): Promise<void> {
    this.#isOver = true;
    const source: AsyncIterable<unknown> & { destroy?: unknown } = this.#source;
    // A Readable's iterator cannot be left while it waits.
    if (typeof source.destroy === 'function') source.destroy();
    else await this.#chunks.return?.();
  }

  async #next(): Promise<Buffer | undefined> {
    if (this.#isOver) throw new TapfdError('ERR_TAPFD_CLOSED', 'the reader of a capture is closed');
    const { done, value } = await untilAborted(this.#signal, this.#chunks.next());
    if (done) return undefined;
    if (!types.isUint8Array(value)) throw invalidArgument('source', 'a source of Buffers', value);
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
}
