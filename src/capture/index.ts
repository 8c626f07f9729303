/**
 * src/capture/: the entry tapfd/capture: frames in pcapng files. On top of devices.
 *
 * @module tapfd/capture
 */
export type { FrameDirection } from '../descriptor/observers.js';
export { Capture, type CaptureStats, capture } from './capture.js';
export type { CaptureFilter, CaptureOptions, CaptureRing } from './capture-options.js';
export { PcapngWriter, type WriterStats } from './writer.js';
export type {
  CaptureInterface,
  FrameToWrite,
  InterfaceStatistics,
  PcapngWriterOptions,
} from './writer-options.js';
