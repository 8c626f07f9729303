/** Patterns, differences and flat lists of fields. */
import t from 'tap';
import { decodeFrame, differences, encodeFrame, fieldsOf, matches, type PacketPattern } from 'tapfd/packets';
import { LAYER_NAMES } from '#lib/packets/layers.js';
import { depth } from '../../kit/depth.js';
import { PacketMaker } from '../../kit/random-packets.js';
import { refuses } from '../../kit/refuses.js';

const ethernet = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' };
const packet = decodeFrame(
  encodeFrame({
    ethernet,
    vlans: [{ id: 10, priority: 3 }],
    ipv6: { source: 'fe80::1', destination: 'ff02::1' },
    tcp: {
      sourcePort: 1000,
      destinationPort: 80,
      flags: { syn: true },
      options: [{ type: 'mss', value: 1440 }],
    },
    payload: Buffer.from('GET /'),
  }),
);
const error = decodeFrame(
  encodeFrame({
    ethernet,
    ipv4: { source: '10.0.0.1', destination: '10.0.0.2' },
    icmp: { type: 'destination-unreachable', code: 3 },
    quoted: {
      ipv4: { source: '10.0.0.2', destination: '10.0.0.3' },
      udp: { sourcePort: 5, destinationPort: 53 },
    },
  }),
);

t.test('what matches', async (t) => {
  const patterns: PacketPattern[] = [
    {},
    { tcp: {} },
    { tcp: { destinationPort: 80, flags: { syn: true, ack: false } } },
    { ipv6: { source: 'FE80:0:0::1' }, ethernet: { source: '02-00-00-00-00-01' } },
    { ipv6: { source: /^fe80:/, hopLimit: (limit) => limit === 64 } },
    { vlans: [{ id: 10 }] },
    { vlans: (tags) => tags?.length === 1 },
    { tcp: { options: [{ type: 'mss', value: 1440 }] } },
    { payload: Buffer.from('GET /') },
    { payload: new Uint8Array(Buffer.from('GET /')) },
    { payload: /^GET/g },
    { udp: null, trailer: null, quoted: null, icmpv6: null },
    { udp: undefined, tcp: { window: undefined } },
    { udp: (udp) => udp === undefined, quoted: (quoted) => quoted === undefined },
  ];
  for (const pattern of patterns) {
    t.same(differences(packet, pattern), []);
    t.ok(matches(packet, pattern));
  }
  t.ok(matches(error, { quoted: { udp: { destinationPort: 53 } }, icmp: { type: /unreachable$/ } }));
});

t.test('what does not, and where', async (t) => {
  const big = (port?: number) => port !== undefined && port > 1024;
  const cases: [PacketPattern, string, unknown][] = [
    [{ tcp: { destinationPort: 81 } }, 'tcp.destinationPort', 80],
    [{ tcp: { destinationPort: big } }, 'tcp.destinationPort', 80],
    [{ tcp: { flags: { ack: true } } }, 'tcp.flags.ack', false],
    [{ ipv6: { source: 'fe80::2' } }, 'ipv6.source', 'fe80::1'],
    [{ ipv6: { source: 'host' } }, 'ipv6.source', 'fe80::1'],
    [{ ipv6: { source: /^fd/ } }, 'ipv6.source', 'fe80::1'],
    [{ udp: { destinationPort: 53 } }, 'udp.destinationPort', undefined],
    [{ udp: { destinationPort: /./ } }, 'udp.destinationPort', undefined],
    [{ udp: {} }, 'udp', undefined],
    [{ tcp: { options: [{ type: 'mss' }, { type: 'nop' }] } }, 'tcp.options.length', 1],
    [{ tcp: { options: [{ type: 'nop' }] } }, 'tcp.options[0].type', 'mss'],
    [{ vlans: [{ id: 11 }] }, 'vlans[0].id', 10],
    [{ payload: Buffer.from('POST') }, 'payload', Buffer.from('GET /')],
    [{ payload: null }, 'payload', Buffer.from('GET /')],
    [{ quoted: { udp: { length: 8 } } }, 'quoted.udp.length', undefined],
    [{ icmpv6: { options: [] } }, 'icmpv6.options', undefined],
  ];
  for (const [pattern, path, actual] of cases) {
    const found = differences(packet, pattern);
    t.match(found, [{ path, actual }]);
    t.notOk(matches(packet, pattern));
  }
  t.match(differences(error, { quoted: { udp: { destinationPort: 54 } } }), [
    { path: 'quoted.udp.destinationPort', expected: 54, actual: 53 },
  ]);
});

