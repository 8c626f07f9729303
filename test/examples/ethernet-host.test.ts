import { Duplex } from 'node:stream';
import t from 'tap';
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
    onFrame: (direction, text) => seen.push(`${direction} ${text}`),
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
    `sent ${LEFT.mac} > ff:ff:ff:ff:ff:ff ARP 10.0.0.1 asks who has 10.0.0.2`,
    `received ${RIGHT.mac} > ${LEFT.mac} ARP 10.0.0.2 tells 10.0.0.1: it is ${RIGHT.mac}`,
    `sent ${LEFT.mac} > ${RIGHT.mac} ICMP echo request 1 from 10.0.0.1 to 10.0.0.2`,
    `received ${RIGHT.mac} > ${LEFT.mac} ICMP echo reply 1 from 10.0.0.2 to 10.0.0.1`,
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
    if (frame.readUInt16BE(12) !== 0x0806) return;
    const reply = Buffer.from(frame);
    reply.writeUInt16BE(2, 20);
    frame.copy(reply, 0, 6, 12);
    Buffer.from('525400000002', 'hex').copy(reply, 6);
    Buffer.from('5254000000020a000002', 'hex').copy(reply, 22);
    frame.copy(reply, 32, 22, 32);
    east.write(reply);
  });
  await t.rejects(asker.ping(RIGHT.address, { timeoutMs: 50 }), /does not answer the ping/);
});

t.test("what is not the host's is let pass", async (t) => {
  const [left, right] = wire();
  const received: string[] = [];
  const host = new EthernetHost(left, { ...LEFT, onFrame: (direction) => received.push(direction) });
  const other = new EthernetHost(right, RIGHT);
  const request = Buffer.from(
    // To another MAC, as a bridge floods it.
    '525400000009525400000002080045000024000000004001' +
      '00000a0000020a0000010800' +
      '00000001000100000000000000000000',
    'hex',
  );
  right.write(request);
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
  t.match(describeFrame(Buffer.from(`${start}86dd60`, 'hex')), /type 0x86dd, 15 bytes$/);
  t.match(describeFrame(Buffer.from(`${start}0806`, 'hex')), /type 0x0806, 14 bytes$/);
});
