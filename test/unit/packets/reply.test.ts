/** Replies. */
import t from 'tap';
import {
  decodeFrame,
  decodePacket,
  encodeFrame,
  encodePacket,
  type Layers,
  type Packet,
  replyTo,
} from 'tapfd/packets';
import { refuses } from '../../kit/refuses.js';

const OWN = '02:00:00:00:00:02';
const ethernet = { source: '02:00:00:00:00:01', destination: OWN };
const everyone = { ...ethernet, destination: 'ff:ff:ff:ff:ff:ff' };
const ipv4 = { source: '10.0.0.1', destination: '10.0.0.2' };
const ipv6 = { source: 'fe80::1', destination: 'fe80::2' };
const udp = { sourcePort: 1000, destinationPort: 2000 };
const payload = Buffer.from('hello');

function frame(layers: Layers): Packet {
  return decodeFrame(encodeFrame({ ethernet, ...layers }));
}

/** The reply, encoded and decoded. */
function reply(packet: Packet, mac?: string): Packet | undefined {
  const layers = replyTo(packet, { mac });
  return layers && decodeFrame(encodeFrame(layers));
}

t.test('what a host answers', async (t) => {
  const arp = { operation: 'request', senderAddress: '10.0.0.1', targetAddress: '10.0.0.2' } as const;
  for (const answer of [reply(frame({ arp })), reply(frame({ ethernet: everyone, arp }), OWN)]) {
    t.match(answer, {
      ethernet: { source: OWN, destination: ethernet.source },
      arp: {
        operation: 'reply',
        senderMac: OWN,
        senderAddress: '10.0.0.2',
        targetMac: ethernet.source,
        targetAddress: '10.0.0.1',
      },
      problems: [],
    });
  }
  const echo = { type: 'echo-request', identifier: 5, sequence: 6 } as const;
  t.match(reply(frame({ vlans: [{ id: 7, priority: 2 }], ipv4, icmp: echo, payload })), {
    ethernet: { source: OWN },
    vlans: [{ id: 7, priority: 2 }],
    ipv4: { source: '10.0.0.2', destination: '10.0.0.1' },
    icmp: { type: 'echo-reply', identifier: 5, sequence: 6 },
    payload,
    problems: [],
  });
  t.match(reply(frame({ ipv6, icmpv6: echo, payload })), {
    ipv6: { source: 'fe80::2', destination: 'fe80::1' },
    icmpv6: { type: 'echo-reply', identifier: 5, sequence: 6 },
    payload,
    problems: [],
  });
  t.match(reply(frame({ ipv4, udp, payload })), {
    udp: { sourcePort: 2000, destinationPort: 1000 },
    payload: Buffer.alloc(0),
  });
  const layers = replyTo(decodePacket(encodePacket({ ipv4, udp })));
  t.match(layers, { ipv4: { source: '10.0.0.2', destination: '10.0.0.1' } });
  t.equal(layers?.ethernet, undefined, 'a TUN has no MACs');
});

t.test('sequence numbers of TCP', async (t) => {
  const tcp = { ...udp, sequence: 2 ** 32 - 1, acknowledgment: 9 };
  for (const [flags, data, acknowledgment] of [
    [{ syn: true }, Buffer.alloc(0), 0],
    [{ syn: true, fin: true }, payload, 6],
    [{ ack: true }, payload, 4],
  ] as const) {
    t.match(reply(frame({ ipv4, tcp: { ...tcp, flags }, payload: data })), {
      tcp: {
        sourcePort: 2000,
        destinationPort: 1000,
        sequence: 9,
        acknowledgment,
        flags: { ack: true, syn: false },
      },
    });
  }
  t.equal(reply(frame({ ipv4, tcp: { ...tcp, flags: { rst: true } } })), undefined);
});

t.test('neighbour discovery', async (t) => {
  const solicitation = { type: 'neighbor-solicitation', target: 'fe80::2' } as const;
  const group = { ...ethernet, destination: '33:33:ff:00:00:02' };
  const asked = { ipv6: { source: 'fe80::1', destination: 'ff02::1:ff00:2' }, icmpv6: solicitation };
  t.match(reply(frame({ ethernet: group, ...asked }), OWN), {
    ethernet: { source: OWN, destination: ethernet.source },
    ipv6: { source: 'fe80::2', destination: 'fe80::1', hopLimit: 255 },
    icmpv6: {
      type: 'neighbor-advertisement',
      solicited: true,
      override: true,
      target: 'fe80::2',
      options: [{ type: 'target-link-layer-address', mac: OWN }],
    },
    problems: [],
  });
  const probe = { ipv6: { source: '::', destination: 'ff02::1:ff00:2' }, icmpv6: solicitation };
  t.match(reply(frame({ ethernet: group, ...probe }), OWN), {
    ethernet: { destination: '33:33:00:00:00:01' },
    ipv6: { destination: 'ff02::1' },
    icmpv6: { solicited: false },
  });
  t.equal(reply(frame({ ethernet: group, ...asked })), undefined, 'without a MAC of its own');
  t.equal(replyTo(decodePacket(encodePacket(asked))), undefined, 'a TUN has no neighbours');
});

t.test('what nobody answers', async (t) => {
  const echo = { type: 'echo-request' } as const;
  const silent: Packet[] = [
    frame({ ethernet: everyone, ipv4, icmp: echo }),
    frame({ ethernet: { ...ethernet, source: '01:00:00:00:00:01' }, ipv4, icmp: echo }),
    frame({ arp: { operation: 'reply', senderAddress: '10.0.0.1', targetAddress: '10.0.0.2' } }),
    frame({ ipv4, icmp: { type: 'echo-reply' } }),
    frame({ ipv6, icmpv6: { type: 'echo-reply' } }),
    frame({ ipv4: { ...ipv4, protocol: 253 }, payload }),
    frame({ ipv4: { ...ipv4, destination: '224.0.0.1' }, icmp: echo }),
    frame({ ipv4: { ...ipv4, source: '0.0.0.0' }, udp }),
    frame({ ipv4: { ...ipv4, destination: '255.255.255.255' }, udp }),
    frame({ ipv6: { ...ipv6, destination: 'ff02::1' }, udp }),
    frame({ ipv6: { ...ipv6, source: '::' }, udp }),
    frame({ ipv4: { ...ipv4, moreFragments: true }, icmp: echo }),
    frame({ ipv4, icmp: { ...echo, checksum: 1 } }),
    frame({ ethernet: { ...ethernet, etherType: 0x88b5 }, payload }),
    decodeFrame(Buffer.alloc(5)),
  ];
  for (const packet of silent) t.equal(replyTo(packet), undefined);
  const partial = encodePacket({ ipv4, udp });
  partial.writeUInt16BE(0x0a00 * 2 + 3 + 17 + 8, 26);
  t.ok(replyTo(decodePacket(partial)), 'a checksum that is left to the device is no reason');
});

t.test('bad arguments', async (t) => {
  const packet = frame({ ipv4, udp });
  refuses(t, replyTo, [{}], 'packet');
  refuses(t, replyTo, [packet, { mac: '02' }], 'mac');
  refuses(t, replyTo, [packet, { address: '10.0.0.1' }], 'address');
  refuses(t, replyTo, [packet, 1], 'options');
});
