/** Who looks on while frames pass through a descriptor: `tapfd/capture`. */

/**
 * The key of {@link Observe}. From the global registry, as one process may hold two copies of this library; the number in
 * the key changes whenever {@link FrameObserver} does.
 */
export const OBSERVE: unique symbol = Symbol.for('tapfd.observe.1');

/** Lets `observer` see all frames from now on. Returns what ends that; `ended()` is not called then. */
export type Observe = (observer: FrameObserver) => () => void;

/** `in`: the program has read it. `out`: the program has written it, and the kernel took it. */
export type FrameDirection = 'in' | 'out';

/** Sees frames as they pass. Nothing that it does may throw. */
export interface FrameObserver {
  /**
   * Frames that passed together: `count` [offset, length] pairs of `spans` lead to them in `memory`. They are others' frames:
   * they must stay as they are, and may be overwritten after the call.
   */
  frames(direction: FrameDirection, memory: Uint8Array, spans: Uint32Array, count: number): void;
  /** No more frames come: the descriptor was handed off, or is closed and all its losses are counted. */
  ended(): void;
}

/** The observers of one descriptor. With none, a burst costs one look at {@link present}. */
export class FrameObservers {
  readonly #all = new Set<FrameObserver>();
  /** True while there are any. */
  present = false;

  /** As {@link Observe}. */
  add(observer: FrameObserver): () => void {
    this.#all.add(observer);
    this.present = true;
    return () => {
      this.#all.delete(observer);
      this.present = this.#all.size > 0;
    };
  }

  /** A burst that was read, as the queue reports it (native-queue.ts `NativeBurstCallback`). */
  burst(slab: Uint8Array, spans: Uint32Array, count: number, last: Uint8Array | undefined): void {
    const inSlab = last === undefined ? count : count - 1;
    if (inSlab > 0) this.frames('in', slab, spans, inSlab);
    if (last !== undefined) this.frame('in', last);
  }

  /** One frame. */
  frame(direction: FrameDirection, frame: Uint8Array): void {
    if (this.present) this.frames(direction, frame, Uint32Array.of(0, frame.length), 1);
  }

  /** Several in one piece of memory. */
  frames(direction: FrameDirection, memory: Uint8Array, spans: Uint32Array, count: number): void {
    for (const observer of this.#all) observer.frames(direction, memory, spans, count);
  }

  /** No more frames come. */
  end(): void {
    const all = [...this.#all];
    this.#all.clear();
    this.present = false;
    for (const observer of all) observer.ended();
  }
}
