/** What a PcapngWriter is given, and the checks of it. */
import { arch, release, type } from 'node:os';
import type { Writable } from 'node:stream';
import {
  checkBoolean,
  checkBytes,
  checkInteger,
  checkObject,
  checkOneOf,
  checkOptionNames,
  optional,
} from '../../base/checks.js';
import { invalidArgument } from '../../base/errors.js';
import type { FrameDirection } from '../../descriptor/observers.js';
import { checkMac } from '../../links/mac.js';
import { LINK_TYPES, MAX_FRAME_BYTES } from './format.js';
import { checkComments, checkOptionText } from './option-list.js';

const MIN_BUFFER_BYTES = 1024 * 1024;
const MAX_BUFFER_BYTES = 1024 * 1024 * 1024;
const DEFAULT_BUFFER_BYTES = 8 * 1024 * 1024;
const MAX_UINT16 = 0xffff;
const MAX_UINT32 = 0xffff_ffff;
const MAX_UINT64 = 2n ** 64n - 1n;

/** Options of {@link PcapngWriter}. */
export interface PcapngWriterOptions {
  /** The program that captured. Default `tapfd`. */
  application?: string | undefined;
  /** The operating system. Default its name and release. */
  os?: string | undefined;
  /** The machine. Default its architecture. */
  hardware?: string | undefined;
  /** Comments on the whole file. */
  comment?: string | readonly string[] | undefined;
  /**
   * The most bytes that wait in memory for the writable. A frame beyond is dropped and counted. 1 MiB to 1 GiB, default
   * 8 MiB.
   */
  bufferBytes?: number | undefined;
  /** Whether `close()` ends the writable. Default true; `process.stdout` and `process.stderr` are never ended. */
  end?: boolean | undefined;
}

/** An interface that frames were captured at: see {@link PcapngWriter.addInterface}. */
export interface CaptureInterface {
  /** Its name. */
  name?: string | undefined;
  /** What it is. */
  description?: string | undefined;
  /**
   * What its frames begin with: `ethernet`, `raw` (an IP header), or the number of another link type
   * (https://www.tcpdump.org/linktypes.html).
   */
  linkType: 'ethernet' | 'raw' | number;
  /** The most bytes that were captured of each frame. Default 262144, more than any frame. */
  snapLength?: number | undefined;
  /** Its MAC. */
  mac?: string | undefined;
  /** Its speed, in bits per second. */
  speed?: bigint | number | undefined;
  /** The filter that chose its frames, as text. */
  filter?: string | undefined;
  /** The operating system that it is part of, if not that of the file. */
  os?: string | undefined;
  /** The hardware that it is. */
  hardware?: string | undefined;
  /** Comments on it. */
  comment?: string | readonly string[] | undefined;
}

/** A frame for {@link PcapngWriter.writeFrame}. */
export interface FrameToWrite {
  /** What `addInterface()` returned. */
  interface: number;
  /** When it was captured: nanoseconds since 1970. Default now. */
  timestamp?: bigint | undefined;
  /** Its bytes, from the header that the interface's link type says. */
  bytes: Uint8Array;
  /** Its bytes on the wire, if not all were captured. Default the length of `bytes`. */
  originalLength?: number | undefined;
  /** Its direction. */
  direction?: FrameDirection | undefined;
  /** Comments on it. */
  comment?: string | readonly string[] | undefined;
  /** Frames of this interface that were lost since the one before, besides those that this writer dropped. */
  dropCount?: bigint | number | undefined;
  /** The queue of the interface that it came by. */
  queue?: number | undefined;
  /** A number that a frame has wherever it is captured. */
  packetId?: bigint | undefined;
}

