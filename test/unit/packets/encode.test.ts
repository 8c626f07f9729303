/** What the encoder fills in, leaves as it is given, and refuses. */
import t from 'tap';
import {
  decodeFrame,
  decodePacket,
  encodeFrame,
  encodePacket,
  fieldsOf,
  type Layers,
  type Packet,
} from 'tapfd/packets';
import { LOOKS_LIKE_BYTES, transferred } from '../../kit/odd-values.js';
import { refuses } from '../../kit/refuses.js';

const ethernet = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' };
const ipv4 = { source: '10.0.0.1', destination: '10.0.0.2' };
const ipv6 = { source: 'fd00::1', destination: 'fd00::2' };
const udp = { sourcePort: 1000, destinationPort: 2000 };
const tcp = { sourcePort: 1000, destinationPort: 2000 };
const icmp = { type: 'echo-request' } as const;

function field(packet: Packet, path: string): unknown {
  return new Map(fieldsOf(packet)).get(path);
}

t.test('a ping, byte by byte', async (t) => {
  const frame = encodeFrame({
    ethernet,
    ipv4,
    icmp: { type: 'echo-request', identifier: 1, sequence: 1 },
    payload: Buffer.from('hello'),
  });
  t.equal(
    frame.toString('hex'),
    '020000000002' +
      '020000000001' +
      '0800' +
      '45000021000000004001' +
      '66da' +
      '0a0000010a000002' +
      '0800b42b00010001' +
      '68656c6c6f',
  );
});

t.test('ARP, byte by byte', async (t) => {
  const arp = { operation: 'request', senderAddress: '10.0.0.1', targetAddress: '10.0.0.2' } as const;
  t.equal(
    encodeFrame({ ethernet, arp }).subarray(12).toString('hex'),
    '0806' + '0001080006040001' + '0200000000010a000001' + '0000000000000a000002',
    'a request has the MAC of the frame, and asks for that of the target',
  );
  const reply = decodeFrame(encodeFrame({ ethernet, arp: { ...arp, operation: 'reply' } }));
  t.equal(reply.arp?.targetMac, ethernet.destination, 'a reply knows the MAC of the target');
});

t.test('types of VLAN tags', async (t) => {
  const one = encodeFrame({ ethernet, vlans: [{ id: 5 }], ipv4, udp });
  t.equal(one.toString('hex', 12, 18), '810000050800');
  const two = encodeFrame({
    ethernet,
    vlans: [
      { id: 5, dropEligible: true },
      { id: 6, priority: 7 },
    ],
    ipv6,
    udp,
  });
  t.equal(two.toString('hex', 12, 22), '88a810058100e00686dd');
  const own = encodeFrame({ ethernet: { ...ethernet, etherType: 0x9100 }, vlans: [{ id: 1 }], ipv4, udp });
  t.equal(own.toString('hex', 12, 18), '910000010800', 'a type that is given stands');
  t.match(decodeFrame(own), { vlans: [{ id: 1 }], udp: {} });
});

t.test('wrong values on purpose', async (t) => {
  const given = {
    ethernet: { ...ethernet, etherType: 0x1234 },
    ipv4: { ...ipv4, checksum: 1, totalLength: 2, headerLength: 24, protocol: 3 },
    udp: { ...udp, length: 4, checksum: 0 },
  };
  const bytes = encodeFrame(given);
  t.equal(bytes.readUInt16BE(12), 0x1234);
  t.equal(bytes[14], 0x46);
  t.equal(bytes.readUInt16BE(16), 2);
  t.equal(bytes[23], 3);
  t.equal(bytes.readUInt16BE(24), 1);
  t.equal(bytes.readUInt16BE(38), 4);
  t.equal(bytes.readUInt16BE(40), 0);
  const segment = encodePacket({
    ipv6: { ...ipv6, payloadLength: 1, nextHeader: 2 },
    tcp: { ...tcp, headerLength: 60, checksum: 3 },
  });
  t.equal(segment.readUInt16BE(4), 1);
  t.equal(segment[6], 2);
  t.equal(segment[52], 0xf0);
  t.equal(segment.readUInt16BE(56), 3);
  const message = encodePacket({ ipv4, icmp: { type: 200, rest: 7, checksum: 9 } });
  t.equal(message.toString('hex', 20), 'c800000900000007');
  const other = encodePacket({ ipv6, icmpv6: { type: 200, rest: 7, checksum: 9 } });
  t.equal(other.toString('hex', 40), 'c800000900000007');
});

