/**
 * Streams of the files that a caller's path names. With node:fs alone, a thread of Node's pool waits for the other end of a
 * FIFO, in open(2) and wherever the pipe is full or empty: nothing could end that wait, not even process.exit().
 */
import fs, {
  constants,
  createReadStream,
  createWriteStream,
  type ReadStream,
  type WriteStream,
} from 'node:fs';
import { runtimeName } from '../../base/native.js';

/** After what time is looked again whether the other end of a FIFO is there, has read or has written: each time twice it. */
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 32;

type Callback = (error: NodeJS.ErrnoException | null, ...results: unknown[]) => void;
type Call = (...args: never[]) => void;

/** A stream that writes the file `path`, which is made, or overwritten. */
export function writeStreamOf(path: string): WriteStream {
  const fifo = new FifoEnd(constants.O_WRONLY, () => stream.destroyed);
  const { open, write, writev, close } = fifo.calls(['write', 'writev']);
  const stream: WriteStream = createWriteStream(path, { fs: { open, write, writev, close } });
  return stream;
}

/** A stream that reads the file `path`. */
export function readStreamOf(path: string): ReadStream {
  const fifo = new FifoEnd(constants.O_RDONLY, () => stream.destroyed);
  const { open, read, close } = fifo.calls(['read']);
  const stream: ReadStream = createReadStream(path, { fs: { open, read, close } });
  return stream;
}

/** What a stream calls of node:fs, which for a FIFO is called again and again where it would wait. */
class FifoEnd {
  readonly #access: number;
  readonly #isLeft: () => boolean;
  /** Deno's write() of a part says EAGAIN, as if nothing had been written: there, a thread waits. */
  readonly #canRepeat: boolean;
  #isFifo = false;
  /** The other end was there: from now on, nothing to read is the end. */
  #hasBegun = false;

  /** @param isLeft - Whether nobody wants the stream any more. */
  constructor(access: number, isLeft: () => boolean) {
    this.#access = access;
    this.#isLeft = isLeft;
    this.#canRepeat = access === constants.O_RDONLY || runtimeName() !== 'deno';
  }

  calls(names: readonly ('read' | 'write' | 'writev')[]): typeof fs {
    const repeated = names.map((name) => [name, this.#repeated(fs[name] as Call)]);
    return { ...fs, open: this.#open, ...Object.fromEntries(repeated) };
  }

  readonly #open = (path: string, flags: number, mode: number, opened: Callback): void => {
    fs.stat(path, (error, stats) => {
      this.#isFifo = error === null && stats.isFIFO() && this.#canRepeat;
      if (!this.#isFifo) return fs.open(path, flags, mode, opened);
      // ENXIO: nobody reads it.
      this.#repeat(
        (done) => fs.open(path, this.#access | constants.O_NONBLOCK, done),
        (error) => error?.code === 'ENXIO',
        opened,
      );
    });
  };

  /** One that ends with a callback. */
  #repeated(call: Call): Call {
    return (...args: unknown[]) => {
      const done = args.pop() as Callback;
      this.#repeat(
        (callback) => Reflect.apply(call, fs, [...args, callback]),
        (error, bytes) => this.#isFifo && this.#mustWait(error, bytes),
        done,
      );
    };
  }

  #mustWait(error: NodeJS.ErrnoException | null, bytes: unknown): boolean {
    if (error?.code === 'EAGAIN') {
      this.#hasBegun = true;
      return true;
    }
    if (bytes !== 0) this.#hasBegun = true;
    return !this.#hasBegun;
  }

  #repeat(
    call: (done: Callback) => void,
    mustWait: (error: NodeJS.ErrnoException | null, result: unknown) => boolean,
    done: Callback,
    lookMs = FIRST_LOOK_MS,
  ): void {
    call((error, ...results) => {
      if (!mustWait(error, results[0]) || this.#isLeft()) return done(error, ...results);
      setTimeout(() => this.#repeat(call, mustWait, done, Math.min(2 * lookMs, LAST_LOOK_MS)), lookMs);
    });
  }
}
