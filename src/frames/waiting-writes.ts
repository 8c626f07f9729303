/** What waits, in order, until the kernel takes frames again. */
import type { NativeQueue } from '../base/native-queue.js';

export interface WaitingWrite {
  /** Writes what it can; false when it has to wait again. */
  attempt(): boolean;
  fail(error: Error): void;
}

export class WaitingWrites {
  readonly #queue: NativeQueue;
  #waiting: WaitingWrite[] = [];

  constructor(queue: NativeQueue) {
    this.#queue = queue;
  }

  get any(): boolean {
    return this.#waiting.length > 0;
  }

  /** Tries at once, unless others wait: then behind them. */
  add(write: WaitingWrite): void {
    if (!this.any && write.attempt()) return;
    this.#waiting.push(write);
    if (this.#waiting.length === 1) this.#queue.awaitWritable();
  }

  /** The kernel takes frames again. */
  resume(): void {
    try {
      while (this.any && this.#tryFirst());
    } finally {
      if (this.any) this.#queue.awaitWritable();
    }
  }

  #tryFirst(): boolean {
    const [first] = this.#waiting;
    let over = true;
    try {
      over = first.attempt();
    } finally {
      // If it throws, the caller's callback did, and the write itself is over. The callback may have ended all the others.
      if (over && this.#waiting[0] === first) this.#waiting.shift();
    }
    return over;
  }

  fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const write of waiting) write.fail(error);
  }
}
