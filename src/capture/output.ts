/** Where a capture writes: one Writable, or the files of a ring in turn. */
import { once } from 'node:events';
import { unlink } from 'node:fs/promises';
import { format, parse } from 'node:path';
import type { Writable } from 'node:stream';
import type { CaptureRing, CaptureSettings } from './capture-options.js';
import { writeStreamOf } from './pcapng/file-streams.js';
import type { Budget } from './pcapng/outlet.js';
import { type SectionFrame, SectionWriter } from './pcapng/section.js';
import type { InterfaceSettings, StatisticsSettings } from './pcapng/writer-options.js';

export type TimedStatistics = StatisticsSettings & { timestamp: bigint };

/** Room that a file of a ring keeps for the statistics of each interface. */
const STATISTICS_BYTES = 1024;

export class CaptureOutput {
  /** Files so far: 1 without a ring. */
  files = 0;
  readonly #target: string | Writable;
  readonly #settings: CaptureSettings;
  readonly #budget: Budget;
  readonly #statistics: () => TimedStatistics[];
  readonly #failed: (error: Error) => void;
  readonly #interfaces: InterfaceSettings[] = [];
  readonly #opened: Promise<unknown>;
  /** Complete files of a ring that are kept, oldest first. */
  readonly #kept: string[] = [];
  /** Files that are being completed or removed. */
  readonly #work = new Set<Promise<void>>();
  #section: SectionWriter;
  #hasFrames = false;
  /** Bytes of the files before. */
  #bytesBefore = 0;

  /**
   * @param statistics - Those of all interfaces, for the end of each file.
   * @param failed - Called when nothing more can be written.
   */
  constructor(
    target: string | Writable,
    settings: CaptureSettings,
    statistics: () => TimedStatistics[],
    failed: (error: Error) => void,
  ) {
    this.#target = target;
    this.#settings = settings;
    this.#budget = { bytes: settings.bufferBytes, pending: 0 };
    this.#statistics = statistics;
    this.#failed = failed;
    const writable = this.#openNext();
    this.#section = this.#begin(writable);
    this.#opened = writable === target ? Promise.resolve() : once(writable, 'open');
    // Its failure is the section's as well, and opened() may not be asked.
    this.#opened.catch(() => undefined);
  }

  /** Bytes of all files. */
  get bytes(): number {
    return this.#bytesBefore + this.#section.bytes;
  }

  /** Resolves when the first file is open. */
  async opened(): Promise<void> {
    await this.#opened;
  }

  /** Returns its number, which is the same in each file. */
  addInterface(settings: InterfaceSettings): number {
    this.#interfaces.push(settings);
    return this.#section.addInterface(settings);
  }

  /** False if there is no room. */
  frame(frame: SectionFrame): boolean {
    const { ring } = this.#settings;
    if (ring !== undefined && this.#isFull(ring, SectionWriter.sizeOf(frame))) this.#turn(ring);
    this.#hasFrames = true;
    return this.#section.frame(frame);
  }

  /** Writes the statistics, and resolves when everything is in its file. */
  async close(): Promise<void> {
    for (const statistics of this.#statistics()) this.#section.statistics(statistics);
    await this.#section.close();
    await Promise.all(this.#work);
  }

  /** Gives up: what is not written is lost. */
  abandon(error: Error): void {
    this.#section.abandon(error);
  }

  #openNext(): Writable {
    this.files += 1;
    const target = this.#target;
    if (typeof target !== 'string') return target;
    return writeStreamOf(this.#settings.ring === undefined ? target : numbered(target, this.files));
  }

  #begin(writable: Writable): SectionWriter {
    const section = new SectionWriter(writable, this.#settings, this.#budget, this.#failed);
    for (const settings of this.#interfaces) section.addInterface(settings);
    this.#hasFrames = false;
    return section;
  }

  #isFull({ bytes }: CaptureRing, more: number): boolean {
    if (!this.#hasFrames) return false;
    return this.#section.bytes + more + STATISTICS_BYTES * this.#interfaces.length > bytes;
  }

  /** Completes this file of the ring, begins the next, and removes the oldest if there is one too many. */
  #turn({ files }: CaptureRing): void {
    const section = this.#section;
    for (const statistics of this.#statistics()) section.statistics(statistics);
    this.#bytesBefore += section.bytes;
    this.#kept.push(numbered(this.#target as string, this.files));
    this.#section = this.#begin(this.#openNext());
    const surplus = this.#kept.length >= files ? this.#kept.shift() : undefined;
    this.#do(completed(section, surplus));
  }

  #do(work: Promise<void>): void {
    const watched = work.catch(this.#failed).finally(() => this.#work.delete(watched));
    this.#work.add(watched);
  }
}

async function completed(section: SectionWriter, surplus: string | undefined): Promise<void> {
  await section.close();
  if (surplus === undefined) return;
  await unlink(surplus).catch((error: NodeJS.ErrnoException) => {
    // Somebody has moved it away, to keep it.
    if (error.code !== 'ENOENT') throw error;
  });
}

/** `trace.pcapng` with the number 1 is `trace-00001.pcapng`. */
function numbered(path: string, number: number): string {
  const { dir, name, ext } = parse(path);
  return format({ dir, name: `${name}-${String(number).padStart(5, '0')}`, ext });
}
