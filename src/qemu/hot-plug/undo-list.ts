/** What has been done in QEMU so far, and how each of it is taken back. */
import { TapfdError } from '../../base/errors.js';
import { isFailureByEndOfQemu } from '../qmp/connection.js';

/** How one step is taken back. */
export interface Undo {
  /** For the message, when it fails: `netdev "lan"`. */
  readonly what: string;
  readonly run: () => Promise<unknown>;
}

export class UndoList {
  readonly #undos: Undo[] = [];

  /** What must be undone if anything fails from here on. */
  add(undo: Undo): void {
    this.#undos.push(undo);
  }

  /**
   * Takes all back, last first, because of `failure`.
   *
   * @returns What is to be thrown: `failure`, or an error that also tells what is left.
   */
  async undo(operation: string, failure: unknown): Promise<unknown> {
    // QEMU executes in order, so nothing is waited for in between: a QEMU that hangs costs one time limit.
    const outcomes = await Promise.all(
      this.#undos.reverse().map(({ what, run }) =>
        run().then(
          () => undefined,
          // With QEMU went all that was done in it.
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
