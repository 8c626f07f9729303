/** One way of a wire between two devices. */
import { verdict } from '../base/checks.js';
import type { FrameStream } from '../frames/stream.js';

/** The way of a frame on a wire. */
export type WireWay = 'a-to-b' | 'b-to-a';

/** Whether a frame is lost. `place` counts the frames of this way from 0. */
export type WireDrop = (frame: Buffer, way: WireWay, place: number) => boolean;

/** What happened on one way. */
export interface WireStats {
  /** Frames that arrived. */
  delivered: number;
  /** Frames that the wire has lost, as `drop` says. */
  dropped: number;
  /** Of those that arrived, how many were overtaken. */
  reordered: number;
  /** Frames that the device at the end refused, and those that were under way when the wire ended. */
  lost: number;
}

export interface WirePlan {
  drop: number | WireDrop;
  delayMs: number;
  reorder: number;
  seed: number;
}

interface HeldFrame {
  readonly frame: Buffer;
  readonly timer: NodeJS.Timeout;
}

/** How long a frame waits for the next one to overtake it. */
const OVERTAKE_MS = 20;
/** With more under way, nothing more is read. */
const MAX_UNDER_WAY = 1024;

export class WireDirection {
  readonly stats: WireStats = { delivered: 0, dropped: 0, reordered: 0, lost: 0 };
  readonly #to: FrameStream;
  readonly #way: WireWay;
  readonly #plan: WirePlan;
  readonly #frames: NodeJS.AsyncIterator<Buffer>;
  readonly #random: () => number;
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Waits to be overtaken. */
  #held: HeldFrame | undefined;
  #underWay = 0;
  #room: (() => void) | undefined;
  #isOver = false;

  constructor(from: FrameStream, to: FrameStream, way: WireWay, plan: WirePlan) {
    this.#to = to;
    this.#way = way;
    this.#plan = plan;
    this.#random = randomOf(plan.seed);
    this.#frames = from.iterator({ destroyOnReturn: false });
  }

  /** Resolves at the end. A `drop` that throws rejects. */
  async run(): Promise<void> {
    try {
      for (let place = 0; !this.#isOver; place++) {
        const next = await this.#frames.next().catch(() => undefined);
        // The device has ended.
        if (next === undefined || next.done) return;
        this.#take(next.value, place);
        if (this.#underWay >= MAX_UNDER_WAY) await this.#makeRoom();
      }
    } finally {
      this.stop();
    }
  }

  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    void this.#frames.return?.();
    if (this.#held !== undefined) clearTimeout(this.#held.timer);
    for (const timer of this.#timers) clearTimeout(timer);
    this.stats.lost += this.#timers.size + (this.#held === undefined ? 0 : 1);
    this.#held = undefined;
    this.#room?.();
  }

  /** Two choices for each frame, used or not: they depend on its place alone. */
  #take(frame: Buffer, place: number): void {
    const { drop, reorder } = this.#plan;
    const [loses, holds] = [this.#random(), this.#random() < reorder];
    const isDropped =
      typeof drop === 'function' ? verdict('drop', drop(frame, this.#way, place)) : loses < drop;
    // `drop` may have cut the wire.
    if (this.#isOver) {
      this.stats.lost += 1;
      return;
    }
    if (isDropped) {
      this.stats.dropped += 1;
      return;
    }
    if (holds && this.#held === undefined) {
      this.#hold(frame);
      return;
    }
    this.#send(frame);
    if (this.#held === undefined) return;
    this.stats.reordered += 1;
    this.#letGo(this.#held);
  }

  #hold(frame: Buffer): void {
    const held: HeldFrame = { frame, timer: setTimeout(() => this.#letGo(held), OVERTAKE_MS) };
    this.#held = held;
  }

  #letGo({ frame, timer }: HeldFrame): void {
    clearTimeout(timer);
    this.#held = undefined;
    this.#send(frame);
  }

  #send(frame: Buffer): void {
    this.#underWay += 1;
    const { delayMs } = this.#plan;
    if (delayMs === 0) {
      this.#deliver(frame);
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#deliver(frame);
    }, delayMs);
    this.#timers.add(timer);
  }

  #deliver(frame: Buffer): void {
    this.#to.write(frame, (error) => {
      if (error) this.stats.lost += 1;
      else this.stats.delivered += 1;
      this.#underWay -= 1;
      if (this.#underWay < MAX_UNDER_WAY) this.#room?.();
      if (this.#to.destroyed || this.#to.writableEnded) this.stop();
    });
  }

  #makeRoom(): Promise<void> {
    return new Promise((resolve) => {
      this.#room = () => {
        this.#room = undefined;
        resolve();
      };
    });
  }
}

/** Numbers from 0 to 1, always the same ones for a seed (a multiply-and-shift generator of 32 bits, good enough to choose). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e37_79b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 0x1_0000_0000;
  };
}
