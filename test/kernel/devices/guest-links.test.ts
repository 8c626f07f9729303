/** Links for guests: whether the host speaks IPv6 on them, the bridge that they join, and filters that somebody left on them. */
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { links, openMacvtap, openTap, openTun, type Tap } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { send, testFrame, textsUntil } from '../../kit/frames.js';
import { bridgeAndWire } from '../../kit/namespace.js';
import { routerAdvertisement } from '../../kit/router-advertisement.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const MAC = '02:00:00:00:00:0a';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
/** eBPF: `r0 = 0; exit`, which drops every frame. */
const DROP_ALL = Uint8Array.of(0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);

t.test('guest links', { skip: needs('root', 'tun-device', 'macvtap', 'bridge', 'veth', 'ip') }, async (t) => {
  const network = await bridgeAndWire(t);
  const netns = network.name;

  const ipv6Of = async (name: string) => {
    const shown = await network.ip('-6', 'address', 'show', 'dev', name);
    return /inet6/.test(shown);
  };
  const generationOf = async (name: string) => (await links.get(name, { netns })).addressGeneration;

  t.test('ipv6: off on links for guests, unless asked for', async (t) => {
    const guests = [
      await openTap({ netns, bridge: 'br0' }),
      await openMacvtap({ netns, lower: 'wire', guestMac: MAC }),
      await openTap({ netns, ipv6: false }),
      await openTun({ netns, ipv6: false }),
    ];
    for (const { name } of guests) {
      t.equal(await generationOf(name), 'none', name);
      t.notOk(await ipv6Of(name), name);
      t.equal((await network.exec('sysctl', '-n', `net.ipv6.conf.${name}.disable_ipv6`)).trim(), '1');
    }
    const hosts = [
      await openTap({ netns }),
      await openTap({ netns, bridge: 'br0', ipv6: true }),
      await openMacvtap({ netns, lower: 'wire', ipv6: true }),
      await openMacvtap({ netns, lower: 'wire', addresses: ['fd00:7::1/64'] }),
    ];
    for (const { name } of hosts) {
      t.equal(await generationOf(name), 'eui64', name);
      t.ok(await ipv6Of(name), name);
    }
    for (const device of [...guests, ...hosts]) await device.close();
  });

  t.test('ipv6: a link that was there stays as it was, unless asked', async (t) => {
    const options = { netns, name: 'lan' };
    await (await openTap({ ...options, persist: true })).close();
    await (await openTap({ ...options, bridge: 'br0' })).close();
    t.equal(await generationOf('lan'), 'eui64');
    await (await openTap({ ...options, ipv6: false })).close();
    t.equal(await generationOf('lan'), 'none');
    t.notOk(await ipv6Of('lan'));
    await (await openTap({ ...options, ipv6: true })).close();
    t.equal(await generationOf('lan'), 'eui64');
    t.ok(await ipv6Of('lan'));
    await network.ip('link', 'delete', 'lan');
  });

  t.test('ipv6: false contradicts an IPv6 address', async (t) => {
    await t.rejects(openTap({ netns, ipv6: false, addresses: ['fd00::1/64'] }), {
      code: 'ERR_TAPFD_INVALID_ARGUMENT',
      argument: 'ipv6',
    });
  });

  const routes = () => network.ip('-6', 'route', 'show', 'default');
  /** Sends a router advertisement as the guest until `done`; the first may come before the link is ready. */
  async function advertise(device: Tap, done: () => Promise<boolean>): Promise<void> {
    while (!(await done())) {
      await send(device, routerAdvertisement('02:00:00:00:00:99'));
      await wait(20);
    }
  }

  t.test('ipv6: a router advertisement of the guest gives the host no address and no route', async (t) => {
    const listening = closedWith(t, await openTap({ netns }));
    await advertise(listening, async () => /default/.test(await routes()));
    t.match(await network.ip('-6', 'address', 'show', 'dev', listening.name), /2001:db8/);
    await listening.close();
    for (const options of [{ ipv6: false }, { bridge: 'br0' }]) {
      const deaf = closedWith(t, await openTap({ netns, ...options }));
      const { rxPackets } = (await links.get(deaf.name, { netns })).stats;
      await advertise(
        deaf,
        async () => (await links.get(deaf.name, { netns })).stats.rxPackets > rxPackets + 5,
      );
      t.notMatch(await routes(), new RegExp(`dev ${deaf.name}`));
      t.notOk(await ipv6Of(deaf.name));
    }
  });

  t.test('ipv6: a fresh TAP for a guest sends no frame of its own', async (t) => {
    const device = closedWith(t, await openTap({ netns, ipv6: false }));
    const witness = closedWith(t, await openTap({ netns }));
    const own: Buffer[] = [];
    device.on('data', (frame: Buffer) => own.push(frame));
    // The witness, opened later, has sent its reports and solicitations.
    for await (const frame of witness)
      if (Buffer.isBuffer(frame) && frame.includes(Buffer.of(0x85, 0))) break;
    t.strictSame(own, []);
  });

  t.test('links: addressGeneration', async (t) => {
    await links.create({ kind: 'bridge', name: 'silent', netns, addressGeneration: 'none', up: true });
    t.equal(await generationOf('silent'), 'none');
    t.notOk(await ipv6Of('silent'));
    await links.set('silent', { netns, addressGeneration: 'eui64' });
    t.equal(await generationOf('silent'), 'eui64');
    await links.set('silent', { netns, addressGeneration: 'random' });
    t.equal(await generationOf('silent'), 'random');
    await t.rejects(links.set('silent', { netns, addressGeneration: 'stable-privacy' }), { code: 'EINVAL' });
    await links.remove('silent', { netns });
  });

  t.test('bridge: the TAP takes its MTU, and the bridge keeps it and its MAC', async (t) => {
    await network.ip('link', 'add', 'wide', 'type', 'bridge');
    await network.ip(
      'link',
      'add',
      'up0',
      'mtu',
      '9000',
      'address',
      'ac:00:00:00:00:01',
      'up',
      'type',
      'veth',
      'peer',
      'up1',
    );
    await network.ip('link', 'set', 'up0', 'master', 'wide');
    await network.ip('link', 'set', 'wide', 'up', 'mtu', '9000');
    const before = await network.existingLink('wide');
    t.strictSame([before.mtu, before.address], [9000, 'ac:00:00:00:00:01']);
    const tap = closedWith(t, await openTap({ netns, bridge: 'wide' }));
    t.equal(tap.mtu, 9000);
    const after = await network.existingLink('wide');
    t.strictSame([after.mtu, after.address], [9000, 'ac:00:00:00:00:01']);
    const narrow = closedWith(t, await openTap({ netns, bridge: 'wide', mtu: 1400 }));
    t.equal(narrow.mtu, 1400, 'as asked');
    await Promise.all([tap.close(), narrow.close()]);
    await network.ip('link', 'delete', 'wide');
    await network.ip('link', 'delete', 'up0');
  });

  t.test('filters that somebody left on a persistent TAP are reset', async (t) => {
    const options = { netns, name: 'lan', multiQueue: true };
    const first = await openTap({ ...options, persist: true });
    await first.setTxFilter({ addresses: ['02:00:00:00:00:77'] });
    await first.setFilterProgram(DROP_ALL);
    await first.setSteeringProgram(DROP_ALL);
    const joined = await openTap(options);
    await joined.close();
    await first.close();
    const again = closedWith(t, await openTap({ ...options, bridge: 'br0', persist: false }));
    const sender = closedWith(t, await openTap({ netns, bridge: 'br0' }));
    await send(sender, testFrame({ to: BROADCAST, from: MAC, text: 'arrives' }));
    await textsUntil(again, 'arrives');
    const tun = await openTun({ netns, name: 'vpn', persist: true });
    await tun.setFilterProgram(DROP_ALL);
    await tun.close();
    const packets = closedWith(
      t,
      await openTun({ netns, name: 'vpn', persist: false, addresses: ['10.55.0.1/24'] }),
    );
    const pinging = network.ping('10.55.0.2');
    for await (const packet of packets) if (Buffer.isBuffer(packet) && packet[0] >> 4 === 4) break;
    t.equal(await pinging, 0);
  });

  t.test('filters that this thread has set are found by diagnose()', async (t) => {
    const tap = closedWith(t, await openTap({ netns, multiQueue: true }));
    const queue = closedWith(t, await tap.openQueue());
    // The kernel speaks IPv6 on the new link: what the filters drop of that is found, too.
    const codes = async () =>
      (await queue.diagnose()).map(({ code }) => code).filter((code) => code !== 'kernel-drops');
    t.strictSame(await codes(), []);
    await tap.setTxFilter({ addresses: [MAC] });
    t.strictSame(await codes(), ['tx-filter']);
    await tap.setTxFilter(null);
    await tap.setFilterProgram(DROP_ALL);
    t.strictSame(await codes(), ['filter-program']);
    await queue.setFilterProgram(null);
    t.strictSame(await codes(), []);
  });
});
