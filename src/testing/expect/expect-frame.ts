/**
 * src/testing/expect/: what a test expects of frames: waiting for one, differences that can be read. On top of capture and
 * packets.
 *
 * Here: reading a device until the frame comes.
 */
import { checkSignal, onAbort } from '../../base/abort.js';
import {
  checkBoolean,
  checkInteger,
  checkObject,
  checkOptionNames,
  refuseSurplus,
} from '../../base/checks.js';
import { invalidArgument } from '../../base/errors.js';
import { FrameDuplex } from '../../frames/duplex.js';
import type { FrameStream } from '../../frames/stream.js';
import { missing } from './expectation-error.js';
import { failWith } from './failure-record.js';
import { decoderOf, type FrameMatch, type Matcher, matcherOf, type SeenFrame } from './match.js';
import { isNoise, seesNoise } from './noise.js';

export const MAX_TIMEOUT_MS = 0x7fff_ffff;
const DEFAULT_TIMEOUT_MS = 2000;
/** Kept for the report; of more, only the number. */
const MAX_KEPT_FRAMES = 1000;

/** Options of {@link expectFrame}. */
export interface ExpectFrameOptions {
  /** How long it may take. Default 2000. */
  timeoutMs?: number | undefined;
  /** Ends the waiting: the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Also look at neighbour discovery and MLD. Default false, unless the expectation names `icmpv6`. */
  noise?: boolean | undefined;
}

/**
 * Reads frames of a device until the expected one comes. Frames before it are read and gone; those behind it are read next.
 *
 * @example
 * ```ts
 * import { createTestNetwork, expectFrame } from 'tapfd/testing';
 *
 * await using net = await createTestNetwork();
 * const tap = await net.tap({ addresses: ['10.0.0.1/24'] });
 * net.spawn('ping', ['-c', '1', '10.0.0.2']);
 * await expectFrame(tap, { arp: { operation: 'request', targetAddress: '10.0.0.2' } });
 * ```
 *
 * @param match - The fields that matter, a function that says whether it is the one, or all its bytes.
 * @returns The frame.
 * @throws FrameExpectationError `ERR_TAPFD_FRAME_EXPECTED`: it did not come in time. The message shows what did, and the
 * closest frame field by field.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ERR_TAPFD_INVALID_STATE`: the device is being read otherwise (then
 * {@link captureFrames} sees its frames, too); `ERR_TAPFD_CLOSED`, `ERR_TAPFD_DEVICE_GONE`, `ERR_TAPFD_HANDED_OFF`: the
 * device ended. The reason of `signal`, and what `match` throws.
 */
export async function expectFrame(
  stream: FrameStream,
  match: FrameMatch,
  options: ExpectFrameOptions = {},
): Promise<Buffer> {
  refuseSurplus('expectFrame', arguments, 3);
  const device = checkDevice(stream);
  const decode = decoderOf(device);
  const matcher = matcherOf(match, decode);
  const { timeoutMs, signal, noise } = checkExpectOptions(options);
  signal?.throwIfAborted();
  const wait = new Wait(device, decode, matcher, seesNoise(matcher, noise));
  const found = await wait.until(timeoutMs, signal);
  if (found !== undefined) return found.frame;
  signal?.throwIfAborted();
  const error = missing('expectFrame', device.name, matcher, `within ${timeoutMs} ms`, wait.sightings);
  return failWith(device, error);
}

export function checkDevice(value: unknown): FrameStream {
  if (FrameDuplex.is(value)) return value as FrameStream;
  throw invalidArgument('stream', 'a device', value);
}

function checkExpectOptions(options: ExpectFrameOptions) {
  checkOptionNames('expectFrame', checkObject('options', options), ['timeoutMs', 'signal', 'noise']);
  const { timeoutMs = DEFAULT_TIMEOUT_MS, noise = false } = options;
  return {
    timeoutMs: checkInteger('timeoutMs', timeoutMs, 0, MAX_TIMEOUT_MS),
    signal: checkSignal(options.signal),
    noise: checkBoolean('noise', noise),
  };
}

class Wait {
  readonly #device: FrameStream;
  readonly #decode: (frame: Buffer) => SeenFrame;
  readonly #matcher: Matcher;
  readonly #seesNoise: boolean;
  readonly #frames: SeenFrame[] = [];
  #noise = 0;
  #forgotten = 0;

  constructor(device: FrameStream, decode: (frame: Buffer) => SeenFrame, matcher: Matcher, noise: boolean) {
    this.#device = device;
    this.#decode = decode;
    this.#matcher = matcher;
    this.#seesNoise = noise;
  }

  get sightings() {
    return { frames: this.#frames, noise: this.#noise, forgotten: this.#forgotten };
  }

  /** The frame; undefined when the time is over. */
  async until(timeoutMs: number, signal: AbortSignal | undefined): Promise<SeenFrame | undefined> {
    // One that shares the frames with other readers could not stop in the middle.
    this.#device.receiverFor('expectFrame');
    const frames = this.#device.iterator({ destroyOnReturn: false });
    let isOver = false;
    const stop = () => {
      isOver = true;
      // A next() that waits is done then.
      void frames.return?.();
    };
    const timer = setTimeout(stop, timeoutMs);
    const forget = onAbort(signal, stop);
    try {
      for (;;) {
        const { done, value } = await frames.next();
        if (done) break;
        const seen = this.#decode(value);
        if (this.#look(seen)) return seen;
      }
      if (isOver) return undefined;
      throw this.#device.closedError('expectFrame');
    } finally {
      clearTimeout(timer);
      forget();
      await frames.return?.();
    }
  }

  #look(seen: SeenFrame): boolean {
    if (!this.#seesNoise && isNoise(seen.packet)) {
      this.#noise += 1;
      return false;
    }
    if (this.#matcher.fits(seen)) return true;
    this.#frames.push(seen);
    if (this.#frames.length > MAX_KEPT_FRAMES) {
      this.#frames.shift();
      this.#forgotten += 1;
    }
    return false;
  }
}