t.test('lengths that do not fit are refused, unless they are given', async (t) => {
  const payload = Buffer.alloc(70_000);
  refuses(t, encodePacket, [{ ipv4: { ...ipv4, protocol: 253 }, payload }], 'payload');
  refuses(t, encodePacket, [{ ipv6: { ...ipv6, nextHeader: 253 }, payload }], 'payload');
  refuses(t, encodePacket, [{ ipv4: { ...ipv4, totalLength: 0 }, udp, payload }], 'payload');
  const large = encodePacket({ ipv4: { ...ipv4, totalLength: 0 }, udp: { ...udp, length: 0 }, payload });
  t.equal(large.length, 70_028);
  t.equal(encodePacket({ ipv6: { ...ipv6, payloadLength: 0, nextHeader: 253 }, payload }).length, 70_040);
});

t.test('checksums of UDP are never 0', async (t) => {
  // The one whose sum is 0xffff: found by trying the port.
  for (let sourcePort = 0; sourcePort < 65_536; sourcePort++) {
    const bytes = encodePacket({ ipv4, udp: { ...udp, sourcePort } });
    if (bytes.readUInt16BE(26) !== 0xffff) continue;
    t.same(decodePacket(bytes).problems, []);
    return;
  }
  t.fail('no such port');
});

t.test('hop limits', async (t) => {
  const limit = (layers: Layers) => decodePacket(encodePacket(layers)).ipv6?.hopLimit;
  t.equal(limit({ ipv6, udp }), 64);
  t.equal(limit({ ipv6, icmpv6: { type: 'neighbor-solicitation', target: 'fe80::1' } }), 255);
  t.equal(limit({ ipv6, icmpv6: { type: 'multicast-listener-report', multicastAddress: 'ff02::1' } }), 1);
  t.equal(limit({ ipv6, icmpv6: { type: 'multicast-listener-report-v2', rest: 0 } }), 1);
  t.equal(limit({ ipv6: { ...ipv6, hopLimit: 9 }, icmpv6: { type: 'router-solicitation' } }), 9);
});

t.test('options and padding', async (t) => {
  const one = decodePacket(encodePacket({ ipv4: { ...ipv4, options: Buffer.from([1]) }, udp }));
  t.equal(one.ipv4?.headerLength, 24);
  t.same(one.ipv4?.options, Buffer.from([1, 0, 0, 0]));
  const segment = decodePacket(
    encodePacket({ ipv4, tcp: { ...tcp, options: [{ type: 'window-scale', shift: 7 }] } }),
  );
  t.same(segment.tcp?.options, [{ type: 'window-scale', shift: 7 }, { type: 'end' }]);
  for (const length of [0, 1, 5, 6, 7]) {
    const extensions = [{ type: 'hop-by-hop', data: Buffer.alloc(length) }] as const;
    const { ipv6: header, problems } = decodePacket(encodePacket({ ipv6: { ...ipv6, extensions }, udp }));
    t.same(problems, []);
    t.equal(header?.nextHeader, 0);
    const [extension] = header?.extensions ?? [];
    t.ok(extension?.type === 'hop-by-hop' && extension.data.length % 8 === 6);
  }
});

t.test('next headers', async (t) => {
  const bytes = encodePacket({
    ipv6: { ...ipv6, extensions: [{ type: 'hop-by-hop' }, { type: 'fragment', identification: 1 }] },
  });
  t.equal(bytes[6], 0);
  t.equal(bytes[40], 44);
  t.equal(bytes[48], 59, 'nothing follows');
  refuses(
    t,
    encodePacket,
    [{ ipv6: { ...ipv6, extensions: [{ type: 'hop-by-hop' }] }, payload: Buffer.alloc(1) }],
    'ipv6.extensions[0].nextHeader',
  );
});

