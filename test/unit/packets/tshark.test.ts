/** Random packets that the library makes: Wireshark sees the same fields, and no error. */
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { decodeFrame, encodeFrame, type Packet, summarize } from 'tapfd/packets';
import { needs } from '../../kit/capabilities.js';
import { depth } from '../../kit/depth.js';
import { PacketMaker } from '../../kit/random-packets.js';
import { readByTshark } from '../../kit/tshark.js';

const COUNT = depth({ brief: 1_000, bounded: 5_000, deep: 100_000 });
/** In one run of tshark. */
const AT_ONCE = 5_000;
const SEED = Math.floor(Math.random() * 2 ** 31);
const STACKED = 0x88a8;

type Value = string | number | boolean | Buffer | undefined;

/** Wireshark's fields, and what they are in ours. */
const FIELDS: Record<string, (packet: Packet) => Value | readonly Value[]> = {
  'eth.dst': ({ ethernet }) => ethernet?.destination,
  'eth.src': ({ ethernet }) => ethernet?.source,
  'eth.type': ({ ethernet }) => ethernet?.etherType,
  'ieee8021ad.id': (packet) => outerTag(packet)?.id,
  'ieee8021ad.priority': (packet) => outerTag(packet)?.priority,
  'ieee8021ad.dei': (packet) => outerTag(packet)?.dropEligible,
  'vlan.id': (packet) => innerTag(packet)?.id,
  'vlan.priority': (packet) => innerTag(packet)?.priority,
  'vlan.dei': (packet) => innerTag(packet)?.dropEligible,
  'vlan.etype': (packet) => innerTag(packet)?.etherType,
  'arp.hw.type': ({ arp }) => arp?.hardwareType,
  'arp.proto.type': ({ arp }) => arp?.protocolType,
  'arp.opcode': ({ arp }) =>
    arp?.operation === 'request' ? 1 : arp?.operation === 'reply' ? 2 : arp?.operation,
  'arp.src.hw_mac': ({ arp }) => arp?.senderMac,
  'arp.src.proto_ipv4': ({ arp }) => arp?.senderAddress,
  'arp.dst.hw_mac': ({ arp }) => arp?.targetMac,
  'arp.dst.proto_ipv4': ({ arp }) => arp?.targetAddress,
  'ip.hdr_len': ({ ipv4 }) => ipv4?.headerLength,
  'ip.dsfield.dscp': ({ ipv4 }) => ipv4?.dscp,
  'ip.dsfield.ecn': ({ ipv4 }) => ipv4?.ecn,
  'ip.len': ({ ipv4 }) => ipv4?.totalLength,
  'ip.id': ({ ipv4 }) => ipv4?.identification,
  'ip.flags.df': ({ ipv4 }) => ipv4?.dontFragment,
  'ip.flags.mf': ({ ipv4 }) => ipv4?.moreFragments,
  // In units of 8 bytes, as that of IPv6.
  'ip.frag_offset': ({ ipv4 }) => ipv4 && ipv4.fragmentOffset / 8,
  'ip.ttl': ({ ipv4 }) => ipv4?.ttl,
  'ip.proto': ({ ipv4 }) => ipv4?.protocol,
  'ip.checksum': ({ ipv4 }) => ipv4?.checksum,
  'ip.src': ({ ipv4 }) => ipv4?.source,
  'ip.dst': ({ ipv4 }) => ipv4?.destination,
  'ipv6.tclass.dscp': ({ ipv6 }) => ipv6?.dscp,
  'ipv6.tclass.ecn': ({ ipv6 }) => ipv6?.ecn,
  'ipv6.flow': ({ ipv6 }) => ipv6?.flowLabel,
  'ipv6.plen': ({ ipv6 }) => ipv6?.payloadLength,
  'ipv6.nxt': ({ ipv6 }) => ipv6?.nextHeader,
  'ipv6.hlim': ({ ipv6 }) => ipv6?.hopLimit,
  'ipv6.src': ({ ipv6 }) => ipv6?.source,
  'ipv6.dst': ({ ipv6 }) => ipv6?.destination,
  'ipv6.hopopts.nxt': (packet) => nextAfter(packet, 'hop-by-hop'),
  'ipv6.dstopts.nxt': (packet) => nextAfter(packet, 'destination-options'),
  'ipv6.routing.nxt': (packet) => extension(packet, 'routing')?.nextHeader,
  'ipv6.routing.type': (packet) => extension(packet, 'routing')?.routingType,
  'ipv6.routing.segleft': (packet) => extension(packet, 'routing')?.segmentsLeft,
  'ipv6.fraghdr.nxt': (packet) => extension(packet, 'fragment')?.nextHeader,
  'ipv6.fraghdr.offset': (packet) => fragmentUnits(packet),
  'ipv6.fraghdr.more': (packet) => extension(packet, 'fragment')?.moreFragments,
  'ipv6.fraghdr.ident': (packet) => extension(packet, 'fragment')?.identification,
  'ah.spi': (packet) => extension(packet, 'authentication')?.spi,
  'ah.sequence': (packet) => extension(packet, 'authentication')?.sequence,
  'ah.icv': (packet) => extension(packet, 'authentication')?.icv,
  'udp.srcport': ({ udp }) => udp?.sourcePort,
  'udp.dstport': ({ udp }) => udp?.destinationPort,
  'udp.length': ({ udp }) => udp?.length,
  'udp.checksum': ({ udp }) => udp?.checksum,
  'tcp.srcport': ({ tcp }) => tcp?.sourcePort,
  'tcp.dstport': ({ tcp }) => tcp?.destinationPort,
  'tcp.seq_raw': ({ tcp }) => tcp?.sequence,
  'tcp.ack_raw': ({ tcp }) => tcp?.acknowledgment,
  'tcp.hdr_len': ({ tcp }) => tcp?.headerLength,
  'tcp.flags.fin': ({ tcp }) => tcp?.flags.fin,
  'tcp.flags.syn': ({ tcp }) => tcp?.flags.syn,
  'tcp.flags.reset': ({ tcp }) => tcp?.flags.rst,
  'tcp.flags.push': ({ tcp }) => tcp?.flags.psh,
  'tcp.flags.ack': ({ tcp }) => tcp?.flags.ack,
  'tcp.flags.urg': ({ tcp }) => tcp?.flags.urg,
  'tcp.flags.ece': ({ tcp }) => tcp?.flags.ece,
  'tcp.flags.cwr': ({ tcp }) => tcp?.flags.cwr,
  'tcp.flags.ae': ({ tcp }) => tcp?.flags.ae,
  'tcp.window_size_value': ({ tcp }) => tcp?.window,
  'tcp.checksum': ({ tcp }) => tcp?.checksum,
  'tcp.urgent_pointer': ({ tcp }) => tcp?.urgentPointer,
  'tcp.options.mss_val': ({ tcp }) => tcp?.options.flatMap((one) => (one.type === 'mss' ? one.value : [])),
  'tcp.options.wscale.shift': ({ tcp }) =>
    tcp?.options.flatMap((one) => (one.type === 'window-scale' ? one.shift : [])),
  'tcp.options.timestamp.tsval': ({ tcp }) =>
    tcp?.options.flatMap((one) => (one.type === 'timestamps' ? one.value : [])),
  'tcp.options.timestamp.tsecr': ({ tcp }) =>
    tcp?.options.flatMap((one) => (one.type === 'timestamps' ? one.echo : [])),
  'tcp.options.sack_le': ({ tcp }) =>
    tcp?.options.flatMap((one) => (one.type === 'sack' ? one.blocks.map(({ left }) => left) : [])),
  'tcp.options.sack_re': ({ tcp }) =>
    tcp?.options.flatMap((one) => (one.type === 'sack' ? one.blocks.map(({ right }) => right) : [])),
  'tcp.payload': ({ tcp, payload }) =>
    // Of a reset it is the cause.
    tcp && !tcp.flags.rst && payload.length > 0 ? payload : undefined,
  'icmp.code': ({ icmp }) => icmp?.code,
  'icmp.checksum': ({ icmp }) => icmp?.checksum,
  'icmp.ident': ({ icmp }) => icmp?.identifier,
  'icmp.seq': ({ icmp }) => icmp?.sequence,
  'icmp.mtu': ({ icmp }) => (icmp?.code === 4 ? icmp.mtu : undefined),
  'icmp.redir_gw': ({ icmp }) => icmp?.gateway,
  'icmpv6.code': ({ icmpv6 }) => icmpv6?.code,
  'icmpv6.checksum': ({ icmpv6 }) => icmpv6?.checksum,
  'icmpv6.echo.identifier': ({ icmpv6 }) => icmpv6?.identifier,
  'icmpv6.echo.sequence_number': ({ icmpv6 }) => icmpv6?.sequence,
  'icmpv6.mtu': ({ icmpv6 }) => icmpv6?.mtu,
  'icmpv6.pointer': ({ icmpv6 }) => icmpv6?.pointer,
  'icmpv6.nd.ra.cur_hop_limit': ({ icmpv6 }) => icmpv6?.hopLimit,
  'icmpv6.nd.ra.flag.m': ({ icmpv6 }) => icmpv6?.managed,
  'icmpv6.nd.ra.flag.o': ({ icmpv6 }) => icmpv6?.otherConfiguration,
  'icmpv6.nd.ra.flag.h': ({ icmpv6 }) => icmpv6?.homeAgent,
  'icmpv6.nd.ra.router_lifetime': ({ icmpv6 }) => icmpv6?.routerLifetime,
  'icmpv6.nd.ra.reachable_time': ({ icmpv6 }) => icmpv6?.reachableTime,
  'icmpv6.nd.ra.retrans_timer': ({ icmpv6 }) => icmpv6?.retransTimer,
  'icmpv6.nd.ns.target_address': ({ icmpv6 }) =>
    icmpv6?.type === 'neighbor-solicitation' ? icmpv6.target : undefined,
  'icmpv6.nd.na.target_address': ({ icmpv6 }) =>
    icmpv6?.type === 'neighbor-advertisement' ? icmpv6.target : undefined,
  'icmpv6.nd.rd.target_address': ({ icmpv6 }) => (icmpv6?.type === 'redirect' ? icmpv6.target : undefined),
  'icmpv6.nd.na.flag.r': ({ icmpv6 }) => icmpv6?.router,
  'icmpv6.nd.na.flag.s': ({ icmpv6 }) => icmpv6?.solicited,
  'icmpv6.nd.na.flag.o': ({ icmpv6 }) => icmpv6?.override,
  'icmpv6.mld.maximum_response_delay': ({ icmpv6 }) => icmpv6?.maximumResponseDelay,
  'icmpv6.mld.multicast_address': ({ icmpv6 }) => icmpv6?.multicastAddress,
  'icmpv6.opt.linkaddr': ({ icmpv6 }) => icmpv6?.options?.flatMap((one) => ('mac' in one ? one.mac : [])),
  'icmpv6.opt.mtu': ({ icmpv6 }) => icmpv6?.options?.flatMap((one) => ('mtu' in one ? one.mtu : [])),
  'icmpv6.opt.prefix': ({ icmpv6 }) => icmpv6?.options?.flatMap((one) => ('prefix' in one ? one.prefix : [])),
  'icmpv6.opt.prefix.length': ({ icmpv6 }) =>
    icmpv6?.options?.flatMap((one) => ('prefix' in one ? one.prefixLength : [])),
  'icmpv6.opt.prefix.flag.l': ({ icmpv6 }) =>
    icmpv6?.options?.flatMap((one) => ('prefix' in one ? one.onLink : [])),
  'icmpv6.opt.prefix.flag.a': ({ icmpv6 }) =>
    icmpv6?.options?.flatMap((one) => ('prefix' in one ? one.autonomous : [])),
  'icmpv6.opt.prefix.valid_lifetime': ({ icmpv6 }) =>
    icmpv6?.options?.flatMap((one) => ('prefix' in one ? one.validLifetime : [])),
  'icmpv6.opt.prefix.preferred_lifetime': ({ icmpv6 }) =>
    icmpv6?.options?.flatMap((one) => ('prefix' in one ? one.preferredLifetime : [])),
  'icmpv6.opt.rdnss': ({ icmpv6 }) =>
    icmpv6?.options?.flatMap((one) => ('addresses' in one ? one.addresses : [])),
  'icmpv6.opt.rdnss.lifetime': ({ icmpv6 }) =>
    icmpv6?.options?.flatMap((one) => ('addresses' in one ? one.lifetime : [])),
  'dhcp.type': ({ dhcp }) => dhcp && (dhcp.operation === 'request' ? 1 : 2),
  'dhcp.hops': ({ dhcp }) => dhcp?.hops,
  'dhcp.id': ({ dhcp }) => dhcp?.transactionId,
  'dhcp.secs': ({ dhcp }) => dhcp && shownSeconds(dhcp.seconds),
  'dhcp.flags.bc': ({ dhcp }) => dhcp?.broadcast,
  'dhcp.ip.client': ({ dhcp }) => dhcp?.clientAddress,
  'dhcp.ip.your': ({ dhcp }) => dhcp?.yourAddress,
  'dhcp.ip.server': ({ dhcp }) => dhcp?.serverAddress,
  'dhcp.ip.relay': ({ dhcp }) => dhcp?.relayAddress,
  'dhcp.hw.mac_addr': ({ dhcp }) => dhcp?.clientMac,
  'dhcp.server': ({ dhcp }) => dhcp?.serverName || undefined,
  'dhcp.file': ({ dhcp }) => dhcp?.bootFile || undefined,
  'dhcp.option.hostname': ({ dhcp }) => optionsOf(dhcp, 'host-name', 'text'),
  'dhcp.option.domain_name': ({ dhcp }) => optionsOf(dhcp, 'domain-name', 'text'),
  'dhcp.option.requested_ip_address': ({ dhcp }) => optionsOf(dhcp, 'requested-address', 'address'),
  'dhcp.option.dhcp_server_id': ({ dhcp }) => optionsOf(dhcp, 'server-identifier', 'address'),
  'dhcp.option.subnet_mask': ({ dhcp }) => optionsOf(dhcp, 'subnet-mask', 'address'),
  'dhcp.option.router': ({ dhcp }) => optionsOf(dhcp, 'routers', 'addresses'),
  'dhcp.option.domain_name_server': ({ dhcp }) => optionsOf(dhcp, 'dns-servers', 'addresses'),
  'dhcp.option.ip_address_lease_time': ({ dhcp }) => optionsOf(dhcp, 'lease-time', 'seconds'),
  'dhcp.option.dhcp_max_message_size': ({ dhcp }) => optionsOf(dhcp, 'maximum-message-size', 'bytes'),
  'dhcp.option.request_list_item': ({ dhcp }) => optionsOf(dhcp, 'parameter-request-list', 'codes'),
};

