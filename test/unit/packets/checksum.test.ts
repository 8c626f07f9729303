/** Checksums: known ones, and in two ways the same. */
import t from 'tap';
import { checksum, pseudoHeaderSum, updateChecksum } from 'tapfd/packets';
import { PacketMaker } from '../../kit/random-packets.js';
import { refuses } from '../../kit/refuses.js';

t.test('known ones', async (t) => {
  // RFC 1071, section 3: the sum is ddf2.
  t.equal(checksum(Buffer.from('0001f203f4f5f6f7', 'hex')), 0xffff - 0xddf2);
  t.equal(checksum(Buffer.alloc(0)), 0xffff);
  t.equal(checksum(Buffer.from([0x12])), 0xffff - 0x1200, 'an odd byte is the high one');
  t.equal(checksum(new Uint8Array([0xff, 0xff])), 0);
  t.equal(checksum(Buffer.alloc(0), 0xffff_ffff), 0, 'the initial sum is folded');
  const header = Buffer.from('450000730000400040110000c0a80001c0a800c7', 'hex');
  t.equal(checksum(header), 0xb861);
  header.writeUInt16BE(0xb861, 10);
  t.equal(checksum(header), 0, 'with its own it is 0');
});

t.test('the sum of megabytes is not cut', async (t) => {
  t.equal(checksum(Buffer.alloc(1 << 20, 0xff)), 0);
  const large = Buffer.alloc(1 << 20, 0xfe);
  let sum = 0;
  for (let at = 0; at < large.length; at += 2) sum = (sum + 0xfefe) % 0xffff;
  t.equal(checksum(large), 0xffff - sum);
});

t.test('what changes can be told instead of read anew', async (t) => {
  const maker = new PacketMaker(1624);
  for (let round = 0; round < 2_000; round++) {
    const bytes = maker.pick(maker.bytes(20), Buffer.alloc(20), Buffer.alloc(20, 0xff));
    const before = checksum(bytes);
    const at = 2 * maker.below(8);
    const length = maker.pick(2, 4);
    const part = Buffer.from(bytes.subarray(at, at + length));
    const now = maker.pick(maker.bytes(length), Buffer.alloc(length), Buffer.alloc(length, 0xff));
    now.copy(bytes, at);
    const updated = updateChecksum(before, part, now);
    // Both are zero to a receiver; only of bytes that are all zero the sum itself is 0.
    const isSame = updated % 0xffff === checksum(bytes) % 0xffff;
    t.ok(isSame, `${part.toString('hex')} becomes ${now.toString('hex')}`);
    if (length === 2) t.equal(updateChecksum(before, part.readUInt16BE(), now.readUInt16BE()), updated);
  }
  // RFC 1624, section 4: equation 2 of RFC 1141 would give 0xffff.
  t.equal(updateChecksum(0xdd2f, 0x5555, 0x3285), 0);
});

t.test('the pseudo-header', async (t) => {
  const ipv4 = { source: '10.0.0.1', destination: '10.0.0.2', protocol: 17, length: 12 };
  t.equal(pseudoHeaderSum(ipv4), 0x0a00 + 1 + 0x0a00 + 2 + 17 + 12);
  const ipv6 = { source: 'fd00::1', destination: 'fd00::2', protocol: 58, length: 0x1_0002 };
  t.equal(pseudoHeaderSum(ipv6), ((0xfd00 * 2 + 3 + 58 + 1 + 2) % 0x1_0000) + 1);
});

t.test('bad arguments', async (t) => {
  const bytes = Buffer.alloc(2);
  refuses(t, checksum, ['text'], 'bytes');
  refuses(t, checksum, [bytes, -1], 'initial');
  refuses(t, updateChecksum, [65_536, 0, 0], 'checksum');
  refuses(t, updateChecksum, [0, 65_536, 0], 'before');
  refuses(t, updateChecksum, [0, 0, '0'], 'after');
  refuses(t, updateChecksum, [0, bytes, Buffer.alloc(4)], 'after');
  const header = { source: '10.0.0.1', destination: '10.0.0.2', protocol: 17, length: 12 };
  refuses(t, pseudoHeaderSum, [{ ...header, source: 'host' }], 'source');
  refuses(t, pseudoHeaderSum, [{ ...header, source: 10 }], 'source');
  refuses(t, pseudoHeaderSum, [{ ...header, destination: 'fd00::1' }], 'destination');
  refuses(t, pseudoHeaderSum, [{ ...header, protocol: 256 }], 'protocol');
  refuses(t, pseudoHeaderSum, [{ ...header, length: 0.5 }], 'length');
  refuses(t, pseudoHeaderSum, [{ ...header, bytes: 1 }], 'bytes');
  refuses(t, pseudoHeaderSum, [], 'header');
});
