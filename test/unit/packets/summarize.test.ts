/** Packets in one line. */
import t from 'tap';
import { decodeFrame, decodePacket, encodeFrame, encodePacket, type Layers, summarize } from 'tapfd/packets';
import { refuses } from '../../kit/refuses.js';

const mac = '02:00:00:00:00:01';
const ethernet = { source: mac, destination: '02:00:00:00:00:02' };
const ipv4 = { source: '10.0.0.1', destination: '10.0.0.2' };
const ipv6 = { source: 'fe80::1', destination: 'fe80::2' };
const ports = { sourcePort: 1000, destinationPort: 80 };
const payload = Buffer.from('hello');
const prefix = { type: 'prefix-information', prefix: 'fd00::' } as const;

t.test('packets of every kind', async (t) => {
  const lines: [Layers, string][] = [
    [{ ipv4, udp: ports, payload }, 'IP 10.0.0.1.1000 > 10.0.0.2.80: UDP, length 5'],
    [{ ipv6, udp: ports, payload }, 'IP6 fe80::1.1000 > fe80::2.80: UDP, length 5'],
    [
      { ipv4, tcp: { ...ports, window: 9 } },
      'IP 10.0.0.1.1000 > 10.0.0.2.80: Flags [none], seq 0, win 9, length 0',
    ],
    [
      {
        ipv4,
        tcp: {
          ...ports,
          sequence: 1,
          acknowledgment: 2,
          flags: { syn: true, ack: true, ae: true },
          options: [
            { type: 'mss', value: 1460 },
            { type: 'sack-permitted' },
            { type: 'timestamps', value: 3, echo: 4 },
            { type: 'nop' },
            { type: 'window-scale', shift: 7 },
          ],
        },
      },
      'IP 10.0.0.1.1000 > 10.0.0.2.80: Flags [S.e], seq 1, ack 2, win 65535, options [mss 1460,sackOK,TS val 3 ecr 4,nop,wscale 7], length 0',
    ],
    [
      {
        ipv4,
        tcp: {
          ...ports,
          options: [
            { type: 'sack', blocks: [{ left: 1, right: 2 }] },
            { type: 99, data: payload },
          ],
        },
      },
      'IP 10.0.0.1.1000 > 10.0.0.2.80: Flags [none], seq 0, win 65535, options [sack {1:2},option 99,eol], length 0',
    ],
    [
      { ipv4, icmp: { type: 'echo-request', identifier: 7, sequence: 8 }, payload },
      'IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 8, length 13',
    ],
    [
      { ipv4, icmp: { type: 'destination-unreachable', code: 4, mtu: 1280 }, quoted: { ipv4, udp: ports } },
      'IP 10.0.0.1 > 10.0.0.2: ICMP destination unreachable, code 4, mtu 1280 (for 10.0.0.1.1000 > 10.0.0.2.80), length 36',
    ],
    [
      { ipv4, icmp: { type: 'time-exceeded' }, payload },
      'IP 10.0.0.1 > 10.0.0.2: ICMP time exceeded, length 13',
    ],
    [
      { ipv4, icmp: { type: 'redirect', code: 1, gateway: '10.0.0.9' } },
      'IP 10.0.0.1 > 10.0.0.2: ICMP redirect, code 1, to 10.0.0.9, length 8',
    ],
    [
      { ipv4, icmp: { type: 'timestamp-request', originate: 5 } },
      'IP 10.0.0.1 > 10.0.0.2: ICMP timestamp request, id 0, seq 0, originate 5, length 20',
    ],
    [{ ipv4, icmp: { type: 77 } }, 'IP 10.0.0.1 > 10.0.0.2: ICMP type 77, code 0, length 8'],
    [
      { ipv6, icmpv6: { type: 'echo-reply', sequence: 3 } },
      'IP6 fe80::1 > fe80::2: ICMP6 echo reply, id 0, seq 3, length 8',
    ],
    [
      {
        ipv6,
        icmpv6: {
          type: 'neighbor-solicitation',
          target: 'fe80::3',
          options: [{ type: 'source-link-layer-address', mac }],
        },
      },
      `IP6 fe80::1 > fe80::2: ICMP6 neighbor solicitation, who has fe80::3, source mac ${mac}, length 32`,
    ],
    [
      {
        ipv6,
        icmpv6: {
          type: 'neighbor-advertisement',
          target: 'fe80::3',
          options: [{ type: 'target-link-layer-address', mac }],
        },
      },
      `IP6 fe80::1 > fe80::2: ICMP6 neighbor advertisement, tgt is fe80::3, target mac ${mac}, length 32`,
    ],
    [
      {
        ipv6,
        icmpv6: {
          type: 'router-advertisement',
          routerLifetime: 9,
          options: [prefix, { type: 'mtu', mtu: 1 }],
        },
      },
      'IP6 fe80::1 > fe80::2: ICMP6 router advertisement, prefix fd00::/64, length 56',
    ],
    [
      { ipv6, icmpv6: { type: 'redirect', target: 'fe80::3', destination: 'fd00::4' } },
      'IP6 fe80::1 > fe80::2: ICMP6 redirect, fd00::4 to fe80::3, length 40',
    ],
    [
      { ipv6, icmpv6: { type: 'packet-too-big', mtu: 1280 }, quoted: { ipv6, udp: ports } },
      'IP6 fe80::1 > fe80::2: ICMP6 packet too big, mtu 1280 (for fe80::1.1000 > fe80::2.80), length 56',
    ],
    [
      { ipv6, icmpv6: { type: 'destination-unreachable' } },
      'IP6 fe80::1 > fe80::2: ICMP6 destination unreachable, code 0, length 8',
    ],
    [
      { ipv6, icmpv6: { type: 'multicast-listener-report', multicastAddress: 'ff02::5' } },
      'IP6 fe80::1 > fe80::2: ICMP6 multicast listener report, group ff02::5, length 24',
    ],
    [{ ipv6, icmpv6: { type: 77 } }, 'IP6 fe80::1 > fe80::2: ICMP6 type 77, code 0, length 8'],
    [{ ipv4: { ...ipv4, protocol: 253 }, payload }, 'IP 10.0.0.1 > 10.0.0.2: protocol 253, length 5'],
    [{ ipv6: { ...ipv6, nextHeader: 253 }, payload }, 'IP6 fe80::1 > fe80::2: protocol 253, length 5'],
    [
      { ipv6: { ...ipv6, extensions: [{ type: 'hop-by-hop', nextHeader: 253 }] }, payload },
      'IP6 fe80::1 > fe80::2: protocol 253, length 5',
    ],
    [
      { ipv4: { ...ipv4, identification: 6, fragmentOffset: 8, moreFragments: true, protocol: 17 }, payload },
      'IP 10.0.0.1 > 10.0.0.2: frag 6:5@8+, protocol 17, length 5',
    ],
    [
      {
        ipv6: {
          ...ipv6,
          extensions: [{ type: 'fragment', fragmentOffset: 8, identification: 6, nextHeader: 17 }],
        },
        payload,
      },
      'IP6 fe80::1 > fe80::2: frag 6:5@8, protocol 17, length 5',
    ],
    [
      {
        ipv4,
        dhcp: {
          operation: 'reply',
          clientMac: mac,
          transactionId: 0xabc,
          yourAddress: '10.0.0.9',
          messageType: 'offer',
          options: [
            { type: 'requested-address', address: '10.0.0.8' },
            { type: 'server-identifier', address: '10.0.0.1' },
            { type: 'host-name', text: 'a\x1b[31m"\u00e9' },
          ],
        },
      },
      `IP 10.0.0.1.67 > 10.0.0.2.68: DHCP offer, xid 0xabc, client ${mac}, address 10.0.0.9, requests 10.0.0.8, server 10.0.0.1, host name "a\\u001b[31m\\"\\u00e9"`,
    ],
    [
      { ipv4, dhcp: { operation: 'request', clientMac: mac } },
      `IP 10.0.0.1.68 > 10.0.0.2.67: DHCP request, xid 0x0, client ${mac}`,
    ],
  ];
  for (const [layers, line] of lines) t.equal(summarize(decodePacket(encodePacket(layers))), line);
});

