/** The calls of one client that concern one card: each begins when the one before it has ended. */
import { untilAborted } from '../../base/abort.js';

/** What a call that succeeded has done. */
export type Outcome = 'added' | 'removed';

export class Line {
  readonly #ends = new Map<string, Promise<Outcome | undefined>>();

  /**
   * Runs `work` when it is its turn. An aborted `signal` ends the waiting; those behind still wait for those before.
   *
   * @param outcome What `work` has done if it succeeds.
   * @param work Is told what the call did that it waited for: undefined if there was none, or it failed.
   */
  async run<T>(
    id: string,
    signal: AbortSignal | undefined,
    outcome: Outcome,
    work: (before: Outcome | undefined) => Promise<T>,
  ): Promise<T> {
    const before = this.#ends.get(id) ?? Promise.resolve(undefined);
    const turn = untilAborted(signal, before);
    const result = turn.then(work);
    const end = Promise.allSettled([turn, result]).then(([waited, worked]) => {
      if (waited.status === 'rejected') return before;
      return worked.status === 'fulfilled' ? outcome : undefined;
    });
    this.#ends.set(id, end);
    void end.then(() => {
      if (this.#ends.get(id) === end) this.#ends.delete(id);
    });
    return result;
  }
}
