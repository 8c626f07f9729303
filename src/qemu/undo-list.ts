/** What has been done in QEMU so far, and how each of it is taken back. */
import { TapfdError } from '../errors.js';

interface Undo {
  /** For the message, when it fails: `netdev "lan"`. */
  readonly what: string;
  readonly run: () => Promise<unknown>;
}

export class UndoList {
  readonly #undos: Undo[] = [];

  /** What must be undone if anything fails from here on. */
  add(what: string, run: () => Promise<unknown>): void {
    this.#undos.push({ what, run });
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
          (error: unknown) => `${what} (${error})`,
        ),
      ),
    );
    const left = outcomes.filter((outcome) => outcome !== undefined);
    if (left.length === 0 || isOver(failure)) return failure;
    return new TapfdError(
      'ERR_TAPFD_QMP_NOT_UNDONE',
      `${operation}: a step failed (${failure}), and QEMU may be left with ${left.join(', ')}`,
      { cause: failure },
    );
  }
}

/** The connection is over, and nobody is there to undo anything. */
function isOver(failure: unknown): boolean {
  return (
    failure instanceof TapfdError && ['ERR_TAPFD_QMP_CLOSED', 'ERR_TAPFD_QMP_PROTOCOL'].includes(failure.code)
  );
}
