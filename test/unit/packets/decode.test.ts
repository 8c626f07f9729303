/** What the decoder reads, and what it says of packets that are wrong. */
import { inspect } from 'node:util';
import t from 'tap';
import { decodeFrame, decodePacket, encodeFrame, encodePacket, type Layers, summarize } from 'tapfd/packets';
import { foreignBytes } from '../../kit/odd-values.js';
import { refuses } from '../../kit/refuses.js';

const ethernet = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' };
const ipv4 = { source: '10.0.0.1', destination: '10.0.0.2' };
const ipv6 = { source: 'fd00::1', destination: 'fd00::2' };
const udp = { sourcePort: 1000, destinationPort: 2000 };
const payload = Buffer.from('payload!');

/** Layer and code of each problem. */
function problems(bytes: Buffer): string[] {
  return decodePacket(bytes).problems.map(({ layer, code }) => `${layer} ${code}`);
}

/** A packet with some bytes changed. */
function changed(layers: Layers, changes: Record<number, number>): Buffer {
  const bytes = encodePacket(layers);
  for (const [at, value] of Object.entries(changes)) bytes.writeUInt8(value, Number(at));
  return bytes;
}

t.test('a frame that tcpdump has captured', async (t) => {
  // A SYN of Linux.
  const frame = Buffer.from(
    '001122334455' +
      '66778899aabb' +
      '08004500003c1c4640004006' +
      'b1e6c0a80068c0a80001' +
      'a9d6005063c3b1a500000000a002faf0' +
      '0000' +
      '0000020405b40402080a0035c5a70000000001030307',
    'hex',
  );
  const packet = decodeFrame(frame);
  t.match(packet, {
    ethernet: { destination: '00:11:22:33:44:55', source: '66:77:88:99:aa:bb', etherType: 0x0800 },
    vlans: undefined,
    ipv4: {
      totalLength: 60,
      dontFragment: true,
      ttl: 64,
      source: '192.168.0.104',
      destination: '192.168.0.1',
    },
    tcp: {
      sourcePort: 43478,
      destinationPort: 80,
      sequence: 0x63c3b1a5,
      window: 64240,
      flags: { syn: true, ack: false },
    },
    udp: undefined,
    icmp: undefined,
    isFragment: false,
  });
  t.same(packet.tcp?.options, [
    { type: 'mss', value: 1460 },
    { type: 'sack-permitted' },
    { type: 'timestamps', value: 3524007, echo: 0 },
    { type: 'nop' },
    { type: 'window-scale', shift: 7 },
  ]);
  t.equal(packet.payload.length, 0);
});

t.test('Buffers are views', async (t) => {
  const frame = encodeFrame({ ethernet, ipv4, udp, payload, trailer: Buffer.alloc(3, 7) });
  const packet = decodeFrame(frame);
  t.equal(packet.bytes, frame);
  t.equal(packet.payload.toString(), 'payload!');
  frame.write('P', 42);
  t.equal(packet.payload.toString(), 'Payload!');
  t.same(packet.trailer, Buffer.alloc(3, 7), 'padding is not payload');
});

t.test('bytes of every kind', async (t) => {
  const bytes = encodePacket({ ipv4, udp, payload });
  t.equal(decodePacket(new Uint8Array(bytes)).udp?.sourcePort, 1000);
  t.equal(decodePacket(foreignBytes([...bytes])).udp?.sourcePort, 1000);
});

t.test('fragments have no ports but in the first', async (t) => {
  const first = decodePacket(
    encodePacket({
      ipv4: { ...ipv4, moreFragments: true },
      udp: { ...udp, length: 99, checksum: 5 },
      payload,
    }),
  );
  t.match(first, { isFragment: true, udp: { sourcePort: 1000 }, problems: [] });
  const bytes = encodePacket({
    ipv4: { ...ipv4, fragmentOffset: 16, protocol: 17 },
    payload: encodePacket({ ipv4, udp }),
  });
  t.match(decodePacket(bytes), { isFragment: true, udp: undefined, problems: [] });
  const extensions = [{ type: 'fragment', fragmentOffset: 16, nextHeader: 17 }] as const;
  const later = decodePacket(encodePacket({ ipv6: { ...ipv6, extensions }, payload }));
  t.match(later, { isFragment: true, udp: undefined, problems: [], payload });
});

