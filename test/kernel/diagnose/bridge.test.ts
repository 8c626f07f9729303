/** `diagnose()` of a TAP and its bridge: each finding is provoked, and its remedy helps. */
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { links, openTap } from 'tapfd';
import { needs } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { codes, finding } from '../../kit/findings.js';
import { quietNamespace, run } from '../../kit/namespace.js';
import { collect, numberedFrame } from '../../kit/tap-pair.js';

/** Two TAPs in the bridge `br0` of a namespace of their own, in which nothing is wrong. */
async function healthy(t: Test) {
  const network = await quietNamespace(t);
  const netns = network.name;
  await network.bridge('br0');
  const open = async () => closedWith(t, await openTap({ netns, bridge: 'br0' }));
  const [one, other] = [await open(), await open()];
  t.same(await codes(one), []);
  return { network, netns, one, other };
}

/** `bridge link set`. */
async function setPort(netns: string, port: string, ...settings: string[]): Promise<void> {
  await run('bridge', '-netns', netns, 'link', 'set', 'dev', port, ...settings);
}

/** Waits until a link is as it should be: some of its states follow on others in the background of the kernel. */
async function untilFound(device: Parameters<typeof codes>[0], wanted: string[]): Promise<void> {
  while (String(await codes(device)) !== String(wanted));
}

