/** Counts frames: how many passed, and how many were lost and why. */

/**
 * Why a received frame was lost.
 *
 * - `kernel`: the kernel dropped it before it reached the descriptor, because the queue was full or a filter program
 *   refused it. Counted for all queues of the device together.
 *   A super-frame counts once, however many frames it would have become.
 * - `malformed`: with `segment`, a super-frame with wrong headers or a wrong vnet header. It counts once.
 * - `unreadable`: the kernel took it from the queue and then failed to pass it on, as it does (EINVAL) with a super-frame
 *   that no vnet header can describe.
 */
export type ReceiveDropReason = 'kernel' | 'malformed' | 'unreadable';

/**
 * Why a written frame was not sent.
 *
 * - `too-short`: shorter than its headers (14 bytes for Ethernet).
 * - `too-long`: over the MTU plus headers, or more than the driver takes (with `napi: 'frags'`, 65471 bytes).
 * - `invalid`: a TUN packet of a version other than 4 and 6 or of another length than its own header says, or a vnet header
 *   that the kernel refuses.
 * - `source-mac`: a macvtap frame whose source MAC is not the link's.
 * - `link-down`: the interface is not up, so frames are dropped, as a network card does.
 * - `no-buffer`: the kernel had no memory for it.
 * - `detached`: the queue is detached and the device works with NAPI.
 * - `ended`: written after `end()`, or not sent before a hand-off, the end of the device, or the end of the `forward()`
 *   that wrote it.
 * - `kernel`: the kernel refused it for another reason, which is the `code` of the error.
 */
export type SendDropReason =
  | 'too-short'
  | 'too-long'
  | 'invalid'
  | 'source-mac'
  | 'link-down'
  | 'no-buffer'
  | 'detached'
  | 'ended'
  | 'kernel';

/** One direction of {@link FrameStats}. */
export interface DirectionStats<Reason extends string> {
  /** Frames that passed. */
  frames: number;
  /** Bytes of those frames, packet information and vnet headers included. */
  bytes: number;
  /** Frames lost, by reason; a reason that never occurred is absent. */
  drops: Partial<Record<Reason, number>>;
}

/** What has passed through a descriptor since it was opened. */
export interface FrameStats {
  /** Frames that the kernel sent out of the interface and the stream read. */
  received: DirectionStats<ReceiveDropReason>;
  /** Frames that were written and that the interface received. */
  sent: DirectionStats<SendDropReason>;
}

/** The argument of the event `'drop'`: how many frames were lost, and why. */
export type FrameDrop =
  | {
      /** Lost on the way from the kernel to the reader. */
      direction: 'receive';
      /** Why. */
      reason: ReceiveDropReason;
      /** Frames since the last event of this direction and reason. */
      count: number;
    }
  | {
      /** Written but not sent. */
      direction: 'send';
      /** Why. */
      reason: SendDropReason;
      /** Frames since the last event of this direction and reason. */
      count: number;
    };

/** Counts frames, and reports drops once per tick rather than once per frame. */
export class FrameCounters {
  receivedFrames = 0;
  receivedBytes = 0;
  sentFrames = 0;
  sentBytes = 0;
  readonly #drops = new Map<string, FrameDrop>();
  #unreported = new Map<string, FrameDrop>();
  readonly #report: (drop: FrameDrop) => void;

  constructor(report: (drop: FrameDrop) => void) {
    this.#report = report;
  }

  drop(drop: FrameDrop): void {
    if (this.#unreported.size === 0) process.nextTick(() => this.#reportAll());
    add(this.#drops, drop);
    add(this.#unreported, drop);
  }

  /** Frames reached a reader. */
  received(frames: readonly Uint8Array[]): void {
    this.receivedFrames += frames.length;
    this.receivedBytes += bytesOf(frames);
  }

  /** They did not: they count as received when they are read again. */
  takeBack(frames: readonly Uint8Array[]): void {
    this.receivedFrames -= frames.length;
    this.receivedBytes -= bytesOf(frames);
  }

  snapshot(): FrameStats {
    const stats: FrameStats = {
      received: { frames: this.receivedFrames, bytes: this.receivedBytes, drops: {} },
      sent: { frames: this.sentFrames, bytes: this.sentBytes, drops: {} },
    };
    for (const drop of this.#drops.values()) {
      if (drop.direction === 'receive') stats.received.drops[drop.reason] = drop.count;
      else stats.sent.drops[drop.reason] = drop.count;
    }
    return stats;
  }

  #reportAll(): void {
    const unreported = this.#unreported;
    this.#unreported = new Map();
    // Each in a tick of its own: a listener that throws at one must not keep the others from being reported.
    for (const drop of unreported.values()) process.nextTick(this.#report, drop);
  }
}

function bytesOf(frames: readonly Uint8Array[]): number {
  return frames.reduce((sum, { length }) => sum + length, 0);
}

function add(drops: Map<string, FrameDrop>, drop: FrameDrop): void {
  const key = `${drop.direction} ${drop.reason}`;
  const known = drops.get(key);
  if (known) known.count += drop.count;
  else drops.set(key, { ...drop });
}
