import t from 'tap';
import { ipBytes, ipText } from '#lib/addresses/ip.js';
import { checkIpAddress, checkIpPrefix } from '#lib/links/ip-prefix.js';

const INVALID = { code: 'ERR_TAPFD_INVALID_ARGUMENT' };

t.test('an address and its prefix length, as text or in parts', async (t) => {
  t.same(checkIpPrefix('address', '10.1.2.3/24'), {
    address: Uint8Array.of(10, 1, 2, 3),
    prefixLength: 24,
    noDad: false,
  });
  t.same(checkIpPrefix('address', { address: 'fd00::1', prefixLength: 64, noDad: true }), {
    address: Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
    prefixLength: 64,
    noDad: true,
  });
  t.equal(checkIpPrefix('address', '0.0.0.0/0').prefixLength, 0);
  t.equal(checkIpPrefix('address', '::1/128').prefixLength, 128);
  t.equal(checkIpPrefix('address', { address: '10.0.0.1', prefixLength: 32 }).noDad, false);
});

t.test('what is no address with a prefix length is refused', async (t) => {
  const wrong: unknown[] = [
    '10.0.0.1',
    '10.0.0.1/',
    '10.0.0.1/33',
    '10.0.0.1/1000',
    '10.0.0/24',
    '10.0.0.256/24',
    '10.0.0.1/24/24',
    '10.0.0.1/-1',
    '/24',
    'fd00::1/129',
    'fe80::1%eth0/64',
    'fd00:::1/64',
    '',
    24,
    null,
    undefined,
    ['10.0.0.1/24'],
  ];
  for (const value of wrong) {
    t.throws(() => checkIpPrefix('address', value), { ...INVALID, argument: 'address' }, String(value));
  }
});

t.test('a prefix length that is too long is told with the whole', async (t) => {
  const message = 'address must be an address with a prefix length from 0 to 32; received "10.0.0.1/33"';
  t.throws(() => checkIpPrefix('address', '10.0.0.1/33'), { ...INVALID, message });
});

t.test('each part is checked', async (t) => {
  const good = { address: '10.0.0.1', prefixLength: 24 };
  const wrong: [string, unknown][] = [
    ['address', '10.0.0.1/24'],
    ['address', 'fe80::1%eth0'],
    ['address', 1],
    ['address', undefined],
    ['prefixLength', 33],
    ['prefixLength', -1],
    ['prefixLength', 1.5],
    ['prefixLength', '24'],
    ['prefixLength', undefined],
    ['noDad', 1],
  ];
  for (const [part, value] of wrong) {
    const argument = `a.${part}`;
    t.throws(
      () => checkIpPrefix('a', { ...good, [part]: value }),
      { ...INVALID, argument },
      `${part} ${value}`,
    );
  }
});

t.test('bytes and text of an address', async (t) => {
  const same: [string, string][] = [
    ['192.168.0.255', 'c0a800ff'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['1::', '00010000000000000000000000000000'],
    ['fe80::a:b', 'fe8000000000000000000000000a000b'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['1:0:3:4:5:6:7:8', '00010000000300040005000600070008'],
    ['1:0:0:4::8', '00010000000000040000000000000008'],
    ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001'],
  ];
  for (const [text, hex] of same) {
    t.equal(ipBytes(checkIpAddress('address', text))?.toString('hex'), hex, text);
    t.equal(ipText(Buffer.from(hex, 'hex')), text, `${text} again`);
  }
  t.equal(ipBytes('::ffff:10.1.2.3')?.toString('hex'), '00000000000000000000ffff0a010203');
  t.equal(ipBytes('FE80::A')?.toString('hex'), 'fe80000000000000000000000000000a');
});
