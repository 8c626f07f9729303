/** A reader that is too slow hears of the frames that the kernel dropped while it reads, without asking. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { type FrameStream, openTap, openTun } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { frameToB, macvtapPair } from '../../kit/macvtap-pair.js';
import { ownNamespace } from '../../kit/namespace.js';
import { upTo } from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap', 'ping');

/** 100 packets at once, while this process can read nothing. */
function flood(netns: string, address: string): void {
  const ping = ['ping', '-q', '-b', '-l', '100', '-c', '100', '-w', '1', address];
  try {
    execFileSync('ip', ['netns', 'exec', netns, ...ping], { stdio: 'ignore' });
  } catch {
    // Nobody answers.
  }
}

async function told(device: FrameStream, flood: () => void): Promise<void> {
  const dropped = once(device, 'drop');
  flood();
  const [drop] = await dropped;
  t.match(drop, { direction: 'receive', reason: 'kernel' });
  t.equal(device.stats.received.drops.kernel, drop.count);
  const { received } = await device.refreshStats();
  t.equal(received.drops.kernel, drop.count, 'none is counted twice');
}

t.test('TUN', async (t) => {
  const ns = await ownNamespace(t);
  const tun = closedWith(t, await openTun({ netns: ns.name, addresses: ['10.9.0.1/24'] }));
  await ns.ip('link', 'set', tun.name, 'txqueuelen', '5');
  tun.resume();
  await told(tun, () => flood(ns.name, '10.9.0.2'));
});

t.test('TAP, here and in the namespace that it has moved to', async (t) => {
  const ns = await ownNamespace(t);
  const other = await ownNamespace(t);
  const tap = closedWith(t, await openTap({ netns: ns.name, addresses: ['10.9.0.1/24'] }));
  await ns.ip('link', 'set', tap.name, 'txqueuelen', '5');
  const reading = (async () => {
    for await (const batch of tap.batches()) t.ok(batch.length > 0);
  })();
  await told(tap, () => flood(ns.name, '10.9.0.255'));
  const moved = once(tap, 'link');
  await ns.ip('link', 'set', tap.name, 'netns', other.name);
  await moved;
  await other.ip('address', 'add', '10.9.0.1/24', 'brd', '+', 'dev', tap.name);
  await other.ip('link', 'set', tap.name, 'up');
  const before = tap.stats.received.drops.kernel ?? 0;
  const dropped = once(tap, 'drop');
  flood(other.name, '10.9.0.255');
  const [{ count }] = await dropped;
  t.equal(tap.stats.received.drops.kernel, before + count);
  const ended = t.rejects(reading, { code: 'ERR_TAPFD_CLOSED' });
  await tap.close();
  await ended;
});

t.test('macvtap', async (t) => {
  const { a, b } = await macvtapPair(t, { sendBufferBytes: 0x7fff_ffff });
  b.resume();
  await told(b, () => void a.writeBatch(upTo(1500).map(frameToB)));
});
