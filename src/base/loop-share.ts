/** Keeps a peer that never pauses from holding the event loop, on which everything else in the process depends. */

/** Each step takes microseconds, and a turn of the loop hardly more: fewer would slow the peer, more the others. */
const STEPS_IN_A_TURN = 32;

/** The share of one peer in each turn of the event loop. */
export class LoopShare {
  #steps = 0;

  /** Counts a step that the peer causes. False: it is one too many for this turn. Let the loop turn, then {@link renew}. */
  take(): boolean {
    this.#steps += 1;
    return this.#steps <= STEPS_IN_A_TURN;
  }

  /** True once {@link take} has returned false. */
  get isSpent(): boolean {
    return this.#steps > STEPS_IN_A_TURN;
  }

  /** The loop has turned. */
  renew(): void {
    this.#steps = 0;
  }
}
