/** Links changed, moved, given addresses and removed; and what the kernel refuses. */
import t from 'tap';
import { links, type NewLink, openTap, openTun, randomMac } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { cannotChangeUser, childCommand } from '../../kit/child.js';
import { ownNamespace, run } from '../../kit/namespace.js';
import { ipLinks, sameAsIp } from '../../kit/same-as-ip.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

t.test('set changes only what is given', async (t) => {
  const ns = await ownNamespace(t);
  const at = { netns: ns.name };
  const made = await links.create({ kind: 'veth', name: 'v0', ...at });
  await links.create({ kind: 'bridge', name: 'br0', ...at });
  const changed = async () => {
    const link = await links.get(made.index, at);
    sameAsIp(t, link, await ipLinks(ns));
    return link;
  };
  await links.set('v0', at);
  t.same({ ...(await changed()), stats: undefined }, { ...(await links.get('v0', at)), stats: undefined });
  await links.set('v0', { up: true, ...at });
  t.equal((await changed()).up, true);
  const mac = randomMac();
  await links.set('v0', { mac, mtu: 1400, txQueueLength: 0, allMulticast: true, promiscuous: true, ...at });
  t.match(await changed(), {
    mac,
    mtu: 1400,
    txQueueLength: 0,
    allMulticast: true,
    promiscuous: true,
    up: true,
  });
  await links.set('v0', { allMulticast: false, promiscuous: false, alias: 'x', ...at });
  t.match(await changed(), { allMulticast: false, promiscuous: false, alias: 'x', mtu: 1400 });
  await links.set('v0', { up: false, name: 'v9', alias: '', master: 'br0', ...at });
  const port = await changed();
  t.match(port, { name: 'v9', alias: '', up: false, portKind: 'bridge' });
  t.equal(port.master, (await links.get('br0', at)).index);
  await links.set('v9', { master: null, up: true, ...at });
  t.notOk('master' in (await changed()));
  await links.set(made.index, { master: port.master ?? 0, ...at });
  t.equal((await changed()).master, port.master);
});

t.test('the carrier of a TAP', async (t) => {
  const ns = await ownNamespace(t);
  const at = { netns: ns.name };
  await ns.ip('tuntap', 'add', 'tap0', 'mode', 'tap');
  const tap = await openTap({ name: 'tap0', ...at });
  t.teardown(() => tap.destroy());
  t.equal((await links.get('tap0', at)).carrier, true);
  await links.set('tap0', { carrier: false, ...at });
  t.match(await links.get('tap0', at), { carrier: false, operState: 'down', up: true });
  await links.set('tap0', { carrier: true, ...at });
  t.equal((await links.get('tap0', at)).carrier, true);
  const tun = await openTun({ multiQueue: true, ...at });
  t.teardown(() => tun.destroy());
  t.match((await links.get(tun.name, at)).tun, { type: 'tun', multiQueue: true, queues: 1, persist: false });
});

t.test('moving a link to another namespace', async (t) => {
  const ns = await ownNamespace(t);
  const other = await ownNamespace(t);
  const at = { netns: ns.name };
  const there = { netns: other.name };
  await links.create({ kind: 'bridge', name: 'br0', ...there });
  const made = await links.create({ kind: 'veth', name: 'goes', peer: { name: 'stays' }, up: true, ...at });
  await links.set('goes', { moveTo: other.name, name: 'arrived', up: true, mtu: 1400, master: 'br0', ...at });
  await t.rejects(links.get(made.index, at), { code: 'ENODEV' });
  t.match(await links.get('arrived', there), { up: true, mtu: 1400, portKind: 'bridge' });
  await links.set('arrived', { moveTo: ns.path, ...there });
  t.match(await links.get('arrived', at), { up: false, kind: 'veth' }, 'it arrives down');
  await t.rejects(links.set('arrived', { moveTo: 'tapfd-missing', ...at }), { code: 'ENOENT' });

  // Made here, where its lower device is, to live there.
  const mac = randomMac();
  const macvtap = await links.create({
    kind: 'macvtap',
    name: 'mt0',
    lower: 'stays',
    mac,
    up: false,
    alias: 'moved',
    moveTo: other.name,
    ...at,
  });
  t.match(macvtap, { name: 'mt0', mac, alias: 'moved', lowerNetnsId: Number });
  t.equal((await links.get('mt0', there)).index, macvtap.index);
  await t.rejects(links.get('mt0', at), { code: 'ENODEV' });
  const port = await links.create({ kind: 'veth', name: 'p', master: 'br0', moveTo: other.name, ...at });
  t.equal(port.master, (await links.get('br0', there)).index, 'the bridge is looked for there');
});