t.test('IPv6 addresses are as RFC 5952 has them', async (t) => {
  for (const [given, text] of [
    ['2001:DB8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::', '::'],
    ['1::', '1::'],
    ['::ffff:1.2.3.4', '::ffff:1.2.3.4'],
    ['::1.2.3.4', '::102:304'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ] as const) {
    t.equal(decodePacket(encodePacket({ ipv6: { source: given, destination: given } })).ipv6?.source, text);
  }
  for (const wrong of [
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    '::1.2.3',
    '1.2.3.4::',
    '1:2:3:4:5:6:7::8',
    'g::',
  ]) {
    refuses(t, encodePacket, [{ ipv6: { source: wrong, destination: '::' } }], 'ipv6.source');
  }
});

t.test('time stamps of ICMP', async (t) => {
  const stamps = { originate: 1, receive: 2, transmit: 2 ** 32 - 1 };
  const message = decodePacket(encodePacket({ ipv4, icmp: { type: 'timestamp-reply', ...stamps } }));
  t.match(message.icmp, { ...stamps, gateway: undefined });
  const echo = decodePacket(encodePacket({ ipv4, icmp: { type: 'echo-reply' } }));
  t.match(echo.icmp, { originate: undefined, receive: undefined, transmit: undefined });
});

t.test('the packet that an error quotes', async (t) => {
  const original = encodePacket({ ipv4, udp, payload });
  const error = decodePacket(
    encodePacket({
      ipv4,
      icmp: { type: 'destination-unreachable', code: 3 },
      payload: original.subarray(0, 28),
    }),
  );
  t.same(error.problems, []);
  t.match(error.quoted, { udp: { destinationPort: 2000 }, problems: [{ layer: 'ipv4', code: 'truncated' }] });
  t.equal(error.quoted?.quoted, undefined);
  const extended = decodePacket(
    encodePacket({
      ipv4,
      icmp: { type: 'time-exceeded', length: 9 },
      payload: Buffer.concat([original, Buffer.alloc(8)]),
    }),
  );
  t.equal(extended.quoted?.bytes.length, 36, 'RFC 4884: extensions follow');
  const v6 = decodePacket(
    encodePacket({ ipv6, icmpv6: { type: 'packet-too-big', mtu: 1280 }, quoted: { ipv6, udp } }),
  );
  t.match(v6, { icmpv6: { mtu: 1280 }, quoted: { ipv6: { source: 'fd00::1' }, udp: {} } });
  const none = decodePacket(encodePacket({ ipv4, icmp: { type: 'time-exceeded' } }));
  t.equal(none.quoted, undefined);
});

t.test('options that are known, malformed and unknown', async (t) => {
  const segment = (hex: string) =>
    decodePacket(
      encodePacket({
        ipv4,
        tcp: { ...udp, options: [{ type: 'nop' }, { type: 253, data: Buffer.from(hex, 'hex') }] },
      }),
    );
  t.same(segment('01020304').tcp?.options[1], { type: 253, data: Buffer.from('01020304', 'hex') });
  // An MSS, a window scale, a SACK and time stamps of the wrong length; SACK permitted with data.
  for (const [type, length] of [
    [2, 3],
    [3, 2],
    [4, 1],
    [5, 7],
    [5, 0],
    [8, 6],
  ]) {
    const data = Buffer.alloc(length, 1);
    const { tcp } = decodePacket(encodePacket({ ipv4, tcp: { ...udp, options: [{ type, data }] } }));
    t.same(tcp?.options[0], { type, data });
  }
  const nd = [1, 2, 3, 5, 25].map((type) => ({ type, data: Buffer.alloc(14) }));
  const solicitation = decodePacket(
    encodePacket({ ipv6, icmpv6: { type: 'router-solicitation', options: nd } }),
  );
  t.same(solicitation.icmpv6?.options, nd);
  const redirect = decodePacket(
    encodePacket({
      ipv6,
      icmpv6: {
        type: 'redirect',
        target: 'fe80::1',
        destination: 'fd00::3',
        options: [{ type: 'redirected-header', data: Buffer.alloc(48, 1) }],
      },
    }),
  );
  t.same(redirect.icmpv6?.options, [{ type: 'redirected-header', data: Buffer.alloc(48, 1) }]);
  const dhcp = [53, 1, 3, 51, 57, 50].map((type) => ({ type, data: Buffer.alloc(5) }));
  const client = { clientMac: '02:00:00:00:00:01', operation: 'request' } as const;
  const message = decodePacket(encodePacket({ ipv4, dhcp: { ...client, options: dhcp } }));
  t.same(message.dhcp?.options, [...dhcp, { type: 'end' }]);
  t.equal(message.dhcp?.messageType, undefined, 'BOOTP');
  const strange = decodePacket(
    encodePacket({
      ipv4,
      dhcp: { ...client, operation: 9, options: [{ type: 'interface-mtu', bytes: 1400 }] },
    }),
  );
  t.match(strange.dhcp, { operation: 9, options: [{ type: 'interface-mtu', bytes: 1400 }, { type: 'end' }] });
});

t.test('names that fill their field', async (t) => {
  const { dhcp } = decodePacket(
    encodePacket({
      ipv4,
      dhcp: {
        operation: 'reply',
        clientMac: ethernet.source,
        serverName: 'x'.repeat(64),
        bootFile: '\u00e9',
      },
    }),
  );
  t.equal(dhcp?.serverName, 'x'.repeat(64));
  t.equal(dhcp?.bootFile, '\u00e9');
});

t.test('frames of IEEE 802.3', async (t) => {
  const frame = encodeFrame({
    ethernet: { ...ethernet, etherType: 3 },
    payload: Buffer.from('424203'),
    trailer: Buffer.alloc(43),
  });
  frame.writeUInt16BE(6, 12);
  t.match(decodeFrame(frame), { payload: Buffer.from('424203'), trailer: Buffer.alloc(43), problems: [] });
  frame.writeUInt16BE(1000, 12);
  t.match(decodeFrame(frame).problems, [{ layer: 'ethernet', code: 'truncated' }]);
  const tagged = encodeFrame({ ethernet, vlans: [{ id: 1, etherType: 500 }], payload });
  t.match(decodeFrame(tagged).problems, [{ layer: 'vlans', code: 'truncated' }]);
});

t.test('problems: Ethernet and ARP', async (t) => {
  const codes = (frame: Buffer) => decodeFrame(frame).problems.map(({ layer, code }) => `${layer} ${code}`);
  const frame = encodeFrame({
    ethernet,
    vlans: [{ id: 1 }],
    arp: { operation: 'request', senderAddress: '10.0.0.1', targetAddress: '10.0.0.2' },
  });
  t.same(codes(frame), []);
  t.same(codes(frame.subarray(0, 13)), ['ethernet truncated']);
  t.same(codes(frame.subarray(0, 16)), ['vlans truncated']);
  t.same(codes(frame.subarray(0, 20)), ['arp truncated']);
  t.same(codes(frame.subarray(0, 40)), ['arp truncated']);
  frame.writeUInt8(16, 23);
  t.same(codes(frame), ['arp unsupported']);
  t.equal(decodeFrame(frame).arp, undefined);
});

t.test('problems: IP', async (t) => {
  const packet = { ipv4, udp, payload };
  t.same(problems(Buffer.alloc(0)), ['ipv4 truncated']);
  t.same(problems(Buffer.alloc(40)), ['ipv4 bad-version']);
  t.same(problems(encodePacket(packet).subarray(0, 19)), ['ipv4 truncated']);
  t.same(problems(encodePacket(packet).subarray(0, 25)), ['ipv4 truncated', 'udp truncated']);
  t.same(problems(encodePacket(packet).subarray(0, 35)), ['ipv4 truncated'], 'no checksum can be checked');
  t.same(problems(changed(packet, { 0: 0x44 })), ['ipv4 bad-length']);
  t.same(problems(changed({ ipv4: { ...ipv4, protocol: 253 } }, { 0: 0x4f })), ['ipv4 truncated']);
  t.same(problems(changed(packet, { 3: 19 })), ['ipv4 bad-length', 'ipv4 bad-checksum']);
  t.same(problems(changed(packet, { 8: 1 })), ['ipv4 bad-checksum']);
  t.match(
    decodePacket(changed(packet, { 8: 1 })).problems[0]?.text,
    /^the checksum is 0x\w{4}, 0x\w{4} would be right$/,
  );
  const v6 = { ipv6, udp, payload };
  t.same(problems(encodePacket(v6).subarray(0, 39)), ['ipv6 truncated']);
  t.same(problems(changed(v6, { 5: 99 })), ['ipv6 truncated']);
  const frame = encodeFrame({ ethernet, ...v6 });
  frame.writeUInt8(0x40, 14);
  t.match(decodeFrame(frame).problems, [{ layer: 'ipv6', code: 'bad-version' }]);
  frame.writeUInt16BE(0x0800, 12);
  frame.writeUInt8(0x60, 14);
  t.match(decodeFrame(frame).problems, [{ layer: 'ipv4', code: 'bad-version' }]);
  const extensions = [{ type: 'hop-by-hop' }] as const;
  t.same(problems(changed({ ipv6: { ...ipv6, extensions } }, { 41: 1 })), ['ipv6 truncated']);
  t.same(problems(changed({ ipv6: { ...ipv6, extensions } }, { 5: 4 })), ['ipv6 truncated']);
});

t.test('problems: transport', async (t) => {
  t.same(problems(changed({ ipv4, udp, payload }, { 24: 0, 25: 7 })), ['udp bad-length']);
  t.same(problems(changed({ ipv4, udp, payload }, { 25: 17 })), ['udp bad-length']);
  t.same(problems(changed({ ipv4, udp, payload }, { 30: 0 })), ['udp bad-checksum']);
  t.same(problems(encodePacket({ ipv4, udp: { ...udp, checksum: 0 }, payload })), [], 'there is none');
  t.same(problems(encodePacket({ ipv6, udp: { ...udp, checksum: 0 }, payload })), ['udp no-checksum']);
  t.same(problems(encodePacket({ ipv4: { ...ipv4, protocol: 17 }, payload: Buffer.alloc(7) })), [
    'udp truncated',
  ]);
  t.same(problems(encodePacket({ ipv4: { ...ipv4, protocol: 6 }, payload: Buffer.alloc(19) })), [
    'tcp truncated',
  ]);
  t.same(problems(changed({ ipv4, tcp: udp }, { 32: 0x40 })), ['tcp bad-length']);
  t.same(problems(changed({ ipv4, tcp: udp }, { 32: 0x60 })), ['tcp truncated']);
  const options = [{ type: 253, data: Buffer.alloc(2) }];
  t.same(problems(changed({ ipv4, tcp: { ...udp, options } }, { 41: 1 })), [
    'tcp bad-checksum',
    'tcp bad-option',
  ]);
  t.same(problems(changed({ ipv4, tcp: { ...udp, options } }, { 41: 9 })), [
    'tcp bad-checksum',
    'tcp bad-option',
  ]);
  const cut = changed(
    { ipv4, tcp: { ...udp, options: [...Array(3).fill({ type: 'nop' }), { type: 'end' }] } },
    { 43: 5 },
  );
  t.same(problems(cut), ['tcp bad-checksum', 'tcp bad-option']);
  t.equal(encodePacket(decodePacket(cut).layers()).length, cut.length, 'what is no option is left out');
  t.same(problems(encodePacket({ ipv4: { ...ipv4, protocol: 1 }, payload: Buffer.alloc(7) })), [
    'icmp truncated',
  ]);
  t.same(problems(changed({ ipv4, icmp: { type: 'echo-request' } }, { 20: 13 })), ['icmp truncated']);
  t.same(problems(changed({ ipv4, icmp: { type: 'echo-request' } }, { 27: 1 })), ['icmp bad-checksum']);
  t.same(problems(encodePacket({ ipv6: { ...ipv6, nextHeader: 58 }, payload: Buffer.alloc(7) })), [
    'icmpv6 truncated',
  ]);
  const solicitation = {
    ipv6,
    icmpv6: { type: 'router-solicitation', options: [{ type: 'mtu', mtu: 1 }] },
  } as const;
  t.same(problems(changed(solicitation, { 49: 0 })), ['icmpv6 bad-option', 'icmpv6 bad-checksum']);
  t.same(problems(changed(solicitation, { 49: 2 })), ['icmpv6 bad-option', 'icmpv6 bad-checksum']);
  t.same(decodePacket(changed(solicitation, { 49: 0 })).payload.length, 8);
});

t.test('problems: DHCP', async (t) => {
  const dhcp = { operation: 'request', clientMac: ethernet.source, messageType: 'discover' } as const;
  const at = 20 + 8 + 240;
  t.same(
    problems(changed({ ipv4, dhcp }, { [at + 3]: 0 })),
    ['dhcp bad-option', 'udp bad-checksum'],
    'no end',
  );
  t.same(problems(changed({ ipv4, dhcp }, { [at + 1]: 3 })), ['dhcp bad-option', 'udp bad-checksum']);
  t.same(problems(changed({ ipv4, dhcp }, { [at + 3]: 1 })), ['dhcp bad-option', 'udp bad-checksum']);
  t.equal(decodePacket(changed({ ipv4, dhcp }, { [at - 1]: 0 })).dhcp, undefined, 'no cookie');
  t.equal(decodePacket(encodePacket({ ipv4, udp: { sourcePort: 67, destinationPort: 67 } })).dhcp, undefined);
});

t.test('a checksum that is left to the device', async (t) => {
  for (const ip of [{ ipv4 }, { ipv6 }]) {
    const bytes = encodePacket({ ...ip, tcp: udp, payload });
    const at = 'ipv4' in ip ? 36 : 56;
    const pseudo = decodePacket(bytes);
    // What the kernel leaves: the sum of the pseudo-header, not complemented.
    let sum = 6 + 28;
    const addresses = 'ipv4' in ip ? bytes.subarray(12, 20) : bytes.subarray(8, 40);
    for (let place = 0; place < addresses.length; place += 2) sum += addresses.readUInt16BE(place);
    bytes.writeUInt16BE((sum & 0xffff) + (sum >>> 16), at);
    t.match(pseudo.problems, [{ layer: 'tcp', code: 'partial-checksum' }]);
  }
});

t.test('jumbograms', async (t) => {
  const long = Buffer.alloc(70_000);
  const jumbo = Buffer.from('c20400000000', 'hex');
  jumbo.writeUInt32BE(8 + 8 + long.length, 2);
  const extensions = [{ type: 'hop-by-hop', data: jumbo }] as const;
  const bytes = encodePacket({
    ipv6: { ...ipv6, payloadLength: 0, extensions },
    udp: { ...udp, length: 0 },
    payload: long,
    trailer: Buffer.alloc(2),
  });
  const packet = decodePacket(bytes);
  t.equal(packet.payload.length, 70_000);
  t.equal(packet.trailer.length, 2);
  t.same(packet.problems, []);
});

t.test('routing headers name the address that checksums use', async (t) => {
  const last = Buffer.from('fd000000000000000000000000000009', 'hex');
  for (const [routingType, data] of [
    [0, Buffer.concat([Buffer.alloc(4), Buffer.alloc(16), last])],
    [2, Buffer.concat([Buffer.alloc(4), last])],
    [4, Buffer.concat([Buffer.alloc(4), last, Buffer.alloc(16)])],
  ] as const) {
    const routing = { type: 'routing', routingType, segmentsLeft: 1, data } as const;
    const own = encodePacket({ ipv6: { ...ipv6, extensions: [routing] }, udp, payload });
    t.same(decodePacket(own).problems, []);
    const arrived = encodePacket({ ipv6: { ...ipv6, destination: 'fd00::9' }, udp, payload });
    t.equal(decodePacket(own).udp?.checksum, decodePacket(arrived).udp?.checksum);
  }
  const others = [
    { type: 'routing', routingType: 3, segmentsLeft: 1, data: Buffer.alloc(20) },
    { type: 'routing', routingType: 0, segmentsLeft: 1 },
  ] as const;
  t.same(decodePacket(encodePacket({ ipv6: { ...ipv6, extensions: others }, udp })).problems, []);
});

t.test('JSON and console.log show the fields', async (t) => {
  const packet = decodeFrame(encodeFrame({ ethernet, ipv4, udp, payload }));
  t.match(JSON.parse(JSON.stringify(packet)), {
    ipv4: { source: '10.0.0.1' },
    udp: { destinationPort: 2000 },
  });
  t.match(JSON.parse(JSON.stringify(packet.udp)), { sourcePort: 1000, destinationPort: 2000, length: 16 });
  t.match(inspect(packet), /destinationPort: 2000/);
  t.match(inspect(packet.udp), /destinationPort: 2000/);
});

t.test('an ICMP checksum may be either zero', async (t) => {
  const bytes = encodePacket({ ipv4, icmp: { type: 'echo-reply', identifier: 0xffff } });
  t.equal(bytes.readUInt16BE(22), 0);
  bytes.writeUInt16BE(0xffff, 22);
  const packet = decodePacket(bytes);
  t.same(packet.problems, [], summarize(packet));
  t.same(encodePacket(packet.layers()), bytes, 'and stays as it is');
});
