/** Bytes on their way into a Writable: gathered in chunks, given to it as it takes them, and never more than a limit. */
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { TapfdError } from '../../base/errors.js';

const CHUNK_BYTES = 64 * 1024;

/** How much waits in memory, for all outlets that share it. */
export interface Budget {
  readonly bytes: number;
  pending: number;
}

export class Outlet {
  /** What {@link claim}ed bytes are in. */
  memory = Buffer.alloc(0);
  readonly #writable: Writable;
  readonly #budget: Budget;
  readonly #ends: boolean;
  readonly #failed: (error: Error) => void;
  /** Full chunks that wait for 'drain'. */
  #queue: Buffer[] = [];
  /** The part of `memory` that is filled and not given to the writable yet. */
  #from = 0;
  #used = 0;
  /** Claimed and not yet written. */
  #own = 0;
  #blocked = false;
  #scheduled = false;
  #failure: Error | undefined;
  /** Called at each progress. */
  #waiting: (() => void)[] = [];

  /**
   * @param ends - Whether {@link close} ends the writable.
   * @param failed - Called once if the writable fails or closes before {@link close} has finished.
   */
  constructor(writable: Writable, budget: Budget, ends: boolean, failed: (error: Error) => void) {
    this.#writable = writable;
    this.#budget = budget;
    this.#ends = ends && writable !== process.stdout && writable !== process.stderr;
    this.#failed = failed;
    writable.on('error', this.#fail);
    writable.on('close', this.#closed);
    writable.on('drain', this.#drained);
    if (!writable.writable) process.nextTick(this.#closed);
  }

  /** Whether `bytes` more may wait. */
  hasRoom(bytes: number): boolean {
    return this.#failure === undefined && this.#budget.pending + bytes <= this.#budget.bytes;
  }

  /** Where in {@link memory} the next `bytes` are. The caller fills them before anything else is called. */
  claim(bytes: number): number {
    if (this.memory.length - this.#used < bytes) {
      this.#cut();
      this.memory = Buffer.allocUnsafeSlow(Math.max(bytes, CHUNK_BYTES));
      this.#from = 0;
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += bytes;
    this.#own += bytes;
    this.#budget.pending += bytes;
    if (!this.#scheduled) {
      this.#scheduled = true;
      process.nextTick(this.#flushScheduled);
    }
    return at;
  }

  append(bytes: Buffer): void {
    // It would wait for ever.
    if (this.#failure !== undefined) return;
    const at = this.claim(bytes.length);
    bytes.copy(this.memory, at);
  }

  /** Gives the writable what it takes. */
  flush(): void {
    if (this.#blocked || this.#failure !== undefined) return;
    this.#cut();
    const queue = this.#queue;
    this.#queue = [];
    for (const chunk of queue) this.#write(chunk);
  }

  /** Resolves when at least half of the budget is free. */
  async ready(): Promise<void> {
    while (this.#budget.pending > this.#budget.bytes / 2) await this.#progress();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when all is written, and the writable has ended if it is to. */
  async close(): Promise<void> {
    this.#blocked = false;
    this.flush();
    if (this.#failure === undefined && this.#ends) {
      this.#writable.off('close', this.#closed);
      this.#writable.end();
      // What it rejects with is the writable's 'error', or that there was none.
      await finished(this.#writable, { readable: false, cleanup: true }).catch(this.#closed);
    }
    while (this.#own > 0 && this.#failure === undefined) await this.#progress();
    this.#forget();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Ends without waiting: what is not written is lost. */
  abandon(error: Error): void {
    this.#fail(error);
    this.#forget();
    if (this.#ends) this.#writable.destroy();
  }

  #forget(): void {
    this.#writable.off('close', this.#closed);
    this.#writable.off('drain', this.#drained);
    // A writable that failed or is ours to end may yet report an error, which would be an uncaught one.
    if (this.#failure === undefined && !this.#ends) this.#writable.off('error', this.#fail);
  }

  readonly #flushScheduled = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  /** Moves what is filled to the queue. */
  #cut(): void {
    if (this.#used > this.#from) this.#queue.push(this.memory.subarray(this.#from, this.#used));
    this.#from = this.#used;
  }

  #write(chunk: Buffer): void {
    if (this.#failure !== undefined) return;
    if (!this.#writable.writable) {
      this.#closed();
      return;
    }
    try {
      const goesOn = this.#writable.write(chunk, (error) => {
        if (error) return;
        this.#free(chunk.length);
        this.#wake();
      });
      if (!goesOn) this.#blocked = true;
    } catch (error) {
      // Its own code threw.
      this.#fail(error as Error);
    }
  }

  readonly #drained = (): void => {
    this.#blocked = false;
    this.flush();
  };

  readonly #closed = (): void => {
    // Its 'error' may come later than what it does not take any more.
    const cause = this.#writable.errored;
    const text = 'the writable of a capture was closed before everything was written';
    this.#fail(cause ?? new TapfdError('ERR_TAPFD_CLOSED', text));
  };

  readonly #fail = (error: Error): void => {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#queue = [];
    this.#free(this.#own);
    this.#wake();
    this.#failed(error);
  };

  #free(bytes: number): void {
    const freed = Math.min(bytes, this.#own);
    this.#own -= freed;
    this.#budget.pending -= freed;
  }

  #progress(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
