/** Calls on one device that are made at once: what is known afterwards is what is true, and it never runs backwards. */
import t from 'tap';
import { formatMac, links } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { linkEvent } from '../../kit/link-changes.js';
import { numberedFrame, tapPair, upTo } from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device');

// A device that is not read does not keep the process alive.
const alive = setInterval(() => undefined, 60_000);
t.teardown(() => clearInterval(alive));

t.test('setMac() many times at once: the facts follow the order of the calls', async (t) => {
  const { ns, a } = await tapPair(t);
  const macs = upTo(40).map((i) => formatMac(Uint8Array.of(2, 0, 0, 0, 1, i)));
  const told: number[] = [];
  a.on('link', ({ mac = '' }) => told.push(macs.indexOf(mac)));
  const known = await Promise.all(
    macs.map(async (mac) => {
      await a.setMac(mac);
      return macs.indexOf(a.mac ?? '');
    }),
  );
  const { mac } = await links.get(a.name, { netns: ns.name });
  t.equal(mac, macs.at(-1));
  t.equal(a.mac, mac);
  t.same(
    known.filter((at, i) => at < i),
    [],
    'never an earlier one than has just been set',
  );
  // What the kernel had still to report of the MAC comes before this.
  const fence = linkEvent(a, 'mtu');
  await links.set(a.name, { netns: ns.name, mtu: 1400 });
  await fence;
  t.same(
    told,
    told.toSorted((one, other) => one - other),
    'never back',
  );
  t.equal(a.mac, mac);
});

t.test('refreshStats() many times at once: what the kernel has dropped counts once', async (t) => {
  const { ns, a, b } = await tapPair(t);
  let told = 0;
  b.on('drop', ({ count }) => {
    told += count;
  });
  await ns.ip('link', 'set', 'dev', b.name, 'txqueuelen', '10');
  for (let round = 1; round <= 3; round++) {
    const asked = [b.refreshStats()];
    t.equal(await a.writeBatch(upTo(100).map((i) => numberedFrame(i))), 100);
    for (let i = 0; i < 8; i++) asked.push(b.refreshStats());
    await Promise.all(asked);
    const dropped = Number(await ns.sysfs(b.name, 'statistics/tx_dropped'));
    t.ok(dropped >= 50 * round, `${dropped} dropped`);
    t.same(b.stats.received.drops, { kernel: dropped });
    t.equal(told, dropped);
  }
});
