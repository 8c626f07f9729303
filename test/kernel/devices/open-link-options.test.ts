/** What the opening calls set on the link in the same call: MAC, MTU, up, addresses, bridge, multicast, carrier. */
import t from 'tap';
import { openMacvtap, openTap, openTun } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { monitorLinks } from '../../kit/link-changes.js';
import { bridgeAndWire } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

t.test(
  'what is set on the link',
  { skip: needs('root', 'tun-device', 'macvtap', 'bridge', 'veth', 'ip') },
  async (t) => {
    const network = await bridgeAndWire(t);
    const netns = network.name;
    const FIXED_LINKS = await network.linkNames();

    const MAC = '02:00:00:00:12:34';

    t.test('mac', async (t) => {
      const tap = await openTap({ netns, name: 'lan', mac: '02-00-00-00-12-AB' });
      t.equal((await network.existingLink('lan')).address, '02:00:00:00:12:ab');
      t.equal(tap.mac, '02:00:00:00:12:ab');
      await tap[Symbol.asyncDispose]();

      const made = await openMacvtap({ netns, lower: 'wire', name: 'guest', mac: MAC, persist: true });
      t.equal((await network.existingLink('guest')).address, MAC);
      t.equal(made.mac, MAC);
      await made[Symbol.asyncDispose]();
      const found = await openMacvtap({ netns, name: 'guest', mac: '02:00:00:00:12:35' });
      t.equal(
        (await network.existingLink('guest')).address,
        '02:00:00:00:12:35',
        'of a link that was there, too',
      );
      t.equal(found.mac, '02:00:00:00:12:35');
      await found[Symbol.asyncDispose]();
      await network.ip('link', 'delete', 'guest');
    });

    t.test('mtu', async (t) => {
      const tap = await openTap({ netns, name: 'lan', mtu: 65521 });
      t.equal((await network.existingLink('lan')).mtu, 65521);
      t.equal(tap.mtu, 65521);
      await tap[Symbol.asyncDispose]();
      const tun = await openTun({ netns, name: 'vpn', mtu: 68 });
      t.equal((await network.existingLink('vpn')).mtu, 68);
      t.equal(tun.mtu, 68);
      await tun[Symbol.asyncDispose]();
      const macvtap = await openMacvtap({ netns, lower: 'wire', name: 'guest', mtu: 1280 });
      t.equal((await network.existingLink('guest')).mtu, 1280);
      t.equal(macvtap.mtu, 1280);
      await macvtap[Symbol.asyncDispose]();
    });

    t.test('mtu: more than the lower device has is refused, and the link that was made goes', async (t) => {
      await t.rejects(openMacvtap({ netns, lower: 'wire', name: 'guest', mtu: 9000 }), {
        code: 'EINVAL',
        syscall: 'rtnetlink RTM_SETLINK',
        interface: 'guest',
      });
      t.strictSame(await network.linkNames(), FIXED_LINKS);
    });

    t.test('up: true unless false', async (t) => {
      for (const open of [
        (options: object) => openTap({ netns, name: 'lan', ...options }),
        (options: object) => openTun({ netns, name: 'lan', ...options }),
        (options: object) => openMacvtap({ netns, name: 'lan', lower: 'wire', ...options }),
      ]) {
        for (const options of [{}, { up: true }, { up: false }]) {
          const device = await open(options);
          const { flags } = await network.existingLink('lan');
          t.equal(flags.includes('UP'), options.up !== false, `${device.kind} ${JSON.stringify(options)}`);
          await device[Symbol.asyncDispose]();
        }
      }
    });

    t.test('up: false leaves a link that is up as it is', async (t) => {
      await network.ip('link', 'add', 'link', 'wire', 'name', 'guest', 'type', 'macvtap', 'mode', 'bridge');
      await network.ip('link', 'set', 'guest', 'up');
      const device = await openMacvtap({ netns, name: 'guest', up: false });
      t.ok((await network.existingLink('guest')).flags.includes('UP'));
      await device[Symbol.asyncDispose]();
      await network.ip('link', 'delete', 'guest');
    });

    t.test('addresses: IPv4 and IPv6, as text or in parts', async (t) => {
      const addresses = [
        '10.1.0.1/24',
        'fd00:1::1/64',
        { address: 'fd00:2::1', prefixLength: 48, noDad: true },
      ];
      const expected = ['10.1.0.1/24', 'fd00:1::1/64', 'fd00:2::1/48'];
      for (const device of [
        await openTap({ netns, name: 'lan', addresses }),
        await openTun({ netns, name: 'vpn', addresses }),
        await openMacvtap({ netns, lower: 'wire', name: 'guest', addresses }),
      ]) {
        t.same(new Set(await network.addresses(device.name)), new Set(expected), device.kind);
        await device[Symbol.asyncDispose]();
      }
    });

    t.test('addresses: one that a persistent device kept is no error', async (t) => {
      const options = { netns, name: 'lan', addresses: ['10.1.0.1/24'] };
      const first = await openTap({ ...options, persist: true });
      await first[Symbol.asyncDispose]();
      const second = await openTap({ ...options, addresses: ['10.1.0.1/24', '10.1.0.2/24'], persist: false });
      t.strictSame(await network.addresses('lan'), ['10.1.0.1/24', '10.1.0.2/24']);
      await second[Symbol.asyncDispose]();
    });

    t.test('bridge: becomes its port', async (t) => {
      const device = await openTap({ netns, name: 'port', bridge: 'br0' });
      t.equal((await network.existingLink('port')).master, 'br0');
      await device[Symbol.asyncDispose]();
    });

    t.test('bridge: a missing one, and a link that is none', async (t) => {
      await t.rejects(openTap({ netns, name: 'port', bridge: 'nobridge' }), {
        code: 'ENODEV',
        syscall: 'rtnetlink RTM_GETLINK',
        interface: 'nobridge',
      });
      await t.rejects(openTap({ netns, name: 'port', bridge: 'wire' }), {
        code: 'ERR_TAPFD_NOT_A_BRIDGE',
        interface: 'wire',
      });
      t.strictSame(await network.linkNames(), FIXED_LINKS);
    });

    t.test('allMulticast: on, off, and as it is', async (t) => {
      const options = { netns, name: 'lan', persist: true };
      const has = async () => (await network.existingLink('lan')).flags.includes('ALLMULTI');
      for (const [allMulticast, expected] of [
        [undefined, false],
        [true, true],
        [undefined, true],
        [false, false],
      ]) {
        const device = await openTap({ ...options, allMulticast });
        t.equal(await has(), expected, `${allMulticast}`);
        await device[Symbol.asyncDispose]();
      }
      await network.ip('link', 'delete', 'lan');
    });

    t.test('carrier: on unless false', async (t) => {
      for (const open of [openTap, openTun]) {
        for (const carrier of [undefined, true, false]) {
          const device = await open({ netns, name: 'cable', carrier });
          const { flags } = await network.existingLink('cable');
          t.equal(flags.includes('LOWER_UP'), carrier !== false, `${device.kind} ${carrier}`);
          await device[Symbol.asyncDispose]();
        }
      }
    });

    t.test('settings that the link has already are not set again', async (t) => {
      await network.ip(
        'link',
        'add',
        'link',
        'wire',
        'name',
        'guest',
        'address',
        MAC,
        'type',
        'macvtap',
        'mode',
        'bridge',
      );
      await network.ip('link', 'set', 'guest', 'up');
      const monitor = await monitorLinks(t, network);
      const settings = { mac: MAC, mtu: 1500, allMulticast: false, up: true };
      const device = await openMacvtap({ netns, name: 'guest', ...settings });
      await device[Symbol.asyncDispose]();
      await network.ip('link', 'add', 'the-end', 'type', 'bridge');
      t.notMatch(await monitor.until('the-end'), /guest/);
      await network.ip('link', 'delete', 'the-end');
      await network.ip('link', 'delete', 'guest');
    });
  },
);