t.test('frames', async (t) => {
  const arp = { senderAddress: '10.0.0.1', targetAddress: '10.0.0.2' };
  const line = (layers: Layers, macs = false) =>
    summarize(decodeFrame(encodeFrame({ ethernet, ...layers })), { macs });
  t.equal(line({ arp: { operation: 'request', ...arp } }), 'ARP, request who-has 10.0.0.2 tell 10.0.0.1');
  t.equal(line({ arp: { operation: 'reply', ...arp } }), `ARP, reply 10.0.0.1 is-at ${mac}`);
  t.equal(line({ arp: { operation: 8, ...arp } }, true), `${mac} > 02:00:00:00:00:02, ARP, operation 8`);
  t.equal(
    line({
      vlans: [
        { id: 5, priority: 2 },
        { id: 6, etherType: 0x88b5 },
      ],
      payload,
    }),
    'vlan 5, p 2, vlan 6, p 0, ethertype 0x88b5, length 5',
  );
  t.equal(line({ ethernet: { ...ethernet, etherType: 5 }, payload }), '802.3, length 5');
  t.equal(
    summarize(decodePacket(Buffer.alloc(3)), { macs: true }),
    'no packet, length 3 [ipv4: 3 bytes are left for a header of 20]'.replace(
      '3 bytes are left for a header of 20',
      'IP version 0',
    ),
  );
  const wrong = encodePacket({ ipv4: { ...ipv4, checksum: 1 }, udp: { ...ports, checksum: 2 } });
  t.match(
    summarize(decodePacket(wrong)),
    / \[ipv4: the checksum is 0x0001, .*\] \[udp: the checksum is 0x0002, .*\]$/,
  );
  t.match(
    summarize(
      decodePacket(encodePacket({ ipv4: { ...ipv4, totalLength: 4000, moreFragments: true }, udp: ports })),
    ),
    /frag 0:0@0\+, UDP, length 0 \[ipv4: 3972 bytes are missing at the end\]/,
  );
  refuses(t, summarize, [Buffer.alloc(1)], 'packet');
  refuses(t, summarize, [decodeFrame(wrong), { mac: true }], 'mac');
  refuses(t, summarize, [decodeFrame(wrong), { macs: 1 }], 'macs');
});
