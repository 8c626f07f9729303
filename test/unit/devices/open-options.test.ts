/**
 * Bad input to the opening calls, found before any system call: on a system that is not Linux the addon is not even
 * loaded, so that any error but ERR_TAPFD_UNSUPPORTED_PLATFORM proves that the kernel was not asked.
 */
import t from 'tap';
import { adoptFd, openMacvtap, openTap, openTun } from 'tapfd';

Object.defineProperty(process, 'platform', { value: 'sunos' });

const REFUSED = 'ERR_TAPFD_INVALID_ARGUMENT';
const REACHED_THE_SYSTEM = 'ERR_TAPFD_UNSUPPORTED_PLATFORM';

const CALLS = { openTap, openTun, openMacvtap, adoptFd };
type Call = keyof typeof CALLS;

/** The options that each call requires. */
const NEEDED: Record<Call, unknown[]> = {
  openTap: [{}],
  openTun: [{}],
  openMacvtap: [{ name: 'guest' }],
  adoptFd: [3, {}],
};

/** Calls as JavaScript does, with whatever values. */
function call(name: Call, ...args: unknown[]): Promise<unknown> {
  return Reflect.apply(CALLS[name], undefined, args);
}

/** Calls with these options beside the required ones. */
function callWith(name: Call, options: object): Promise<unknown> {
  const needed = [...NEEDED[name]];
  const last = needed.pop();
  return call(name, ...needed, { ...Object(last), ...options });
}

const ALL: Call[] = ['openTap', 'openTun', 'openMacvtap', 'adoptFd'];
const OPENING: Call[] = ['openTap', 'openTun', 'openMacvtap'];
const TUN_TAP: Call[] = ['openTap', 'openTun'];
const MACVTAP: Call[] = ['openMacvtap'];

const NOT_BOOLEAN = [null, 0, 1, 'true', '', {}, []];
const NOT_ID = [null, -1, 0.5, 2 ** 32 - 1, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, '0', true, 5n];
const BAD_NAMES = [
  ...[
    null,
    5,
    true,
    {},
    [],
    '',
    '.',
    '..',
    'a/b',
    '/',
    'a\0',
    '\0',
    'a b',
    ' a',
    'a\t',
    'a\n',
    'a:b',
    'a\u00a0b',
  ],
  ...['x'.repeat(16), 'ü'.repeat(8), '🖧'.repeat(4)],
];
/** A link that exists may have an alternative name: up to 127 bytes, any but NUL. */
const BAD_REFERENCES = [null, 5, true, {}, [], '', 'a\0', '\0', 'x'.repeat(128), 'ü'.repeat(64)];
const GOOD_REFERENCES = [undefined, 'br0', 'a b', 'a/b', 'x'.repeat(127)];
const BAD_PLACEHOLDERS = [
  '%d%d',
  'tap%d%d',
  '%s',
  'tap%',
  'a%xb',
  '%%d',
  'a%d b',
  '%d/',
  `${'x'.repeat(14)}%d`,
];
const NOT_MAC = [
  null,
  2,
  {},
  '',
  '02:00:00:00:00',
  '02:00:00:00:00:0a:0b',
  '02:00:00:00:00:0g',
  '2:0:0:0:0:a',
];
const NOT_UNICAST = [
  ...NOT_MAC,
  ...['020000000001', '02:00-00:00:00:0a', '02:00:00:00:00:0a\0', ' 02:00:00:00:00:0a', '02:00:00:00:00:0a '],
  ...['01:00:5e:00:00:01', 'ff:ff:ff:ff:ff:ff', '33:33:00:00:00:01', '00:00:00:00:00:00'],
  Buffer.from('020000000001', 'hex'),
];
const NOT_COUNT = [null, 0, -1, 1.5, 2 ** 31, Number.NaN, '64', true];

interface Row {
  calls: Call[];
  bad: unknown[];
  good: unknown[];
  /** Given beside the option. */
  beside?: object;
  /** Calls that have it too, and a test of their own for it. */
  elsewhere?: Call[];
}

