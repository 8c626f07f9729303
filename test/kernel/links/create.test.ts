/** Every kind of link made, with each option, and compared with what the `ip` program says. */
import t from 'tap';
import { links, type NewLink, randomMac } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { ownNamespace } from '../../kit/namespace.js';
import { ipLinks, sameAsIp } from '../../kit/same-as-ip.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

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

t.test('vxlan to an address, to a group, and without a destination', async (t) => {
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
  // ip link does not list an alternative name as a name, but it is in use all the same.
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
    message: /no number is free for thirteenbytes%d: .*; every number for %d/s,
  });
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

t.test('names are chosen where the two ends will be', async (t) => {
  const ns = await ownNamespace(t);
  const other = await ownNamespace(t);
  const at = { netns: ns.name };
  await links.create({ kind: 'veth', name: 'eth0', peer: { name: 'host0' }, ...at });
  const name = async (options: NewLink) => (await links.create(options)).name;
  const moved = { lower: 'host0', moveTo: other.name, ...at };
  t.equal(await name({ kind: 'macvlan', name: 'eth0', ...moved }), 'eth0', 'taken here, free there');
  for (const i of [0, 1, 2]) {
    t.equal(await name({ kind: 'macvtap', ...moved }), `macvtap${i}`);
    t.equal(await name({ kind: 'macvlan', name: 'own%d', ...moved }), `own${i}`);
  }
  const before = new Set(await ns.linkNames());
  for (const i of [0, 1]) t.equal(await name({ kind: 'veth', moveTo: other.name, ...at }), `veth${i}`);
  for (const i of [0, 1]) {
    t.equal(await name({ kind: 'veth', name: 'p%d', peer: { netns: other.name }, ...at }), `p${i}`);
  }
  const stayed = (await ns.linkNames()).filter((name) => !before.has(name));
  t.same(new Set(stayed), new Set(['veth0', 'veth1', 'p0', 'p1']));
  t.equal(await name({ kind: 'veth', peer: { name: 'veth2' }, ...at }), 'veth3', 'not the name of its peer');
  t.equal(await name({ kind: 'veth', name: 'x%d', peer: { name: 'x0' }, ...at }), 'x1');
  const together = await Promise.all(Array.from({ length: 20 }, () => name({ kind: 'macvlan', ...moved })));
  t.equal(new Set(together).size, 20, 'each call has a link of its own');
  t.equal(await name({ kind: 'veth', name: 'v%d', moveTo: other.name, peer: { name: 'v0' }, ...at }), 'v0');
  t.equal(await name({ kind: 'veth', name: 'same%d', peer: { name: 'same%d' }, ...at }), 'same0');
  t.notOk(
    [...(await ns.linkNames()), ...(await other.linkNames())].some((name) => name.startsWith('tapfd-')),
  );
});

t.test('of two names the error has the one that is taken', async (t) => {
  const ns = await ownNamespace(t);
  const other = await ownNamespace(t);
  const at = { netns: ns.name };
  await links.create({ kind: 'veth', name: 'here', peer: { name: 'there', netns: other.name }, ...at });
  const before = [await ns.linkNames(), await other.linkNames()];
  const refused: [string, NewLink][] = [
    ['here', { kind: 'veth', name: 'here', peer: { name: 'free' }, ...at }],
    ['here', { kind: 'veth', name: 'free', peer: { name: 'here' }, ...at }],
    ['here', { kind: 'veth', peer: { name: 'here' }, ...at }],
    ['there', { kind: 'veth', name: 'free', peer: { name: 'there', netns: other.name }, ...at }],
    ['there', { kind: 'veth', name: 'there', moveTo: other.name, ...at }],
    ['here', { kind: 'veth', name: 'free', peer: { name: 'here' }, moveTo: other.name, ...at }],
  ];
  for (const [taken, options] of refused) {
    await t.rejects(links.create(options), { code: 'EEXIST', interface: taken, message: new RegExp(taken) });
    t.same([await ns.linkNames(), await other.linkNames()], before);
  }
  const twice: NewLink = { kind: 'veth', name: 'twice', peer: { name: 'twice' }, ...at };
  const same = { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'peer.name' };
  await t.rejects(links.create(twice), same);
  await t.rejects(
    links.create({ ...twice, moveTo: other.name, peer: { name: 'twice', netns: other.name } }),
    same,
  );
});

t.test('nothing but the link itself is seen where it is made', async (t) => {
  const ns = await ownNamespace(t);
  const other = await ownNamespace(t);
  await links.create({ kind: 'bridge', name: 'taken', netns: other.name });
  const events = links.watch({ netns: other.name });
  await events.ready;
  await t.rejects(links.create({ kind: 'veth', name: 'taken', moveTo: other.name, netns: ns.name }), {
    code: 'EEXIST',
  });
  await links.create({ kind: 'veth', name: 'wanted', moveTo: other.name, netns: ns.name });
  t.match(await events.next(), { value: { type: 'add', link: { name: 'wanted' } } });
  await events.close();
});