/** 1 is good; 0 bad. */
const STATUSES = ['ip', 'udp', 'tcp', 'icmp', 'icmpv6'].map((layer) => `${layer}.checksum.status`);

function outerTag({ ethernet, vlans }: Packet) {
  return ethernet?.etherType === STACKED ? vlans?.[0] : undefined;
}

function innerTag(packet: Packet) {
  return packet.vlans?.at(-1);
}

function extension<Type extends string>({ ipv6 }: Packet, type: Type) {
  type Member = NonNullable<Packet['ipv6']>['extensions'][number];
  return ipv6?.extensions.find((one): one is Extract<Member, { type: Type }> => one.type === type);
}

function nextAfter({ ipv6 }: Packet, type: string): number | undefined {
  return ipv6?.extensions.find((one) => one.type === type)?.nextHeader;
}

function fragmentUnits(packet: Packet): number | undefined {
  const found = extension(packet, 'fragment');
  return found && found.fragmentOffset / 8;
}

/** Wireshark takes seconds without a low byte for those of a client with the wrong byte order. */
function shownSeconds(seconds: number): number {
  return (seconds & 0xff) === 0 ? seconds >> 8 : seconds;
}

function optionsOf(dhcp: Packet['dhcp'], type: string, field: string): Value[] {
  return (
    dhcp?.options.flatMap((one) =>
      one.type === type ? (Object.entries(one).find(([name]) => name === field)?.[1] ?? []) : [],
    ) ?? []
  );
}

