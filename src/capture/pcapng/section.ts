/** One section of a pcapng file, encoded: a header, interfaces, frames, statistics. */
import type { Writable } from 'node:stream';
import type { FrameDirection } from '../../descriptor/observers.js';
import { BLOCK, BYTE_ORDER_MAGIC, OPTION, padded } from './format.js';
import { encodeBlock, OptionList } from './option-list.js';
import { type Budget, Outlet } from './outlet.js';
import type { InterfaceSettings, StatisticsSettings, WriterSettings } from './writer-options.js';

/** Nanoseconds: 10 to the power of -9. */
const RESOLUTION = Buffer.of(9);
/** Of an enhanced packet block: what stands in front of the frame, and the length behind its options. */
const PACKET_BYTES = 28 + 4;
const FLAGS_BYTES = 8;
const END_BYTES = 4;
const DIRECTION_FLAGS: Record<FrameDirection, number> = { in: 1, out: 2 };

/** A frame, and what is said of it. */
export interface SectionFrame {
  interface: number;
  /** Nanoseconds since 1970. */
  timestamp: bigint;
  /** Where its bytes are, from `start` to `end`. */
  memory: Buffer;
  start: number;
  end: number;
  originalLength: number;
  direction: FrameDirection | undefined;
  /** Other options, without an end mark. */
  options: Buffer | undefined;
}

/** Writes blocks; of frames, those that there is room for. */
export class SectionWriter {
  /** Bytes of the section, those that wait included. */
  bytes = 0;
  readonly #outlet: Outlet;
  /** For each interface, the frames dropped since the last one that was written. */
  readonly #unreported: bigint[] = [];

  /** @param failed - Called once, when nothing more can be written. */
  constructor(writable: Writable, settings: WriterSettings, budget: Budget, failed: (error: Error) => void) {
    this.#outlet = new Outlet(writable, budget, settings.end, failed);
    this.#append(sectionHeader(settings));
  }

  /** Returns its number. */
  addInterface(settings: InterfaceSettings): number {
    this.#append(interfaceBlock(settings));
    return this.#unreported.push(0n) - 1;
  }

  /** Bytes that a frame takes in the file, at the least. */
  static sizeOf(frame: SectionFrame): number {
    const options = (frame.direction ? FLAGS_BYTES : 0) + (frame.options?.length ?? 0);
    return PACKET_BYTES + padded(frame.end - frame.start) + (options > 0 ? options + END_BYTES : 0);
  }

  /** False if it finds no room: it is dropped, and the interface's next frame says so. */
  frame(frame: SectionFrame): boolean {
    const unreported = this.#unreported[frame.interface];
    const whole = unreported === 0n ? frame : { ...frame, options: withDrops(unreported, frame.options) };
    const size = SectionWriter.sizeOf(whole);
    if (!this.#outlet.hasRoom(size)) {
      this.#unreported[frame.interface] += 1n;
      return false;
    }
    this.#unreported[frame.interface] = 0n;
    this.bytes += size;
    encodeFrame(whole, size, this.#outlet);
    return true;
  }

  /** Notes frames that were lost before they came here. */
  noteDrops(id: number, count: bigint): void {
    this.#unreported[id] += count;
  }

  /** Frames dropped since the last one of this interface that was written. */
  unreportedDrops(id: number): bigint {
    return this.#unreported[id];
  }

  statistics(settings: StatisticsSettings & { timestamp: bigint }): void {
    this.#unreported[settings.interface] = 0n;
    this.#append(statisticsBlock(settings));
  }

  /** Resolves when at least half of the budget is free. */
  ready(): Promise<void> {
    return this.#outlet.ready();
  }

  /** Resolves when all is written. */
  close(): Promise<void> {
    return this.#outlet.close();
  }

  /** Ends without waiting: what is not written is lost. */
  abandon(error: Error): void {
    this.#outlet.abandon(error);
  }

  #append(block: Buffer): void {
    this.bytes += block.length;
    this.#outlet.append(block);
  }
}

