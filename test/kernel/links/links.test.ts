/** Every kind of link made, listed, changed and removed, and compared with what the `ip` program says. */
import { readdirSync } from 'node:fs';
import t, { type Test } from 'tap';
import { createNetns, type Link, links, type NewLink, openTap, openTun, randomMac } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { untilCarrier } from '../../kit/link-changes.js';
import { type IpLink, ownNamespace, run, type TestNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

/** What `ip -d -j link` prints beyond what network.ts looks at. */
interface IpDetails extends IpLink {
  txqlen?: number;
  link_index?: number;
  link_netnsid?: number;
  ifalias?: string;
  num_tx_queues: number;
  num_rx_queues: number;
  promiscuity: number;
  linkinfo?: { info_kind?: string; info_slave_kind?: string; info_data?: Record<string, unknown> };
}

async function ipLinks(ns: TestNamespace): Promise<IpDetails[]> {
  return JSON.parse(await ns.ip('-d', '-j', 'link'));
}

/** Both tell the same of a link. */
function sameAsIp(t: Test, link: Link, all: IpDetails[]): void {
  const ip = all.find((one) => one.ifindex === link.index);
  if (!ip) {
    t.fail(`ip does not know ${link.name}`);
    return;
  }
  const indexOf = (name: string | undefined) => all.find((one) => one.ifname === name)?.ifindex;
  const mode = ip.linkinfo?.info_data?.mode;
  t.same(
    {
      name: link.name,
      kind: link.kind,
      portKind: link.portKind,
      mtu: link.mtu,
      up: link.up,
      running: link.running,
      loopback: link.loopback,
      allMulticast: link.allMulticast,
      promiscuous: link.promiscuous,
      operState: link.operState,
      master: link.master,
      lower: link.lower,
      lowerNetnsId: link.lowerNetnsId,
      txQueueLength: link.txQueueLength,
      txQueues: link.txQueues,
      rxQueues: link.rxQueues,
      alias: link.alias,
      mac: link.mac,
      mode: link.mode,
    },
    {
      name: ip.ifname,
      kind: ip.linkinfo?.info_kind,
      portKind: ip.linkinfo?.info_slave_kind,
      mtu: ip.mtu,
      up: ip.flags.includes('UP'),
      running: ip.flags.includes('UP') && ip.flags.includes('LOWER_UP'),
      loopback: ip.flags.includes('LOOPBACK'),
      allMulticast: ip.flags.includes('ALLMULTI'),
      promiscuous: ip.flags.includes('PROMISC'),
      operState: ip.operstate.toLowerCase(),
      master: indexOf(ip.master),
      lower: ip.link_index ?? indexOf(ip.link),
      lowerNetnsId: ip.link_netnsid,
      txQueueLength: ip.txqlen ?? 0,
      txQueues: ip.num_tx_queues,
      rxQueues: ip.num_rx_queues,
      alias: ip.ifalias ?? '',
      mac: ip.address,
      mode: mode,
    },
    link.name,
  );
}

t.test('list and get tell what ip tells', async (t) => {
  const ns = await ownNamespace(t);
  await ns.ip('link', 'add', 'br0', 'type', 'bridge');
  await ns.ip('link', 'add', 'v0', 'numtxqueues', '3', 'type', 'veth', 'peer', 'name', 'v1');
  await ns.ip(
    'link',
    'set',
    'v0',
    'master',
    'br0',
    'alias',
    'the first end',
    'txqueuelen',
    '77',
    'mtu',
    '1400',
  );
  for (const mode of ['private', 'vepa', 'bridge', 'source']) {
    await ns.ip('link', 'add', `mv-${mode}`, 'link', 'v1', 'type', 'macvlan', 'mode', mode);
  }
  await ns.ip('link', 'add', 'mt', 'link', 'v1', 'type', 'macvtap', 'mode', 'vepa');
  await ns.ip('link', 'add', 'vx', 'type', 'vxlan', 'id', '7', 'dstport', '4789', 'dev', 'v1');
  await ns.ip('link', 'add', 'br1', 'type', 'bridge');
  for (const name of ['br0', 'v0', 'v1', 'mt', 'br1']) await ns.ip('link', 'set', name, 'up');
  await ns.ip('link', 'set', 'br1', 'allmulticast', 'on', 'promisc', 'on');

  for (const name of ['br0', 'v0', 'v1', 'mt']) await untilCarrier(ns.name, name, true);
  const all = await ipLinks(ns);
  const found = await links.list({ netns: ns.name });
  t.equal(found.length, all.length);
  // vxlan's lower device is in its own data for ip, too.
  for (const link of found.filter(({ kind }) => kind !== 'vxlan')) sameAsIp(t, link, all);
  for (const { ifname, ifindex } of all) {
    t.equal((await links.get(ifname, { netns: ns.path })).index, ifindex);
    t.equal((await links.get(ifindex, { netns: ns.path })).name, ifname);
  }
  const veths = await links.list({ netns: ns.name, kind: 'veth' });
  t.same(veths.map(({ name }) => name).sort(), ['v0', 'v1']);
  t.same(await links.list({ netns: ns.name, kind: 'gre' }), []);
});

t.test('an alternative name leads to the link', async (t) => {
  const ns = await ownNamespace(t);
  await ns.ip('link', 'property', 'add', 'dev', 'lo', 'altname', 'loopback');
  t.equal((await links.get('loopback', { netns: ns.name })).name, 'lo');
});

t.test('TUN and TAP links carry their own facts', async (t) => {
  const ns = await ownNamespace(t);
  await ns.ip(
    'tuntap',
    'add',
    'tap7',
    'mode',
    'tap',
    'user',
    '1234',
    'group',
    '2345',
    'multi_queue',
    'vnet_hdr',
  );
  await ns.ip('tuntap', 'add', 'tun7', 'mode', 'tun', 'pi');
  const tap = await links.get('tap7', { netns: ns.name });
  t.match(tap, { kind: 'tun', mac: String });
  t.same(tap.tun, {
    type: 'tap',
    owner: 1234,
    group: 2345,
    packetInfo: false,
    vnetHeader: true,
    persist: true,
    multiQueue: true,
    queues: 0,
    disabledQueues: 0,
  });
  const tun = await links.get('tun7', { netns: ns.name });
  t.notOk('mac' in tun, 'a TUN link has no MAC');
  t.same(tun.tun, {
    type: 'tun',
    packetInfo: true,
    vnetHeader: false,
    persist: true,
    multiQueue: false,
    queues: 0,
    disabledQueues: 0,
  });
});

t.test('the counters are the kernel’s', async (t) => {
  const ns = await ownNamespace(t);
  await links.set('lo', { up: true, netns: ns.name });
  t.equal(await ns.ping('127.0.0.1', 3), 3);
  const { stats } = await links.get('lo', { netns: ns.name });
  const [ip] = JSON.parse(await ns.ip('-s', '-j', 'link', 'show', 'lo'));
  t.match(stats, {
    rxPackets: ip.stats64.rx.packets,
    txPackets: ip.stats64.tx.packets,
    rxBytes: ip.stats64.rx.bytes,
    txBytes: ip.stats64.tx.bytes,
    rxErrors: 0,
    txErrors: 0,
    rxDropped: 0,
    txDropped: 0,
    multicast: 0,
  });
  t.ok(stats.rxPackets >= 6, 'three requests and three answers');
});

t.test('a bridge with all its options', async (t) => {
  const ns = await ownNamespace(t);
  const mac = randomMac();
  const made = await links.create({
    kind: 'bridge',
    name: 'wire',
    mac,
    mtu: 1450,
    up: true,
    alias: 'Straße 1',
    txQueueLength: 50,
    allMulticast: true,
    promiscuous: true,
    stp: true,
    multicastSnooping: false,
    forwardDelayMs: 4000,
    ageingTimeMs: 60_000,
    netns: ns.name,
  });
  const all = await ipLinks(ns);
  sameAsIp(t, made, all);
  t.match(made, { name: 'wire', mac, mtu: 1450, up: true, alias: 'Straße 1', promiscuous: true });
  t.match(all.find(({ ifname }) => ifname === 'wire')?.linkinfo?.info_data, {
    stp_state: 1,
    mcast_snooping: 0,
    forward_delay: 400,
    ageing_time: 6000,
  });
  const plain = await links.create({ kind: 'bridge', netns: ns.name, stp: false });
  t.match(plain, { name: 'bridge0', up: false, kind: 'bridge' });
  t.match(await ns.link('bridge0'), { linkinfo: { info_data: { stp_state: 0 } } });

  // Kernels without CONFIG_BRIDGE_VLAN_FILTERING refuse it, to both.
  const byIp = await ns.ip('link', 'add', 'vlans', 'type', 'bridge', 'vlan_filtering', '1').then(
    () => true,
    () => false,
  );
  const filtering = links.create({ kind: 'bridge', name: 'filters', vlanFiltering: true, netns: ns.name });
  if (byIp) {
    await filtering;
    t.match(await ns.link('filters'), { linkinfo: { info_data: { vlan_filtering: 1 } } });
  } else {
    await t.rejects(filtering, { code: 'ENOTSUP', message: /kernel lacks/ });
  }
});

t.test('veth pairs, in one namespace and across two', async (t) => {
  const ns = await ownNamespace(t);
  const other = await ownNamespace(t);
  await links.create({ kind: 'bridge', name: 'br0', netns: ns.name });
  const [mac, peerMac] = [randomMac(), randomMac()];
  const a = await links.create({
    kind: 'veth',
    name: 'left',
    mac,
    master: 'br0',
    up: true,
    txQueues: 2,
    rxQueues: 4,
    peer: { name: 'right', mac: peerMac },
    netns: ns.name,
  });
  const right = await links.get('right', { netns: ns.name });
  t.match(a, { name: 'left', mac, up: true, portKind: 'bridge', txQueues: 2, rxQueues: 4 });
  t.equal(a.lower, right.index);
  t.match(right, { mac: peerMac, lower: a.index, up: false });
  const all = await ipLinks(ns);
  sameAsIp(t, a, all);
  sameAsIp(t, right, all);

  const b = await links.create({ kind: 'veth', peer: { name: 'far', netns: other.name }, netns: ns.name });
  t.equal(b.name, 'veth0');
  t.type(b.lowerNetnsId, 'number');
  t.match(await links.get('far', { netns: other.path }), { kind: 'veth', lower: b.index });
  sameAsIp(t, b, await ipLinks(ns));

  const c = await links.create({ kind: 'veth', peer: {}, netns: ns.name });
  t.equal(c.name, 'veth1');
  t.match(await links.get(c.lower ?? 0, { netns: ns.name }), { kind: 'veth', name: 'veth2' });
  const d = await links.create({ kind: 'veth', name: 'veth3', netns: ns.name });
  t.match(await links.get(d.lower ?? 0, { netns: ns.name }), { name: 'veth4' });
  const e = await links.create({ kind: 'veth', name: 'p%d', peer: { name: 'p%d' }, netns: ns.name });
  t.match([e.name, (await links.get(e.lower ?? 0, { netns: ns.name })).name], ['p0', 'p1']);
  const f = await links.create({
    kind: 'veth',
    name: 'far',
    peer: { name: 'far%d', netns: other.name },
    netns: ns.name,
  });
  t.match(await links.get('far0', { netns: other.name }), { lower: f.index });
  // The peer's namespace may be the same one.
  const g = await links.create({ kind: 'veth', peer: { netns: ns.path }, netns: ns.name });
  t.match([g.name, (await links.get(g.lower ?? 0, { netns: ns.name })).name], ['veth5', 'veth6']);
});

t.test('macvlan and macvtap in every mode', async (t) => {
  const ns = await ownNamespace(t);
  for (const kind of ['macvlan', 'macvtap'] as const) {
    for (const mode of ['private', 'vepa', 'bridge', 'passthru'] as const) {
      const lower = await links.create({ kind: 'veth', netns: ns.name });
      const made = await links.create({ kind, name: `${kind}-%d`, lower: lower.name, mode, netns: ns.name });
      t.match(made, { kind, mode, lower: lower.index, name: /^macv(lan|tap)-\d$/ });
      sameAsIp(t, made, await ipLinks(ns));
    }
    const lower = await links.create({ kind: 'veth', netns: ns.name });
    const mac = randomMac();
    const made = await links.create({ kind, lower: lower.index, mac, mtu: 1300, netns: ns.name });
    t.match(made, { mode: 'bridge', mac, mtu: 1300 }, 'bridge is the default mode');
    await links.set(made.name, { mode: 'vepa', netns: ns.name });
    t.equal((await links.get(made.index, { netns: ns.name })).mode, 'vepa');
    const sources = [randomMac(), randomMac()];
    const source = await links.create({
      kind,
      lower: lower.index,
      mode: 'source',
      sourceMacs: sources,
      netns: ns.name,
    });
    t.equal(source.mode, 'source');
    const listed = (await ns.link(source.name))?.linkinfo?.info_data?.macaddr_data;
    t.same(Array.isArray(listed) && listed.sort(), sources.sort());
  }
});

t.test('vxlan to an address, to a group, and to nobody', async (t) => {
  const ns = await ownNamespace(t);
  const lower = await links.create({ kind: 'veth', name: 'under', up: true, netns: ns.name });
  await links.addAddress('under', { address: 'fd00::1', prefixLength: 64, noDad: true }, { netns: ns.name });
  const four = await links.create({
    kind: 'vxlan',
    id: 42,
    remote: '10.9.9.2',
    local: '10.9.9.1',
    port: 9999,
    learning: false,
    netns: ns.name,
  });
  t.same(four.vxlan, { id: 42, remote: '10.9.9.2', local: '10.9.9.1', port: 9999, learning: false });
  t.match((await ns.link(four.name))?.linkinfo?.info_data, {
    id: 42,
    remote: '10.9.9.2',
    local: '10.9.9.1',
    port: 9999,
    learning: false,
  });
  const six = await links.create({
    kind: 'vxlan',
    id: 0xff_ffff,
    remote: 'ff05::100',
    local: 'fd00::1',
    lower: 'under',
    netns: ns.name,
  });
  t.same(six.vxlan, { id: 0xff_ffff, remote: 'ff05::100', local: 'fd00::1', port: 4789, learning: true });
  t.equal(six.lower, lower.index);
  t.match((await ns.link(six.name))?.linkinfo?.info_data, { group6: 'ff05::100', link: 'under' });
  const none = await links.create({ kind: 'vxlan', id: 0, netns: ns.name });
  t.same(none.vxlan, { id: 0, port: 4789, learning: true });
  t.notOk('lower' in none);
});

t.test('names: the kind’s own, a template, and numbers in use', async (t) => {
  const ns = await ownNamespace(t);
  const netns = ns.name;
  const name = async (options: { name?: string }) =>
    (await links.create({ kind: 'bridge', netns, ...options })).name;
  t.equal(await name({}), 'bridge0');
  t.equal(await name({}), 'bridge1');
  t.equal(await name({ name: 'x%dy' }), 'x0y');
  t.equal(await name({ name: 'x%dy' }), 'x1y');
  await links.remove('bridge0', { netns });
  t.equal(await name({}), 'bridge0', 'the lowest free number');
  // ip link does not list an alternative name as a name, but it is taken all the same.
  await ns.ip('link', 'property', 'add', 'dev', 'lo', 'altname', 'bridge2');
  t.equal(await name({}), 'bridge3');
  const together = await Promise.all(Array.from({ length: 20 }, () => name({ name: 'same%d' })));
  t.equal(new Set(together).size, 20, 'each call has a link of its own');
});

t.test('a template without a free number', async (t) => {
  const ns = await ownNamespace(t);
  // Two digits make it 15 bytes, three would be too long.
  const batch = Array.from({ length: 100 }, (_, i) => `link add name thirteenbytes${i} type bridge`).join(
    '\n',
  );
  await ns.exec('sh', '-c', `echo '${batch}' | ip -batch -`);
  await t.rejects(links.create({ kind: 'bridge', name: 'thirteenbytes%d', netns: ns.name }), {
    code: 'ENFILE',
    detail: /thirteenbytes%d/,
    message: /numbers? for %d/,
  });
});

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

t.test('nothing is left when a step after the creation fails', async (t) => {
  const ns = await ownNamespace(t);
  const other = await ownNamespace(t);
  const at = { netns: ns.name };
  await links.create({ kind: 'veth', name: 'v0', peer: { name: 'v1' }, up: true, ...at });
  await links.create({ kind: 'bridge', name: 'taken', netns: other.name });
  const { mac = '' } = await links.get('v0', at);
  const before = await ns.linkNames();
  const beforeThere = await other.linkNames();
  const failing: [string, NewLink][] = [
    ['EADDRINUSE', { kind: 'macvtap', lower: 'v0', mac, up: true, ...at }],
    ['ENOTSUP', { kind: 'macvlan', lower: 'v0', master: 'v0', ...at }],
    ['EEXIST', { kind: 'veth', name: 'taken', moveTo: other.name, ...at }],
    ['EADDRINUSE', { kind: 'macvtap', lower: 'v0', mac, up: true, moveTo: other.name, ...at }],
  ];
  for (const [code, options] of failing) {
    await t.rejects(links.create(options), { code, syscall: /^rtnetlink RTM_/ }, code);
    t.same(await ns.linkNames(), before);
    t.same(await other.linkNames(), beforeThere);
  }
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
    ['EEXIST', () => links.addAddress('v1', '10.0.0.1/24', at), { message: /already has this address/ }],
    [
      'EADDRNOTAVAIL',
      () => links.removeAddress('v1', '10.0.0.1/25', at),
      { syscall: 'rtnetlink RTM_DELADDR', message: /links\.addresses\(\)/ },
    ],
    ['EBUSY', () => links.create({ kind: 'macvtap', lower: 'v0', ...at }), { message: /bridge port/ }],
    ['EINVAL', () => links.create({ kind: 'macvtap', lower: 'lo', ...at }), { message: /loopback/ }],
    ['EINVAL', () => links.set('v1', { mtu: 70_000, ...at }), { detail: 'mtu greater than device maximum' }],
    ['EADDRINUSE', () => links.set('mv', { mac, up: true, ...at }), { message: /randomMac/ }],
    [
      'ELOOP',
      () => links.set('br1', { master: 'br0', ...at }),
      { detail: /bridge/, message: /port of another bridge/ },
    ],
    ['ENOTSUP', () => links.remove('lo', at), { message: /does not support that/ }],
    ['ENOTSUP', () => links.set('br0', { carrier: false, ...at }), {}],
    ['ENOTSUP', () => links.set('br0', { mode: 'vepa', ...at }), { interface: 'br0', detail: /only macv/ }],
    ['EINVAL', () => links.set('br0', { moveTo: '/proc/self/ns/net', ...at }), { detail: /immutable/ }],
  ];
  for (const [code, call, expected] of rows) {
    await t.rejects(call(), { name: 'TapfdError', code, ...expected }, `${code} ${call}`);
  }
  await ns.exec('sysctl', '-q', '-w', 'net.ipv6.conf.v1.disable_ipv6=1');
  await t.rejects(links.addAddress('v1', 'fd00::1/64', at), { code: 'EACCES', message: /disable_ipv6/ });
});