/** Wireshark's text of a value, as a value: it writes numbers in decimal or hexadecimal, flags as 0, 1, True, False. */
function same(own: Value, theirs: string): boolean {
  if (Buffer.isBuffer(own)) return own.toString('hex') === theirs.replaceAll(':', '');
  if (typeof own === 'boolean') return own === ['1', 'True'].includes(theirs);
  if (typeof own === 'number') return own === Number(theirs);
  return own === theirs || (typeof own === 'string' && isSameIpv6(own, theirs));
}

/** Wireshark writes `::1.2.3.4` where RFC 5952 has `::102:304`. */
function isSameIpv6(...texts: string[]): boolean {
  if (!texts.every((text) => isIPv6(text))) return false;
  const [own, theirs] = texts.map((text) => new URL(`http://[${text}]`).hostname);
  return own === theirs;
}

/** The fields that Wireshark sees otherwise. What a quoted packet has comes after ours. */
function disagreements(packet: Packet, seen: ReadonlyMap<string, string[]>): object[] {
  return Object.entries(FIELDS).flatMap(([field, read]) => {
    const found = read(packet);
    const own = Array.isArray(found) ? found : found === undefined ? [] : [found];
    const theirs = seen.get(field) ?? [];
    const isSame = own.every((value, place) => place < theirs.length && same(value, theirs[place]));
    const isWhole = theirs.length === own.length || packet.quoted !== undefined;
    return isSame && isWhole
      ? []
      : { field, own, theirs, line: summarize(packet), bytes: packet.bytes.toString('hex') };
  });
}

