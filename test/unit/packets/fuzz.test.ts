/** Hostile bytes: nothing throws, and the work grows with the bytes, not with what they say. */
import t from 'tap';
import {
  decodeFrame,
  decodePacket,
  encodeFrame,
  encodePacket,
  fieldsOf,
  matches,
  type Packet,
  replyTo,
  summarize,
} from 'tapfd/packets';
import { depth } from '../../kit/depth.js';
import { PacketMaker } from '../../kit/random-packets.js';

const COUNT = depth({ brief: 150, bounded: 1_500, deep: 30_000 });
const SEED = Math.floor(Math.random() * 2 ** 31);
/** For each byte: an address has its text, and a DHCP option of two bytes two fields. */
const FIELDS_PER_BYTE = 2;
/** Of headers that are short: most of a TCP header's are flags. */
const FIELDS_OF_HEADERS = 120;

/** Everything that can be asked of a packet. Returns how many fields it has. */
function readAll(packet: Packet): number {
  const fields = fieldsOf(packet);
  summarize(packet, { macs: true });
  matches(packet, { payload: (bytes) => bytes !== undefined, quoted: { udp: { length: 8 } } });
  replyTo(packet, { mac: '02:00:00:00:00:01' });
  packet.layers();
  return fields.length;
}

function survives(packet: Packet): boolean {
  return readAll(packet) <= packet.bytes.length * FIELDS_PER_BYTE + FIELDS_OF_HEADERS;
}

t.comment(`seed ${SEED}`);

t.test('frames cut short, with bits turned, and of random bytes', async (t) => {
  const maker = new PacketMaker(SEED);
  const failed: string[] = [];
  const attempt = (bytes: Buffer) => {
    try {
      if (survives(decodeFrame(bytes)) && survives(decodePacket(bytes.subarray(14)))) return;
      failed.push(`too many fields: ${bytes.toString('hex')}`);
    } catch (error) {
      failed.push(`${error}: ${bytes.toString('hex')}`);
    }
  };
  for (let round = 0; round < COUNT; round++) {
    const frame = encodeFrame(maker.frame());
    for (let length = 0; length < frame.length; length++) attempt(frame.subarray(0, length));
    for (let turned = 0; turned < 40; turned++) {
      const damaged = Buffer.from(frame);
      for (let bits = 0; bits <= maker.below(4); bits++)
        damaged[maker.below(Math.min(90, damaged.length))] ^= 1 << maker.below(8);
      attempt(damaged);
    }
    const random = maker.bytes(maker.below(120));
    attempt(random);
    // The rest after a type that is known.
    for (const type of [0x0800, 0x0806, 0x86dd, 0x8100]) {
      if (random.length > 14) random.writeUInt16BE(type, 12);
      if (random.length > 15) random[14] = type === 0x0800 ? 0x45 : 0x60;
      attempt(random);
    }
  }
  t.same(failed.slice(0, 5), []);
});

t.test('what a packet without problems says comes back from the encoder', async (t) => {
  const maker = new PacketMaker(SEED);
  for (let round = 0; round < COUNT; round++) {
    const frame = encodeFrame(maker.frame());
    t.same(encodeFrame(decodeFrame(frame).layers()), frame, frame.toString('hex'));
  }
});

t.test('errors that quote errors', async (t) => {
  const ip = { source: '10.0.0.1', destination: '10.0.0.2' };
  let payload: Buffer = Buffer.alloc(0);
  let depth = 0;
  while (payload.length < 60_000) {
    payload = encodePacket({ ipv4: ip, icmp: { type: 'time-exceeded', checksum: 0 }, payload });
    depth += 1;
  }
  t.ok(depth > 2_000);
  const packet = decodePacket(payload);
  t.ok(fieldsOf(packet).filter(([path]) => path.endsWith('icmp.type')).length <= 5, 'some are listed');
  t.ok(summarize(packet).length < 300);
  let inner: Packet | undefined = packet;
  let found = 0;
  while (inner) {
    inner = inner.quoted;
    found += 1;
  }
  t.equal(found, depth, 'and all can be reached');
});

t.test('headers as many as fit', async (t) => {
  const tags = Buffer.alloc(60_000);
  for (let at = 12; at < tags.length; at += 4) tags.writeUInt16BE(0x8100, at);
  const tagged = decodeFrame(tags);
  t.equal(tagged.vlans?.length, Math.floor((tags.length - 14) / 4));
  t.ok(survives(tagged));
  const extended = Buffer.alloc(60_000);
  extended[0] = 0x60;
  extended.writeUInt16BE(extended.length - 40, 4);
  t.ok(survives(decodePacket(extended)), 'hop-by-hop headers to the end');
  t.equal(decodePacket(extended).ipv6?.extensions.length, (extended.length - 40) / 8);
});
