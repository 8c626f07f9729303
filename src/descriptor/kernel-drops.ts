/** Frames that the kernel dropped on their way to the reader, by the counters of the link. */
import type { NativeLink } from '../base/native-links.js';
import type { DeviceKind } from '../base/native-queue.js';

type Counted = Pick<NativeLink, 'stats'>;

export class KernelDrops {
  readonly #kind: DeviceKind;
  readonly #atOpen: number;
  #taken: number;

  constructor(kind: DeviceKind, link: Counted) {
    this.#kind = kind;
    this.#atOpen = this.#of(link);
    this.#taken = this.#atOpen;
  }

  sinceOpen(link: Counted): number {
    return this.#of(link) - this.#atOpen;
  }

  /** Those that no earlier call has returned. Of two overlapping questions, the later answer may be the older count. */
  takeNew(link: Counted): number {
    const before = this.#taken;
    this.#taken = Math.max(before, this.#of(link));
    return this.#taken - before;
  }

  /** tun counts them as sent, macvtap as received by the link. */
  #of({ stats }: Counted): number {
    return this.#kind === 'macvtap' ? stats.rxDropped : stats.txDropped;
  }
}
