/** Many opens and closes of each kind leave no descriptor, link, node or namespace. */
import { readdirSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { adoptFd, createNetns, type FrameStream, openMacvtap, openTap, openTun, TapfdError } from 'tapfd';
import { fileNeeds } from '../kit/capabilities.js';
import { depth } from '../kit/depth.js';
import { ownNamespace } from '../kit/namespace.js';
import { descriptorTargets } from '../kit/open-files.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

/** A leak in every round shows after one: more rounds find what leaks now and then. */
const ROUNDS = depth({ brief: 200, bounded: 1000, deep: 5000 });
/** At once, so that the kernel's waits overlap. */
const WIDTH = 20;
const SETTLE_MS = 20_000;

/** The open descriptors that are of the kinds this library opens. */
function descriptors(): string[] {
  return descriptorTargets()
    .filter((target) => /tun$|\/tap|net:|socket|mnt/.test(target))
    .sort();
}

/** Nodes of this kind anywhere near the top of /dev, by name. */
function nodes(): string[] {
  return readdirSync('/dev').filter((name) => /tap/.test(name));
}

async function repeat(round: () => Promise<unknown>): Promise<void> {
  for (let done = 0; done < ROUNDS; done += WIDTH) await Promise.all(Array.from({ length: WIDTH }, round));
}

t.test('opens and closes', { timeout: 300_000 }, async (t) => {
  const ns = await ownNamespace(t);
  await ns.wire('lower', 'other');
  const netns = ns.name;
  const madeNodes = new Set<string>();
  await ns.ip('link', 'add', 'found0', 'link', 'lower', 'type', 'macvtap', 'mode', 'bridge');
  const close = (device: FrameStream) => device[Symbol.asyncDispose]();
  const kinds: Record<string, () => Promise<unknown>> = {
    tap: async () => close(await openTap({ netns })),
    tun: async () => close((await openTun({ netns, up: false })).resume()),
    'macvtap made': async () => {
      const macvtap = await openMacvtap({ netns, lower: 'lower' });
      madeNodes.add(`tap${macvtap.index}`);
      await close(macvtap);
    },
    'macvtap found': async () => close(await openMacvtap({ netns, name: 'found0' })),
    adopted: async () => close(await adoptFd((await openTap({ netns })).handOff(), { netns })),
    refused: async () => {
      const mismatch = openMacvtap({ netns, name: 'found0', guestMac: '02:00:00:00:00:01' });
      const error = await mismatch.catch((reason: unknown) => reason);
      if (!(error instanceof TapfdError) || error.code !== 'ERR_TAPFD_MAC_MISMATCH') throw error;
    },
    namespace: async () => (await createNetns())[Symbol.asyncDispose](),
  };
  // One of each first, so that what Node itself opens is open.
  for (const kind of Object.values(kinds)) await kind();
  const links = (await ns.linkNames()).sort();
  const before = { descriptors: descriptors(), nodes: nodes() };
  for (const [name, kind] of Object.entries(kinds)) {
    await t.test(name, async (t) => {
      await repeat(kind);
      // The watch's socket closes with its handle, one turn of the loop later.
      await nextTurn();
      await nextTurn();
      t.same(descriptors(), before.descriptors);
      t.same((await ns.linkNames()).sort(), links);
    });
  }
  const made = readdirSync('/run/netns').filter((name) => name.startsWith(`tapfd-${process.pid}-`));
  t.same(made, [ns.name]);
  // Other tests may have nodes of these names for a while.
  const left = () => nodes().filter((name) => !before.nodes.includes(name) && madeNodes.has(name));
  for (const giveUp = Date.now() + SETTLE_MS; left().length > 0 && Date.now() < giveUp; ) await wait(20);
  t.same(left(), []);
});
