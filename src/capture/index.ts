/**
 * src/capture/: the entry tapfd/capture: frames of devices in pcapng files. On top of devices and pcapng.
 *
 * @module tapfd/capture
 */
export type { FrameDirection } from '../descriptor/observers.js';
export { Capture, type CaptureStats, capture } from './capture.js';
export type { CaptureFilter, CaptureOptions, CaptureRing } from './capture-options.js';
export type { CaptureSource } from './pcapng/byte-source.js';
export { PcapngReader, type PcapngReaderOptions } from './pcapng/reader.js';
export type {
  CapturedFrame,
  CapturedInterface,
  CapturedSection,
  CapturedStatistics,
} from './pcapng/records.js';
export { PcapngWriter, type WriterStats } from './pcapng/writer.js';
export type {
  CaptureInterface,
  FrameToWrite,
  InterfaceStatistics,
  PcapngWriterOptions,
} from './pcapng/writer-options.js';
