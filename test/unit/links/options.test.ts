/** Every option of `links` with a wrong value: an error that names it, before any system call. */

import t from 'tap';
import { links } from 'tapfd';

const INVALID = 'ERR_TAPFD_INVALID_ARGUMENT';
/** No call in this file may open it. */
const netns = `tapfd-${process.pid}-never-opened`;

const NOT_BOOLEAN = ['yes', 1, null];
const NOT_MAC = [
  '',
  '02:00:00:00:00',
  'ff:ff:ff:ff:ff:ff',
  '01:00:5e:00:00:01',
  '00:00:00:00:00:00',
  7,
  null,
];
const NOT_NAME = ['', '.', '..', 'a/b', 'a:b', 'a b', 'a\0b', 'sixteen-bytes-xx', 'a%sb', null, {}];
const NOT_REF = ['', 'a\0b', 'x'.repeat(128), null, {}, 0, -1, 1.5, 2 ** 31, true];
const NOT_NETNS = ['', '..', 'a\0b', -1, 1.5, null, {}];
const SETTINGS: Record<string, unknown[]> = {
  mac: NOT_MAC,
  mtu: [-1, 1500.5, 2 ** 31, '1500', null],
  addressGeneration: ['', 'EUI64', 0, true, null],
  up: NOT_BOOLEAN,
  allMulticast: NOT_BOOLEAN,
  promiscuous: NOT_BOOLEAN,
  txQueueLength: [-1, 1.5, 2 ** 32, '1000', null],
  alias: ['a\0b', 'x'.repeat(256), 'ü'.repeat(128), 7, null],
};
const NEW: Record<string, unknown[]> = {
  ...SETTINGS,
  mtu: [67, 0, 65536, -1, 1500.5, '1500', null],
  name: [...NOT_NAME.filter((name) => name !== 'a%sb'), 'a%sb', 'a%d%d', 'fourteen-bytes%d', '%', 7],
  master: NOT_REF,
  txQueues: [0, 4097, 1.5, '2', null],
  rxQueues: [0, 4097, 1.5, '2', null],
  netns: NOT_NETNS,
};
const MOVABLE: Record<string, unknown[]> = { ...NEW, moveTo: NOT_NETNS };
const MACVLAN: Record<string, unknown[]> = {
  ...MOVABLE,
  lower: [...NOT_REF, undefined],
  mode: ['BRIDGE', '', 4, null],
  sourceMacs: [[], NOT_MAC[0], null],
};
const KINDS: Record<string, { good: object; wrong: Record<string, unknown[]> }> = {
  bridge: {
    good: {},
    wrong: {
      ...NEW,
      stp: NOT_BOOLEAN,
      vlanFiltering: NOT_BOOLEAN,
      multicastSnooping: NOT_BOOLEAN,
      forwardDelayMs: [-10, 15, 1.5, '20', null],
      ageingTimeMs: [-10, 15, 1.5, '20', null],
    },
  },
  veth: { good: {}, wrong: { ...MOVABLE, peer: ['b0', [], null] } },
  macvlan: { good: { lower: 'eth9' }, wrong: MACVLAN },
  macvtap: { good: { lower: 'eth9' }, wrong: MACVLAN },
  vxlan: {
    good: { id: 1 },
    wrong: {
      ...MOVABLE,
      id: [-1, 2 ** 24, 1.5, '1', null, undefined],
      remote: ['10.0.0.0/8', 'host', 'fe80::1%eth0', 1, null],
      local: ['10.0.0.0/8', 'host', 'fe80::1%eth0', 1, null],
      port: [0, 65536, 1.5, '4789', null],
      learning: NOT_BOOLEAN,
      lower: NOT_REF,
    },
  },
};

