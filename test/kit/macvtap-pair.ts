/** Two macvtaps on one wire, of which the second is slow to read. */
import type { Test } from 'tap';
import { type Macvtap, type MacvtapOptions, openMacvtap } from 'tapfd';
import { closedWith } from './closed-with.js';
import { ownNamespace } from './namespace.js';
import { numberedFrame } from './tap-pair.js';

const MAC_A = '02:00:00:00:00:0a';
const MAC_B = '02:00:00:00:00:0b';

export interface MacvtapPair {
  a: Macvtap;
  /** Takes no more than `sendBufferBytes` (64 KiB) from `a` until it is read. */
  b: Macvtap;
  netns: string;
}

export async function macvtapPair(t: Test, options: Partial<MacvtapOptions> = {}): Promise<MacvtapPair> {
  const ns = await ownNamespace(t);
  await ns.wire('wire', 'far');
  const open = async (guestMac: string) =>
    closedWith(
      t,
      await openMacvtap({
        netns: ns.name,
        lower: 'wire',
        guestMac,
        sendBufferBytes: 64 * 1024,
        ...options,
      }),
    );
  return { a: await open(MAC_A), b: await open(MAC_B), netns: ns.name };
}

/** {@link numberedFrame} of 1400 bytes from `a` to `b`. */
export function frameToB(number: number): Buffer {
  const frame = numberedFrame(number, 1400);
  frame.write((MAC_B + MAC_A).replaceAll(':', ''), 0, 'hex');
  return frame;
}
