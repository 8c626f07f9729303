/** The settings of an open device's stream, from its options. */

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
