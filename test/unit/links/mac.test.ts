import t from 'tap';
import { formatMac, isMulticastMac, parseMac, randomMac } from 'tapfd';
import { foreignBytes, LOOKS_LIKE_BYTES } from '../../kit/odd-values.js';

const INVALID = { code: 'ERR_TAPFD_INVALID_ARGUMENT' };

t.test('parseMac takes colons and dashes in either case', async (t) => {
  const bytes = Buffer.from([0x02, 0xab, 0xcd, 0xef, 0x00, 0x01]);
  for (const text of ['02:ab:cd:ef:00:01', '02-AB-CD-EF-00-01', '02:Ab:cD:EF:00:01']) {
    t.same(parseMac(text), bytes, text);
  }
});

t.test('parseMac refuses everything else', async (t) => {
  const wrong: unknown[] = [
    '',
    '02:ab:cd:ef:00',
    '02:ab:cd:ef:00:01:02',
    '02:ab:cd:ef:00:1',
    '02:ab:cd:ef:00:001',
    '02:ab:cd:ef:00:0g',
    '02:ab-cd:ef:00:01',
    '02abcdef0001',
    '02:ab:cd:ef:00:01 ',
    '02:ab:cd:ef:00:01\0',
    undefined,
    null,
    2,
    Buffer.alloc(6),
  ];
  for (const text of wrong) {
    // @ts-expect-error: what a JavaScript caller may give
    t.throws(() => parseMac(text), { ...INVALID, argument: 'mac' }, String(text));
  }
});

t.test('formatMac prints what parseMac reads', async (t) => {
  t.equal(formatMac(Uint8Array.of(0, 1, 0x0a, 0xff, 0x10, 9)), '00:01:0a:ff:10:09');
  t.equal(formatMac(parseMac('52-54-00-AA-BB-CC')), '52:54:00:aa:bb:cc');
  for (const wrong of [
    Buffer.alloc(5),
    Buffer.alloc(7),
    '02:00:00:00:00:01',
    [1, 2, 3, 4, 5, 6],
    undefined,
  ]) {
    // @ts-expect-error: what a JavaScript caller may give
    t.throws(() => formatMac(wrong), { ...INVALID, argument: 'bytes' }, String(wrong));
  }
});

t.test('randomMac is unicast and locally administered, and differs each time', async (t) => {
  const made = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const mac = randomMac();
    const first = parseMac(mac).readUInt8(0);
    if ((first & 0x03) !== 0x02) t.fail(`${mac} is not a locally administered unicast address`);
    made.add(mac);
  }
  t.equal(made.size, 200);
});

t.test('randomMac keeps a prefix of one to five bytes', async (t) => {
  t.match(randomMac({ prefix: '52:54:00' }), /^52:54:00(:[0-9a-f]{2}){3}$/);
  t.match(randomMac({ prefix: '0A-1B-2C-3D-4E' }), /^0a:1b:2c:3d:4e:[0-9a-f]{2}$/);
  t.match(randomMac({ prefix: '00' }), /^00:/);
});

t.test('randomMac never makes the zero address', async (t) => {
  const lastBytes = new Set<string>();
  // One in 256 would be zero.
  for (let i = 0; i < 5000; i++) lastBytes.add(randomMac({ prefix: '00:00:00:00:00' }));
  t.notOk(lastBytes.has('00:00:00:00:00:00'));
  t.ok(lastBytes.size > 200);
});

t.test('randomMac refuses a prefix that is none', async (t) => {
  for (const prefix of ['', '52:54:00:00:00:00', '5', '52:', '01:00:5e', 'ff', 52, null]) {
    // @ts-expect-error: what a JavaScript caller may give
    t.throws(() => randomMac({ prefix }), { ...INVALID, argument: 'prefix' }, String(prefix));
  }
  // @ts-expect-error: what a JavaScript caller may give
  t.throws(() => randomMac('52:54:00'), { ...INVALID, argument: 'options' });
});

t.test('bytes of another realm are bytes; what only looks like bytes is not', async (t) => {
  t.equal(formatMac(foreignBytes([1, 2, 3, 4, 5, 6])), '01:02:03:04:05:06');
  t.ok(isMulticastMac(foreignBytes([1, 2, 3, 4, 5, 6])));
  for (const wrong of LOOKS_LIKE_BYTES() as Buffer[]) {
    t.throws(() => formatMac(wrong), INVALID);
    t.throws(() => isMulticastMac(wrong), INVALID);
  }
});

t.test('isMulticastMac looks at the lowest bit of the first byte', async (t) => {
  t.ok(isMulticastMac('ff:ff:ff:ff:ff:ff'));
  t.ok(isMulticastMac('33:33:00:00:00:01'));
  t.ok(isMulticastMac(Uint8Array.of(1, 0, 0x5e, 0, 0, 1)));
  t.notOk(isMulticastMac('02:01:01:01:01:01'));
  t.notOk(isMulticastMac(Buffer.from([0, 1, 1, 1, 1, 1])));
  for (const wrong of ['ff', Buffer.alloc(5), 7, undefined]) {
    // @ts-expect-error: what a JavaScript caller may give
    t.throws(() => isMulticastMac(wrong), { ...INVALID, argument: 'mac' }, String(wrong));
  }
});