t.test('patterns that could never match are refused', async (t) => {
  const endless: { quoted?: object } = {};
  endless.quoted = endless;
  const wrong: [unknown, string][] = [
    [undefined, 'pattern'],
    [{ ip: {} }, 'ip'],
    [{ ipv4: { src: '10.0.0.1' } }, 'ipv4.src'],
    [{ quoted: { ipv4: { src: '10.0.0.1' } } }, 'quoted.ipv4.src'],
    [{ tcp: { flags: { SYN: true } } }, 'tcp.flags.SYN'],
    [{ tcp: { options: [{ kind: 2 }] } }, 'tcp.options[0].kind'],
    [{ tcp: { flags: 'S' } }, 'tcp.flags'],
    [{ udp: true }, 'udp'],
    [{ udp: { length: {} } }, 'udp.length'],
    [{ quoted: 5 }, 'quoted'],
    [{ vlans: { id: 10 } }, 'vlans'],
    [{ vlans: [[]] }, 'vlans[0]'],
    [{ ethernet: [{}] }, 'ethernet'],
    [{ ipv4: /10/ }, 'ipv4'],
    [{ ipv4: Buffer.alloc(0) }, 'ipv4'],
    [{ ipv4: { source: ['10.0.0.1'] } }, 'ipv4.source'],
    [{ udp: { destinationPort: '53' } }, 'udp.destinationPort'],
    [{ icmp: { type: true } }, 'icmp.type'],
    [{ ipv6: { extensions: { type: 'fragment' } } }, 'ipv6.extensions'],
    [{ icmpv6: { options: [{ addresses: 'fd00::1' }] } }, 'icmpv6.options[0].addresses'],
    [{ dhcp: { options: [{ codes: ['1'] }] } }, 'dhcp.options[0].codes[0]'],
    [{ tcp: { options: [{ blocks: [{ left: '1' }] }] } }, 'tcp.options[0].blocks[0].left'],
    [{ payload: 'GET /' }, 'payload'],
    [{ tcp: { flags: { syn: 1 } } }, 'tcp.flags.syn'],
    [endless, 'quoted.quoted.quoted.quoted.quoted.quoted.quoted.quoted.quoted'],
  ];
  for (const [pattern, argument] of wrong) {
    refuses(t, matches, [packet, pattern], argument);
    refuses(t, differences, [packet, pattern], argument);
  }
  refuses(t, matches, [Buffer.alloc(20), {}], 'packet');
});

t.test('each packet is as its own fields say', async (t) => {
  const rounds = depth({ brief: 300, bounded: 2000, deep: 20_000 });
  for (let seed = 0; seed < rounds; seed++) {
    const maker = new PacketMaker(seed);
    const one = decodeFrame(encodeFrame(maker.frame()));
    const own = Object.fromEntries(LAYER_NAMES.map((name) => [name, plain(Reflect.get(one, name))]));
    const found = differences(one, own);
    if (found.length > 0) t.same(found, [], `seed ${seed}`);
  }
});

/** Headers are getters, which an object of plain values has not. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  const given = typeof value === 'object' && value !== null && 'toJSON' in value && !Buffer.isBuffer(value);
  return given && typeof value.toJSON === 'function' ? value.toJSON() : value;
}

t.test('the list of fields', async (t) => {
  const fields = fieldsOf(packet);
  t.same(fields.slice(0, 8), [
    ['ethernet.destination', '02:00:00:00:00:02'],
    ['ethernet.source', '02:00:00:00:00:01'],
    ['ethernet.etherType', 0x8100],
    ['vlans[0].priority', 3],
    ['vlans[0].dropEligible', false],
    ['vlans[0].id', 10],
    ['vlans[0].etherType', 0x86dd],
    ['ipv6.dscp', 0],
  ]);
  t.same(fields.at(-1), ['payload', Buffer.from('GET /')]);
  t.same(new Map(fields).get('tcp.options[0].value'), 1440);
  t.same(new Map(fieldsOf(error)).get('quoted.udp.destinationPort'), 53);
  refuses(t, fieldsOf, [{}], 'packet');
});