t.test('failures carry code, call, link, the kernel’s words, and a remedy', async (t) => {
  const ns = await ownNamespace(t);
  const at = { netns: ns.name };
  await links.create({ kind: 'bridge', name: 'br0', ...at });
  await links.create({ kind: 'bridge', name: 'br1', ...at });
  await links.create({ kind: 'veth', name: 'v0', peer: { name: 'v1' }, master: 'br0', up: true, ...at });
  await links.create({ kind: 'macvlan', name: 'mv', lower: 'v1', mode: 'bridge', ...at });
  await links.create({ kind: 'vxlan', name: 'vx', id: 5, ...at });
  await links.addAddress('v1', '10.0.0.1/24', at);
  const { mac = '' } = await links.get('v1', at);
  const rows: [string, () => Promise<unknown>, object][] = [
    [
      'ENODEV',
      () => links.get('nope', at),
      { syscall: 'rtnetlink RTM_GETLINK', interface: 'nope', message: /^links\.get: .*links\.list\(\)/ },
    ],
    ['ENODEV', () => links.get(99_999, at), { syscall: 'rtnetlink RTM_GETLINK' }],
    ['ENODEV', () => links.set('nope', { up: true, ...at }), { interface: 'nope' }],
    ['ENODEV', () => links.set(99_999, { up: true, ...at }), { syscall: 'rtnetlink RTM_SETLINK' }],
    ['ENODEV', () => links.set(99_999, { mode: 'vepa', ...at }), { syscall: 'rtnetlink RTM_GETLINK' }],
    ['ENODEV', () => links.remove('nope', at), { interface: 'nope' }],
    ['ENODEV', () => links.remove(99_999, at), { syscall: 'rtnetlink RTM_DELLINK' }],
    ['ENODEV', () => links.addAddress('nope', '10.0.0.1/24', at), { interface: 'nope' }],
    ['ENODEV', () => links.addAddress(99_999, '10.0.0.1/24', at), { syscall: 'rtnetlink RTM_NEWADDR' }],
    ['ENODEV', () => links.addresses('nope', at), { interface: 'nope' }],
    ['ENODEV', () => links.addresses(99_999, at), {}],
    ['ENODEV', () => links.create({ kind: 'macvtap', lower: 'nope', ...at }), { interface: 'nope' }],
    ['ENODEV', () => links.create({ kind: 'macvtap', lower: 99_999, ...at }), {}],
    ['ENODEV', () => links.create({ kind: 'bridge', master: 'nope', ...at }), { interface: 'nope' }],
    [
      'EEXIST',
      () => links.create({ kind: 'bridge', name: 'br0', ...at }),
      { syscall: 'rtnetlink RTM_NEWLINK', interface: 'br0', errno: -17, message: /choose another/ },
    ],
    ['EEXIST', () => links.create({ kind: 'veth', peer: { name: 'br0' }, ...at }), {}],
    [
      'EEXIST',
      () => links.create({ kind: 'vxlan', id: 5, ...at }),
      { detail: /VNI already exists/, message: /kernel: .*VNI already exists/ },
    ],
    [
      'EEXIST',
      () => links.addAddress('v1', '10.0.0.1/24', at),
      { message: /kernel: ipv4: Address already assigned$/ },
    ],
    [
      'EADDRNOTAVAIL',
      () => links.removeAddress('v1', '10.0.0.1/25', at),
      { syscall: 'rtnetlink RTM_DELADDR', message: /kernel: ipv4: Address not found$/ },
    ],
    ['EBUSY', () => links.create({ kind: 'macvtap', lower: 'v0', ...at }), { message: /bridge port/ }],
    ['EINVAL', () => links.create({ kind: 'macvtap', lower: 'lo', ...at }), { message: /loopback/ }],
    ['EINVAL', () => links.set('v1', { mtu: 70_000, ...at }), { detail: 'mtu greater than device maximum' }],
    ['EADDRINUSE', () => links.set('mv', { mac, up: true, ...at }), { message: /randomMac/ }],
    [
      'ELOOP',
      () => links.set('br1', { master: 'br0', ...at }),
      { detail: /bridge/, message: /kernel: Can not enslave a bridge to a bridge$/ },
    ],
    ['ENOTSUP', () => links.remove('lo', at), { message: /does not support that/ }],
    ['ENOTSUP', () => links.set('br0', { carrier: false, ...at }), {}],
    ['ENOTSUP', () => links.set('br0', { mode: 'vepa', ...at }), { interface: 'br0', message: /only macv/ }],
    ['EINVAL', () => links.set('br0', { moveTo: '/proc/self/ns/net', ...at }), { detail: /immutable/ }],
  ];
  for (const [code, call, expected] of rows) {
    await t.rejects(call(), { name: 'TapfdError', code, ...expected }, `${code} ${call}`);
  }
  await ns.exec('sysctl', '-q', '-w', 'net.ipv6.conf.v1.disable_ipv6=1');
  await t.rejects(links.addAddress('v1', 'fd00::1/64', at), {
    code: 'EACCES',
    message: /kernel: ipv6: IPv6 is disabled on this device$/,
  });
});

