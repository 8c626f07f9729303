/** Links listed and described, compared with what the `ip` program says. */
import { readdirSync } from 'node:fs';
import t from 'tap';
import { createNetns, links } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { untilCarrier } from '../../kit/link-changes.js';
import { ownNamespace } from '../../kit/namespace.js';
import { ipLinks, sameAsIp } from '../../kit/same-as-ip.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

t.test('list and get agree with ip', async (t) => {
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
  // Other runtimes start and end threads of their own.
  const isNode = process.versions.bun === undefined && process.versions.deno === undefined;
  const count = () => ['fd', ...(isNode ? ['task'] : [])].map((of) => readdirSync(`/proc/self/${of}`).length);
  await round();
  const before = count();
  for (let i = 0; i < 60; i++) await round();
  t.same(count(), before);
});
