/** The vnet header's ten bytes, compared with bytes written by hand. */
import t from 'tap';
import { decodeVnetHeader, encodeVnetHeader } from 'tapfd';
import { foreignBytes, LOOKS_LIKE_BYTES } from '../../kit/odd-values.js';

// flags NEEDS_CSUM, gso TCPV4 with ECN, hdr_len 66, gso_size 1448, csum_start 34, csum_offset 16; little-endian.
const BYTES = Buffer.from('0181'.concat('4200', 'a805', '2200', '1000'), 'hex');
const HEADER = {
  needsChecksum: true,
  dataValid: false,
  segmentation: 'tcp4',
  ecn: true,
  headerBytes: 66,
  segmentBytes: 1448,
  checksumStart: 34,
  checksumOffset: 16,
} as const;

t.test('decode and encode', async (t) => {
  t.same(decodeVnetHeader(Buffer.concat([BYTES, Buffer.alloc(60)])), HEADER);
  t.same(encodeVnetHeader(HEADER), BYTES);
  t.same(encodeVnetHeader(), Buffer.alloc(10));
  t.same(
    encodeVnetHeader({ dataValid: true, segmentation: 'udp' }),
    Buffer.from('02050000000000000000', 'hex'),
  );
  for (const [type, segmentation] of [
    [0, 'none'],
    [1, 'tcp4'],
    [3, 'udp4'],
    [4, 'tcp6'],
    [5, 'udp'],
  ] as const) {
    const bytes = Buffer.alloc(10);
    bytes[1] = type;
    t.equal(decodeVnetHeader(bytes).segmentation, segmentation);
  }
});

t.test('what is wrong is refused', async (t) => {
  const invalid = { code: 'ERR_TAPFD_INVALID_ARGUMENT' };
  t.throws(() => decodeVnetHeader('bytes' as unknown as Buffer), invalid);
  for (const value of LOOKS_LIKE_BYTES()) t.throws(() => decodeVnetHeader(value as Buffer), invalid);
  t.match(decodeVnetHeader(foreignBytes(Array(10).fill(0))), { segmentation: 'none' });
  t.throws(() => decodeVnetHeader(Buffer.alloc(9)), { code: 'ERR_TAPFD_FRAME_TOO_SHORT' });
  t.throws(() => decodeVnetHeader(Buffer.alloc(10, 2)), { code: 'ERR_TAPFD_FRAME_INVALID' });
  const encode = (header: unknown) => Reflect.apply(encodeVnetHeader, undefined, [header]);
  t.throws(() => encode(null), invalid);
  t.throws(() => encode({ headerByte: 1 }), { ...invalid, argument: 'header.headerByte' });
  for (const field of ['needsChecksum', 'dataValid', 'ecn'])
    t.throws(() => encode({ [field]: 1 }), invalid, field);
  for (const field of ['headerBytes', 'segmentBytes', 'checksumStart', 'checksumOffset']) {
    for (const value of [-1, 65536, 0.5, '1']) t.throws(() => encode({ [field]: value }), invalid, field);
  }
  t.throws(() => encode({ segmentation: 'tcp' }), invalid);
});
