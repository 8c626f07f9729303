/** `diagnose()` of addresses: on the device's own link, and on the bridge that it is a port of. */
import t, { type Test } from 'tap';
import { links, openTap } from 'tapfd';
import { native } from '#lib/base/native.js';
import { fileNeeds } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { codes, finding } from '../../kit/findings.js';
import { ownNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'bridge', 'veth', 'ip');

/** A TAP, and the link through which the host speaks: itself, or the bridge `br0`. */
async function place(t: Test, bridged: boolean) {
  const net = await ownNamespace(t);
  const { name: netns } = net;
  if (bridged) await links.create({ kind: 'bridge', name: 'br0', up: true, netns });
  const bridge = bridged ? { bridge: 'br0', ipv6: true } : {};
  const tap = closedWith(t, await openTap({ netns, ...bridge }));
  const host = bridged ? 'br0' : tap.name;
  const sysctl = (what: string, value: number) =>
    net.exec('sh', '-c', `echo ${value} > /proc/sys/net/ipv6/conf/${host}/${what}`);
  return { net, netns, tap, host, sysctl };
}

for (const bridged of [false, true]) {
  t.test(bridged ? 'on the bridge' : 'on the link', async (t) => {
    const { netns, tap, host, sysctl } = await place(t, bridged);
    const healthy = { address: 'fd00::1', prefixLength: 64, noDad: true };
    await links.addAddress(host, '10.0.0.1/24', { netns });
    await links.addAddress(host, healthy, { netns });
    t.same(await codes(tap), [], 'also while the kernel is busy with an address of its own');

    // A question that lasts for the rest of the test.
    await sysctl('dad_transmits', 1000);
    await links.addAddress(host, 'fd00::2/64', { netns });
    const tentative = await finding(t, tap, {
      code: 'address-tentative',
      severity: 'warning',
      interface: host,
    });
    t.match(tentative.message, 'fd00::2/64');
    await links.removeAddress(host, 'fd00::2/64', { netns });

    await links.set(host, { up: false, netns });
    await links.addAddress(host, 'fd00::4/64', { netns });
    const asleep = (await links.addresses(host, { netns })).find(({ address }) => address === 'fd00::4');
    t.match(asleep, { tentative: true });
    t.notOk((await codes(tap)).includes('address-tentative'), 'of a link that is down nothing is said');
    await links.removeAddress(host, 'fd00::4/64', { netns });
    await links.set(host, { up: true, netns });

    const old = { address: 'fd00::3', prefixLength: 64, noDad: true, validLifetimeSec: 5000 };
    await links.addAddress(host, { ...old, preferredLifetimeSec: 0 }, { netns });
    const deprecated = await finding(t, tap, { code: 'address-deprecated', interface: host });
    t.match(deprecated.message, 'fd00::3/64');
    await links.removeAddress(host, 'fd00::3/64', { netns });
    t.same(await codes(tap), []);
  });
}

t.test('an address that somebody behind the bridge has', async (t) => {
  const { netns, tap, host } = await place(t, true);
  const other = await ownNamespace(t);
  const far = { netns: other.name };
  await links.create({
    kind: 'veth',
    name: 'port',
    master: 'br0',
    up: true,
    peer: { name: 'far', ...far },
    netns,
  });
  await links.set('far', { up: true, ...far });
  await links.addAddress('far', { address: 'fd00::1', prefixLength: 64, noDad: true }, far);
  while (!(await links.get('port', { netns })).carrier);
  await links.addAddress(host, 'fd00::1/64', { netns });
  while (!(await links.addresses(host, { netns })).some(({ dadFailed }) => dadFailed));
  const { message } = await finding(t, tap, {
    code: 'address-duplicate',
    severity: 'warning',
    interface: 'br0',
  });
  t.match(message, 'fd00::1/64');
  t.notOk((await codes(tap)).includes('address-tentative'), 'said once');
});

t.test('the bridge goes, or nothing can be asked, in the middle of it', async (t) => {
  const { netns, tap } = await place(t, true);
  const addon = native();
  const { listAddresses } = addon;
  t.teardown(() => Object.assign(addon, { listAddresses }));
  const failure = Object.assign(new Error('refused'), { errno: -24, syscall: 'socket' });
  addon.listAddresses = () => Promise.reject(failure);
  await t.rejects(tap.diagnose(), { code: 'EMFILE', syscall: 'socket' });
  addon.listAddresses = async (ns, index) => {
    await links.remove('br0', { netns });
    return listAddresses(ns, index);
  };
  t.same(await codes(tap), []);
});
