/** Two TAPs in one bridge: what is written to one is read from the other. */
import { once } from 'node:events';
import type { Test } from 'tap';
import { type FrameStream, openMacvtap, openTap, type Tap, type TapOptions } from 'tapfd';
import { closedWith } from './closed-with.js';
import { quietNamespace, type TestNamespace } from './namespace.js';

export interface TapPair {
  ns: TestNamespace;
  a: Tap;
  b: Tap;
}

/** An experimental EtherType (IEEE 802), to tell test frames from the kernel's own. */
export const TEST_ETHERTYPE = 0x88b5;

/**
 * Opens both, `b` with other options if there are any; they and their namespace go when the test ends. IPv6 is off:
 * nothing but the test talks on this bridge.
 */
export async function tapPair(
  t: Test,
  options: TapOptions = {},
  optionsOfB: TapOptions = options,
): Promise<TapPair> {
  const ns = await quietNamespace(t);
  await ns.bridge('br0');
  const open = async (options: TapOptions) =>
    closedWith(t, await openTap({ netns: ns.name, bridge: 'br0', ...options }));
  return { ns, a: await open(options), b: await open(optionsOfB) };
}

/** The numbers from 0 to `count` - 1. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** A broadcast frame that carries a number. */
export function numberedFrame(number: number, length = 60): Buffer {
  const frame = Buffer.alloc(Math.max(length, 18), number & 0xff);
  frame.fill(0xff, 0, 6);
  frame.write('020000000099', 6, 'hex');
  frame.writeUInt16BE(TEST_ETHERTYPE, 12);
  frame.writeUInt32BE(number, 14);
  return frame.subarray(0, length);
}

export function isNumbered(frame: Buffer): boolean {
  return frame.readUInt16BE(12) === TEST_ETHERTYPE;
}

export function numberOf(frame: Buffer): number {
  return frame.readUInt32BE(14);
}

/** Collects test frames until there are `count`. */
export async function collect(tap: Tap, count: number): Promise<Buffer[]> {
  const frames: Buffer[] = [];
  const take = (frame: Buffer) => {
    if (isNumbered(frame)) frames.push(frame);
    if (frames.length === count) tap.emit('collected');
  };
  tap.on('data', take);
  await once(tap, 'collected');
  tap.off('data', take);
  return frames;
}

const UPPER_MAC = '02:00:00:00:00:0b';

/** A TAP with a macvtap on it that is not read: of {@link frameToUpper} it takes no more than `sendBufferBytes`. */
export async function heldUpTap(t: Test, options: TapOptions): Promise<Tap> {
  const tap = await openTap({ sendBufferBytes: 64 * 1024, ...options });
  const upper = await openMacvtap({ netns: options.netns, lower: tap.name, guestMac: UPPER_MAC });
  t.teardown(() => Promise.all([upper[Symbol.asyncDispose](), tap[Symbol.asyncDispose]()]));
  return tap;
}

/** {@link numberedFrame} of 1400 bytes, to the macvtap on {@link heldUpTap} alone. */
export function frameToUpper(number: number): Buffer {
  const frame = numberedFrame(number, 1400);
  frame.write(UPPER_MAC.replaceAll(':', ''), 0, 'hex');
  return frame;
}

/** Resolves with the error that the write's callback got, or null. */
export function written(device: FrameStream, frame: Uint8Array): Promise<Error | null> {
  return new Promise((resolve) => device.write(frame, (error) => resolve(error ?? null)));
}
