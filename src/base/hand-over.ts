/** What handing a device over to another program needs of it, beyond its public methods. */

/**
 * The key of a device's {@link HandOver}. From the global registry, because one process may hold two copies of this
 * library (as npm installs where two packages want different versions), and a device that one copy opened can then be
 * given to a QEMU that the other starts. The number in the key changes whenever {@link HandOver} does, so that a copy
 * refuses a device that it could not handle.
 */
export const HAND_OVER: unique symbol = Symbol.for('tapfd.hand-over.1');

/** The steps of a hand-over that may still fail. */
export interface HandOver {
  /** Stops reading: from here on frames are left to the other program. */
  suspend(): void;
  /** Undoes {@link suspend}. */
  resume(): void;
  /** Sets the descriptor up as it was before another program had it. Never rejects. */
  restoreSettings(): Promise<void>;
  /** Waits until no call on the device is under way, and then does what `handOff()` does. */
  handOffWhenIdle(): Promise<number>;
}
