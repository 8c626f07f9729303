/** TAPs for other programs, and which devices a process holds. */
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type { Test } from 'tap';
import { type FrameStream, openTap, type Tap, type TapOptions } from 'tapfd';
import type { TestNamespace } from './namespace.js';
import { descriptorsOf } from './open-files.js';

/** IEEE 802 local experimental EtherType 1: no frames but this test's. */
export const ETHERTYPE = 0x88b5;

export async function bridgedTap(
  t: Test,
  { name: netns }: TestNamespace,
  options: TapOptions = {},
): Promise<Tap> {
  const tap = await openTap({ netns, bridge: 'br0', ...options });
  t.teardown(() => tap[Symbol.asyncDispose]());
  return tap;
}

export const GUEST = '52:54:00:12:34:80';
export const OTHER_GUEST = '52:54:00:12:34:81';

export function frame(to: string, content: string): Buffer {
  const macs = Buffer.from((to + OTHER_GUEST).replaceAll(':', ''), 'hex');
  const rest = Buffer.alloc(48);
  rest.writeUInt16BE(ETHERTYPE);
  rest.write(content, 2);
  return Buffer.concat([macs, rest]);
}

/** What the frames of this test that arrive at `device` say, up to and with the one that says `last`. */
export async function contents(device: FrameStream, last: string): Promise<string[]> {
  const seen: string[] = [];
  for await (const chunk of device.iterator({ destroyOnReturn: false })) {
    const received: Buffer = chunk;
    if (received.readUInt16BE(12) !== ETHERTYPE) continue;
    const content = received.toString('latin1', 14).replace(/\0+$/, '');
    seen.push(content);
    if (content === last) break;
  }
  return seen;
}

function fdInfo(pid: number | 'self', fd: string): string {
  try {
    return readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
  } catch {
    return ''; // closed meanwhile
  }
}

/** The devices that process `pid` holds, by descriptor: `tap0` by fdinfo, `/dev/tap7` for a macvtap. */
export function devicesOf(pid: number | 'self'): Record<string, string> {
  const held: Record<string, string> = {};
  for (const { fd, target } of descriptorsOf(pid)) {
    const name = /^iff:\s*(\S+)/m.exec(fdInfo(pid, fd))?.[1];
    if (name !== undefined) held[fd] = name;
    else if (/^\/(dev\/(net\/tun|tap\d+)|tap$)/.test(target)) held[fd] = target;
  }
  return held;
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await wait(5);
}
