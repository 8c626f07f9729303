/** The frames of a device from one moment on, and what a test expects of them. */
import { checkSignal, onAbort } from '../../base/abort.js';
import {
  checkBoolean,
  checkInteger,
  checkObject,
  checkOneOf,
  checkOptionNames,
  checkPath,
  refuseSurplus,
} from '../../base/checks.js';
import { TapfdError } from '../../base/errors.js';
import { type FrameDirection, OBSERVE } from '../../descriptor/observers.js';
import type { FrameStream } from '../../frames/stream.js';
import type { Packet } from '../../packets/index.js';
import { checkDevice, MAX_TIMEOUT_MS } from './expect-frame.js';
import {
  type FrameExpectationError,
  missing,
  type Sightings,
  unexpected,
  unknown,
} from './expectation-error.js';
import { failWith } from './failure-record.js';
import { Forgotten } from './forgotten.js';
import { decoderOf, type FrameMatch, type Matcher, matcherOf, type SeenFrame } from './match.js';
import { isNoise, seesNoise } from './noise.js';
import { RecentFrames } from './recent-frames.js';
import { saveTraffic, Traffic } from './traffic.js';

const DEFAULT_WITHIN_MS = 2000;
const DEFAULT_FOR_MS = 200;

/** Options of {@link captureFrames}. */
export interface CaptureFramesOptions {
  /**
   * Whether to read the device: a device that nobody reads gives no frames. false where the code under test reads it. Default
   * true.
   */
  read?: boolean | undefined;
  /**
   * The most bytes of frames that are kept; the oldest go first, and {@link FrameLog.none} then fails. Each frame takes about
   * 1 KB of memory beside its bytes. Default 16777216.
   */
  maxBytes?: number | undefined;
}

/** A frame that was captured. */
export interface LoggedFrame {
  /** All its bytes. */
  readonly frame: Buffer;
  /** What it says. */
  readonly packet: Packet;
  /** `in`: read from the device. `out`: written to it. */
  readonly direction: FrameDirection;
  /** Nanoseconds since 1970. */
  readonly timestamp: bigint;
}

/** What `expect()` and `none()` have in common. */
interface LookOptions {
  /** The frames to look at: those read, those written, or both. Default `'in'`. */
  direction?: FrameDirection | 'both' | undefined;
  /** Also look at neighbour discovery and MLD. Default false, unless the expectation names `icmpv6`. */
  noise?: boolean | undefined;
  /** Ends the waiting: the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** Options of {@link FrameLog.expect}. */
export interface ExpectOptions extends LookOptions {
  /** Milliseconds until it must have come. Default 2000. */
  within?: number | undefined;
}

/** Options of {@link FrameLog.none}. */
export interface NoneOptions extends LookOptions {
  /** Milliseconds in which none may come. Default 200. */
  for?: number | undefined;
}

const readers = new WeakMap<FrameStream, Set<FrameLog>>();

/** The captures that read a device: it is read until the last of them ends. */
function readersOf(device: FrameStream): Set<FrameLog> {
  const all = readers.get(device) ?? new Set();
  readers.set(device, all);
  return all;
}

/** The frames of a device from the capture's beginning on. Made by {@link captureFrames} and `net.capture()`. */
export class FrameLog implements AsyncDisposable {
  readonly #device: FrameStream;
  readonly #decode: (frame: Buffer) => SeenFrame;
  readonly #traffic: Traffic;
  readonly #waiting = new Set<() => void>();
  /** What `expect()` has returned is not found again. */
  readonly #taken = new WeakSet<LoggedFrame>();
  readonly #reads: boolean;
  readonly #stop: () => void;
  readonly #maxBytes: number;
  readonly #forgotten = new Forgotten();
  readonly #frames: RecentFrames<LoggedFrame>;
  #ended = false;