t.test('without privilege the kernel says EPERM, and reading still works', async (t) => {
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
  const output = await run(process.execPath, '--input-type=module', '-e', script, ns.path);
  const [create, set, address, list, netns, read] = JSON.parse(output);
  t.match(create, /^EPERM rtnetlink RTM_NEWLINK .*CAP_NET_ADMIN/);
  t.match(set, /^EPERM rtnetlink RTM_SETLINK .*CAP_NET_ADMIN/);
  t.match(address, /^EPERM rtnetlink RTM_NEWADDR .*CAP_NET_ADMIN/);
  t.match(list, /^EPERM setns .*CAP_SYS_ADMIN/);
  t.match(netns, /^(EPERM|EACCES) /);
  t.equal(read, true);
});

t.test('addresses', async (t) => {
  const ns = await ownNamespace(t);
  const at = { netns: ns.name };
  const made = await links.create({ kind: 'veth', name: 'v0', ...at });
  await links.addAddress('v0', '10.1.2.3/24', at);
  await links.addAddress(made.index, 'fd00::1/64', at);
  await links.addAddress('v0', { address: 'fd00::2', prefixLength: 128, noDad: true }, at);
  await links.addAddress('lo', '127.0.0.2/8', at);
  t.same(await links.addresses('v0', at), [
    { address: '10.1.2.3', prefixLength: 24, family: 4, noDad: false },
    { address: 'fd00::2', prefixLength: 128, family: 6, noDad: true },
    { address: 'fd00::1', prefixLength: 64, family: 6, noDad: false },
  ]);
  t.same(await links.addresses('lo', at), [
    { address: '127.0.0.2', prefixLength: 8, family: 4, noDad: false },
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

t.test('a big namespace is listed whole', async (t) => {
  const ns = await ownNamespace(t);
  const batch = Array.from({ length: 300 }, (_, i) => `link add name b${i} type bridge`).join('\n');
  await ns.exec('sh', '-c', `echo '${batch}' | ip -batch -`);
  const found = await links.list({ netns: ns.name });
  t.equal(found.length, 301);
  t.same(
    found.map(({ name }) => name),
    (await ipLinks(ns)).map(({ ifname }) => ifname),
  );
});

t.test('neither descriptors nor threads are left, whether calls succeed or fail', async (t) => {
  const netns = await createNetns();
  t.teardown(() => netns.close());
  const at = { netns: netns.name };
  const round = async () => {
    await links.create({ kind: 'veth', name: 'v0', peer: { name: 'v1' }, ...at });
    await links.addAddress('v0', '10.0.0.1/24', at);
    await links.addresses('v0', at);
    await links.set('v0', { up: true, ...at });
    await links.list(at);
    await links.create({ kind: 'bridge', name: 'v0', ...at }).catch(() => undefined);
    await links.get('nope', at).catch(() => undefined);
    await links.list({ netns: 'tapfd-missing' }).catch(() => undefined);
    await links.list({ netns: '/dev/null' }).catch(() => undefined);
    await links.remove('v0', at);
  };
  const count = () => [readdirSync('/proc/self/fd').length, readdirSync('/proc/self/task').length];
  await round();
  const before = count();
  for (let i = 0; i < 60; i++) await round();
  t.same(count(), before);
});
