/** Each option of openMacvtap, with its effect as the kernel shows it. */
import { open, stat } from 'node:fs/promises';
import t from 'tap';
import { type FrameStream, type MacvlanMode, type Macvtap, openMacvtap, openTap } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { framesUntil, send, testFrame, textOf, textsUntil } from '../../kit/frames.js';
import { ownNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

t.test('openMacvtap', { skip: needs('root', 'tun-device', 'macvtap', 'bridge', 'veth', 'ip') }, async (t) => {
  const network = await ownNamespace(t);
  const netns = network.name;
  // What goes out on the wire comes out of the bridge, where a TAP sees it.
  await network.wire('wire', 'far');
  await network.bridge('br0');
  await network.ip('link', 'set', 'far', 'master', 'br0');
  // Otherwise it would hold back what is for a MAC it has heard on the wire.
  await network.ip('link', 'set', 'far', 'type', 'bridge_slave', 'learning', 'off');
  const FIXED_LINKS = await network.linkNames();

  const MAC_A = '02:00:00:00:00:0a';
  const MAC_B = '02:00:00:00:00:0b';
  const MAC_FAR = '02:00:00:00:00:0f';
  const BROADCAST = 'ff:ff:ff:ff:ff:ff';

  async function close(...devices: FrameStream[]): Promise<void> {
    for (const device of devices) await device[Symbol.asyncDispose]();
  }

  t.test(
    'lower alone: a new link in mode bridge, up, with a MAC of its own; it goes with the device',
    async (t) => {
      const device = await openMacvtap({ netns, lower: 'wire' });
      const link = await network.existingLink('macvtap0');
      t.match(link, { link: 'wire', linkinfo: { info_kind: 'macvtap', info_data: { mode: 'bridge' } } });
      t.ok(link.flags.includes('UP'));
      t.match(
        { name: device.name, index: device.index, mac: device.mac, kind: device.kind },
        { name: 'macvtap0', index: link.ifindex, mac: link.address, kind: 'macvtap' },
      );
      await close(device);
      t.strictSame(await network.linkNames(), FIXED_LINKS);
      await t.rejects(stat(`/sys/class/macvtap/tap${link.ifindex}`), { code: 'ENOENT' });
    },
  );

  t.test('name: of the link to make, with one %d', async (t) => {
    const first = await openMacvtap({ netns, lower: 'wire', name: 'nic%d' });
    const second = await openMacvtap({ netns, lower: 'wire', name: 'nic%d' });
    const third = await openMacvtap({ netns, lower: 'wire', name: 'exactly15bytes-' });
    t.strictSame([first.name, second.name, third.name], ['nic0', 'nic1', 'exactly15bytes-']);
    t.strictSame(await network.linkNames(), [...FIXED_LINKS, 'nic0', 'nic1', 'exactly15bytes-']);
    await t.rejects(openMacvtap({ netns, lower: 'wire', name: 'nic0' }), {
      code: 'EEXIST',
      syscall: 'rtnetlink RTM_NEWLINK',
      interface: 'nic0',
    });
    t.ok(await network.link('nic0'), 'the one that was there is untouched');
    await close(first, second, third);
  });

  t.test('name without lower: the link that is there, which stays', async (t) => {
    await network.ip('link', 'add', 'link', 'wire', 'name', 'there', 'address', MAC_A, 'type', 'macvtap');
    for (const persist of [undefined, false, true]) {
      const device = await openMacvtap({ netns, name: 'there', persist });
      t.equal(device.mac, MAC_A);
      await close(device);
      t.ok(await network.link('there'), `persist ${persist}`);
    }
    await network.ip('link', 'delete', 'there');
  });

  t.test('persist: true leaves the link that was made', async (t) => {
    const device = await openMacvtap({ netns, lower: 'wire', name: 'stays', persist: true });
    await close(device);
    t.equal((await network.existingLink('stays')).ifindex, device.index);
    await network.ip('link', 'delete', 'stays');
  });

  t.test('a link that took the place of the one that was made stays', async (t) => {
    const device = await openMacvtap({ netns, lower: 'wire', name: 'mine' });
    device.on('error', (error) => t.match(error, { code: 'ERR_TAPFD_DEVICE_GONE' }));
    await network.ip('link', 'delete', 'mine');
    const index = String(device.index);
    await network.ip('link', 'add', 'name', 'stranger', 'index', index, 'type', 'bridge');
    await close(device);
    t.equal((await network.existingLink('stranger')).ifindex, device.index);
    await network.ip('link', 'delete', 'stranger');
  });

  t.test('netns: by name, by path, by descriptor', async (t) => {
    const file = await open(network.path);
    for (const place of [network.name, network.path, file.fd]) {
      const device = await openMacvtap({ netns: place, lower: 'wire', name: 'elsewhere' });
      t.equal((await network.existingLink('elsewhere')).ifindex, device.index, `${place}`);
      await close(device);
    }
    await file.close();
  });

  interface Seen {
    /** Texts that the sibling on the same lower device got. */
    sibling: string[];
    /** Texts that went out on the wire. */
    wire: string[];
  }

  /** Sends from A to its sibling B, and again from the wire as a reflecting switch would; then a last frame. */
  async function sendToSibling(mode: MacvlanMode): Promise<Seen> {
    const wire = await openTap({ netns, bridge: 'br0' });
    const a = await openMacvtap({ netns, lower: 'wire', mode, guestMac: MAC_A });
    const b = await openMacvtap({ netns, lower: 'wire', mode, guestMac: MAC_B });
    await send(a, testFrame({ to: MAC_B, from: MAC_A, text: 'direct' }));
    await send(a, testFrame({ to: MAC_FAR, from: MAC_A, text: 'end of the wire' }));
    const seen = await textsUntil(wire, 'end of the wire');
    await send(wire, testFrame({ to: MAC_B, from: MAC_A, text: 'reflected' }));
    await send(wire, testFrame({ to: BROADCAST, from: MAC_A, text: 'reflected to all' }));
    // The kernel delivers broadcasts later than unicast, in their own order.
    await send(wire, testFrame({ to: BROADCAST, from: MAC_FAR, text: 'end' }));
    const sibling = await textsUntil(b, 'end');
    await close(a, b, wire);
    return { sibling, wire: seen };
  }

  t.test('mode bridge, the default: siblings reach each other directly', async (t) => {
    t.strictSame(await sendToSibling('bridge'), {
      sibling: ['direct', 'reflected', 'end'],
      wire: ['end of the wire'],
    });
  });

  t.test('mode vepa: by way of the wire', async (t) => {
    t.strictSame(await sendToSibling('vepa'), {
      sibling: ['reflected', 'reflected to all', 'end'],
      wire: ['direct', 'end of the wire'],
    });
  });

  t.test('mode private: nor that what is for all', async (t) => {
    t.strictSame(await sendToSibling('private'), {
      sibling: ['reflected', 'end'],
      wire: ['direct', 'end of the wire'],
    });
  });

  t.test('mode passthru: has the lower device for itself, and gets what is for other MACs', async (t) => {
    const wire = await openTap({ netns, bridge: 'br0' });
    const { address } = await network.existingLink('wire');
    const device = await openMacvtap({ netns, lower: 'wire', mode: 'passthru', guestMac: MAC_A });
    t.equal((await network.info(device.name)).mode, 'passthru');
    t.equal(device.mac, MAC_A);
    t.equal((await network.existingLink('wire')).address, MAC_A, 'the lower device has its MAC');
    await t.rejects(openMacvtap({ netns, lower: 'wire' }), {
      code: 'EINVAL',
      syscall: 'rtnetlink RTM_NEWLINK',
    });
    await send(wire, testFrame({ to: MAC_B, from: MAC_FAR, text: 'for another' }));
    t.strictSame((await textsUntil(device, 'for another')).at(-1), 'for another');
    await close(device, wire);
    t.equal((await network.existingLink('wire')).address, address, 'and has its own again');
  });

  t.test('mode source: hears only those it is told to', async (t) => {
    const wire = await openTap({ netns, bridge: 'br0' });
    const device = await openMacvtap({
      netns,
      lower: 'wire',
      mode: 'source',
      name: 'picky',
      guestMac: MAC_A,
    });
    t.equal((await network.info('picky')).mode, 'source');
    await network.ip(
      'link',
      'set',
      'link',
      'wire',
      'name',
      'picky',
      'type',
      'macvtap',
      'macaddr',
      'add',
      MAC_FAR,
    );
    await send(wire, testFrame({ to: MAC_A, from: MAC_B, text: 'from a stranger' }));
    await send(wire, testFrame({ to: MAC_A, from: MAC_FAR, text: 'from a friend' }));
    t.strictSame(await textsUntil(device, 'from a friend'), ['from a friend']);
    await close(device, wire);
  });

  t.test('allMulticast: groups that the host has not joined', async (t) => {
    const GROUP = '01:00:5e:01:02:03';
    const wire = await openTap({ netns, bridge: 'br0' });
    for (const allMulticast of [undefined, true]) {
      const device = await openMacvtap({ netns, lower: 'wire', guestMac: MAC_A, allMulticast });
      t.equal(
        (await network.existingLink(device.name)).flags.includes('ALLMULTI'),
        allMulticast === true,
        `${allMulticast}`,
      );
      await send(wire, testFrame({ to: GROUP, from: MAC_FAR, text: 'to the group' }));
      await send(wire, testFrame({ to: BROADCAST, from: MAC_FAR, text: 'to all' }));
      const seen = await textsUntil(device, 'to all');
      t.strictSame(seen, allMulticast ? ['to the group', 'to all'] : ['to all']);
      await close(device);
    }
    await close(wire);
  });

  t.test('vnetHeader: really off by default, 10 bytes when asked for', async (t) => {
    const wire = await openTap({ netns, bridge: 'br0' });
    for (const [vnetHeader, bytes] of [
      [undefined, 0],
      [false, 0],
      [true, 10],
    ] as const) {
      const device = await openMacvtap({ netns, lower: 'wire', guestMac: MAC_A, vnetHeader });
      t.equal(device.vnetHeaderBytes, bytes);
      t.equal(device.flags.vnetHeader, bytes > 0);
      await send(wire, testFrame({ to: MAC_A, from: MAC_FAR, text: 'in' }));
      const received = (await framesUntil(device, (frame) => textOf(frame, bytes) === 'in')).at(-1);
      t.equal(received?.length, 60 + bytes);
      const out = testFrame({ to: MAC_FAR, from: MAC_A, text: 'out' });
      await send(device, Buffer.concat([Buffer.alloc(bytes), out]));
      t.equal((await textsUntil(wire, 'out')).at(-1), 'out');
      await close(device);
    }
    await close(wire);
  });

  t.test('multiQueue: further queues, which macvtap allows without it too', async (t) => {
    for (const multiQueue of [undefined, true]) {
      const device: Macvtap = await openMacvtap({ netns, lower: 'wire', guestMac: MAC_A, multiQueue });
      t.equal(device.flags.multiQueue, multiQueue === true);
      const queue = await device.openQueue();
      t.strictSame([queue.index, queue.name, queue.mac], [device.index, device.name, MAC_A]);
      t.equal(queue.flags.multiQueue, multiQueue === true);
      await close(queue);
      t.ok(await network.link(device.name), 'a further queue does not take the link along');
      await close(device);
      t.notOk(await network.link(device.name));
    }
  });

  t.test('a lower device that is missing, is no lower device, or is a bridge port', async (t) => {
    await t.rejects(openMacvtap({ netns, lower: 'nowhere', name: 'guest' }), {
      code: 'ENODEV',
      syscall: 'rtnetlink RTM_GETLINK',
      interface: 'nowhere',
    });
    await t.rejects(openMacvtap({ netns, lower: 'lo' }), {
      code: 'EINVAL',
      syscall: 'rtnetlink RTM_NEWLINK',
    });
    await t.rejects(openMacvtap({ netns, lower: 'far' }), {
      code: 'EBUSY',
      syscall: 'rtnetlink RTM_NEWLINK',
    });
    t.strictSame(await network.linkNames(), FIXED_LINKS);
  });

  t.test('name without lower: a missing link, and links that are no macvtap', async (t) => {
    await t.rejects(openMacvtap({ netns, name: 'nowhere' }), {
      code: 'ENODEV',
      syscall: 'rtnetlink RTM_GETLINK',
      interface: 'nowhere',
    });
    for (const [name, message] of [
      ['wire', /a veth link, not a macvtap/],
      ['lo', /lo is not a virtual link/],
    ] as const) {
      await t.rejects(openMacvtap({ netns, name }), {
        code: 'ERR_TAPFD_NOT_A_MACVTAP',
        interface: name,
        message,
      });
    }
  });

  t.test('a macvtap on a macvtap is on the real lower device', async (t) => {
    const below = await openMacvtap({ netns, lower: 'wire', guestMac: MAC_A });
    const above = await openMacvtap({ netns, lower: below.name, guestMac: MAC_B });
    t.equal((await network.existingLink(above.name)).link, 'wire');
    await close(above, below);
    t.strictSame(await network.linkNames(), FIXED_LINKS, 'and both go');
  });
});