t.test(
  'a TAP and its bridge',
  { skip: needs('root', 'tun-device', 'bridge', 'veth', 'vxlan', 'ip') },
  async (t) => {
    t.test('the bridge has a larger MTU than its ports', async (t) => {
      const { netns, one } = await healthy(t);
      await links.set('br0', { mtu: 9000, netns });
      const { message } = await finding(t, one, { code: 'mtu', severity: 'warning', interface: 'br0' });
      t.match(message, /1500.*br0 9000/);
      await links.set('br0', { mtu: 1500, netns });
      t.same(await codes(one), []);
    });

    t.test(
      'a port of a smaller MTU that is down stops no frame; up, it takes the bridge with it',
      async (t) => {
        const { network, netns, one } = await healthy(t);
        await network.ip('link', 'add', 'small', 'mtu', '1280', 'type', 'veth', 'peer', 'name', 'end');
        await network.ip('link', 'set', 'small', 'master', 'br0');
        t.same(await codes(one), []);
        for (const name of ['small', 'end']) await links.set(name, { up: true, netns });
        await untilFound(one, ['mtu']);
        const { message } = await finding(t, one, { code: 'mtu', interface: 'small' });
        t.match(message, /br0 itself has only 1280$/);
      },
    );

    t.test('ports of different MTUs under a bridge that has been given its own', async (t) => {
      const { netns, one, other } = await healthy(t);
      await links.set('br0', { mtu: 1450, netns });
      await links.set(one.name, { mtu: 1400, netns });
      const { message } = await finding(t, one, { code: 'mtu', interface: one.name });
      t.match(message, `the MTU of ${one.name} is 1400`);
      t.notMatch(message, /itself has only/);
      for (const { name } of [one, other]) await links.set(name, { up: false, netns });
      t.notOk((await codes(one)).includes('mtu'), 'of ports that are down nothing is said');
    });

    t.test('isolated ports', async (t) => {
      const { netns, one, other } = await healthy(t);
      await setPort(netns, other.name, 'isolated', 'on');
      t.same(await codes(one), [], 'one isolated port can be reached by all others');
      await setPort(netns, one.name, 'isolated', 'on');
      const { message } = await finding(t, one, {
        code: 'port-isolated',
        severity: 'warning',
        interface: one.name,
      });
      t.match(message, other.name);
      await setPort(netns, one.name, 'isolated', 'off');
      t.same(await codes(one), []);
    });

    t.test('flooding off', async (t) => {
      const { netns, one } = await healthy(t);
      await setPort(netns, one.name, 'flood', 'off', 'bcast_flood', 'off');
      const { message } = await finding(t, one, {
        code: 'flooding-off',
        severity: 'warning',
        interface: one.name,
      });
      t.match(message, /not learned, and to all \(broadcasts\)/);
      await setPort(netns, one.name, 'flood', 'on', 'bcast_flood', 'on');
      t.same(await codes(one), []);
      await setPort(netns, one.name, 'mcast_flood', 'off');
      t.match(
        (await finding(t, one, { code: 'flooding-off' })).message,
        /to groups that nobody has joined do/,
      );
    });

    t.test('a spanning tree that has not let the port forward yet', async (t) => {
      const { network, netns, one, other } = await healthy(t);
      await network.ip('link', 'set', 'br0', 'type', 'bridge', 'stp_state', '1', 'forward_delay', '3000');
      const { name } = one;
      for (const up of [false, true]) await links.set(name, { up, netns });
      const { message } = await finding(t, one, {
        code: 'port-not-forwarding',
        severity: 'error',
        interface: name,
      });
      t.match(message, /br0 .*(listening|learning)/);
      t.match((await finding(t, other, { code: 'port-down', interface: name })).message, /is in state l/);
      await network.ip('link', 'set', 'br0', 'type', 'bridge', 'stp_state', '0');
      await links.set(name, { up: false, netns });
      await links.set(name, { up: true, netns });
      t.same(
        (await codes(one)).filter((code) => code !== 'kernel-drops'),
        [],
      );
    });

    t.test('the only other port is down, or has no carrier', async (t) => {
      const { netns, one, other } = await healthy(t);
      const wanted = { code: 'port-down', severity: 'warning', interface: other.name } as const;
      await links.set(other.name, { up: false, netns });
      t.match((await finding(t, one, wanted)).message, /is down/);
      await links.set(other.name, { up: true, netns });
      t.same(await codes(one), []);
      await other.setCarrier(false);
      await untilFound(one, ['port-down']);
      t.match((await finding(t, one, wanted)).message, /has no carrier/);
      await other.setCarrier(true);
      await untilFound(one, []);
    });

    t.test('the uplink is down, whatever the neighbours are', async (t) => {
      const { netns, one, other } = await healthy(t);
      await links.create({ kind: 'vxlan', name: 'uplink', id: 5, port: 4789, netns });
      await links.set('uplink', { master: 'br0', mtu: 1500, netns });
      await finding(t, one, { code: 'port-down', severity: 'warning', interface: 'uplink' });
      await links.set('uplink', { up: true, netns });
      await untilFound(one, []);
      await links.set(other.name, { up: false, netns });
      t.same(await codes(one), [], 'a neighbour may be switched off');
    });

    t.test('ARP is off: on the bridge, or on a TAP without one', async (t) => {
      const { network, netns, one } = await healthy(t);
      await network.ip('link', 'set', one.name, 'arp', 'off');
      t.same(await codes(one), [], 'the host speaks through the bridge');
      t.equal((await links.get(one.name, { netns })).arp, false);
      await network.ip('link', 'set', 'br0', 'arp', 'off');
      await finding(t, one, { code: 'arp-off', severity: 'warning', interface: 'br0' });
      await network.ip('link', 'set', 'br0', 'arp', 'on');
      t.same(await codes(one), []);
      await links.set(one.name, { master: null, netns });
      await finding(t, one, { code: 'arp-off', interface: one.name });
    });

    t.test('frames that the kernel has dropped since the open', async (t) => {
      const { netns, one, other } = await healthy(t);
      await links.set(one.name, { txQueueLength: 2, netns });
      for (let i = 0; i < 10; i++) other.write(numberedFrame(i));
      await new Promise<void>((resolve) => other.write(numberedFrame(10), () => resolve()));
      const { message } = await finding(t, one, {
        code: 'kernel-drops',
        severity: 'warning',
        interface: one.name,
      });
      t.match(message, /dropped 9 frames/);
      t.equal((await collect(one, 2)).length, 2);
      t.same(await codes(other), [], 'its own counter');
      const later = closedWith(t, await openTap({ netns, bridge: 'br0' }));
      t.same(await codes(later), []);
      one.destroy();
      await once(one, 'close');
    });
  },
);
