/** Everything that an opening could leave behind. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { links } from 'tapfd';
import type { TestNamespace } from './namespace.js';
import { descriptorsOf } from './open-files.js';

/** Whatever another thread closes is closed by then; what remains is a leak. */
const SETTLE_MS = 5000;

/** Everything that an opening could leave behind. */
export interface Inventory {
  fds: string[];
  links: string[];
  namespaces: string[];
  mounts: string[];
}

/** The links in a namespace, with what an opening must not change of those that were there. */
async function linksOf({ name: netns }: TestNamespace): Promise<string[]> {
  const found = await links.list({ netns });
  return found.map(
    ({ index, name, mtu, mac, master, up }) => `${index} ${name} ${mtu} ${mac} ${master} ${up}`,
  );
}

export async function inventory(nets: readonly TestNamespace[]): Promise<Inventory> {
  const ours = `tapfd-${process.pid}-`;
  return {
    links: (await Promise.all(nets.map(linksOf))).flat(),
    namespaces: readdirSync('/run/netns').filter((namespace) => namespace.startsWith(ours)),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((mount) => mount.includes(ours)),
    fds: descriptorsOf().map(({ fd, target }) => `${fd} ${target}`),
  };
}

export async function settled(nets: readonly TestNamespace[], before: Inventory): Promise<Inventory> {
  const giveUp = Date.now() + SETTLE_MS;
  for (;;) {
    const now = await inventory(nets);
    if (isDeepStrictEqual(now, before) || Date.now() > giveUp) return now;
    await wait(2);
  }
}