t.test(
  'without privilege the kernel says EPERM, and reading still works',
  { skip: cannotChangeUser },
  async (t) => {
    const script = `
    import { links, createNetns } from 'tapfd';
    process.setgroups([]); process.setgid(65534); process.setuid(65534);
    const codes = [];
    for (const call of [
      () => links.create({ kind: 'bridge' }),
      () => links.set('lo', { mtu: 65536 }),
      () => links.addAddress('lo', '127.9.9.9/32'),
      () => links.list({ netns: process.argv[1] }),
      () => createNetns(),
    ]) await call().then(() => codes.push('ok'), (error) => codes.push(error.code + ' ' + error.syscall + ' ' + error.message));
    codes.push((await links.list()).length > 0);
    console.log(JSON.stringify(codes));`;
    const ns = await ownNamespace(t);
    const output = await run(...childCommand(script, [ns.path]));
    const [create, set, address, list, netns, read] = JSON.parse(output);
    t.match(create, /^EPERM rtnetlink RTM_NEWLINK .*CAP_NET_ADMIN/);
    t.match(set, /^EPERM rtnetlink RTM_SETLINK .*CAP_NET_ADMIN/);
    t.match(address, /^EPERM rtnetlink RTM_NEWADDR .*CAP_NET_ADMIN/);
    t.match(list, /^EPERM setns .*CAP_SYS_ADMIN/);
    t.match(netns, /^(EPERM|EACCES) /);
    t.equal(read, true);
  },
);

t.test('addresses', async (t) => {
  const ns = await ownNamespace(t);
  const at = { netns: ns.name };
  const made = await links.create({ kind: 'veth', name: 'v0', ...at });
  await links.addAddress('v0', '10.1.2.3/24', at);
  await links.addAddress(made.index, 'fd00::1/64', at);
  await links.addAddress('v0', { address: 'fd00::2', prefixLength: 128, noDad: true }, at);
  await links.addAddress('lo', '127.0.0.2/8', at);
  const settled = { tentative: false, dadFailed: false, deprecated: false, permanent: true };
  t.same(await links.addresses('v0', at), [
    { address: '10.1.2.3', prefixLength: 24, family: 4, noDad: false, ...settled },
    { address: 'fd00::2', prefixLength: 128, family: 6, noDad: true, ...settled },
    { address: 'fd00::1', prefixLength: 64, family: 6, noDad: false, ...settled, tentative: true },
  ]);
  t.same(await links.addresses('lo', at), [
    { address: '127.0.0.2', prefixLength: 8, family: 4, noDad: false, ...settled },
  ]);
  const [ip] = JSON.parse(await ns.ip('-j', 'address', 'show', 'v0'));
  t.same(
    ip.addr_info.map(({ local, prefixlen, broadcast }: Record<string, unknown>) => [
      local,
      prefixlen,
      broadcast,
    ]),
    [
      ['10.1.2.3', 24, undefined],
      ['fd00::2', 128, undefined],
      ['fd00::1', 64, undefined],
    ],
  );
  const [lo] = JSON.parse(await ns.ip('-j', 'address', 'show', 'lo'));
  t.match(lo.addr_info, [{ local: '127.0.0.2', scope: 'host' }]);
  await ns.ip('address', 'add', '10.5.0.1', 'peer', '10.5.0.2/32', 'dev', 'v0');
  t.match((await links.addresses('v0', at))[1], { address: '10.5.0.1' }, 'its own, not the peer’s');
  await links.removeAddress('v0', '10.1.2.3/24', at);
  await links.removeAddress('v0', { address: 'fd00::1', prefixLength: 64 }, at);
  t.same(
    (await links.addresses('v0', at)).map(({ address }) => address),
    ['10.5.0.1', 'fd00::2'],
  );
});

t.test('removing', async (t) => {
  const ns = await ownNamespace(t);
  const at = { netns: ns.name };
  const veth = await links.create({ kind: 'veth', name: 'v0', peer: { name: 'v1' }, ...at });
  const kinds: NewLink[] = [
    { kind: 'bridge', ...at },
    { kind: 'macvlan', lower: 'v0', ...at },
    { kind: 'macvtap', lower: 'v0', ...at },
    { kind: 'vxlan', id: 1, ...at },
  ];
  for (const options of kinds) {
    const { name } = await links.create(options);
    await links.remove(name, at);
    t.equal(await ns.link(name), undefined, options.kind);
  }
  await links.remove(veth.index, at);
  t.same(await ns.linkNames(), [], 'both ends go');
});