/** What {@link PcapngWriter.writeStatistics} says of an interface. All numbers are frames. */
export interface InterfaceStatistics {
  /** What `addInterface()` returned. */
  interface: number;
  /** When this was counted: nanoseconds since 1970. Default now. */
  timestamp?: bigint | undefined;
  /** When the capture began. */
  startTime?: bigint | undefined;
  /** When it ended. */
  endTime?: bigint | undefined;
  /** Frames that the interface received. */
  received?: bigint | number | undefined;
  /** Frames that the interface dropped. */
  dropped?: bigint | number | undefined;
  /** Frames that the filter accepted. */
  accepted?: bigint | number | undefined;
  /** Frames that passed the filter and were dropped before they were written. */
  osDropped?: bigint | number | undefined;
  /** Frames that were written. */
  delivered?: bigint | number | undefined;
  /** Comments on it. */
  comment?: string | readonly string[] | undefined;
}

/** {@link PcapngWriterOptions}, checked. */
export interface WriterSettings {
  application: string;
  os: string;
  hardware: string;
  comments: string[];
  bufferBytes: number;
  end: boolean;
}

export const WRITER_OPTIONS = ['application', 'os', 'hardware', 'comment', 'bufferBytes', 'end'] as const;

/** @param more - Names of options that `call` has besides. */
export function checkWriterOptions(
  call: string,
  options: unknown,
  more: readonly string[] = [],
): WriterSettings {
  const given: PcapngWriterOptions = checkObject('options', options);
  checkOptionNames(call, given, [...WRITER_OPTIONS, ...more]);
  const { bufferBytes = DEFAULT_BUFFER_BYTES, end = true } = given;
  return {
    application: checkOptionText('application', given.application ?? 'tapfd'),
    os: checkOptionText('os', given.os ?? `${type()} ${release()}`),
    hardware: checkOptionText('hardware', given.hardware ?? arch()),
    comments: checkComments('comment', given.comment),
    bufferBytes: checkInteger('bufferBytes', bufferBytes, MIN_BUFFER_BYTES, MAX_BUFFER_BYTES),
    end: checkBoolean('end', end),
  };
}

/** A stream that can be written to, by what it can do: that of another realm or package is as good. */
export function checkWritable(argument: string, value: unknown): Writable {
  if (isWritable(value)) return value;
  throw invalidArgument(argument, 'a Writable', value);
}

function isWritable(value: unknown): value is Writable {
  try {
    const { write, end, on } = value as Writable;
    return [write, end, on].every((method) => typeof method === 'function');
  } catch {
    return false;
  }
}

/** {@link CaptureInterface}, checked. */
export interface InterfaceSettings extends Omit<CaptureInterface, 'comment' | 'linkType' | 'mac' | 'speed'> {
  linkType: number;
  snapLength: number;
  mac: Buffer | undefined;
  speed: bigint | undefined;
  comments: string[];
}

const INTERFACE_TEXTS = ['name', 'description', 'filter', 'os', 'hardware'] as const;

export function checkCaptureInterface(value: unknown): InterfaceSettings {
  const given: Partial<CaptureInterface> = checkObject('interface', value);
  const names = [...INTERFACE_TEXTS, 'linkType', 'snapLength', 'mac', 'speed', 'comment'];
  checkOptionNames('addInterface', given, names, 'interface');
  const { snapLength = MAX_FRAME_BYTES } = given;
  return {
    ...Object.fromEntries(
      INTERFACE_TEXTS.map((name) => [
        name,
        optional(given[name], (text) => checkOptionText(`interface.${name}`, text)),
      ]),
    ),
    linkType: linkTypeOf(given.linkType),
    snapLength: checkSnapLength('interface.snapLength', snapLength),
    mac: optional(given.mac, (mac) => checkMac('interface.mac', mac)),
    speed: checkCount('interface.speed', given.speed),
    comments: checkComments('interface.comment', given.comment),
  };
}

export function checkSnapLength(argument: string, value: unknown): number {
  return checkInteger(argument, value, 1, MAX_FRAME_BYTES);
}

function linkTypeOf(value: unknown): number {
  if (typeof value === 'number') return checkInteger('interface.linkType', value, 0, MAX_UINT16);
  return LINK_TYPES[checkOneOf('interface.linkType', value, ['ethernet', 'raw'])];
}

