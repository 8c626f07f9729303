/** Frames of a capture file, written to a device. */
import { setTimeout as delay } from 'node:timers/promises';
import { checkSignal } from '../../base/abort.js';
import {
  checkObject,
  checkOneOf,
  checkOptionNames,
  checkPath,
  refuseSurplus,
  verdict,
} from '../../base/checks.js';
import { invalidArgument, TapfdError } from '../../base/errors.js';
import { type CapturedFrame, PcapngReader } from '../../capture/index.js';
import type { FrameDirection } from '../../descriptor/observers.js';
import type { FrameStream } from '../../frames/stream.js';
import { checkDevice } from './expect-frame.js';

/** Options of {@link replay}. */
export interface ReplayOptions {
  /** As fast as the device takes them, or with the pauses of the file. Default `'fast'`. */
  timing?: 'fast' | 'original' | undefined;
  /** Which frames of a file that knows directions: those captured in this one. Default: all. */
  direction?: FrameDirection | undefined;
  /** Which frames: those for which it returns true. Default: all. */
  filter?: ((frame: CapturedFrame) => boolean) | undefined;
  /** Ends it: the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** The result of {@link replay}. */
export interface ReplayResult {
  /** Frames that were written. */
  frames: number;
  /** Frames that were not: refused by the device (too long, another source MAC), or cut short in the file. */
  refused: number;
}

const NANOSECONDS_A_MS = 1_000_000;

/**
 * Writes the frames of a pcapng or pcap file to a device, in the order of the file.
 *
 * @example
 * ```ts
 * import { createTestNetwork, replay } from 'tapfd/testing';
 *
 * await using net = await createTestNetwork();
 * const tap = await net.tap();
 * await replay(tap, 'test/dhcp.pcapng', { timing: 'original' });
 * ```
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ERR_TAPFD_CAPTURE_FORMAT`: no such file, or a damaged one;
 * `ERR_TAPFD_DEVICE_DIFFERS`: its frames are Ethernet and the device's are IP packets, or the other way round, or the device
 * has headers of its own in front (`packetInfo`, `vnetHeader`); `ERR_TAPFD_CLOSED`, `ERR_TAPFD_DEVICE_GONE`. The error of
 * the file system, and the reason of `signal`.
 */
export async function replay(
  device: FrameStream,
  path: string,
  options: ReplayOptions = {},
): Promise<ReplayResult> {
  refuseSurplus('replay', arguments, 3);
  const target = checkDevice(device);
  checkPath('path', path);
  const { timing, direction, filter, signal } = checkReplayOptions(options);
  signal?.throwIfAborted();
  checkHeaders(target);
  const result: ReplayResult = { frames: 0, refused: 0 };
  let first: { captured: bigint; written: number } | undefined;
  for await (const frame of new PcapngReader(path, { signal })) {
    if (direction !== undefined && frame.direction !== direction) continue;
    if (filter !== undefined && !verdict('filter', filter(frame))) continue;
    checkLinkType(target, frame);
    const { timestamp } = frame;
    if (timing === 'original' && timestamp !== undefined) {
      first ??= { captured: timestamp, written: performance.now() };
      const due = first.written + Number(timestamp - first.captured) / NANOSECONDS_A_MS;
      await delay(Math.max(0, due - performance.now()), undefined, { signal });
    }
    if (await writeOne(target, frame)) result.frames += 1;
    else result.refused += 1;
  }
  return result;
}

function checkReplayOptions(options: ReplayOptions) {
  checkOptionNames('replay', checkObject('options', options), ['timing', 'direction', 'filter', 'signal']);
  const { timing = 'fast', direction, filter } = options;
  if (filter !== undefined && typeof filter !== 'function') {
    throw invalidArgument('filter', 'a function', filter);
  }
  if (direction !== undefined) checkOneOf('direction', direction, ['in', 'out']);
  return {
    timing: checkOneOf('timing', timing, ['fast', 'original']),
    direction,
    filter,
    signal: checkSignal(options.signal),
  };
}

function checkHeaders({ name, vnetHeaderBytes, flags }: FrameStream): void {
  if (vnetHeaderBytes === 0 && !flags.packetInfo) return;
  const message = `replay: the frames of ${name} begin with headers that no file has; open it without packetInfo and vnetHeader`;
  throw new TapfdError('ERR_TAPFD_DEVICE_DIFFERS', message, { interface: name });
}

function checkLinkType({ name, kind }: FrameStream, frame: CapturedFrame): void {
  const wanted = kind === 'tun' ? 'raw' : 'ethernet';
  const { linkType } = frame.interface;
  if (linkType === wanted) return;
  const message = `replay: a frame of link type ${linkType}, and those of ${name} are ${wanted}`;
  throw new TapfdError('ERR_TAPFD_DEVICE_DIFFERS', message, { interface: name });
}

/** Whether the device took it. Its end is an error; one refused frame is not. */
async function writeOne(device: FrameStream, { bytes, originalLength }: CapturedFrame): Promise<boolean> {
  if (bytes.length < originalLength) return false;
  try {
    return (await device.writeBatch([bytes])) === 1;
  } catch (error) {
    if (error instanceof TapfdError && error.recoverable && !device.writableEnded) return false;
    throw error;
  }
}
