/** What a test expects of a frame, and whether a frame is that. */
import { types } from 'node:util';
import { checkBytes, checkObject, verdict } from '../../base/checks.js';
import type { FrameStream } from '../../frames/stream.js';
import {
  decodeFrame,
  decodePacket,
  differences,
  type Packet,
  type PacketPattern,
} from '../../packets/index.js';

/**
 * The frame that is expected: the fields that matter (`{ arp: { operation: 'reply' } }`, see `matches()` of
 * `tapfd/packets`), a function that says whether it is the one, or all its bytes.
 */
export type FrameMatch = PacketPattern | FramePredicate | Uint8Array;

/** Says whether a frame is the expected one. */
export type FramePredicate = (packet: Packet, frame: Buffer) => boolean;

/** A frame that was seen, decoded. */
export interface SeenFrame {
  /** All its bytes, with packet information and vnet header if the device has them. */
  readonly frame: Buffer;
  /** What it says. */
  readonly packet: Packet;
}

/** Decodes the frames of a device. */
export function decoderOf(device: FrameStream): (frame: Buffer) => SeenFrame {
  const header = device.vnetHeaderBytes + (device.flags.packetInfo ? 4 : 0);
  const decode = device.kind === 'tun' ? decodePacket : decodeFrame;
  return (frame) => ({ frame, packet: decode(frame.subarray(header)) });
}

/** A checked expectation. */
export interface Matcher {
  fits(seen: SeenFrame): boolean;
  /** How much of it is wrong; undefined if that cannot be said. */
  distance(seen: SeenFrame): number | undefined;
  /** What it names: noise that a test asks for is none. */
  readonly names: readonly string[];
  readonly match: FrameMatch;
  /** The fields, if it names some. */
  readonly pattern: PacketPattern;
  /** The frame, if all its bytes are given. */
  readonly expected?: SeenFrame;
}

/**
 * @param decode - Of the device whose frames are expected.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for what is no expectation.
 */
export function matcherOf(match: unknown, decode: (frame: Buffer) => SeenFrame): Matcher {
  if (isPredicate(match)) {
    return {
      match,
      pattern: {},
      names: [],
      fits: ({ packet, frame }) => verdict('match', match(packet, frame)),
      distance: () => undefined,
    };
  }
  if (types.isUint8Array(match)) return bytesMatcher(decode(checkBytes('match', match)));
  const pattern: PacketPattern = checkObject('match', match);
  // A pattern that names what no packet has is refused before anything is waited for.
  differences(decodeFrame(Buffer.alloc(14)), pattern);
  return {
    match: pattern,
    pattern,
    names: Object.keys(pattern),
    fits: ({ packet }) => differences(packet, pattern).length === 0,
    distance: ({ packet }) => differences(packet, pattern).length,
  };
}

function isPredicate(match: unknown): match is FramePredicate {
  return typeof match === 'function';
}

function bytesMatcher(expected: SeenFrame): Matcher {
  const { frame: bytes } = expected;
  return {
    match: bytes,
    pattern: {},
    expected,
    // Its bytes say what it is, noise or not.
    names: ['icmpv6'],
    fits: ({ frame }) => bytes.equals(frame),
    distance: ({ frame }) => {
      const length = Math.min(frame.length, bytes.length);
      let wrong = Math.abs(frame.length - bytes.length);
      for (let at = 0; at < length; at++) if (frame[at] !== bytes[at]) wrong += 1;
      return wrong;
    },
  };
}