const OPTIONS: Record<string, Row> = {
  netns: {
    calls: ALL,
    bad: [
      null,
      true,
      {},
      '',
      '.',
      '..',
      'a\0b',
      '/run/netns/a\0b',
      'x'.repeat(256),
      -1,
      0.5,
      2 ** 31,
      Number.NaN,
    ],
    good: [undefined, 'blue', 'x'.repeat(255), '/proc/1/ns/net', 'relative/path', 0, 7],
  },
  readableHighWaterMark: { calls: ALL, bad: NOT_COUNT, good: [undefined, 1, 2 ** 31 - 1] },
  writableHighWaterMark: { calls: ALL, bad: NOT_COUNT, good: [undefined, 1, 2 ** 31 - 1] },
  copyFrames: { calls: ALL, bad: NOT_BOOLEAN, good: [undefined, true, false] },
  signal: {
    calls: ALL,
    bad: [null, {}, 'abort', new AbortController()],
    good: [undefined, new AbortController().signal],
  },
  vnetHeader: { calls: ALL, bad: NOT_BOOLEAN, good: [undefined, true, false] },
  multiQueue: { calls: OPENING, bad: NOT_BOOLEAN, good: [undefined, true, false] },
  sendBufferBytes: { calls: OPENING, bad: NOT_COUNT, good: [undefined, 1, 2 ** 31 - 1] },
  offload: {
    calls: [...OPENING, 'adoptFd'],
    beside: { vnetHeader: true },
    bad: [
      null,
      'csum',
      {},
      [null],
      ['CSUM'],
      ['tso4'],
      ['csum', 'uso4'],
      ['csum', 'uso6'],
      ['csum', 'tso-ecn'],
      [['csum']],
    ],
    good: [
      undefined,
      [],
      ['csum'],
      ['csum', 'tso4', 'tso6', 'tso-ecn', 'uso4', 'uso6'],
      ['tso4', 'csum', 'csum'],
    ],
  },
  up: { calls: OPENING, bad: NOT_BOOLEAN, good: [undefined, true, false] },
  allMulticast: { calls: OPENING, bad: NOT_BOOLEAN, good: [undefined, true, false] },
  ipv6: { calls: OPENING, bad: NOT_BOOLEAN, good: [undefined, true, false] },
  expect: {
    calls: ['adoptFd'],
    bad: [
      null,
      'tap0',
      [],
      { kind: 'bridge' },
      { name: '' },
      { mac: '02' },
      { vnetHeaderBytes: -1 },
      { index: 1 },
    ],
    good: [undefined, {}, { kind: 'tap', name: 'tap0', mac: '02:00:00:00:00:01', vnetHeaderBytes: 10 }],
  },
  mtu: {
    calls: OPENING,
    bad: [null, 0, -1, 67, 65536, 1500.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, '1500'],
    good: [undefined, 68, 1500, 65521],
  },
  addresses: {
    calls: OPENING,
    bad: [
      ...[
        null,
        '10.0.0.1/24',
        {},
        [null],
        [5],
        [''],
        ['10.0.0.1'],
        ['10.0.0.1/'],
        ['10.0.0.1/33'],
        ['10.0.0.1/-1'],
      ],
      ...[
        ['10.0.0.256/8'],
        ['10.0.0/8'],
        ['fd00::1/129'],
        ['fe80::1%eth0/64'],
        ['fd00::g/64'],
        ['10.0.0.1/24/24'],
      ],
      ...[[{}], [{ address: '10.0.0.1' }], [{ address: '10.0.0.1', prefixLength: '24' }]],
      ...[
        [{ address: '10.0.0.1', prefixLength: 24.5 }],
        [{ address: 'fd00::1', prefixLength: 64, noDad: 1 }],
      ],
      ['10.0.0.1/24', '10.0.0.2'],
    ],
    good: [undefined, [], ['10.0.0.1/0', 'fd00::1/128', { address: '::', prefixLength: 0, noDad: true }]],
  },
  persist: { calls: OPENING, bad: NOT_BOOLEAN, good: [undefined, true, false] },
  devicePath: {
    calls: TUN_TAP,
    bad: [null, 5, {}, '', '\0', '/dev/net/tun\0'],
    good: [undefined, '/dev/net/tun', 'tun'],
  },
  exclusive: { calls: TUN_TAP, bad: NOT_BOOLEAN, good: [undefined, true, false] },
  packetInfo: { calls: TUN_TAP, bad: NOT_BOOLEAN, good: [undefined, true, false] },
  carrier: { calls: TUN_TAP, bad: NOT_BOOLEAN, good: [undefined, true, false] },
  owner: { calls: TUN_TAP, bad: NOT_ID, good: [undefined, 0, 2 ** 32 - 2] },
  group: { calls: TUN_TAP, bad: NOT_ID, good: [undefined, 0, 2 ** 32 - 2] },
  napi: { calls: TUN_TAP, bad: [null, 1, 'true', 'FRAGS', {}], good: [undefined, true, false] },
  name: {
    calls: TUN_TAP,
    elsewhere: MACVTAP,
    bad: [...BAD_NAMES, ...BAD_PLACEHOLDERS],
    good: [undefined, 'a', 'x'.repeat(15), 'ü'.repeat(7), 'tap%d', '%d', 'a%db', 'a-b_c.d'],
  },
  mac: {
    calls: ['openTap', 'openMacvtap'],
    bad: NOT_UNICAST,
    good: [undefined, '02:00:00:00:00:0A', '02-00-00-00-00-0a'],
  },
  bridge: { calls: ['openTap'], bad: BAD_REFERENCES, good: GOOD_REFERENCES },
  lower: { calls: MACVTAP, bad: BAD_REFERENCES, good: GOOD_REFERENCES },
  mode: {
    calls: MACVTAP,
    beside: { lower: 'eth9' },
    bad: [null, 4, '', 'BRIDGE', 'bridged', {}, ['bridge']],
    good: [undefined, 'bridge', 'vepa', 'private', 'passthru', 'source'],
  },
  guestMac: { calls: ['openMacvtap', 'adoptFd'], bad: NOT_UNICAST, good: [undefined, '02:00:00:00:00:0a'] },
  macCheck: {
    calls: ['openMacvtap', 'adoptFd'],
    bad: [null, true, '', 'warn', 'Error', {}],
    good: [undefined, 'error', 'drop', 'off'],
  },
};

