/** Captures the frames of devices while other code reads and writes them. */
import type { Writable } from 'node:stream';
import { onAbort } from '../base/abort.js';
import { refuseSurplus } from '../base/checks.js';
import { invalidArgument, TapfdError } from '../base/errors.js';
import { OBSERVE, type Observe } from '../descriptor/observers.js';
import type { FrameStream } from '../frames/stream.js';
import {
  type CaptureOptions,
  type CaptureSettings,
  checkCaptureOptions,
  checkDevice,
  checkDevices,
  checkTarget,
} from './capture-options.js';
import { CapturedDevice, type FrameSink, textOf } from './captured-device.js';
import { CaptureOutput } from './output.js';

/** What a {@link Capture} has seen and written. */
export interface CaptureStats {
  /** Frames that passed the devices, both ways. */
  seen: number;
  /** Of those, frames that were written, or are on their way. */
  written: number;
  /** Of those, frames that the filter refused. */
  filtered: number;
  /** Of those, frames that found no room: the writable was too slow for `bufferBytes`. */
  dropped: number;
  /** How often the filter threw. Those frames were captured. */
  filterErrors: number;
  /** Bytes of all files. */
  bytes: number;
  /** Files so far, those of a ring that are removed included. */
  files: number;
}

/**
 * Captures what passes through devices, in both directions, into a pcapng file or a Writable (a pipe to
 * `tshark -i -`): what other code reads and writes, in whatever way. The frames themselves are not touched, and a device that
 * nobody captures has no cost from it.
 *
 * - `in` is what the program reads, `out` what it writes and the kernel takes: frames that are refused or lost are not shown.
 *   Frames are captured only while something reads the device.
 * - Each device is one interface, Ethernet for TAP and macvtap, raw IP for TUN. Packet information and vnet headers are no
 *   part of what is captured. What a vnet header says is a comment: `vnet: gso tcp4 size 1448 …` marks a super-frame, and
 *   `csum … not filled in` a checksum that is not complete.
 * - Times are the system's clock in nanoseconds, the same for all frames of one burst.
 * - Frames reach the writable by the end of the turn of the event loop. One that is too slow costs frames of the capture, not
 *   of the device: see `bufferBytes`.
 * - At the end each interface has its statistics: frames received, dropped by the kernel or the device, accepted by the filter,
 *   dropped for want of room, written. Comments name the drops by reason.
 *
 * It ends by `close()`, by the `signal`, when all its devices have ended, or when the writable fails.
 *
 * @example
 * ```ts
 * import { once } from 'node:events';
 * import { openTap } from 'tapfd';
 * import { capture } from 'tapfd/capture';
 *
 * const tap = await openTap();
 * await using trace = await capture(tap, 'trace.pcapng', { filter: (frame) => frame.length > 60 });
 * tap.resume();
 * await once(process, 'SIGINT');
 * console.log(trace.stats);
 * ```
 *
 * Needs no privilege.
 *
 * @param device - A device or several. An empty list is filled by {@link Capture.add}.
 * @param target - A path, whose file is made or overwritten, or a Writable, which is ended at the end unless `end` is false.
 *   The path of a FIFO waits, without a thread, until somebody reads it.
 * @returns When the file is open. Frames are captured from the call on.
 * @throws TapfdError
 * - `ERR_TAPFD_INVALID_ARGUMENT`.
 * - `ERR_TAPFD_CLOSED`, `ERR_TAPFD_HANDED_OFF`: a device that is no more. The target is not touched.
 * @throws The error of `fs.open()` (`ENOENT`, `EACCES`, …) or of the writable; the reason of `signal`, if it was aborted
 *   before the file was open.
 */
export async function capture(
  device: FrameStream | readonly FrameStream[],
  target: string | Writable,
  options: CaptureOptions = {},
): Promise<Capture> {
  refuseSurplus('capture', arguments, 3);
  const settings = checkCaptureOptions(options);
  const devices = checkDevices(device);
  const checked = checkTarget(target, settings.ring);
  settings.signal?.throwIfAborted();
  return Capture.start(devices, checked, settings);
}

/** A capture that runs. Made by {@link capture}. */
export class Capture {
  readonly #settings: CaptureSettings;
  readonly #output: CaptureOutput;
  readonly #devices = new Map<FrameStream, CapturedDevice>();
  readonly #running = new Set<CapturedDevice>();
  readonly #sink: FrameSink;
  readonly #finished: Promise<CaptureStats>;
  #settle!: { resolve: (stats: CaptureStats) => void; reject: (error: Error) => void };
  #letSignalGo: (() => void) | undefined;
  #filterErrors = 0;
  /** Ends when its devices have. */
  #endsWithDevices: boolean;
  #state: 'running' | 'ending' | 'ended' = 'running';
  /** Somebody will hear how it ends. */
  #isAwaited = false;

