/** What `capture()` is given, and the checks of it. */
import type { Writable } from 'node:stream';
import { checkSignal } from '../base/abort.js';
import { checkInteger, checkObject, checkOptionNames, checkPath, isList, optional } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { type FrameDirection, OBSERVE } from '../descriptor/observers.js';
import type { FrameStream } from '../frames/stream.js';
import { MAX_FRAME_BYTES } from './pcapng/format.js';
import {
  checkSnapLength,
  checkWritable,
  checkWriterOptions,
  type PcapngWriterOptions,
  type WriterSettings,
} from './pcapng/writer-options.js';

const MIN_RING_BYTES = 16 * 1024;
const MAX_RING_FILES = 100_000;

/**
 * Chooses frames: called for each, with the bytes that would be captured. They are others' frames: do not change them,
 * and copy what is to be kept.
 */
export type CaptureFilter = (frame: Buffer, direction: FrameDirection) => boolean;

/** A ring of files. */
export interface CaptureRing {
  /** The most bytes of a file: at least 16384. */
  bytes: number;
  /** The most files that are kept, at least 1: the oldest is removed when there is one more. */
  files: number;
}

/** Options of {@link capture}. */
export interface CaptureOptions extends PcapngWriterOptions {
  /** The most bytes that are captured of each frame. Default 262144, more than any frame. */
  snapLength?: number | undefined;
  /**
   * Chooses the frames that are captured. Default all. A filter that throws does not disturb the device: the frame is
   * captured, with the error as its comment, and counted in `stats.filterErrors`.
   */
  filter?: CaptureFilter | undefined;
  /** Writes several files in turn. Needs a path: `trace.pcapng` becomes `trace-00001.pcapng`, `trace-00002.pcapng`, … */
  ring?: CaptureRing | undefined;
  /** Ends the capture as `close()` does, when it is aborted. */
  signal?: AbortSignal | undefined;
}

/** {@link CaptureOptions}, checked. */
export interface CaptureSettings extends WriterSettings {
  snapLength: number;
  filter: CaptureFilter | undefined;
  ring: CaptureRing | undefined;
  signal: AbortSignal | undefined;
}

export function checkCaptureOptions(options: unknown): CaptureSettings {
  const writer = checkWriterOptions('capture', options, ['snapLength', 'filter', 'ring', 'signal']);
  const given: CaptureOptions = checkObject('options', options);
  const { snapLength = MAX_FRAME_BYTES, filter } = given;
  if (filter !== undefined && typeof filter !== 'function') {
    throw invalidArgument('filter', 'a function', filter);
  }
  return {
    ...writer,
    snapLength: checkSnapLength('snapLength', snapLength),
    filter,
    ring: optional(given.ring, checkRing),
    signal: checkSignal(given.signal),
  };
}

function checkRing(value: unknown): CaptureRing {
  const { bytes, files, ...others }: Partial<CaptureRing> = checkObject('ring', value);
  checkOptionNames('capture', others, [], 'ring');
  return {
    bytes: checkInteger('ring.bytes', bytes, MIN_RING_BYTES, Number.MAX_SAFE_INTEGER),
    files: checkInteger('ring.files', files, 1, MAX_RING_FILES),
  };
}

/** A path, or a Writable. */
export function checkTarget(value: unknown, ring: CaptureRing | undefined): string | Writable {
  if (typeof value === 'string') return checkPath('target', value);
  if (ring !== undefined) throw invalidArgument('target', 'a path, as ring needs one', value);
  return checkWritable('target', value);
}

/** One device or a list of them, each once. */
export function checkDevices(value: unknown): FrameStream[] {
  const list: unknown[] = isList(value) ? [...value] : [value];
  return list.map((one, i) => {
    const argument = isList(value) ? `device[${i}]` : 'device';
    const device = checkDevice(argument, one);
    if (list.indexOf(one) < i) throw invalidArgument(argument, 'another device than those before', one);
    return device;
  });
}

export function checkDevice(argument: string, value: unknown): FrameStream {
  if (isDevice(value)) return value;
  throw invalidArgument(argument, 'a device', value);
}

/** By what it can do, as it may be of another copy of this library. */
function isDevice(value: unknown): value is FrameStream {
  try {
    return typeof value === 'object' && value !== null && OBSERVE in value;
  } catch {
    return false;
  }
}
