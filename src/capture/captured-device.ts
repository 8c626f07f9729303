/** One device in a capture: its frames as the file has them, and what is counted. */
import { verdict } from '../base/checks.js';
import type { FrameDirection, FrameObserver, Observe } from '../descriptor/observers.js';
import type { FrameStats } from '../frames/counters.js';
import type { FrameStream } from '../frames/stream.js';
import type { CaptureFilter } from './capture-options.js';
import { type FrameHeaders, headerBytes, headerComments } from './frame-headers.js';
import { LINK_TYPES, OPTION } from './pcapng/format.js';
import { OptionList } from './pcapng/option-list.js';
import type { SectionFrame } from './pcapng/section.js';
import { wallClock } from './pcapng/time.js';
import type { InterfaceSettings, StatisticsSettings } from './pcapng/writer-options.js';

/** Where the frames go. */
export interface FrameSink {
  readonly snapLength: number;
  readonly filter: CaptureFilter | undefined;
  /** False if it found no room. */
  frame(frame: SectionFrame): boolean;
  filterFailed(error: unknown): void;
  deviceEnded(device: CapturedDevice): void;
}

/** Frames of one device since the capture began. */
export interface DeviceCounts {
  /** Frames that passed the device, both ways. */
  seen: number;
  /** Of those, frames that the filter accepted. */
  accepted: number;
  /** Of those, frames that were written. */
  written: number;
}

export class CapturedDevice implements FrameObserver {
  readonly counts: DeviceCounts = { seen: 0, accepted: 0, written: 0 };
  readonly #device: FrameStream;
  readonly #id: number;
  readonly #sink: FrameSink;
  readonly #headers: FrameHeaders;
  readonly #headerBytes: number;
  readonly #startTime = wallClock.now();
  readonly #unobserve: () => void;
  #before: FrameStats;
  #endTime: bigint | undefined;
  /** A filter that writes to its own device is not asked about that. */
  #inFilter = false;

  /** @param observe - The device's. @param id - The number of its interface. */
  constructor(device: FrameStream, observe: Observe, id: number, sink: FrameSink) {
    this.#device = device;
    this.#id = id;
    this.#sink = sink;
    const { kind, vnetHeaderBytes } = device;
    this.#headers = { kind, packetInfo: device.flags.packetInfo, vnetHeaderBytes };
    this.#headerBytes = headerBytes(this.#headers);
    this.#before = device.stats;
    this.#unobserve = observe(this);
  }

  /** The device, for the file. */
  static describe(device: FrameStream, snapLength: number, filtered: boolean): InterfaceSettings {
    const { kind, mac } = device;
    return {
      name: device.name,
      description: `${kind}, from the program that holds it`,
      linkType: kind === 'tun' ? LINK_TYPES.raw : LINK_TYPES.ethernet,
      snapLength,
      mac: mac === undefined ? undefined : Buffer.from(mac.replaceAll(':', ''), 'hex'),
      speed: undefined,
      comments: filtered ? ['a function of the program chose the frames'] : [],
    };
  }

  /** What the kernel dropped before counts for nobody. */
  async begin(): Promise<void> {
    const { received } = await this.#refreshed();
    const { kernel } = received.drops;
    this.#before.received.drops = { ...this.#before.received.drops, kernel: kernel ?? 0 };
  }

