/** The blocks of a pcapng section, decoded. */
import type { FrameDirection } from '../../descriptor/observers.js';
import { formatMac } from '../../links/mac.js';
import { type ByteOrder, type Fields, formatError, type Options } from './fields.js';
import { BLOCK, LINK_TYPES, OPTION, padded } from './format.js';
import type { CapturedFrame, CapturedInterface, CapturedSection, CapturedStatistics } from './records.js';
import { type TimeScale, timeScale } from './time.js';

const DEFAULT_RESOLUTION = 6;
const DIRECTIONS: Partial<Record<number, FrameDirection>> = { 1: 'in', 2: 'out' };
/** An obsolete packet block's count of drops where it is not known. */
const UNKNOWN_DROPS = 0xffff;
/** What an interface takes in memory, besides its texts. */
const INTERFACE_BYTES = 512;

/** What is kept of an interface beside what the user sees. */
interface InterfaceState {
  facts: CapturedInterface;
  scale: TimeScale;
  /** Bytes of the statistics that are kept. */
  statisticsBytes: number;
}

/** The state of one section. */
export class SectionReader {
  readonly section: CapturedSection;
  readonly order: ByteOrder;
  readonly #interfaces: InterfaceState[] = [];
  readonly #maxKeptBytes: number;
  #keptBytes = 0;

  /** @param header - The section header's body. @param maxKeptBytes - For all interfaces and their statistics. */
  constructor(header: Fields, order: ByteOrder, maxKeptBytes: number) {
    this.order = order;
    this.#maxKeptBytes = maxKeptBytes;
    const major = header.u16(4);
    if (major !== 1) throw formatError(`version ${major} of pcapng is unknown`, header.offset + 4);
    const options = header.options(16);
    this.section = {
      format: 'pcapng',
      byteOrder: order,
      application: options.text(OPTION.sectionApplication),
      os: options.text(OPTION.sectionOs),
      hardware: options.text(OPTION.sectionHardware),
      comments: options.texts(OPTION.comment),
      interfaces: [],
    };
  }

  /** Whether blocks of this type are to be decoded; the others may be of any size. */
  static knows(type: number): boolean {
    return type in MIN_BODY_BYTES;
  }

  /** The frame of a block, if it is one. @param offset - The block's place in the file. */
  block(type: number, body: Fields, offset: number): CapturedFrame | undefined {
    const min = MIN_BODY_BYTES[type];
    if (min !== undefined && body.bytes.length < min) {
      throw formatError(
        `a block of type ${type} has a body of ${body.bytes.length} bytes, not ${min}`,
        offset,
      );
    }
    switch (type) {
      case BLOCK.enhancedPacket:
        return this.#enhancedPacket(body, offset);
      case BLOCK.simplePacket:
        return this.#simplePacket(body, offset);
      case BLOCK.packet:
        return this.#packet(body, offset);
      case BLOCK.interface:
        this.#interface(body);
        return undefined;
      default:
        this.#statistics(body);
        return undefined;
    }
  }

