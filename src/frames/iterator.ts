/** `for await` over a stream of frames: from the burst to the loop, past Readable's queue. */

import { type Duplex, finished } from 'node:stream';
import { checkBoolean, checkObject, checkOptionNames, optional } from '../base/checks.js';
import { isError } from '../base/errors.js';
import type { FrameBatch } from './batch.js';
import type { BurstTaker, FrameReceiver } from './receiver.js';
import { frameOf } from './slab.js';

type FrameResult = IteratorResult<Buffer, undefined>;

interface WaitingNext {
  resolve: (result: FrameResult) => void;
  reject: (error: Error) => void;
}

/** The stream that a loop reads. */
export interface IteratedStream extends Duplex {
  readonly handedOff: boolean;
  closedError(operation: string): Error;
}

/** As `Readable.iterator()` has them. */
export interface FrameIteratorOptions {
  /** False: leaving the loop does not destroy the stream, and its reading resumes. Default true. */
  destroyOnReturn?: boolean | undefined;
}

export function checkIteratorOptions(options: FrameIteratorOptions): void {
  checkOptionNames('iterator', checkObject('options', options), ['destroyOnReturn']);
  optional(options.destroyOnReturn, (value) => checkBoolean('destroyOnReturn', value));
}

/**
 * What Readable's own iterator promises, without its queue, which costs as much again as the frame: frames in order, the
 * stream's error thrown, the stream destroyed when the loop is left or has come to the end. One burst is read, handed out
 * frame by frame, and only then the next one: a loop that pauses stops the reading.
 */
export class FrameIterator implements AsyncIterableIterator<Buffer, undefined>, BurstTaker {
  readonly #stream: IteratedStream;
  readonly #receiver: FrameReceiver;
  readonly #copyFrames: boolean;
  readonly #destroys: boolean;
  readonly #stopListening: () => void;
  readonly #waiting: WaitingNext[] = [];

  #burst: FrameBatch | undefined;
  /** The frame of the burst that comes next. */
  #next = 0;
  /** undefined: goes on; null: at the end; else what the stream ended with. */
  #ended: Error | null | undefined;

  constructor(
    stream: IteratedStream,
    receiver: FrameReceiver,
    copyFrames: boolean,
    { destroyOnReturn = true }: FrameIteratorOptions,
  ) {
    this.#stream = stream;
    this.#receiver = receiver;
    this.#copyFrames = copyFrames;
    this.#destroys = destroyOnReturn;
    this.#stopListening = finished(stream, { writable: false }, (error) => {
      this.#ended = loopError(stream, error);
      this.#serve();
    });
    receiver.lend(this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<FrameResult> {
    const burst = this.#burst;
    if (burst && this.#next < burst.length) {
      return Promise.resolve({ done: false, value: this.#frameOf(burst) });
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#serve();
    });
  }

  return(): Promise<FrameResult> {
    this.#leave();
    this.#serve();
    return Promise.resolve({ done: true, value: undefined });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  take(burst: FrameBatch): void {
    this.#burst = burst;
    this.#next = 0;
    this.#serve();
  }

  /** An error comes by `finished()`, when the stream has closed. */
  end(error: Error | undefined): void {
    if (error !== undefined) return;
    // Handed off. The stream is not destroyed, as a link that its opening made would go with it.
    this.#stopListening();
    this.#ended = null;
    this.#serve();
  }

  recall(): Buffer[] {
    const frames: Buffer[] = [];
    const burst = this.#burst;
    while (burst && this.#next < burst.length) frames.push(this.#frameOf(burst));
    this.#burst = undefined;
    return frames;
  }

  #frameOf({ memory, spans }: FrameBatch): Buffer {
    return frameOf(memory, spans, this.#next++, this.#copyFrames);
  }

  /** Resolves the calls that wait with what there is: frames, or the end. Asks for more if there is neither. */
  #serve(): void {
    const burst = this.#burst;
    while (this.#waiting.length > 0 && burst && this.#next < burst.length) {
      this.#waiting.shift()?.resolve({ done: false, value: this.#frameOf(burst) });
    }
    while (this.#waiting.length > 0 && this.#ended !== undefined) this.#giveEnd(this.#ended);
    if (this.#waiting.length > 0) this.#receiver.ask();
  }

  #giveEnd(ended: Error | null): void {
    const waiting = this.#waiting.shift();
    this.#leave();
    // Thrown once, as by a generator.
    this.#ended = null;
    if (ended) waiting?.reject(ended);
    else waiting?.resolve({ done: true, value: undefined });
    // Only this loop reads the stream to its 'end'.
    if (this.#stream.handedOff) this.#stream.resume();
  }

  #leave(): void {
    this.#ended ??= null;
    this.#stopListening();
    // Frames that the loop did not get to are the next reader's.
    this.#receiver.release(this);
    this.#burst = undefined;
    if (this.#destroys && !this.#stream.handedOff) this.#stream.destroy();
  }
}

/**
 * The same beside other readers, among whom Readable's own iterator (`inner`, which leaves the stream as it is) shares
 * the frames.
 */
export async function* iterateBeside(
  stream: IteratedStream,
  inner: AsyncIterable<Buffer>,
  { destroyOnReturn = true }: FrameIteratorOptions,
): AsyncGenerator<Buffer, undefined> {
  try {
    for await (const frame of inner) yield frame;
  } catch (error) {
    throw loopError(stream, error);
  } finally {
    if (destroyOnReturn && !stream.handedOff) stream.destroy();
  }
}

/** What a loop throws when its stream has ended: a device that the program itself closed says so in the library's words. */
function loopError<E>(stream: IteratedStream, error: E): E | Error | null {
  if (isError(error) && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE') {
    return stream.closedError('for await');
  }
  return error ?? null;
}
