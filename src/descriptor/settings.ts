/** The settings of an open device's stream, from its options. */
import { signalOf } from '../base/abort.js';

/** What happens to a written frame whose source MAC is not the macvtap's. */
export type MacCheck = 'error' | 'drop' | 'off';

/** What {@link FrameStream} needs from the options. */
export interface StreamSettings {
  readableHighWaterMark: number;
  writableHighWaterMark: number;
  copyFrames: boolean;
  segment: boolean;
  macCheck: MacCheck;
  guestMac: Uint8Array | undefined;
  /** As set at opening; the default for an adopted descriptor. */
  sendBufferBytes: number;
}

/** Options of `openQueue()`. */
export interface OpenQueueOptions {
  /** As `signal` of the opening calls: aborts the opening, and afterwards destroys the queue. Default: none. */
  signal?: AbortSignal | undefined;
}

/** Checks the options and returns their signal, unless that was aborted. */
export function openQueueSignal(options: OpenQueueOptions): AbortSignal | undefined {
  const signal = signalOf('openQueue', options);
  signal?.throwIfAborted();
  return signal;
}
