/** Addresses with all that the kernel knows of them, and links by every name that they have. */
import t from 'tap';
import { links, openTap, randomMac } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { ownNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const INVALID = { code: 'ERR_TAPFD_INVALID_ARGUMENT' };

t.test('an address with a peer, lifetimes and a state', async (t) => {
  const ns = await ownNamespace(t);
  const at = { netns: ns.name };
  await links.create({ kind: 'veth', name: 'near', up: true, peer: { name: 'far' }, ...at });
  const given = [
    { address: '10.0.0.1', prefixLength: 32, peer: '10.0.0.2' },
    { address: '10.1.0.1', prefixLength: 24, broadcast: '10.1.0.255', validLifetimeSec: 1000 },
    { address: 'fd00::1', prefixLength: 128, peer: 'fd00::2', noDad: true },
    { address: 'fd01::1', prefixLength: 64, noDad: true, validLifetimeSec: 5000, preferredLifetimeSec: 0 },
    { address: 'fd02::1', prefixLength: 64 },
  ];
  for (const address of given) await links.addAddress('near', address, at);
  const found = (await links.addresses('near', at)).filter(({ address }) => !address.startsWith('fe80'));
  const of = (address: string) => found.find((one) => one.address === address);
  t.match(of('10.0.0.1'), { ...given[0], permanent: true, deprecated: false, tentative: false });
  t.match(of('10.1.0.1'), { broadcast: '10.1.0.255', permanent: false, preferredLifetimeSec: Number });
  t.ok((of('10.1.0.1')?.validLifetimeSec ?? 0) > 100);
  t.match(of('fd00::1'), given[2]);
  t.match(of('fd01::1'), { deprecated: true, permanent: false, preferredLifetimeSec: 0 });
  t.match(of('fd02::1'), { tentative: true, dadFailed: false, permanent: true }, 'the other end is down');
  t.match(await ns.ip('address', 'show', 'dev', 'near'), /inet 10\.0\.0\.1 peer 10\.0\.0\.2\/32/);
  for (const address of found) await links.removeAddress('near', address, at);
  t.same(await ns.addresses('near'), [], 'what is listed can be removed as it is');
});

t.test('what an address cannot have', async (t) => {
  const base = { address: '10.0.0.1', prefixLength: 24 };
  const wrong: [object, string][] = [
    [{ nodad: true }, 'address.nodad'],
    [{ tentative: true }, 'address.tentative'],
    [{ peer: 'fd00::1' }, 'address.peer'],
    [{ peer: 'text' }, 'address.peer'],
    [{ address: 'fd00::1', broadcast: 'fd00::ff' }, 'address.broadcast'],
    [{ validLifetimeSec: 0 }, 'address.validLifetimeSec'],
    [{ validLifetimeSec: 10, preferredLifetimeSec: 11 }, 'address.preferredLifetimeSec'],
  ];
  for (const [change, argument] of wrong) {
    await t.rejects(links.addAddress('none', { ...base, ...change }), { ...INVALID, argument });
  }
  // @ts-expect-error: what a JavaScript caller may give
  t.throws(() => randomMac({ perfix: '52:54:00' }), { ...INVALID, argument: 'perfix' });
});

t.test('a link by an alternative name', async (t) => {
  const ns = await ownNamespace(t);
  const at = { netns: ns.name };
  const long = `bridge-of-${'x'.repeat(117)}`;
  await links.create({ kind: 'bridge', name: 'br0', mac: '02:00:00:00:00:10', ...at });
  await ns.ip('link', 'property', 'add', 'dev', 'br0', 'altname', long, 'altname', 'short.name');
  const bridge = await links.get(long, at);
  t.match(bridge, { name: 'br0', alternativeNames: [long, 'short.name'] });
  t.equal((await links.get('short.name', at)).index, bridge.index);
  await links.set(long, { up: true, ...at });
  await links.addAddress(long, '10.0.0.1/24', at);
  t.equal((await links.addresses(long, at)).length, 1);
  const tap = await openTap({ bridge: long, ...at });
  t.equal((await links.get(tap.name, at)).master, bridge.index);
  tap.destroy();
  const { lower } = await links.create({ kind: 'macvlan', lower: long, ...at });
  t.equal(lower, bridge.index);
  await links.create({ kind: 'veth', name: 'port', master: 'short.name', ...at });
  t.equal((await links.get('port', at)).master, bridge.index);
  await links.remove(long, at);
  await t.rejects(links.get('br0', at), { code: 'ENODEV' });
  for (const ref of ['', 'x'.repeat(128), 'a\0b']) await t.rejects(links.get(ref, at), INVALID);
});

t.test('names are bytes', async (t) => {
  const ns = await ownNamespace(t);
  const at = { netns: ns.name };
  for (const name of ['a\u3000b', 'caf\u00e9', '\ufeff']) {
    await links.create({ kind: 'bridge', name, ...at });
    t.equal((await links.get(name, at)).name, name);
    await links.remove(name, at);
  }
  for (const name of ['a b', 'a\tb', '\u00e0', 'a\u00a0b']) {
    await t.rejects(links.create({ kind: 'bridge', name, ...at }), { ...INVALID, argument: 'name' }, name);
    await t.rejects(ns.ip('link', 'add', 'name', name, 'type', 'bridge'), 'the kernel refuses it, too');
  }
});

t.test('no change to a link that does not exist', async (t) => {
  const ns = await ownNamespace(t);
  await t.rejects(links.set(9999, { netns: ns.name }), { code: 'ENODEV' });
  await links.set('lo', { netns: ns.name });
});
