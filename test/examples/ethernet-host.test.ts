import { Duplex } from 'node:stream';
import t from 'tap';
import { decodeFrame, encodeFrame, replyTo } from 'tapfd/packets';
import { describeFrame, EthernetHost } from '../../examples/ethernet-host.ts';

/** Two ends of a wire: what is written to one is read from the other, one chunk a frame. */
function wire(): [Duplex, Duplex] {
  const ends: Duplex[] = [0, 1].map(
    (end) =>
      new Duplex({
        objectMode: true,
        read() {},
        write(frame, _encoding, callback) {
          ends[1 - end].push(Buffer.from(frame));
          callback();
        },
      }),
  );
  return [ends[0], ends[1]];
}

const LEFT = { mac: '52:54:00:00:00:01', address: '10.0.0.1' };
const RIGHT = { mac: '52:54:00:00:00:02', address: '10.0.0.2' };

t.test('two hosts find and ping each other', async (t) => {
  const [left, right] = wire();
  const seen: string[] = [];
  const pinging = new EthernetHost(left, {
    ...LEFT,
    onFrame: (direction, text) => seen.push(`${direction} ${text.replace(/id \d+/, 'id ID')}`),
  });
  const answering = new EthernetHost(right, RIGHT);

  for (const payload of [Buffer.from('odd'), Buffer.from('even'), Buffer.alloc(0)]) {
    const reply = await pinging.ping(RIGHT.address, { payload });
    t.equal(reply.mac, RIGHT.mac);
    t.same(reply.payload, payload);
    t.ok(reply.milliseconds >= 0);
  }
  t.equal(answering.answered, 3);
  t.same(seen.slice(0, 4), [
    `sent ${LEFT.mac} > ff:ff:ff:ff:ff:ff, ARP, request who-has 10.0.0.2 tell 10.0.0.1`,
    `received ${RIGHT.mac} > ${LEFT.mac}, ARP, reply 10.0.0.2 is-at ${RIGHT.mac}`,
    `sent ${LEFT.mac} > ${RIGHT.mac}, IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id ID, seq 1, length 11`,
    `received ${RIGHT.mac} > ${LEFT.mac}, IP 10.0.0.2 > 10.0.0.1: ICMP echo reply, id ID, seq 1, length 11`,
  ]);
});

t.test('a host that gets no answer says so', async (t) => {
  const [left, right] = wire();
  right.resume();
  const host = new EthernetHost(left, LEFT);
  await t.rejects(host.ping('10.0.0.9', { timeoutMs: 50 }), /no answer to the ARP request .* for 10.0.0.9/);

  // A host that answers ARP and nothing else.
  const [west, east] = wire();
  const asker = new EthernetHost(west, LEFT);
  east.on('data', (frame: Buffer) => {
    const packet = decodeFrame(frame);
    const reply = packet.arp && replyTo(packet, { mac: RIGHT.mac });
    if (reply) east.write(encodeFrame(reply));
  });
  await t.rejects(asker.ping(RIGHT.address, { timeoutMs: 50 }), /does not answer the ping/);
});

t.test("what is not the host's is let pass", async (t) => {
  const [left, right] = wire();
  const received: string[] = [];
  const host = new EthernetHost(left, { ...LEFT, onFrame: (direction) => received.push(direction) });
  const other = new EthernetHost(right, RIGHT);
  const request = encodeFrame({
    // To another MAC, as a bridge floods it.
    ethernet: { source: RIGHT.mac, destination: '52:54:00:00:00:09' },
    ipv4: { source: RIGHT.address, destination: LEFT.address },
    icmp: { type: 'echo-request', identifier: 1 },
  });
  right.write(request);
  right.write(
    encodeFrame({
      ethernet: { source: RIGHT.mac, destination: LEFT.mac },
      ipv4: { source: RIGHT.address, destination: LEFT.address },
      icmp: { type: 'echo-request', checksum: 1 }, // wrong
    }),
  );
  right.write(Buffer.alloc(13)); // shorter than an Ethernet header
  right.write(Buffer.from('ffffffffffff52540000000286dd60', 'hex')); // another protocol
  right.write(Buffer.from('ffffffffffff5254000000020806', 'hex')); // an ARP header that is cut off
  right.write(Buffer.from('ffffffffffff5254000000020800450000ff', 'hex')); // an IPv4 header that is cut off
  const reply = await other.ping(LEFT.address);
  t.equal(reply.mac, LEFT.mac, 'the host lives on');
  t.equal(host.answered, 1, 'and answered only what was meant for it');
});

t.test('frames are described', async (t) => {
  const start = 'ffffffffffff525400000002';
  t.match(describeFrame(Buffer.from(`${start}88b560`, 'hex')), /ethertype 0x88b5, length 1$/);
  t.match(describeFrame(Buffer.from(`${start}0806`, 'hex')), /\[arp: 0 bytes are left for a header of 8\]$/);
});