  frames(direction: FrameDirection, memory: Uint8Array, spans: Uint32Array, count: number): void {
    const bytes = Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength);
    const timestamp = wallClock.now();
    for (let i = 0; i < count && this.#endTime === undefined; i++) {
      const start = spans[2 * i];
      this.#frame(direction, bytes, start, start + spans[2 * i + 1], timestamp);
    }
  }

  ended(): void {
    this.stop();
    this.#sink.deviceEnded(this);
  }

  /** Sees no more frames, and waits until the kernel's losses are known. */
  async end(): Promise<void> {
    this.stop();
    await this.#refreshed();
  }

  /** So far, since the capture began. */
  statistics(): StatisticsSettings & { timestamp: bigint } {
    const { seen, accepted, written } = this.counts;
    const timestamp = this.#endTime ?? wallClock.now();
    const { received, sent } = this.#device.stats;
    const lost = dropsSince(this.#before.received.drops, received.drops);
    const unsent = dropsSince(this.#before.sent.drops, sent.drops);
    const dropped = lost.reduce((sum, [, count]) => sum + count, 0);
    return {
      interface: this.#id,
      timestamp,
      startTime: this.#startTime,
      endTime: timestamp,
      received: seen + dropped,
      dropped,
      accepted,
      osDropped: accepted - written,
      delivered: written,
      comments: [
        dropComment('lost before they were read', lost),
        dropComment('written but not sent', unsent),
      ].filter((comment) => comment !== undefined),
    };
  }

  /** Sees no more frames. */
  stop(): void {
    this.#unobserve();
    this.#endTime ??= wallClock.now();
  }

  async #refreshed(): Promise<FrameStats> {
    // A device that has ended has counted before, and one in another namespace cannot be asked.
    return this.#device.refreshStats().catch(() => this.#device.stats);
  }

  #frame(direction: FrameDirection, memory: Buffer, start: number, end: number, timestamp: bigint): void {
    const written = this.#write(direction, memory, start, end, timestamp);
    // Not before: a file of a ring that ends here has the counts of the frames in it.
    this.counts.seen += 1;
    if (written === undefined) return;
    this.counts.accepted += 1;
    if (written) this.counts.written += 1;
  }

  /** Undefined if it is not to be captured; false if there was no room. */
  #write(
    direction: FrameDirection,
    memory: Buffer,
    start: number,
    end: number,
    timestamp: bigint,
  ): boolean | undefined {
    const first = Math.min(start + this.#headerBytes, end);
    const comments = this.#headerBytes > 0 ? headerComments(this.#headers, memory.subarray(start, end)) : [];
    const { filter, snapLength } = this.#sink;
    if (filter !== undefined && !this.#accepts(filter, memory.subarray(first, end), direction, comments))
      return undefined;
    // The filter may have ended the capture.
    if (this.#endTime !== undefined) return undefined;
    return this.#sink.frame({
      interface: this.#id,
      timestamp,
      memory,
      start: first,
      end: Math.min(end, first + snapLength),
      originalLength: end - first,
      direction,
      options:
        comments.length === 0 ? undefined : new OptionList().texts(OPTION.comment, comments).encodeOpen(),
    });
  }

  #accepts(filter: CaptureFilter, frame: Buffer, direction: FrameDirection, comments: string[]): boolean {
    if (this.#inFilter) return true;
    this.#inFilter = true;
    const accepted = this.#ask(filter, frame, direction, comments);
    this.#inFilter = false;
    return accepted;
  }

  #ask(filter: CaptureFilter, frame: Buffer, direction: FrameDirection, comments: string[]): boolean {
    try {
      return verdict('filter', filter(frame, direction));
    } catch (error) {
      this.#sink.filterFailed(error);
      comments.push(`the filter threw: ${textOf(error)}`);
      return true;
    }
  }
}

type Drops = Partial<Record<string, number>>;

function dropsSince(before: Drops, now: Drops): [string, number][] {
  return Object.entries(now)
    .map(([reason, count = 0]): [string, number] => [reason, count - (before[reason] ?? 0)])
    .filter(([, count]) => count > 0);
}

function dropComment(what: string, drops: [string, number][]): string | undefined {
  if (drops.length === 0) return undefined;
  return `${what}: ${drops.map(([reason, count]) => `${reason} ${count}`).join(', ')}`;
}

const MAX_TEXT = 200;

/** What was thrown, in a line that fits a comment. */
export function textOf(thrown: unknown): string {
  try {
    return String(thrown).slice(0, MAX_TEXT);
  } catch {
    return 'something without a text';
  }
}
