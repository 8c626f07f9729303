/** docs/diagnosis.md, which way is rx: the kernel's counters, and the hooks of nftables as witnesses. */
import t from 'tap';
import { links, openMacvtap, openTap, type Tap } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { framesUntil, send, testFrame, textOf } from '../../kit/frames.js';
import { quietNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap', 'veth', 'bridge', 'nft', 'ip');

const MAC = '02:00:00:00:00:0a';
const PEER_MAC = '02:00:00:00:00:0b';
const WRITTEN = 5;
const READ = 7;

async function sendMany(
  from: Tap | Awaited<ReturnType<typeof openMacvtap>>,
  to: string,
  source: string,
  count: number,
) {
  for (let i = 1; i <= count; i++) await send(from, testFrame({ to, from: source, text: `${i}` }));
}

t.test('frames that a program writes and reads, as the kernel counts them', async (t) => {
  const ns = await quietNamespace(t);
  const netns = ns.name;
  await ns.wire('wire', 'far');
  await ns.bridge('br0');
  const pairs = {
    tap: [await openTap({ netns, bridge: 'br0' }), await openTap({ netns, bridge: 'br0' })],
    macvtap: [
      await openMacvtap({ netns, lower: 'wire', guestMac: MAC }),
      await openMacvtap({ netns, lower: 'far', guestMac: PEER_MAC }),
    ],
  };
  await ns.exec('nft', 'add table netdev seen');
  for (const [kind, [device, peer]] of Object.entries(pairs)) {
    for (const hook of ['ingress', 'egress']) {
      const chain = `${kind}_${hook}`;
      const rule = `type filter hook ${hook} device "${device.name}" priority 0;`;
      await ns.exec('nft', `add chain netdev seen ${chain} { ${rule} }`);
      await ns.exec('nft', `add rule netdev seen ${chain} ether type 0x88b5 counter`);
    }
    await sendMany(device, PEER_MAC, MAC, WRITTEN);
    await sendMany(peer, MAC, PEER_MAC, READ);
    await framesUntil(device, (frame) => textOf(frame) === `${READ}`);

    const { stats } = await links.get(device.index, { netns });
    const [rx, tx] = kind === 'tap' ? [WRITTEN, READ] : [READ, WRITTEN];
    t.match(stats, { rxPackets: rx, txPackets: tx }, `${kind}: the link's counters`);
    const counter = async (hook: string) =>
      Number(
        /packets (\d+)/.exec(await ns.exec('nft', 'list', 'chain', 'netdev', 'seen', `${kind}_${hook}`))?.[1],
      );
    t.equal(await counter('ingress'), rx, `${kind}: ingress`);
    t.equal(await counter('egress'), tx, `${kind}: egress`);
    t.match(device.stats, { sent: { frames: WRITTEN }, received: { frames: READ } });
    await device.close();
    await peer.close();
  }
});
