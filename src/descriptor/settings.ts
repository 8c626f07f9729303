/** What an open device is to do with frames, as its options said. */

/** What a written frame gets whose source MAC is not the macvtap's. */
export type MacCheck = 'error' | 'drop' | 'off';

/** What {@link FrameStream} needs of the options. */
export interface StreamSettings {
  readableHighWaterMark: number;
  writableHighWaterMark: number;
  copyFrames: boolean;
  segment: boolean;
  macCheck: MacCheck;
  guestMac: Uint8Array | undefined;
  /** As set at opening; of an adopted descriptor, the default. */
  sendBufferBytes: number;
}
