/** Random packets of every kind that `tapfd/packets` encodes; the same ones for a seed. */
import type {
  DhcpFields,
  IcmpFields,
  Icmpv6Fields,
  Ipv6ExtensionFields,
  Layers,
  NdOption,
  TcpFields,
  TcpOption,
} from 'tapfd/packets';
import { generator } from './random.js';

export class PacketMaker {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = generator(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  pick<T>(...choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }

  /** The ends of the range more often than chance would have them. */
  number(bits: number): number {
    return this.pick(0, 2 ** bits - 1, this.below(2 ** bits), this.below(2 ** bits));
  }

  flag(): boolean {
    return this.pick(true, false);
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }

  mac(): string {
    return Array.from(this.bytes(6), (byte) => byte.toString(16).padStart(2, '0')).join(':');
  }

  ipv4Address(): string {
    return Array.from({ length: 4 }, () => this.number(8)).join('.');
  }

  ipv6Address(): string {
    return Array.from({ length: 8 }, () => this.pick(0, this.number(16)).toString(16)).join(':');
  }

  /** At a known one tshark would read the payload as well. */
  port(): number {
    return 61_000 + this.below(4_000);
  }

  frame(): Layers {
    const ethernet = { destination: this.mac(), source: this.mac() };
    const tag = () => ({ priority: this.number(3), dropEligible: this.flag(), id: this.number(12) });
    const vlans = this.pick([], [], [tag()], [tag(), tag()]);
    const trailer = this.pick(Buffer.alloc(0), Buffer.alloc(this.below(30)));
    const rest = this.pick(
      () => this.arp(),
      () => this.overIpv4(),
      () => this.overIpv4(),
      () => this.overIpv6(),
      () => this.overIpv6(),
    )();
    return { ethernet, ...(vlans.length > 0 && { vlans }), ...rest, ...(trailer.length > 0 && { trailer }) };
  }

  arp(): Layers {
    return {
      arp: {
        operation: this.pick<'request' | 'reply' | number>('request', 'reply', 3),
        senderMac: this.mac(),
        senderAddress: this.ipv4Address(),
        targetMac: this.mac(),
        targetAddress: this.ipv4Address(),
      },
    };
  }

  overIpv4(): Layers {
    const ipv4 = {
      dscp: this.number(6),
      ecn: this.number(2),
      identification: this.number(16),
      dontFragment: this.flag(),
      ttl: this.number(8),
      source: this.ipv4Address(),
      destination: this.ipv4Address(),
      options: this.pick(Buffer.alloc(0), Buffer.from('94040000', 'hex'), Buffer.from('01010101', 'hex')),
    };
    return this.pick<() => Layers>(
      () => ({ ipv4, ...this.udp() }),
      () => ({ ipv4, ...this.tcp() }),
      () => ({ ipv4, ...this.icmp() }),
      () => ({ ipv4, dhcp: this.dhcp() }),
      () => ({
        ipv4: {
          ...ipv4,
          protocol: 17,
          moreFragments: this.flag(),
          fragmentOffset: 8 * (1 + this.below(8000)),
        },
        payload: this.bytes(8 * (1 + this.below(10))),
      }),
      () => ({
        ipv4: { ...ipv4, moreFragments: true },
        udp: { ...this.udp().udp, length: 4000, checksum: 1 + this.below(65_535) },
        payload: this.bytes(16),
      }),
      () => ({ ipv4: { ...ipv4, protocol: 253 }, payload: this.bytes(this.below(40)) }),
    )();
  }

  overIpv6(): Layers {
    const ipv6 = {
      dscp: this.number(6),
      ecn: this.number(2),
      flowLabel: this.number(20),
      hopLimit: this.number(8),
      source: this.ipv6Address(),
      destination: this.ipv6Address(),
      extensions: this.extensions(),
    };
    return this.pick<() => Layers>(
      () => ({ ipv6, ...this.udp() }),
      () => ({ ipv6, ...this.tcp() }),
      () => ({ ipv6, ...this.icmpv6() }),
      () => ({ ipv6, ...this.icmpv6() }),
      () => ({
        ipv6: {
          ...ipv6,
          extensions: [
            {
              type: 'fragment',
              nextHeader: 17,
              fragmentOffset: 8 * (1 + this.below(8000)),
              moreFragments: this.flag(),
              identification: this.number(32),
            },
          ],
        },
        payload: this.bytes(16),
      }),
    )();
  }

  extensions(): Ipv6ExtensionFields[] {
    const options = (type: 'hop-by-hop' | 'destination-options') => ({
      type,
      data: Buffer.concat([Buffer.from([1, 4]), Buffer.alloc(4 + 8 * this.below(3))]).fill(0, 2),
    });
    const padded = (type: 'hop-by-hop' | 'destination-options') => {
      const made = options(type);
      made.data.writeUInt8(made.data.length - 2, 1);
      return made;
    };
    const home: Ipv6ExtensionFields = {
      type: 'routing',
      routingType: 2,
      segmentsLeft: 1,
      data: Buffer.concat([Buffer.alloc(4), this.bytes(16)]),
    };
    const segments = 1 + this.below(3);
    const left = this.below(segments);
    const segmentRouting: Ipv6ExtensionFields = {
      type: 'routing',
      routingType: 4,
      segmentsLeft: left,
      data: Buffer.concat([Buffer.from([segments - 1, 0, 0, 0]), this.bytes(16 * segments)]),
    };
    const atomic: Ipv6ExtensionFields = { type: 'fragment', identification: this.number(32) };
    const authentication: Ipv6ExtensionFields = {
      type: 'authentication',
      spi: this.number(32),
      sequence: this.number(32),
      icv: this.bytes(12),
    };
    return this.pick<Ipv6ExtensionFields[]>(
      [],
      [],
      [padded('hop-by-hop')],
      [home],
      [segmentRouting],
      [atomic],
      [authentication],
      [padded('hop-by-hop'), segmentRouting, padded('destination-options')],
    );
  }

  udp(): Layers {
    return {
      udp: { sourcePort: this.port(), destinationPort: this.port() },
      payload: this.bytes(this.below(70)),
    };
  }

  tcp(): Layers {
    const timestamps: TcpOption = { type: 'timestamps', value: this.number(32), echo: this.number(32) };
    const nop: TcpOption = { type: 'nop' };
    const block = () => ({ left: this.number(32), right: this.number(32) });
    const tcp: TcpFields = {
      sourcePort: this.port(),
      destinationPort: this.port(),
      sequence: this.number(32),
      acknowledgment: this.number(32),
      flags: {
        fin: this.flag(),
        syn: this.flag(),
        rst: this.flag(),
        psh: this.flag(),
        ack: this.flag(),
        urg: this.flag(),
        ece: this.flag(),
        cwr: this.flag(),
        ae: this.flag(),
      },
      window: this.number(16),
      urgentPointer: this.number(16),
      options: this.pick<TcpOption[]>(
        [],
        [nop, nop, timestamps],
        [
          { type: 'mss', value: this.number(16) },
          { type: 'sack-permitted' },
          timestamps,
          nop,
          { type: 'window-scale', shift: this.below(15) },
        ],
        [nop, nop, { type: 'sack', blocks: Array.from({ length: 1 + this.below(3) }, block) }],
        [{ type: 'mss', value: 1460 }, { type: 'end' }],
        [{ type: 253, data: this.bytes(6) }],
      ),
    };
    return { tcp, payload: this.bytes(this.below(70)) };
  }

  icmp(): Layers {
    const echo = { identifier: this.number(16), sequence: this.number(16) };
    const quoted = {
      ipv4: { source: this.ipv4Address(), destination: this.ipv4Address() },
      ...this.udp(),
    };
    const stamps = { originate: this.number(32), receive: this.number(32), transmit: this.number(32) };
    const answer = (icmp: IcmpFields): Layers => ({ icmp, payload: this.bytes(this.below(60)) });
    return this.pick<Layers>(
      answer({ type: 'echo-request', ...echo }),
      answer({ type: 'echo-reply', ...echo }),
      { icmp: { type: this.pick('timestamp-request', 'timestamp-reply'), ...echo, ...stamps } },
      { icmp: { type: 'destination-unreachable', code: 3 }, quoted },
      { icmp: { type: 'destination-unreachable', code: 4, mtu: this.number(16) }, quoted },
      { icmp: { type: 'time-exceeded', code: this.below(2) }, quoted },
      { icmp: { type: 'redirect', code: this.below(4), gateway: this.ipv4Address() }, quoted },
      { icmp: { type: 'parameter-problem', pointer: this.number(8) }, quoted },
    );
  }

  icmpv6(): Layers {
    const echo = { identifier: this.number(16), sequence: this.number(16) };
    const quoted = { ipv6: { source: this.ipv6Address(), destination: this.ipv6Address() }, ...this.udp() };
    const source: NdOption = { type: 'source-link-layer-address', mac: this.mac() };
    const target: NdOption = { type: 'target-link-layer-address', mac: this.mac() };
    const router: NdOption[] = [
      source,
      { type: 'mtu', mtu: this.number(32) },
      {
        type: 'prefix-information',
        prefixLength: this.below(129),
        onLink: this.flag(),
        autonomous: this.flag(),
        validLifetime: this.number(32),
        preferredLifetime: this.number(32),
        prefix: this.ipv6Address(),
      },
      {
        type: 'recursive-dns-server',
        lifetime: this.number(32),
        addresses: Array.from({ length: 1 + this.below(3) }, () => this.ipv6Address()),
      },
    ];
    const alone = (icmpv6: Icmpv6Fields): Layers => ({ icmpv6 });
    return this.pick<Layers>(
      { icmpv6: { type: 'echo-request', ...echo }, payload: this.bytes(this.below(60)) },
      { icmpv6: { type: 'echo-reply', ...echo }, payload: this.bytes(this.below(60)) },
      { icmpv6: { type: 'destination-unreachable', code: this.below(6) }, quoted },
      { icmpv6: { type: 'packet-too-big', mtu: this.number(32) }, quoted },
      { icmpv6: { type: 'time-exceeded', code: this.below(2) }, quoted },
      { icmpv6: { type: 'parameter-problem', pointer: this.number(32) }, quoted },
      alone({ type: 'router-solicitation', options: this.pick([], [source]) }),
      alone({
        type: 'router-advertisement',
        hopLimit: this.number(8),
        managed: this.flag(),
        otherConfiguration: this.flag(),
        homeAgent: this.flag(),
        preference: this.pick('medium', 'high', 'low'),
        routerLifetime: this.number(16),
        reachableTime: this.number(32),
        retransTimer: this.number(32),
        options: router,
      }),
      alone({ type: 'neighbor-solicitation', target: this.ipv6Address(), options: [source] }),
      alone({
        type: 'neighbor-advertisement',
        router: this.flag(),
        solicited: this.flag(),
        override: this.flag(),
        target: this.ipv6Address(),
        options: [target],
      }),
      alone({
        type: 'redirect',
        target: this.ipv6Address(),
        destination: this.ipv6Address(),
        options: [target],
      }),
      alone({
        type: this.pick('multicast-listener-query', 'multicast-listener-report', 'multicast-listener-done'),
        maximumResponseDelay: this.number(16),
        multicastAddress: this.ipv6Address(),
      }),
    );
  }

  dhcp(): DhcpFields {
    return {
      operation: this.pick('request', 'reply'),
      hops: this.number(4),
      transactionId: this.number(32),
      seconds: this.number(16),
      broadcast: this.flag(),
      clientAddress: this.ipv4Address(),
      yourAddress: this.ipv4Address(),
      serverAddress: this.ipv4Address(),
      relayAddress: this.ipv4Address(),
      clientMac: this.mac(),
      serverName: this.pick('', 'server'),
      bootFile: this.pick('', 'boot/file'),
      messageType: this.pick('discover', 'offer', 'request', 'ack', 'nak', 'release', 'inform', 'decline'),
      options: [
        { type: 'host-name', text: 'guest' },
        { type: 'requested-address', address: this.ipv4Address() },
        { type: 'server-identifier', address: this.ipv4Address() },
        { type: 'lease-time', seconds: this.number(31) },
        { type: 'subnet-mask', address: this.ipv4Address() },
        { type: 'routers', addresses: [this.ipv4Address(), this.ipv4Address()] },
        { type: 'dns-servers', addresses: [this.ipv4Address()] },
        { type: 'maximum-message-size', bytes: this.number(16) },
        { type: 'parameter-request-list', codes: [1, 3, 6, 15] },
        { type: 'domain-name', text: 'example.org' },
      ],
    };
  }
}