  #interface(body: Fields): void {
    this.#keep(body.bytes.length + INTERFACE_BYTES, body.offset);
    const options = body.options(8);
    const resolution = options.fixed(OPTION.timeResolution, 1)?.bytes[0] ?? DEFAULT_RESOLUTION;
    const facts: CapturedInterface = {
      id: this.#interfaces.length,
      name: options.text(OPTION.name),
      description: options.text(OPTION.description),
      linkType: linkTypeName(body.u16(0)),
      snapLength: body.u32(4),
      mac: macOf(options),
      speed: options.fixed(OPTION.speed, 8)?.u64(0),
      filter: filterOf(options),
      os: options.text(OPTION.os),
      hardware: options.text(OPTION.hardware),
      comments: options.texts(OPTION.comment),
      statistics: undefined,
    };
    const scale = timeScale(resolution, options.fixed(OPTION.timeOffset, 8)?.i64(0) ?? 0n);
    this.#interfaces.push({ facts, scale, statisticsBytes: 0 });
    this.section.interfaces.push(facts);
  }

  #statistics(body: Fields): void {
    const state = this.#interfaceAt(body.u32(0), body.offset);
    this.#keep(body.bytes.length - state.statisticsBytes, body.offset);
    state.statisticsBytes = body.bytes.length;
    const { scale } = state;
    const options = body.options(12);
    const time = (code: number) => {
      const value = options.fixed(code, 8);
      return value && scale(value.time(0));
    };
    const count = (code: number) => options.fixed(code, 8)?.u64(0);
    const statistics: CapturedStatistics = {
      timestamp: scale(body.time(4)),
      startTime: time(OPTION.startTime),
      endTime: time(OPTION.endTime),
      received: count(OPTION.received),
      dropped: count(OPTION.dropped),
      accepted: count(OPTION.accepted),
      osDropped: count(OPTION.osDropped),
      delivered: count(OPTION.delivered),
      comments: options.texts(OPTION.comment),
    };
    state.facts.statistics = statistics;
  }

  #enhancedPacket(body: Fields, offset: number): CapturedFrame {
    const { facts, scale } = this.#interfaceAt(body.u32(0), body.offset);
    const bytes = body.part('a frame', 20, body.u32(12));
    const options = body.options(20 + padded(bytes.length));
    return {
      interface: facts,
      timestamp: scale(body.time(4)),
      bytes,
      originalLength: body.u32(16),
      direction: directionOf(options),
      comments: options.texts(OPTION.comment),
      dropCount: options.fixed(OPTION.packetDrops, 8)?.u64(0),
      queue: options.fixed(OPTION.packetQueue, 4)?.u32(0),
      packetId: options.fixed(OPTION.packetId, 8)?.u64(0),
      offset,
    };
  }

  /** The first interface's, whose snap length says how much of the body is the frame. */
  #simplePacket(body: Fields, offset: number): CapturedFrame {
    const { facts } = this.#interfaceAt(0, body.offset);
    const originalLength = body.u32(0);
    const captured = facts.snapLength === 0 ? originalLength : Math.min(originalLength, facts.snapLength);
    const bytes = body.part('a frame', 4, captured);
    return { ...nothingSaid(), interface: facts, bytes, originalLength, offset };
  }

  #packet(body: Fields, offset: number): CapturedFrame {
    const { facts, scale } = this.#interfaceAt(body.u16(0), body.offset);
    const drops = body.u16(2);
    const bytes = body.part('a frame', 20, body.u32(12));
    const options = body.options(20 + padded(bytes.length));
    return {
      ...nothingSaid(),
      interface: facts,
      timestamp: scale(body.time(4)),
      bytes,
      originalLength: body.u32(16),
      direction: directionOf(options),
      comments: options.texts(OPTION.comment),
      dropCount: drops === UNKNOWN_DROPS ? undefined : BigInt(drops),
      offset,
    };
  }

  #interfaceAt(id: number, offset: number): InterfaceState {
    const state = this.#interfaces[id];
    if (state === undefined) throw formatError(`interface ${id} is not described before`, offset);
    return state;
  }

  #keep(bytes: number, offset: number): void {
    this.#keptBytes += bytes;
    if (this.#keptBytes <= this.#maxKeptBytes) return;
    throw formatError(
      `the interfaces of a section take more than maxBlockBytes, ${this.#maxKeptBytes}`,
      offset,
    );
  }
}

/** The least that a block of this type has between its lengths. */
const MIN_BODY_BYTES: Partial<Record<number, number>> = {
  [BLOCK.interface]: 8,
  [BLOCK.packet]: 20,
  [BLOCK.simplePacket]: 4,
  [BLOCK.statistics]: 12,
  [BLOCK.enhancedPacket]: 20,
};

/** Of a frame of which nothing more is known. */
export function nothingSaid() {
  return {
    timestamp: undefined,
    direction: undefined,
    comments: [],
    dropCount: undefined,
    queue: undefined,
    packetId: undefined,
  };
}

export function linkTypeName(number: number): 'ethernet' | 'raw' | number {
  if (number === LINK_TYPES.ethernet) return 'ethernet';
  return number === LINK_TYPES.raw ? 'raw' : number;
}

function directionOf(options: Options): FrameDirection | undefined {
  const flags = options.fixed(OPTION.packetFlags, 4)?.u32(0) ?? 0;
  return DIRECTIONS[flags & 3];
}

function macOf(options: Options): string | undefined {
  const mac = options.fixed(OPTION.mac, 6);
  return mac && formatMac(mac.bytes);
}

/** Its first byte says what it is: 0 text, else a program. */
function filterOf(options: Options): string | undefined {
  const filter = options.bytes(OPTION.filter);
  return filter === undefined || filter[0] !== 0 ? undefined : filter.toString('utf8', 1);
}
