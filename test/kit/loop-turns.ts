/** Counts what happens between two turns of the event loop: nobody else gets a turn meanwhile. */

export interface LoopTurns {
  /** Notes that something happened. */
  note(): void;
  /** The most that happened in one turn. */
  readonly most: number;
  readonly turns: number;
  stop(): void;
}

export function loopTurns(): LoopTurns {
  let noted = 0;
  let most = 0;
  let turns = 0;
  let next = setImmediate(turn);
  function turn(): void {
    noted = 0;
    turns += 1;
    next = setImmediate(turn);
  }
  return {
    note() {
      noted += 1;
      most = Math.max(most, noted);
    },
    get most() {
      return most;
    },
    get turns() {
      return turns;
    },
    stop: () => clearImmediate(next),
  };
}

/** What a peer may make this process do in one turn of the event loop (src/base/loop-share.ts), with a turn to spare. A thread that polls may wake twice. */
export const MOST_IN_A_TURN =
  process.versions.bun === undefined && process.versions.deno === undefined ? 64 : 128;