for (const [kind, { good, wrong }] of Object.entries(KINDS)) {
  t.test(`links.create of kind ${kind}`, async (t) => {
    for (const [option, values] of Object.entries(wrong)) {
      for (const value of values) {
        const options = { kind, netns, ...good, [option]: value };
        // @ts-expect-error: what a JavaScript caller may give
        await t.rejects(links.create(options), { code: INVALID, argument: option }, `${option} ${value}`);
      }
    }
    const misspelt = { kind, netns, ...good, upp: true };
    // @ts-expect-error: what a JavaScript caller may give
    await t.rejects(links.create(misspelt), {
      code: INVALID,
      argument: 'upp',
      message: new RegExp(`links.create of kind ${kind} has no such option`),
    });
  });
}

t.test('links.create wants a kind it knows', async (t) => {
  for (const kind of ['dummy', 'tun', '', undefined, null, 7, 'constructor']) {
    // @ts-expect-error: what a JavaScript caller may give
    await t.rejects(links.create({ kind, netns }), { code: INVALID, argument: 'kind' }, String(kind));
  }
  for (const options of [undefined, null, 'bridge', []]) {
    // @ts-expect-error: what a JavaScript caller may give
    await t.rejects(links.create(options), { code: INVALID, argument: 'options' }, String(options));
  }
  // @ts-expect-error: an option of another kind
  await t.rejects(links.create({ kind: 'bridge', lower: 'eth9', netns }), {
    code: INVALID,
    message: /lower/,
  });
});

t.test('a bridge: what cannot go together', async (t) => {
  for (const forwardDelayMs of [0, 1990, 30_010, 2005]) {
    const options = { kind: 'bridge', stp: true, forwardDelayMs, netns } as const;
    await t.rejects(links.create(options), { code: INVALID, argument: 'forwardDelayMs' });
  }
  // @ts-expect-error: bridges stay where they are
  await t.rejects(links.create({ kind: 'bridge', moveTo: 'blue', netns }), {
    code: INVALID,
    message: /moveTo/,
  });
});

t.test('the peer of a veth', async (t) => {
  const wrong: Record<string, unknown[]> = {
    name: [...NOT_NAME, 7],
    mac: NOT_MAC,
    netns: NOT_NETNS,
  };
  for (const [option, values] of Object.entries(wrong)) {
    for (const value of values) {
      const options = { kind: 'veth', netns, peer: { [option]: value } } as const;
      const argument = `peer.${option}`;
      await t.rejects(links.create(options), { code: INVALID, argument }, `${argument} ${value}`);
    }
  }
  // @ts-expect-error: what a JavaScript caller may give
  await t.rejects(links.create({ kind: 'veth', netns, peer: { mtu: 1 } }), {
    code: INVALID,
    argument: 'peer.mtu',
  });
});

t.test('sourceMacs and the mode source belong together', async (t) => {
  const base = { kind: 'macvlan', lower: 'eth9', netns } as const;
  const macs = ['02:00:00:00:00:01'];
  const argument = 'sourceMacs';
  await t.rejects(links.create({ ...base, mode: 'source' }), { code: INVALID, argument });
  await t.rejects(links.create({ ...base, mode: 'bridge', sourceMacs: macs }), { code: INVALID, argument });
  await t.rejects(links.create({ ...base, sourceMacs: macs }), { code: INVALID, argument });
  await t.rejects(links.create({ ...base, mode: 'source', sourceMacs: [...macs, 'x'] }), {
    code: INVALID,
    argument: 'sourceMacs[1]',
  });
});

t.test('links.set', async (t) => {
  const wrong: Record<string, unknown[]> = {
    ...SETTINGS,
    name: [...NOT_NAME, 'a%d', 7],
    master: NOT_REF.filter((value) => value !== null),
    carrier: NOT_BOOLEAN,
    mode: ['BRIDGE', '', 4, null],
    moveTo: NOT_NETNS,
    kind: ['bridge'],
  };
  for (const [option, values] of Object.entries(wrong)) {
    for (const value of values) {
      const changes = { [option]: value };
      await t.rejects(
        links.set('eth9', { ...changes, netns }),
        { code: INVALID, argument: option },
        `${option} ${value}`,
      );
    }
  }
  for (const changes of [undefined, null, 'up', []]) {
    // @ts-expect-error: what a JavaScript caller may give
    await t.rejects(links.set('eth9', changes), { code: INVALID, argument: 'changes' });
  }
});