/** {@link FrameToWrite}, checked. */
export interface FrameSettings {
  interface: number;
  timestamp: bigint | undefined;
  bytes: Buffer;
  originalLength: number;
  direction: FrameDirection | undefined;
  comments: string[];
  dropCount: bigint;
  queue: number | undefined;
  packetId: bigint | undefined;
}

const FRAME_FIELDS = [
  'interface',
  'timestamp',
  'bytes',
  'originalLength',
  'direction',
  'comment',
  'dropCount',
  'queue',
  'packetId',
];

/** @param interfaces - How many there are. @param snapLengthOf - That of an interface. */
export function checkFrameToWrite(value: unknown, snapLengths: readonly number[]): FrameSettings {
  const given: Partial<FrameToWrite> = checkObject('frame', value);
  checkOptionNames('writeFrame', given, FRAME_FIELDS, 'frame');
  const id = checkInterfaceId('frame.interface', given.interface, snapLengths.length);
  const bytes = checkBytes('frame.bytes', given.bytes);
  const snapLength = snapLengths[id];
  if (bytes.length > snapLength) {
    throw invalidArgument(
      'frame.bytes',
      `at most the interface's snapLength, ${snapLength} bytes`,
      bytes.length,
    );
  }
  const { originalLength = bytes.length } = given;
  return {
    interface: id,
    timestamp: checkTime('frame.timestamp', given.timestamp),
    bytes,
    originalLength: checkInteger('frame.originalLength', originalLength, bytes.length, MAX_UINT32),
    direction: optional(given.direction, (one) => checkOneOf('frame.direction', one, ['in', 'out'])),
    comments: checkComments('frame.comment', given.comment),
    dropCount: checkCount('frame.dropCount', given.dropCount) ?? 0n,
    queue: optional(given.queue, (queue) => checkInteger('frame.queue', queue, 0, MAX_UINT32)),
    packetId: checkCount('frame.packetId', given.packetId),
  };
}

/** {@link InterfaceStatistics}, checked. */
export interface StatisticsSettings extends Omit<InterfaceStatistics, 'comment'> {
  comments: string[];
}

const TIMES = ['timestamp', 'startTime', 'endTime'] as const;
const COUNTS = ['received', 'dropped', 'accepted', 'osDropped', 'delivered'] as const;

export function checkInterfaceStatistics(value: unknown, interfaces: number): StatisticsSettings {
  const given: Partial<InterfaceStatistics> = checkObject('statistics', value);
  checkOptionNames('writeStatistics', given, ['interface', ...TIMES, ...COUNTS, 'comment'], 'statistics');
  return {
    interface: checkInterfaceId('statistics.interface', given.interface, interfaces),
    ...Object.fromEntries([
      ...TIMES.map((name) => [name, checkTime(`statistics.${name}`, given[name])]),
      ...COUNTS.map((name) => [name, checkCount(`statistics.${name}`, given[name])]),
    ]),
    comments: checkComments('statistics.comment', given.comment),
  };
}

function checkInterfaceId(argument: string, value: unknown, interfaces: number): number {
  if (interfaces === 0)
    throw invalidArgument(argument, 'the number of an added interface: there is none', value);
  return checkInteger(argument, value, 0, interfaces - 1);
}

function checkTime(argument: string, value: unknown): bigint | undefined {
  return optional(value, (time) => {
    if (typeof time === 'bigint' && time >= 0n && time <= MAX_UINT64) return time;
    throw invalidArgument(argument, 'a bigint of nanoseconds since 1970', time);
  });
}

function checkCount(argument: string, value: unknown): bigint | undefined {
  return optional(value, (count) => {
    if (typeof count === 'bigint' && count >= 0n && count <= MAX_UINT64) return count;
    if (typeof count === 'number') return BigInt(checkInteger(argument, count, 0, Number.MAX_SAFE_INTEGER));
    throw invalidArgument(argument, 'a number or bigint from 0', count);
  });
}
