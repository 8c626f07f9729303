/** The events of a device, and what their listeners get. */
import type { Readable } from 'node:stream';
import type { LinkChange } from '../descriptor/link-follower.js';
import type { FrameDrop } from './counters.js';

/** Events of a {@link FrameStream} and the arguments of their listeners. */
export interface FrameStreamEvents {
  /** The link's name, MAC, MTU, carrier, up/down state or namespace changed. */
  link: [change: LinkChange];
  /** Frames were lost: at most one event for each direction and reason in a turn of the event loop. */
  drop: [drop: FrameDrop];
  /** A frame was read. Listening starts the reading. */
  data: [frame: Buffer];
  /**
   * The end, by an error: `ERR_TAPFD_DEVICE_GONE`, `ERR_TAPFD_WATCH_LOST`, an `AbortError` by the opening's `signal`, or
   * what `destroy()` was given.
   */
  error: [error: Error];
  /** The descriptor is closed, and a link that the opening made is gone. Nothing is emitted after it. */
  close: [];
  /** Everything was read, after `handOff()`. */
  end: [];
  /** Everything was written, after `end()`. */
  finish: [];
  /** Frames may be written again, after `write()` has returned false. */
  drain: [];
  /** There are frames to `read()`, or the end. */
  readable: [];
  /** `pause()` was called. */
  pause: [];
  /** `resume()` was called. */
  resume: [];
  /** Another stream is piped into this one. */
  pipe: [source: Readable];
  /** Another stream is no longer piped into this one. */
  unpipe: [source: Readable];
}

/** Adds or removes a listener. One that has a parameter more, such as a promise's `resolve` for `'close'`, is welcome. */
export type ListenerCall<Device> = <Event extends keyof FrameStreamEvents>(
  event: Event,
  listener: (...args: [...FrameStreamEvents[Event], ...nothing: undefined[]]) => void,
) => Device;
