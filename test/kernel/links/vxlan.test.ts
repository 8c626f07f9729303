/** Bridges of two hosts joined by VXLAN: the MTU, and what happens to a frame that exceeds it. */
import t, { type Test } from 'tap';
import { links, openTap, type Tap } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { send, testFrame, textsUntil } from '../../kit/frames.js';
import { ownNamespace, type TestNamespace, vethPair } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'bridge', 'veth', 'vxlan', 'ip');

const ADDRESSES = ['192.0.2.1', '192.0.2.2'] as const;
const FROM = '02:00:00:00:42:0a';
const TO = '02:00:00:00:42:0b';
const HEADER_BYTES = 14;

/** Two namespaces and a wire with this MTU between them. */
async function hosts(t: Test, mtu: number): Promise<[TestNamespace, TestNamespace]> {
  const [a, b] = [await ownNamespace(t), await ownNamespace(t)];
  await vethPair(a, 'eth0', b, 'eth0');
  for (const [i, host] of [a, b].entries()) {
    await host.ip('link', 'set', 'eth0', 'mtu', String(mtu));
    await host.ip('address', 'add', `${ADDRESSES[i]}/24`, 'dev', 'eth0');
  }
  return [a, b];
}

/** A bridge, a VXLAN to the other host with the MTU that the kernel gives it, and a TAP with this MTU. */
async function join(t: Test, host: TestNamespace, which: 0 | 1, mtu: number): Promise<Tap> {
  await links.create({ kind: 'bridge', name: 'br0', up: true, netns: host.name });
  await links.create({
    kind: 'vxlan',
    name: 'vxlan42',
    id: 42,
    lower: 'eth0',
    local: ADDRESSES[which],
    remote: ADDRESSES[1 - which],
    master: 'br0',
    up: true,
    netns: host.name,
  });
  const tap = await openTap({ netns: host.name, name: 'tap0', bridge: 'br0', mtu });
  t.teardown(() => tap[Symbol.asyncDispose]());
  return tap;
}

const frame = (text: string, mtu: number) =>
  testFrame({ to: TO, from: FROM, text, length: mtu + HEADER_BYTES });

t.test(
  'a VXLAN has 50 bytes less than its lower device, and more is refused, though the kernel would bend it',
  async (t) => {
    const [a] = await hosts(t, 1500);
    const vxlan = {
      kind: 'vxlan',
      lower: 'eth0',
      local: ADDRESSES[0],
      remote: ADDRESSES[1],
      netns: a.name,
    } as const;
    t.equal((await links.create({ ...vxlan, name: 'of-itself', id: 1 })).mtu, 1450);
    t.equal((await links.create({ ...vxlan, name: 'said', id: 2, mtu: 1450 })).mtu, 1450);
    await t.rejects(links.create({ ...vxlan, name: 'more', id: 3, mtu: 1451 }), { code: 'EINVAL' });
    t.equal(await a.link('more'), undefined);
  },
);

t.test('a bridge silently drops what is too large for the VXLAN', async (t) => {
  const [a, b] = await hosts(t, 1500);
  // A TAP left at 1500, as the card of a guest that does not know of the VXLAN.
  const from = await join(t, a, 0, 1500);
  const to = await join(t, b, 1, 1500);
  for (const [text, mtu] of [
    ['fits', 1450],
    ['too large', 1500],
    ['fits too', 1450],
  ] as const) {
    await send(from, frame(text, mtu));
  }
  t.same(await textsUntil(to, 'fits too'), ['fits', 'fits too']);
  t.same(from.stats.sent.drops, {}, 'the device has sent it');
});

t.test('a TAP with the MTU of the VXLAN refuses it', async (t) => {
  const [a, b] = await hosts(t, 1500);
  const from = await join(t, a, 0, 1450);
  const to = await join(t, b, 1, 1450);
  await t.rejects(send(from, frame('too large', 1451)), { code: 'ERR_TAPFD_FRAME_TOO_LONG' });
  await send(from, frame('fits', 1450));
  t.same(await textsUntil(to, 'fits'), ['fits']);
});

t.test('a wire of 1550 bytes leaves the guests 1500', async (t) => {
  const [a, b] = await hosts(t, 1550);
  const from = await join(t, a, 0, 1500);
  const to = await join(t, b, 1, 1500);
  await send(from, frame('full', 1500));
  t.same(await textsUntil(to, 'full'), ['full']);
  t.equal((await b.link('vxlan42'))?.mtu, 1500);
});