t.comment(`seed ${SEED}`);

t.test('what the library makes', { skip: needs('tshark') }, async (t) => {
  const file = join(t.testdir(), 'frames.pcap');
  const maker = new PacketMaker(SEED);
  const covered = new Set<string>();
  for (let left = COUNT; left > 0; left -= AT_ONCE) {
    const frames = Array.from({ length: Math.min(left, AT_ONCE) }, () => encodeFrame(maker.frame()));
    const rows = await readByTshark(file, frames, [...Object.keys(FIELDS), ...STATUSES, '_ws.malformed']);
    t.equal(rows.length, frames.length);
    const wrong = frames.flatMap((frame, place) => {
      const packet = decodeFrame(frame);
      const row = rows[place];
      for (const [field, values] of row) if (values.length > 0) covered.add(field);
      const bad = [...STATUSES, '_ws.malformed'].filter((field) =>
        row.get(field)?.some((status) => !['1', 'Good'].includes(status) && !isUnknowable(packet, status)),
      );
      const errors = bad.map((field) => ({ field, theirs: row.get(field), bytes: frame.toString('hex') }));
      return [...disagreements(packet, row), ...errors];
    });
    t.same(wrong.slice(0, 5), []);
  }
  const never = [...Object.keys(FIELDS), ...STATUSES].filter((field) => !covered.has(field));
  t.same(never, [], 'every field was seen at least once');
});

/** 2: not checked, as it cannot be in a fragment, or is not in a packet that is quoted. */
function isUnknowable({ isFragment, quoted }: Packet, status: string): boolean {
  return (isFragment || quoted !== undefined) && ['2', 'Unverified'].includes(status);
}
