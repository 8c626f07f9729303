/** Random packets, made by scapy and read by the library, and the other way round: both see the same fields and bytes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { decodeFrame, encodeFrame, fieldsOf, summarize } from 'tapfd/packets';
import { needs } from '../../kit/capabilities.js';
import { depth } from '../../kit/depth.js';
import { inRepo } from '../../kit/paths.js';
import { PacketMaker } from '../../kit/random-packets.js';

const COUNT = depth({ brief: 400, bounded: 3_000, deep: 30_000 });
const SEED = Math.floor(Math.random() * 2 ** 31);

interface Seen {
  bytes: string;
  fields: Record<string, string | number | boolean>;
  /** What scapy builds after it has forgotten lengths and checksums. */
  rebuilt: string;
}

async function scapy(args: string[], input = ''): Promise<Seen[]> {
  const child = spawn('/usr/bin/python3', [inRepo('test/kit/packets_of_scapy.py'), ...args]);
  const [ended, output, complaints] = [once(child, 'close'), text(child.stdout), text(child.stderr)];
  child.stdin.end(input);
  const [status] = await ended;
  if (status !== 0) throw new Error(await complaints);
  return (await output)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** The fields in which the library differs from scapy. */
function disagreements({ bytes, fields }: Seen): object[] {
  const own = new Map(fieldsOf(decodeFrame(Buffer.from(bytes, 'hex'))));
  return Object.entries(fields)
    .filter(([path, value]) => own.get(path) !== value)
    .map(([path, value]) => ({ path, scapy: value, own: own.get(path), bytes }));
}

t.comment(`seed ${SEED}`);

t.test('what scapy makes', { skip: needs('scapy') }, async (t) => {
  const made = await scapy(['build', String(SEED), String(COUNT)]);
  t.equal(made.length, COUNT);
  for (const one of made) {
    const frame = Buffer.from(one.bytes, 'hex');
    const packet = decodeFrame(frame);
    t.same(disagreements(one), []);
    t.same(packet.problems, [], `${summarize(packet)}: ${one.bytes}`);
    t.equal(encodeFrame(packet.layers()).toString('hex'), one.bytes, 'encoding gives the same bytes');
  }
  const kinds = [
    'arp',
    'ipv4',
    'ipv6',
    'icmp',
    'icmpv6',
    'udp',
    'tcp',
    'dhcp',
    'vlans[1]',
    'ipv6.extensions[2]',
  ];
  for (const kind of kinds) {
    t.ok(
      made.some(({ fields }) => Object.keys(fields).some((path) => path.startsWith(kind))),
      `${kind} was among them`,
    );
  }
});

t.test('what the library makes', { skip: needs('scapy') }, async (t) => {
  const maker = new PacketMaker(SEED);
  const frames = Array.from({ length: COUNT }, () => encodeFrame(maker.frame()));
  const seen = await scapy(['read'], frames.map((frame) => frame.toString('hex')).join('\n'));
  t.equal(seen.length, COUNT);
  for (const one of seen) {
    t.same(disagreements(one), []);
    const packet = decodeFrame(Buffer.from(one.bytes, 'hex'));
    t.same(packet.problems, [], `${summarize(packet)}: ${one.bytes}`);
    // Of a first fragment nobody knows the checksum.
    if (!packet.isFragment) t.equal(one.rebuilt, one.bytes, `scapy fills in the same: ${summarize(packet)}`);
  }
});