  /** @internal */
  constructor(device: FrameStream, { read, maxBytes }: { read: boolean; maxBytes: number }) {
    this.#device = device;
    this.#decode = decoderOf(device);
    this.#traffic = new Traffic(device);
    this.#frames = new RecentFrames(maxBytes, (one) =>
      this.#forgotten.note({
        direction: one.direction,
        isNoise: isNoise(one.packet),
        wasTaken: this.#taken.has(one),
      }),
    );
    this.#reads = read;
    this.#maxBytes = maxBytes;
    this.#stop = device[OBSERVE]({
      frames: (direction, memory, spans, count) => {
        for (let i = 0; i < count; i++) this.#add(direction, memory, spans[2 * i], spans[2 * i + 1]);
        this.#wake();
      },
      ended: () => {
        this.#ended = true;
        this.#wake();
      },
    });
    if (!read) return;
    readersOf(device).add(this);
    device.resume();
  }

  /** The frames so far, the oldest first. */
  get frames(): readonly LoggedFrame[] {
    return [...this.#frames];
  }

  /**
   * The first frame that is as expected, among all that came since the beginning and were not returned before; waits for it
   * if there is none.
   *
   * @throws FrameExpectationError `ERR_TAPFD_FRAME_EXPECTED`: it did not come in time.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ERR_TAPFD_CLOSED`: the device or the capture ended. The reason of
   * `signal`, and what `match` throws.
   */
  async expect(match: FrameMatch, options: ExpectOptions = {}): Promise<LoggedFrame> {
    const { matcher, look, ms } = this.#checkLook('expect', match, options, 'within', DEFAULT_WITHIN_MS);
    const found = await this.#find(matcher, look, ms, (one) => this.#taken.add(one));
    if (found !== undefined) return found;
    if (this.#ended)
      throw new TapfdError('ERR_TAPFD_CLOSED', `expect: the capture of ${this.#device.name} ended`);
    const seen = this.#sightings(matcher, look);
    return this.#fail(missing('expect', this.#device.name, matcher, `within ${ms} ms`, seen));
  }

  /**
   * Makes sure that no such frame came since the beginning (those that `expect()` returned do not count), and that none comes
   * for a time.
   *
   * @throws FrameExpectationError `ERR_TAPFD_FRAME_UNEXPECTED`: one came, or nobody knows: there was no room to keep all the
   * frames that it is about (`maxBytes`).
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`. The reason of `signal`, and what `match` throws.
   */
  async none(match: FrameMatch, options: NoneOptions = {}): Promise<void> {
    const { matcher, look, ms } = this.#checkLook('none', match, options, 'for', DEFAULT_FOR_MS);
    const found = await this.#find(matcher, look, ms);
    if (found !== undefined) await this.#fail(unexpected(this.#device.name, matcher, found));
    const { direction, noise } = look;
    const lost = this.#forgotten.count({ direction, noise: seesNoise(matcher, noise), taken: false });
    if (lost > 0) await this.#fail(unknown(this.#device.name, matcher, lost, this.#maxBytes));
  }

  /**
   * Writes the frames so far to a pcapng file.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`. The error of the file system.
   */
  async save(path: string): Promise<void> {
    checkPath('path', path);
    this.#traffic.frames = this.frames;
    await saveTraffic(path, [this.#traffic]);
  }

  /** Ends the capture: what waits fails, and the device is not read any more, unless another capture reads it. The frames remain. */
  async close(): Promise<void> {
    if (!this.#ended && this.#reads) this.#stopReading();
    this.#ended = true;
    this.#stop();
    this.#wake();
  }

  /** As {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #stopReading(): void {
    const others = readersOf(this.#device);
    others.delete(this);
    if (others.size === 0) this.#device.pause();
  }

  #fail(error: FrameExpectationError): Promise<never> {
    return failWith(this.#device, error);
  }

  #add(direction: FrameDirection, memory: Uint8Array, at: number, length: number): void {
    const frame = Buffer.allocUnsafeSlow(length);
    frame.set(memory.subarray(at, at + length));
    this.#frames.add({ ...this.#decode(frame), direction, timestamp: this.#traffic.now() });
  }

  #wake(): void {
    // A predicate of the caller's that throws must not disturb the device.
    for (const wake of this.#waiting) queueMicrotask(wake);
  }

  /** For the report: those that were returned before, too. */
  #sightings(
    matcher: Matcher,
    { direction, noise }: Look,
  ): Omit<Sightings, 'frames'> & { frames: LoggedFrame[] } {
    const all = this.frames.filter((one) => direction === 'both' || one.direction === direction);
    const frames = seesNoise(matcher, noise) ? all : all.filter(({ packet }) => !isNoise(packet));
    const forgotten = this.#forgotten.count({ direction, noise: seesNoise(matcher, noise), taken: true });
    return { frames, noise: all.length - frames.length, forgotten };
  }

  /** Whether a frame is one that a test waits for. Each is asked about once: there may be many, and each takes its time. */
  #isWanted(one: LoggedFrame, matcher: Matcher, { direction, noise }: Look): boolean {
    if (this.#taken.has(one)) return false;
    if (direction !== 'both' && one.direction !== direction) return false;
    if (isNoise(one.packet) && !seesNoise(matcher, noise)) return false;
    return matcher.fits(one);
  }

  /** @param take - Called with what is found before anybody else looks. */
  #find(
    matcher: Matcher,
    look: Look,
    ms: number,
    take?: (found: LoggedFrame) => void,
  ): Promise<LoggedFrame | undefined> {
    const { signal } = look;
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const settle = (how: () => void) => {
        clearTimeout(timer);
        forget();
        this.#waiting.delete(search);
        how();
      };
      let asked = 0;
      const next = () => {
        for (const one of this.#frames.from(asked)) {
          if (this.#isWanted(one, matcher, look)) return one;
        }
        asked = this.#frames.count;
        return undefined;
      };
      const search = () => {
        // It was called for each burst, and the first may have settled it.
        if (!this.#waiting.has(search)) return;
        try {
          const found = next();
          if (found !== undefined) take?.(found);
          if (found !== undefined || this.#ended) settle(() => resolve(found));
        } catch (error) {
          settle(() => reject(error));
        }
      };
      const timer = setTimeout(() => settle(() => resolve(undefined)), ms);
      const forget = onAbort(signal, () => settle(() => reject(signal?.reason)));
      this.#waiting.add(search);
      search();
    });
  }

  #checkLook(
    call: string,
    match: unknown,
    options: LookOptions & { within?: number | undefined; for?: number | undefined },
    name: 'within' | 'for',
    otherwise: number,
  ): { matcher: Matcher; look: Look; ms: number } {
    checkOptionNames(call, checkObject('options', options), ['direction', 'noise', 'signal', name]);
    return {
      matcher: matcherOf(match, this.#decode),
      ms: checkInteger(name, options[name] ?? otherwise, 0, MAX_TIMEOUT_MS),
      look: {
        direction: checkOneOf('direction', options.direction ?? 'in', ['in', 'out', 'both']),
        noise: checkBoolean('noise', options.noise ?? false),
        signal: checkSignal(options.signal),
      },
    };
  }
}

interface Look {
  direction: FrameDirection | 'both';
  noise: boolean;
  signal: AbortSignal | undefined;
}

const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;

/**
 * Keeps the frames of a device from now on, so that a test can say afterwards what must have come and what must not. Called
 * in the turn in which the device was opened, it misses none.
 *
 * @example
 * ```ts
 * import { captureFrames, createTestNetwork } from 'tapfd/testing';
 *
 * await using net = await createTestNetwork();
 * const tap = await net.tap({ addresses: ['10.0.0.1/24'] });
 * const seen = captureFrames(tap);
 * await net.exec('ping', ['-c', '1', '10.0.0.2']).catch(() => undefined);
 * await seen.expect({ arp: { operation: 'request', targetAddress: '10.0.0.2' } }, { within: 1000 });
 * await seen.none({ icmp: {} }, { for: 100 });
 * ```
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ERR_TAPFD_CLOSED`, `ERR_TAPFD_HANDED_OFF`.
 */
export function captureFrames(device: FrameStream, options: CaptureFramesOptions = {}): FrameLog {
  refuseSurplus('captureFrames', arguments, 2);
  const checked = checkDevice(device);
  checkOptionNames('captureFrames', checkObject('options', options), ['read', 'maxBytes']);
  const { read = true, maxBytes = DEFAULT_MAX_BYTES } = options;
  return new FrameLog(checked, {
    read: checkBoolean('read', read),
    maxBytes: checkInteger('maxBytes', maxBytes, 1, Number.MAX_SAFE_INTEGER),
  });
}