t.test('the link and the namespace of every call', async (t) => {
  const address = '10.0.0.1/24';
  const calls: Record<string, (link: never, options: never) => Promise<unknown>> = {
    get: (link, options) => links.get(link, options),
    set: (link, options) => links.set(link, options),
    remove: (link, options) => links.remove(link, options),
    addAddress: (link, options) => links.addAddress(link, address, options),
    removeAddress: (link, options) => links.removeAddress(link, address, options),
    addresses: (link, options) => links.addresses(link, options),
  };
  for (const [name, typed] of Object.entries(calls)) {
    const call = (link: unknown, options: unknown): Promise<unknown> => {
      // @ts-expect-error: what a JavaScript caller may give
      return typed(link, options);
    };
    for (const link of NOT_REF) {
      await t.rejects(call(link, { netns }), { code: INVALID, argument: 'link' }, `${name} ${link}`);
    }
    for (const value of NOT_NETNS) {
      const options = { netns: value };
      await t.rejects(call('eth9', options), { code: INVALID, argument: 'netns' }, `${name} ${value}`);
    }
    for (const options of [null, 'blue']) {
      const argument = name === 'set' ? 'changes' : 'options';
      await t.rejects(call('eth9', options), { code: INVALID, argument }, `${name} options`);
    }
    const message = new RegExp(`links.${name} has no such option`);
    await t.rejects(call('eth9', { namespace: 'blue' }), { code: INVALID, argument: 'namespace', message });
  }
});

t.test('addresses to add and remove', async (t) => {
  for (const address of ['10.0.0.1', '10.0.0.1/33', { address: '10.0.0.1' }, 7, null]) {
    const expected = { code: INVALID, argument: /^address/ };
    // @ts-expect-error: what a JavaScript caller may give
    await t.rejects(links.addAddress('eth9', address, { netns }), expected);
    // @ts-expect-error: what a JavaScript caller may give
    await t.rejects(links.removeAddress('eth9', address, { netns }), expected);
  }
});

t.test('links.list and links.watch', async (t) => {
  for (const value of NOT_NETNS) {
    const expected = { code: INVALID, argument: 'netns' };
    // @ts-expect-error: what a JavaScript caller may give
    await t.rejects(links.list({ netns: value }), expected, `list ${value}`);
    // @ts-expect-error: what a JavaScript caller may give
    t.throws(() => links.watch({ netns: value }), expected, `watch ${value}`);
  }
  for (const kind of [7, null, {}]) {
    // @ts-expect-error: what a JavaScript caller may give
    await t.rejects(links.list({ kind, netns }), { code: INVALID, argument: 'kind' });
  }
  const wrong: Record<string, unknown[]> = {
    signal: [{}, 'abort', null],
    existing: NOT_BOOLEAN,
    persistent: NOT_BOOLEAN,
    receiveBufferBytes: [0, -1, 1.5, 2 ** 30, '4096', null],
  };
  for (const [option, values] of Object.entries(wrong)) {
    for (const value of values) {
      const options = { netns, [option]: value };
      t.throws(() => links.watch(options), { code: INVALID, argument: option }, `${option} ${value}`);
    }
  }
  const notOptions: [unknown, string][] = [
    [null, 'options'],
    ['blue', 'options'],
    [{ namespace: 'blue' }, 'namespace'],
  ];
  for (const [options, argument] of notOptions) {
    // @ts-expect-error: what a JavaScript caller may give
    t.throws(() => links.watch(options), { code: INVALID, argument });
    // @ts-expect-error: what a JavaScript caller may give
    await t.rejects(links.list(options), { code: INVALID, argument });
  }
});