function withDrops(count: bigint, options: Buffer | undefined): Buffer {
  const drops = new OptionList().uint64(OPTION.packetDrops, count).encodeOpen();
  return options === undefined ? drops : Buffer.concat([drops, options]);
}

function encodeFrame(frame: SectionFrame, size: number, outlet: Outlet): void {
  const { timestamp, start, end, direction, options } = frame;
  let at = outlet.claim(size);
  const { memory } = outlet;
  const last = at + size - 4;
  memory.writeUInt32LE(BLOCK.enhancedPacket, at);
  memory.writeUInt32LE(size, at + 4);
  memory.writeUInt32LE(frame.interface, at + 8);
  memory.writeUInt32LE(Number(timestamp >> 32n), at + 12);
  memory.writeUInt32LE(Number(timestamp & 0xffff_ffffn), at + 16);
  memory.writeUInt32LE(end - start, at + 20);
  memory.writeUInt32LE(frame.originalLength, at + 24);
  at += 28;
  frame.memory.copy(memory, at, start, end);
  at += end - start;
  // The padding of the frame, and the end mark in front of the last length.
  memory.fill(0, at, at + padded(end - start) - (end - start));
  memory.fill(0, Math.max(at, last - END_BYTES), last);
  at += padded(end - start) - (end - start);
  if (direction !== undefined) {
    memory.writeUInt16LE(OPTION.packetFlags, at);
    memory.writeUInt16LE(4, at + 2);
    memory.writeUInt32LE(DIRECTION_FLAGS[direction], at + 4);
    at += FLAGS_BYTES;
  }
  options?.copy(memory, at);
  memory.writeUInt32LE(size, last);
}

function sectionHeader({ hardware, os, application, comments }: WriterSettings): Buffer {
  const body = Buffer.alloc(16);
  body.writeUInt32LE(BYTE_ORDER_MAGIC, 0);
  body.writeUInt16LE(1, 4);
  // The section's length is not known yet.
  body.writeBigInt64LE(-1n, 8);
  const options = new OptionList()
    .texts(OPTION.comment, comments)
    .text(OPTION.sectionHardware, hardware)
    .text(OPTION.sectionOs, os)
    .text(OPTION.sectionApplication, application);
  return encodeBlock(BLOCK.section, body, options);
}

function interfaceBlock(settings: InterfaceSettings): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt16LE(settings.linkType, 0);
  body.writeUInt32LE(settings.snapLength, 4);
  const { filter } = settings;
  const options = new OptionList()
    .texts(OPTION.comment, settings.comments)
    .text(OPTION.name, settings.name)
    .text(OPTION.description, settings.description)
    .bytes(OPTION.mac, settings.mac)
    .uint64(OPTION.speed, settings.speed)
    .bytes(OPTION.timeResolution, RESOLUTION)
    // 0: text, as libpcap's filters are.
    .text(OPTION.filter, filter === undefined ? undefined : `\0${filter}`)
    .text(OPTION.os, settings.os)
    .text(OPTION.hardware, settings.hardware);
  return encodeBlock(BLOCK.interface, body, options);
}

function statisticsBlock(settings: StatisticsSettings & { timestamp: bigint }): Buffer {
  const { timestamp } = settings;
  const body = Buffer.alloc(12);
  body.writeUInt32LE(settings.interface, 0);
  body.writeUInt32LE(Number(timestamp >> 32n), 4);
  body.writeUInt32LE(Number(timestamp & 0xffff_ffffn), 8);
  const options = new OptionList()
    .texts(OPTION.comment, settings.comments)
    .time(OPTION.startTime, settings.startTime)
    .time(OPTION.endTime, settings.endTime)
    .uint64(OPTION.received, settings.received)
    .uint64(OPTION.dropped, settings.dropped)
    .uint64(OPTION.accepted, settings.accepted)
    .uint64(OPTION.osDropped, settings.osDropped)
    .uint64(OPTION.delivered, settings.delivered);
  return encodeBlock(BLOCK.statistics, body, options);
}
