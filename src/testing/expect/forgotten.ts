/** The frames that a capture had no room to keep, counted by what an expectation asks of them. */
import type { FrameDirection } from '../../descriptor/observers.js';

interface Kind {
  direction: FrameDirection;
  isNoise: boolean;
  /** `expect()` had returned it. */
  wasTaken: boolean;
}

/** Which of them count. */
interface Choice {
  direction: FrameDirection | 'both';
  /** Whether noise counts. */
  noise: boolean;
  /** Whether those that `expect()` had returned count. */
  taken: boolean;
}

export class Forgotten {
  readonly #kinds: (Kind & { count: number })[] = [];

  note({ direction, isNoise, wasTaken }: Kind): void {
    const known = this.#kinds.find(
      (kind) => kind.direction === direction && kind.isNoise === isNoise && kind.wasTaken === wasTaken,
    );
    if (known === undefined) this.#kinds.push({ direction, isNoise, wasTaken, count: 1 });
    else known.count += 1;
  }

  count({ direction, noise, taken }: Choice): number {
    return this.#kinds
      .filter((kind) => direction === 'both' || kind.direction === direction)
      .filter((kind) => (noise || !kind.isNoise) && (taken || !kind.wasTaken))
      .reduce((sum, { count }) => sum + count, 0);
  }
}
