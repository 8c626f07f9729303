/** What a PcapngReader reads. */
import type { FrameDirection } from '../../descriptor/observers.js';

/** A section of a file: most files have one. A classic pcap file is read as one of one interface. */
export interface CapturedSection {
  /** The kind of file. */
  format: 'pcapng' | 'pcap';
  /** Its byte order. */
  byteOrder: 'LE' | 'BE';
  /** The program that captured. */
  application: string | undefined;
  /** The operating system. */
  os: string | undefined;
  /** The machine. */
  hardware: string | undefined;
  /** Comments on the whole section. */
  comments: string[];
  /** Those read so far. */
  interfaces: CapturedInterface[];
}

/** An interface that frames were captured at. */
export interface CapturedInterface {
  /** Its number in the section. */
  id: number;
  /** Its name. */
  name: string | undefined;
  /** What it is. */
  description: string | undefined;
  /** What its frames begin with: `raw` is an IP header. Another number: https://www.tcpdump.org/linktypes.html. */
  linkType: 'ethernet' | 'raw' | number;
  /** The most bytes that were captured of each frame; 0: all. */
  snapLength: number;
  /** Its MAC. */
  mac: string | undefined;
  /** Its speed, in bits per second. */
  speed: bigint | undefined;
  /** The filter that chose its frames, as text. */
  filter: string | undefined;
  /** The operating system that it is part of. */
  os: string | undefined;
  /** The hardware that it is. */
  hardware: string | undefined;
  /** Comments on it. */
  comments: string[];
  /** The last statistics read so far: most files have them at the end. */
  statistics: CapturedStatistics | undefined;
}

/** Statistics of an interface. The numbers are frames; those that the file does not have are undefined. */
export interface CapturedStatistics {
  /** When this was counted: nanoseconds since 1970. */
  timestamp: bigint;
  /** When the capture began. */
  startTime: bigint | undefined;
  /** When it ended. */
  endTime: bigint | undefined;
  /** Frames that the interface received. */
  received: bigint | undefined;
  /** Frames that the interface dropped. */
  dropped: bigint | undefined;
  /** Frames that the filter accepted. */
  accepted: bigint | undefined;
  /** Frames that passed the filter and were dropped before they were written. */
  osDropped: bigint | undefined;
  /** Frames that were written. */
  delivered: bigint | undefined;
  /** Comments on it. */
  comments: string[];
}

/** One captured frame. */
export interface CapturedFrame {
  /** Where it was captured. */
  interface: CapturedInterface;
  /**
   * When: nanoseconds since 1970, rounded down if the file's times are finer. Undefined where the file has none (a simple
   * packet block).
   */
  timestamp: bigint | undefined;
  /** Its bytes, those that were captured. They may be kept. */
  bytes: Buffer;
  /** Its bytes on the wire. */
  originalLength: number;
  /** Its direction, if the file says it. */
  direction: FrameDirection | undefined;
  /** Comments on it. */
  comments: string[];
  /** Frames lost since the one before, if the file says it. */
  dropCount: bigint | undefined;
  /** The queue that it came by. */
  queue: number | undefined;
  /** A number that it has wherever it is captured. */
  packetId: bigint | undefined;
  /** The byte of the file at which its block begins. */
  offset: number;
}