t.test('DHCP brings its own ports', async (t) => {
  const request = decodeFrame(
    encodeFrame({ ethernet, ipv4, dhcp: { operation: 'request', messageType: 'discover' } }),
  );
  t.match(request, {
    udp: { sourcePort: 68, destinationPort: 67 },
    dhcp: { messageType: 'discover', clientMac: ethernet.source },
  });
  t.same(request.dhcp?.options, [{ type: 'message-type', value: 'discover' }, { type: 'end' }]);
  const reply = decodePacket(
    encodePacket({
      ipv4,
      udp: { destinationPort: 67 },
      dhcp: {
        operation: 'reply',
        clientMac: ethernet.source,
        messageType: 250,
        options: [{ type: 'message-type', value: 250 }, { type: 'pad' }, { type: 'end' }],
      },
      payload: Buffer.alloc(3),
    }),
  );
  t.match(reply, {
    udp: { sourcePort: 67, destinationPort: 67 },
    dhcp: { operation: 'reply', messageType: 250 },
  });
  t.same(
    reply.dhcp?.options.map(({ type }) => type),
    ['message-type', 'pad', 'end'],
  );
  t.equal(reply.payload.length, 3);
});

t.test('a packet can be given as it was decoded', async (t) => {
  const frame = encodeFrame({
    ethernet,
    ipv4,
    icmp: { type: 'destination-unreachable', code: 3 },
    quoted: { ipv4, udp },
    trailer: Buffer.alloc(4),
  });
  t.same(encodeFrame(decodeFrame(frame)), frame);
  t.same(encodePacket(decodePacket(frame.subarray(14))), frame.subarray(14));
  t.equal(field(decodeFrame(frame), 'quoted.udp.destinationPort'), 2000);
});

t.test('what does not go together', async (t) => {
  const payload = Buffer.alloc(1);
  const arp = { operation: 'request', senderAddress: '10.0.0.1', targetAddress: '10.0.0.2' };
  const frames: [object, string][] = [
    [{}, 'ethernet'],
    [{ ipv4, udp }, 'ethernet'],
    [{ ethernet, udp }, 'udp'],
    [{ ethernet, payload }, 'ethernet.etherType'],
    [{ ethernet, arp, payload }, 'payload'],
    [{ ethernet, arp, ipv4 }, 'ipv4'],
    [{ ethernet, ipv4, ipv6, udp }, 'ipv6'],
    [{ ethernet, ipv4, icmpv6: { type: 'echo-request' } }, 'icmpv6'],
    [{ ethernet, ipv6, icmp }, 'icmp'],
    [{ ethernet, ipv6, dhcp: { operation: 'request' } }, 'dhcp'],
    [{ ethernet, ipv4, udp, tcp }, 'tcp'],
    [{ ethernet, ipv4, tcp, dhcp: { operation: 'request' } }, 'dhcp'],
    [{ ethernet, ipv4, udp, quoted: { ipv4, udp } }, 'quoted'],
    [{ ethernet, ipv4, icmp, quoted: { ipv4, udp }, payload }, 'payload'],
    [{ ethernet, ipv4, icmp, quoted: {} }, 'ipv4'],
    [{ ethernet, ipv4, icmp, quoted: { ethernet, ipv4 } }, 'ethernet'],
    [{ ethernet, ipv4, icmp, quoted: { ipv5: 1 } }, 'quoted.ipv5'],
    [{ ethernet, ipv4, icmp, quoted: 1 }, 'quoted'],
    [{ ethernet, ipv4: { ...ipv4, fragmentOffset: 8 }, udp }, 'udp'],
    [{ ethernet, ipv4: { ...ipv4, fragmentOffset: 8 }, dhcp: { operation: 'request' } }, 'dhcp'],
    [{ ethernet, ipv4, vlan: 1, udp }, 'vlan'],
    [{ ethernet, ipv4, udp, payload: 'text' }, 'payload'],
    [{ ethernet, ipv4, udp, trailer: 1 }, 'trailer'],
    [{ ethernet, vlans: {}, ipv4, udp }, 'vlans'],
    [{ ethernet: [], arp }, 'ethernet'],
    [{ ethernet: [], ipv4, dhcp: { operation: 'request' } }, 'ethernet'],
  ];
  for (const [layers, argument] of frames) refuses(t, encodeFrame, [layers], argument);
  const packets: [object, string][] = [
    [{}, 'ipv4'],
    [{ payload }, 'ipv4'],
    [{ ethernet, ipv4, udp }, 'ethernet'],
    [{ vlans: [], ipv4, udp }, 'vlans'],
    [{ arp }, 'arp'],
    [{ ipv4, dhcp: { operation: 'request' } }, 'dhcp.clientMac'],
    [
      {
        ipv4,
        dhcp: {
          operation: 'request',
          clientMac: ethernet.source,
          messageType: 'ack',
          options: [{ type: 'message-type', value: 'nak' }],
        },
      },
      'dhcp.messageType',
    ],
  ];
  for (const [layers, argument] of packets) refuses(t, encodePacket, [layers], argument);
  for (const layers of [undefined, null, 1, 'x', []]) refuses(t, encodePacket, [layers], 'layers');
  const endless: { ipv4: object; icmp: object; quoted?: object } = { ipv4, icmp };
  endless.quoted = endless;
  refuses(t, encodePacket, [endless], 'quoted');
});

