/** What has been done in QEMU so far, and how to undo it. */
import { TapfdError } from '../../base/errors.js';
import { isFailureByEndOfQemu } from '../qmp/connection.js';

/** How to undo one step. */
export interface Undo {
  /** What is left if undoing fails, for the message: `netdev "lan"`. */
  readonly what: string;
  readonly run: () => Promise<unknown>;
}

export class UndoList {
  readonly #undos: Undo[] = [];

  /** Adds what must be undone if a later step fails. */
  add(undo: Undo): void {
    this.#undos.push(undo);
  }

  /**
   * Undoes everything, the last step first, because of `failure`.
   *
   * @returns The error to throw: `failure`, or one that also names what is left.
   */
  async undo(operation: string, failure: unknown): Promise<unknown> {
    // QEMU executes commands in order, so they are all sent at once: a QEMU that hangs executes them when it wakes up.
    const outcomes = await Promise.all(
      this.#undos.reverse().map(({ what, run }) =>
        run().then(
          () => undefined,
          // If QEMU has ended, nothing is left to undo.
          (error: unknown) => (isFailureByEndOfQemu(error) ? undefined : `${what} (${error})`),
        ),
      ),
    );
    const left = outcomes.filter((outcome) => outcome !== undefined);
    if (left.length === 0) return failure;
    return new TapfdError(
      'ERR_TAPFD_QMP_NOT_UNDONE',
      `${operation}: a step failed (${failure}), and QEMU may be left with ${left.join(', ')}`,
      { cause: failure },
    );
  }
}