const show = (value: unknown) =>
  (typeof value === 'string' ? JSON.stringify(value) : String(value)).slice(0, 60);

for (const [option, { calls, bad, good, beside, elsewhere = [] }] of Object.entries(OPTIONS)) {
  t.test(option, async (t) => {
    for (const name of calls) {
      for (const value of good) {
        const options = { ...beside, [option]: value };
        await t.rejects(
          callWith(name, options),
          { code: REACHED_THE_SYSTEM },
          `${name} takes ${show(value)}`,
        );
      }
      for (const value of bad) {
        const options = { ...beside, [option]: value };
        const outcome = await callWith(name, options).catch((error: unknown) => error);
        t.match(
          outcome,
          { name: 'TapfdError', code: REFUSED, message: /must be .*; received / },
          `${name} refuses ${show(value)}`,
        );
        t.equal(String(Reflect.get(Object(outcome), 'argument')).split(/[.[]/)[0], option);
      }
    }
    for (const name of ALL.filter((one) => !calls.includes(one) && !elsewhere.includes(one))) {
      // TUN refuses what only TAP has, with the reason.
      await t.rejects(
        callWith(name, { ...(name === 'openMacvtap' && beside), [option]: good.at(-1) ?? true }),
        {
          code: REFUSED,
          argument: option,
          message: /left out/,
        },
        `${name} has no ${option}`,
      );
    }
  });
}

t.test('names of links to make: a template with lower, a plain name without', async (t) => {
  for (const name of [...BAD_NAMES, ...BAD_PLACEHOLDERS]) {
    const refused = { code: REFUSED, argument: 'name' };
    await t.rejects(call('openMacvtap', { name }), refused, show(name));
    await t.rejects(call('openMacvtap', { name, lower: 'eth9' }), refused, show(name));
  }
  await t.rejects(call('openMacvtap', { name: 'guest%d' }), { code: REFUSED, argument: 'name' });
  await t.rejects(call('openMacvtap', { name: 'guest%d', lower: 'eth9' }), { code: REACHED_THE_SYSTEM });
  await t.rejects(call('openMacvtap', { lower: 'eth9' }), { code: REACHED_THE_SYSTEM });
});

t.test('options that need or exclude each other', async (t) => {
  const refusals: [Call, object, string][] = [
    ['openTap', { offload: ['csum'] }, 'offload'],
    ['openTap', { offload: ['csum'], vnetHeader: false }, 'offload'],
    ['openMacvtap', { name: 'guest', offload: ['csum'] }, 'offload'],
    ['openTun', { napi: 'frags' }, 'napi'],
    ['openTun', { mac: '02:00:00:00:00:01' }, 'mac'],
    ['openTun', { bridge: 'br0' }, 'bridge'],
    ['openMacvtap', {}, 'name'],
    ['openMacvtap', { name: 'guest', mode: 'bridge' }, 'mode'],
    ['openMacvtap', { lower: 'eth9', mac: '02:00:00:00:00:01', guestMac: '02:00:00:00:00:02' }, 'guestMac'],
  ];
  for (const [name, options, argument] of refusals) {
    await t.rejects(call(name, options), { code: REFUSED, argument }, `${name} ${JSON.stringify(options)}`);
  }
  await t.rejects(call('openTap', { napi: 'frags' }), { code: REACHED_THE_SYSTEM });
  const sameMac = { lower: 'eth9', mac: '02:00:00:00:00:0a', guestMac: '02-00-00-00-00-0A' };
  await t.rejects(call('openMacvtap', sameMac), { code: REACHED_THE_SYSTEM });
});

t.test('options that are no options', async (t) => {
  const values = [null, 5, 'tap0', true, [], ['name'], () => ({}), Symbol('options')];
  for (const name of ALL) {
    const needed = NEEDED[name].slice(0, -1);
    for (const value of values) {
      await t.rejects(
        call(name, ...needed, value),
        { code: REFUSED, argument: 'options' },
        `${name}(${String(value)})`,
      );
    }
    await t.rejects(callWith(name, { mulitQueue: true }), {
      code: REFUSED,
      argument: 'mulitQueue',
      message: new RegExp(`${name} has no such option`),
    });
    await t.rejects(callWith(name, { nothing: undefined }), { code: REACHED_THE_SYSTEM });
  }
  await t.rejects(call('openTap'), { code: REACHED_THE_SYSTEM }, 'none are needed');
  await t.rejects(call('openTun'), { code: REACHED_THE_SYSTEM });
  await t.rejects(call('openMacvtap'), { code: REFUSED, argument: 'options' });
});

t.test('the descriptor to adopt', async (t) => {
  for (const fd of [undefined, null, -1, 1.5, 2 ** 31, Number.NaN, '3', {}, 3n]) {
    await t.rejects(call('adoptFd', fd), { code: REFUSED, argument: 'fd' }, String(fd));
  }
  await t.rejects(call('adoptFd', 3), { code: REACHED_THE_SYSTEM });
});

t.test('a refusal is a rejection, never a throw, and of one class', async (t) => {
  for (const name of ALL) {
    const outcome = call(name, null, null);
    t.ok(outcome instanceof Promise);
    const error = await outcome.catch((reason: unknown) => reason);
    t.ok(error instanceof Error);
    t.match(error, { name: 'TapfdError', recoverable: false });
    t.notOk(Object.hasOwn(Object(error), 'syscall'));
  }
});
