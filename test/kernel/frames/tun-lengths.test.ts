/** What is written to a TUN is one packet, as long as its own header says: the kernel loses the rest without a word. */
import t, { type Test } from 'tap';
import { encodeVnetHeader, openTun, type Tun, type TunOptions } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { quietNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device');
t.setTimeout(120_000);

const INVALID = {
  code: 'ERR_TAPFD_FRAME_INVALID',
  recoverable: true,
  message: /as long as its own header says/,
};
const TUN_PI_IPV4 = Buffer.from('00000800', 'hex');
const TUN_PI_IPV6 = Buffer.from('000086dd', 'hex');

/** An IPv4 packet of UDP without a checksum, from 10.9.0.2 to port 9 of 10.9.0.1. */
function ipv4Packet(payload: number): Buffer {
  const packet = Buffer.alloc(28 + payload);
  packet.write('4500000000004000401100000a0900020a090001', 0, 'hex');
  packet.writeUInt16BE(packet.length, 2);
  packet.writeUInt16BE(checksum(packet.subarray(0, 20)), 10);
  packet.writeUInt16BE(9, 20);
  packet.writeUInt16BE(9, 22);
  packet.writeUInt16BE(8 + payload, 24);
  return packet;
}

/** An IPv6 packet with nothing that any protocol would answer (next header 59). */
function ipv6Packet(payload: number, nextHeader = 59): Buffer {
  const packet = Buffer.alloc(40 + payload);
  packet.writeUInt8(0x60, 0);
  packet.writeUInt16BE(payload, 4);
  packet.writeUInt8(nextHeader, 6);
  return packet;
}

function checksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  return ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
}

async function openedTun(t: Test, options: TunOptions = {}): Promise<Tun> {
  const { name } = await quietNamespace(t);
  return closedWith(t, await openTun({ netns: name, ...options }));
}

/** Writes each packet behind `header`, and checks which are refused. */
async function checkWrites(
  t: Test,
  tun: Tun,
  header: Buffer,
  cases: [string, Buffer, boolean][],
): Promise<void> {
  for (const [what, packet, passes] of cases) {
    const writing = tun.writeBatch([Buffer.concat([header, packet])]);
    if (passes) t.equal(await writing, 1, `taken: ${what}`);
    else await t.rejects(writing, INVALID, `refused: ${what}`);
  }
}

/** A name, a packet, and whether it is one. */
const CASES: [string, Buffer, boolean][] = [
  ['IPv4', ipv4Packet(30), true],
  ['two IPv4 packets', Buffer.concat([ipv4Packet(30), ipv4Packet(30)]), false],
  ['IPv4, cut short', ipv4Packet(30).subarray(0, 57), false],
  ['IPv4, cut within its header', ipv4Packet(30).subarray(0, 19), false],
  ['IPv6', ipv6Packet(30), true],
  ['IPv6 with no payload', ipv6Packet(0), true],
  ['two IPv6 packets', Buffer.concat([ipv6Packet(30), ipv6Packet(30)]), false],
  ['IPv6, cut short', ipv6Packet(30).subarray(0, 69), false],
  ['IPv6, cut within its header', ipv6Packet(30).subarray(0, 39), false],
  ['IPv6 with a length of 0 and a payload', Buffer.concat([ipv6Packet(0), Buffer.alloc(8)]), false],
  [
    'a jumbogram: the length is in its hop-by-hop header',
    Buffer.concat([ipv6Packet(0, 0), Buffer.alloc(8)]),
    true,
  ],
];

t.test('a TUN takes packets of their own length only', async (t) => {
  const tun = await openedTun(t);
  await checkWrites(t, tun, Buffer.alloc(0), CASES);
  const refused = CASES.filter(([, , passes]) => !passes).length;
  t.same(tun.stats.sent.drops, { invalid: refused });
  t.equal(tun.destroyed, false);
});

t.test('so does one with packet information, where that names IP, and one with a vnet header', async (t) => {
  const tun = await openedTun(t, { packetInfo: true, vnetHeader: true });
  const noVnet = Buffer.alloc(10);
  const version = (packet: Buffer) => packet[0] >> 4;
  for (const [pi, named] of [
    [TUN_PI_IPV4, 4],
    [TUN_PI_IPV6, 6],
  ] as const) {
    const cases = CASES.map(([what, packet, passes]): [string, Buffer, boolean] => [
      `${what} as IPv${named}`,
      packet,
      passes && version(packet) === named,
    ]);
    await checkWrites(t, tun, Buffer.concat([pi, noVnet]), cases);
  }
  // Some other protocol, of any length.
  const other = Buffer.concat([Buffer.from('000088b5', 'hex'), noVnet]);
  await checkWrites(
    t,
    tun,
    other,
    CASES.map(([what, packet]) => [`${what} as no IP`, packet, true]),
  );
});

t.test('a super-frame passes, and the kernel judges its length', async (t) => {
  const tun = await openedTun(t, { vnetHeader: true, offload: ['csum', 'tso4'] });
  const vnet = encodeVnetHeader({ segmentation: 'tcp4', segmentBytes: 1000, headerBytes: 40 });
  const packet = ipv4Packet(3000);
  packet.writeUInt8(6, 9);
  packet.writeUInt8(0x50, 32);
  packet.writeUInt16BE(0, 2);
  t.equal(await tun.writeBatch([Buffer.concat([vnet, packet])]), 1);
});