t.test('values that a field cannot have', async (t) => {
  const over4 = (name: string, value: unknown): [object, string] => [
    { ipv4: { ...ipv4, [name]: value }, udp },
    `ipv4.${name}`,
  ];
  const over6 = (name: string, value: unknown): [object, string] => [
    { ipv6: { ...ipv6, [name]: value }, udp },
    `ipv6.${name}`,
  ];
  const extension = (value: object): object => ({ ipv6: { ...ipv6, extensions: [value] }, udp });
  const option = (value: unknown): object => ({ ipv4, tcp: { ...tcp, options: [value] } });
  const nd = (value: object): object => ({ ipv6, icmpv6: { type: 'router-solicitation', options: [value] } });
  const dhcp = (value: object): object => ({
    ipv4,
    dhcp: { operation: 'reply', clientMac: ethernet.source, ...value },
  });
  const dhcpOption = (value: object): object => dhcp({ options: [value] });
  const packets: [object, string][] = [
    over4('ttl', 256),
    over4('ttl', '64'),
    over4('source', 'fd00::1'),
    over4('source', '10.0.0.01'),
    over4('destination', undefined),
    over4('fragmentOffset', 4),
    over4('fragmentOffset', 65_536),
    over4('headerLength', 22),
    over4('options', Buffer.alloc(41)),
    over4('dontFragment', 1),
    over4('tll', 64),
    over6('flowLabel', 2 ** 20),
    over6('source', '10.0.0.1'),
    over6('source', 'fe80::1%eth0'),
    over6('extensions', {}),
    [extension({ type: 44 }), 'ipv6.extensions[0].type'],
    [extension({ type: 'jumbo' }), 'ipv6.extensions[0].type'],
    [extension({ type: 'fragment', fragmentOffset: 1 }), 'ipv6.extensions[0].fragmentOffset'],
    [extension({ type: 'fragment', data: Buffer.alloc(1) }), 'ipv6.extensions[0].data'],
    [extension({ type: 'hop-by-hop', data: Buffer.alloc(2048) }), 'ipv6.extensions[0].data'],
    [extension({ type: 'routing' }), 'ipv6.extensions[0].routingType'],
    [extension({ type: 'authentication', spi: 1 }), 'ipv6.extensions[0].sequence'],
    [
      { ipv6: { ...ipv6, extensions: [{ type: 'fragment', fragmentOffset: 8 }, { type: 'hop-by-hop' }] } },
      'ipv6.extensions[1]',
    ],
    [extension({ type: 'fragment', fragmentOffset: 8 }), 'udp'],
    [{ ipv4, udp: { ...udp, sourcePort: -1 } }, 'udp.sourcePort'],
    [{ ipv4, udp: {} }, 'udp.sourcePort'],
    [{ ipv4, tcp: { ...tcp, headerLength: 21 } }, 'tcp.headerLength'],
    [{ ipv4, tcp: { ...tcp, flags: { synn: true } } }, 'tcp.flags.synn'],
    [{ ipv4, tcp: { ...tcp, flags: ['syn'] } }, 'tcp.flags'],
    [{ ipv4, tcp: { ...tcp, flags: { syn: 1 } } }, 'tcp.flags.syn'],
    [{ ipv4, tcp: { ...tcp, options: Array(41).fill({ type: 'nop' }) } }, 'tcp.options'],
    [option({ type: 'nop', data: Buffer.alloc(0) }), 'tcp.options[0].data'],
    [option({ type: 1 }), 'tcp.options[0].type'],
    [option({ type: 'none' }), 'tcp.options[0].type'],
    [option({ type: 'mss', shift: 1 }), 'tcp.options[0].shift'],
    [option({ type: 'mss' }), 'tcp.options[0].value'],
    [option({ type: 'sack', blocks: [{ left: 1 }] }), 'tcp.options[0].blocks[0].right'],
    [option({ type: 'timestamps', value: 2 ** 32, echo: 0 }), 'tcp.options[0].value'],
    [option({ type: 253, data: Buffer.alloc(254) }), 'tcp.options[0].data'],
    [option(undefined), 'tcp.options[0]'],
    [{ ipv4, icmp: {} }, 'icmp.type'],
    [{ ipv4, icmp: { type: 'echo' } }, 'icmp.type'],
    [{ ipv4, icmp: { type: 256 } }, 'icmp.type'],
    [{ ipv4, icmp: { ...icmp, gateway: '10.0.0.1' } }, 'icmp.gateway'],
    [{ ipv6, icmpv6: { type: 'echo-request', target: 'fe80::1' } }, 'icmpv6.target'],
    [{ ipv6, icmpv6: { type: 'neighbor-solicitation' } }, 'icmpv6.target'],
    [{ ipv6, icmpv6: { type: 'router-advertisement' } }, 'icmpv6.routerLifetime'],
    [
      { ipv6, icmpv6: { type: 'router-advertisement', routerLifetime: 0, preference: 'best' } },
      'icmpv6.preference',
    ],
    [nd({ type: 'mtu', mac: ethernet.source }), 'icmpv6.options[0].mac'],
    [nd({ type: 'source-link-layer-address', mac: '02' }), 'icmpv6.options[0].mac'],
    [
      nd({ type: 'prefix-information', prefix: 'fd00::', prefixLength: 129 }),
      'icmpv6.options[0].prefixLength',
    ],
    [nd({ type: 'recursive-dns-server', addresses: ['10.0.0.1'] }), 'icmpv6.options[0].addresses[0]'],
    [nd({ type: 14, data: Buffer.alloc(2040) }), 'icmpv6.options[0]'],
    [dhcp({ serverName: 'x'.repeat(65) }), 'dhcp.serverName'],
    [dhcp({ bootFile: '\u0100' }), 'dhcp.bootFile'],
    [dhcp({ operation: 'ask' }), 'dhcp.operation'],
    [dhcp({ messageType: 'ask' }), 'dhcp.messageType'],
    [dhcpOption({ type: 0, data: Buffer.alloc(1) }), 'dhcp.options[0].type'],
    [dhcpOption({ type: 'end', data: Buffer.alloc(1) }), 'dhcp.options[0].data'],
    [dhcpOption({ type: 'routers', addresses: ['::'] }), 'dhcp.options[0].addresses[0]'],
    [dhcpOption({ type: 'parameter-request-list', codes: [256] }), 'dhcp.options[0].codes[0]'],
    [dhcpOption({ type: 'host-name', text: 'x'.repeat(256) }), 'dhcp.options[0]'],
    [dhcpOption({ type: 'message-type', value: 'hello' }), 'dhcp.options[0].value'],
    [dhcpOption({ type: 'lease-time', seconds: -1 }), 'dhcp.options[0].seconds'],
    [dhcpOption({ type: 'interface-mtu', text: '' }), 'dhcp.options[0].text'],
    [dhcpOption({ type: 'subnet-mask', address: 'none' }), 'dhcp.options[0].address'],
  ];
  for (const [layers, argument] of packets) refuses(t, encodePacket, [layers], argument);
  for (const [header, argument] of [
    [{ ...ethernet, type: 1 }, 'ethernet.type'],
    [{ source: ethernet.source }, 'ethernet.destination'],
    [{ ...ethernet, source: 'host' }, 'ethernet.source'],
  ] as const) {
    refuses(t, encodeFrame, [{ ethernet: header, ipv4, udp }], argument);
  }
  refuses(t, encodeFrame, [{ ethernet, vlans: [{ priority: 1 }], ipv4, udp }], 'vlans[0].id');
  refuses(t, encodeFrame, [{ ethernet, arp: { operation: 'ask' } }], 'arp.operation');
});

t.test('bytes that are none', async (t) => {
  for (const wrong of [...LOOKS_LIKE_BYTES(), 'text', 5, undefined]) {
    refuses(t, decodeFrame, [wrong], 'bytes');
    refuses(t, decodePacket, [wrong], 'bytes');
  }
  refuses(t, decodePacket, [transferred()], 'bytes');
  const buffer = Buffer.from(new ArrayBuffer(60));
  structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
  refuses(t, decodePacket, [buffer], 'bytes');
  refuses(t, encodePacket, [{ ipv4, udp, payload: transferred() }], 'payload');
  refuses(t, encodePacket, [{ ipv4 }], 'ipv4.protocol');
});