  private constructor(devices: readonly FrameStream[], target: string | Writable, settings: CaptureSettings) {
    const { snapLength, filter } = settings;
    this.#settings = settings;
    this.#endsWithDevices = devices.length > 0;
    this.#finished = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#finished.catch(() => undefined);
    this.#output = new CaptureOutput(
      target,
      settings,
      () => [...this.#devices.values()].map((one) => one.statistics()),
      (error) => this.#fail(error),
    );
    this.#sink = {
      snapLength,
      filter,
      frame: (frame) => this.#output.frame(frame),
      filterFailed: (error) => this.#filterFailed(error),
      deviceEnded: (device) => this.#deviceEnded(device),
    };
  }

  /** @internal */
  static async start(
    devices: readonly FrameStream[],
    target: string | Writable,
    settings: CaptureSettings,
  ): Promise<Capture> {
    // They throw where a device has ended: before its target is touched.
    const observed = devices.map((device): [FrameStream, Observe] => [device, device[OBSERVE]]);
    const made = new Capture(devices, target, settings);
    made.#isAwaited = true;
    try {
      const begun = observed.map(([device, observe]) => made.#add(device, observe).begin());
      let isOpen = false;
      // A FIFO opens when somebody reads it, perhaps never.
      const abort = () => (isOpen ? made.#end() : made.#fail(settings.signal?.reason));
      made.#letSignalGo = onAbort(settings.signal, abort);
      await Promise.all([made.#output.opened(), ...begun]);
      isOpen = true;
    } catch (error) {
      made.#fail(error as Error);
    }
    // Where it has failed, that says what came first.
    if (made.#state === 'ended') await made.#finished;
    made.#isAwaited = false;
    return made;
  }

  /** What was seen and written so far. */
  get stats(): CaptureStats {
    const counts = [...this.#devices.values()].map((device) => device.counts);
    const sum = (of: 'seen' | 'accepted' | 'written') => counts.reduce((all, one) => all + one[of], 0);
    const [seen, accepted, written] = [sum('seen'), sum('accepted'), sum('written')];
    return {
      seen,
      written,
      filtered: seen - accepted,
      dropped: accepted - written,
      filterErrors: this.#filterErrors,
      bytes: this.#output.bytes,
      files: this.#output.files,
    };
  }

  /**
   * Resolves when the capture has ended and everything is written: by `close()`, the signal, or the end of its devices.
   * Rejects when the writable has failed; that does not disturb the devices. Where nobody has asked for this promise or
   * called `close()`, a failure is a process warning.
   */
  get finished(): Promise<CaptureStats> {
    this.#isAwaited = true;
    return this.#finished;
  }

  /**
   * Captures another device as well, from the call on.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for one that is captured here already; `ERR_TAPFD_CLOSED` when the capture
   *   or the device has ended, `ERR_TAPFD_HANDED_OFF`.
   */
  add(device: FrameStream): void {
    refuseSurplus('add', arguments, 1);
    checkDevice('device', device);
    if (this.#state !== 'running') throw new TapfdError('ERR_TAPFD_CLOSED', 'add: the capture has ended');
    if (this.#devices.has(device)) {
      throw invalidArgument('device', 'one that this capture does not have yet', device);
    }
    this.#add(device, device[OBSERVE]).begin();
  }

  /**
   * Ends the capture, and waits until everything is written. The devices are not disturbed. It may be called again, and after
   * another end.
   *
   * @returns What was captured.
   * @throws The writable's error; TapfdError `ERR_TAPFD_CLOSED` if it was closed before everything was written.
   */
  async close(): Promise<CaptureStats> {
    this.#isAwaited = true;
    this.#end();
    return this.#finished;
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #add(device: FrameStream, observe: Observe): CapturedDevice {
    const { snapLength, filter } = this.#settings;
    const id = this.#output.addInterface(CapturedDevice.describe(device, snapLength, filter !== undefined));
    const captured = new CapturedDevice(device, observe, id, this.#sink);
    this.#devices.set(device, captured);
    this.#running.add(captured);
    return captured;
  }

  #filterFailed(error: unknown): void {
    this.#filterErrors += 1;
    if (this.#filterErrors > 1) return;
    warn(`the filter of a capture threw: ${textOf(error)} (stats.filterErrors counts how often)`);
  }

  #deviceEnded(device: CapturedDevice): void {
    this.#running.delete(device);
    if (this.#endsWithDevices && this.#running.size === 0) this.#end();
  }

  #end(): void {
    if (this.#state !== 'running') return;
    this.#state = 'ending';
    this.#letSignalGo?.();
    const ended = Promise.all([...this.#running].map((device) => device.end()));
    ended
      .then(() => this.#output.close())
      .then(
        () => {
          this.#state = 'ended';
          this.#settle.resolve(this.stats);
        },
        (error) => this.#fail(error),
      );
  }

  #fail(error: Error): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#letSignalGo?.();
    for (const device of this.#running) device.stop();
    this.#output.abandon(error);
    if (!this.#isAwaited) warn(`a capture has ended: ${textOf(error)}`);
    this.#settle.reject(error);
  }
}

function warn(message: string): void {
  process.emitWarning(message, 'TapfdWarning');
}
