/**
 * Steps in QEMU that are undone if one of them fails or the caller's signal is aborted. An undo takes back only what
 * these steps did, as QEMU's answers tell.
 */
import { onAbort } from '../../base/abort.js';
import type { QmpCommands } from '../qmp/commands.js';
import { isNotFound, QmpError } from '../qmp/error.js';
import { type Undo, UndoList } from './undo-list.js';

/** How to undo a step, even if its answer was missed. */
export interface StepUndo extends Undo {
  /**
   * Asks QEMU whether the step was done by these steps: without its answer, it may have been refused because something
   * of somebody else has the same id. Left out where `run` can find nothing but what is ours.
   */
  readonly isOurs?: () => Promise<boolean>;
}

export class Steps {
  readonly #qmp: QmpCommands;
  /** The caller's, or one that is never aborted. */
  readonly #signal: AbortSignal;
  readonly #undoTimeoutMs: number;
  readonly #undoList = new UndoList();
  /**
   * Aborted some time after the caller's signal: a command that was sent takes effect, and its answer says what to
   * undo.
   */
  readonly #patience = new AbortController();
  /** Limits the time for undoing. */
  readonly #undoLimit = new AbortController();

  constructor(qmp: QmpCommands, signal: AbortSignal | undefined, undoTimeoutMs: number) {
    this.#qmp = qmp;
    this.#signal = signal ?? new AbortController().signal;
    this.#undoTimeoutMs = undoTimeoutMs;
  }

  /** Runs `work`, which calls {@link do}. If it fails, its steps are undone, and it is as if it had not run. */
  async run<T>(operation: string, work: () => Promise<T>): Promise<T> {
    const timers: NodeJS.Timeout[] = [];
    // One limit for all: half of it for the answer to the command under way, and what is left then for undoing.
    let end: number | undefined;
    const beginToUndo = (): number => {
      end ??= performance.now() + this.#undoTimeoutMs;
      return end - performance.now();
    };
    const letSignalGo = onAbort(this.#signal, () => {
      const limit = beginToUndo() / 2;
      timers.push(setTimeout(() => this.#patience.abort(this.#signal.reason), limit));
    });
    try {
      return await work();
    } catch (error) {
      letSignalGo();
      const reason = new Error(`QEMU did not answer within ${this.#undoTimeoutMs} ms`);
      timers.push(setTimeout(() => this.#undoLimit.abort(reason), beginToUndo()));
      throw await this.#undoList.undo(operation, error);
      /* c8 ignore next -- V8 counts a path past try and catch that does not exist */
    } finally {
      letSignalGo();
      for (const timer of timers) clearTimeout(timer);
    }
  }

  /** Adds what must be undone if a later step fails, whatever QEMU answers to this one. */
  addUndo(undo: Undo): void {
    this.#undoList.add(undo);
  }

  /** Sends a command, which `undo` undoes. */
  async do(
    command: string,
    args: object,
    { fds = [], undo }: { fds?: readonly number[]; undo?: StepUndo } = {},
  ): Promise<unknown> {
    this.#signal.throwIfAborted();
    const isSent = !this.#qmp.closed;
    try {
      const answer = await this.#qmp.execute(command, args, { fds, signal: this.#patience.signal });
      if (undo !== undefined) this.#undoList.add(undo);
      return answer;
    } catch (error) {
      // Without an answer it may or may not have been executed; QEMU executes in order, so undoing comes after it.
      if (undo !== undefined && isSent && !(error instanceof QmpError)) {
        this.#undoList.add({ what: undo.what, run: () => undoIfOurs(undo) });
      }
      throw error;
    }
  }

  /** Asks QEMU after the last step, which an abort no longer undoes. */
  ask(command: string, args: object): Promise<unknown> {
    return this.#qmp.execute(command, args, { signal: this.#patience.signal });
  }

  /** Sends a command of an undo. */
  undo(command: string, args: object): Promise<unknown> {
    return this.#qmp.execute(command, args, { signal: this.#undoLimit.signal });
  }
}

async function undoIfOurs({ run, isOurs }: StepUndo): Promise<void> {
  if (isOurs === undefined || (await isOurs())) await run();
}

/** For what nothing is left of if QEMU refuses to remove it: it does so only if there is no such thing. */
export function unlessRefused(error: unknown): void {
  if (!(error instanceof QmpError)) throw error;
}

/** Somebody else has removed it. */
export function unlessNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
}
