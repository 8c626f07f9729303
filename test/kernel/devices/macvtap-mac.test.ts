/** The MAC rule: at opening, on each written frame, and after the link's MAC changes while the descriptor is open. */
import t, { type Test } from 'tap';
import { adoptFd, type FrameDrop, type Macvtap, type MacvtapOptions, openMacvtap, openTap } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { send, testFrame, textsUntil } from '../../kit/frames.js';
import { linkEvent } from '../../kit/link-changes.js';
import { ownNamespace } from '../../kit/namespace.js';
import { descriptorsOf, leftDescriptors } from '../../kit/open-files.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const LINK_MAC = '02:00:00:00:00:0a';
const GUEST_MAC = '02:00:00:00:00:0b';
const PEER_MAC = '02:00:00:00:00:0f';

t.test('the MAC rule', { skip: needs('root', 'tun-device', 'macvtap', 'veth', 'ip') }, async (t) => {
  const network = await ownNamespace(t);
  const netns = network.name;
  await network.wire('wire', 'far');
  const FIXED_LINKS = await network.linkNames();

  async function open(t: Test, options: Partial<MacvtapOptions> = {}): Promise<Macvtap> {
    const device = await openMacvtap({ netns, lower: 'wire', ...options });
    t.teardown(() => device[Symbol.asyncDispose]());
    return device;
  }

  /** A sibling, which hears what `device` sends to it. */
  async function withPeer(t: Test, options: Partial<MacvtapOptions>): Promise<[Macvtap, Macvtap]> {
    return [await open(t, options), await open(t, { guestMac: PEER_MAC })];
  }

  const toPeer = (from: string, text: string) => testFrame({ to: PEER_MAC, from, text });

  t.test('guestMac: with lower and no mac the link gets it, in every mode', async (t) => {
    for (const mode of ['bridge', 'vepa', 'private', 'passthru', 'source'] as const) {
      const device = await openMacvtap({ netns, lower: 'wire', mode, guestMac: '02-00-00-00-00-0B' });
      t.equal((await network.existingLink(device.name)).address, GUEST_MAC, mode);
      t.equal(device.mac, GUEST_MAC);
      t.equal(device.guestMac, GUEST_MAC);
      t.equal(device.guestMacMatches, true);
      await device[Symbol.asyncDispose]();
    }
  });

  t.test('guestMac: the same as mac, or refused before anything is done', async (t) => {
    const same = await open(t, { mac: GUEST_MAC, guestMac: GUEST_MAC.toUpperCase() });
    t.equal(same.mac, GUEST_MAC);
    const links = await network.linkNames();
    await t.rejects(openMacvtap({ netns, lower: 'wire', mac: LINK_MAC, guestMac: GUEST_MAC }), {
      code: 'ERR_TAPFD_INVALID_ARGUMENT',
      argument: 'guestMac',
    });
    t.strictSame(await network.linkNames(), links);
  });

  t.test(
    'guestMac: another than the links is refused, both are named, the link stays as it was',
    async (t) => {
      await network.ip(
        'link',
        'add',
        'link',
        'wire',
        'name',
        'there',
        'address',
        LINK_MAC,
        'type',
        'macvtap',
      );
      t.teardown(() => network.ip('link', 'delete', 'there'));
      const before = await network.existingLink('there');
      const descriptors = descriptorsOf();
      const settings = { mtu: 1400, up: true, allMulticast: true, addresses: ['10.0.0.1/24'] };
      await t.rejects(openMacvtap({ netns, name: 'there', guestMac: GUEST_MAC, ...settings }), {
        code: 'ERR_TAPFD_MAC_MISMATCH',
        interface: 'there',
        message: new RegExp(`${GUEST_MAC}.*${LINK_MAC}`),
      });
      t.strictSame(await network.existingLink('there'), before);
      t.strictSame(await network.addresses('there'), []);
      t.strictSame(await leftDescriptors(descriptors), []);

      const right = await openMacvtap({ netns, name: 'there', guestMac: LINK_MAC });
      t.equal(right.guestMacMatches, true);
      await right[Symbol.asyncDispose]();
      const mended = await openMacvtap({ netns, name: 'there', mac: GUEST_MAC, guestMac: GUEST_MAC });
      t.equal(mended.mac, GUEST_MAC, 'mac beside it mends the link');
      await mended[Symbol.asyncDispose]();
    },
  );

  t.test('guestMac: one that the lower device or a sibling has leaves no link', async (t) => {
    const { address } = await network.existingLink('wire');
    await open(t, { guestMac: GUEST_MAC });
    const links = await network.linkNames();
    for (const taken of [address, GUEST_MAC]) {
      await t.rejects(openMacvtap({ netns, lower: 'wire', guestMac: taken }), {
        code: 'EADDRINUSE',
        syscall: 'rtnetlink RTM_SETLINK',
        message: /has this MAC/,
      });
    }
    t.strictSame(await network.linkNames(), links);
  });

  t.test('macCheck error, the default: the frame fails alone and does not go out', async (t) => {
    for (const macCheck of [undefined, 'error'] as const) {
      const [device, peer] = await withPeer(t, { guestMac: GUEST_MAC, macCheck });
      const drops: FrameDrop[] = [];
      device.on('drop', (drop) => drops.push(drop));
      await t.rejects(send(device, toPeer(LINK_MAC, 'false')), {
        code: 'ERR_TAPFD_MAC_MISMATCH',
        recoverable: true,
        interface: device.name,
        message: new RegExp(GUEST_MAC),
      });
      await send(device, toPeer(GUEST_MAC, 'true'));
      t.strictSame(await textsUntil(peer, 'true'), ['true']);
      t.strictSame(device.stats.sent, { frames: 1, bytes: 60, drops: { 'source-mac': 1 } });
      t.strictSame(drops, [{ direction: 'send', reason: 'source-mac', count: 1 }]);
      for (const one of [device, peer]) await one[Symbol.asyncDispose]();
    }
  });

  t.test('macCheck drop: counted, told by the event, and no error', async (t) => {
    const [device, peer] = await withPeer(t, { guestMac: GUEST_MAC, macCheck: 'drop' });
    const drops: FrameDrop[] = [];
    device.on('drop', (drop) => drops.push(drop));
    await send(device, toPeer(LINK_MAC, 'false 1'));
    device.write(toPeer(LINK_MAC, 'false 2'));
    await send(device, toPeer(GUEST_MAC, 'true'));
    t.strictSame(await textsUntil(peer, 'true'), ['true']);
    t.strictSame(device.stats.sent, { frames: 1, bytes: 60, drops: { 'source-mac': 2 } });
    t.equal(
      drops.reduce((sum, { count }) => sum + count, 0),
      2,
    );
  });

  t.test('macCheck off: any source goes out', async (t) => {
    const [device, peer] = await withPeer(t, { guestMac: GUEST_MAC, macCheck: 'off' });
    await send(device, toPeer(LINK_MAC, 'false'));
    await send(device, toPeer(GUEST_MAC, 'true'));
    t.strictSame(await textsUntil(peer, 'true'), ['false', 'true']);
    t.strictSame(device.stats.sent, { frames: 2, bytes: 120, drops: {} });
  });

  t.test('macCheck behind a vnet header, and in bursts of many', async (t) => {
    const [device, peer] = await withPeer(t, { guestMac: GUEST_MAC, vnetHeader: true });
    const header = Buffer.alloc(10);
    await t.rejects(send(device, Buffer.concat([header, toPeer(LINK_MAC, 'false')])), {
      code: 'ERR_TAPFD_MAC_MISMATCH',
    });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, i) =>
        send(device, Buffer.concat([header, toPeer(i % 2 ? GUEST_MAC : LINK_MAC, `frame ${i}`)])),
      ),
    );
    t.equal(outcomes.filter(({ status }) => status === 'rejected').length, 25);
    const received = await textsUntil(peer, 'frame 49');
    t.strictSame(
      received,
      Array.from({ length: 25 }, (_, i) => `frame ${2 * i + 1}`),
    );
  });

  t.test('without guestMac the frames are held against the links MAC', async (t) => {
    const [device] = await withPeer(t, { mac: LINK_MAC });
    t.equal(device.guestMac, undefined);
    t.equal(device.guestMacMatches, true);
    await t.rejects(send(device, toPeer(GUEST_MAC, 'false')), { code: 'ERR_TAPFD_MAC_MISMATCH' });
    await send(device, toPeer(LINK_MAC, 'true'));
  });

  t.test('the links MAC changes while open: the rule follows it', async (t) => {
    const [device, peer] = await withPeer(t, { guestMac: GUEST_MAC });
    const further = await device.openQueue();
    t.teardown(() => further[Symbol.asyncDispose]());
    const told = [linkEvent(device, 'mac'), linkEvent(further, 'mac')];
    await network.ip('link', 'set', device.name, 'address', LINK_MAC);
    for (const change of await Promise.all(told)) t.match(change, { mac: LINK_MAC, name: device.name });
    for (const queue of [device, further]) {
      t.equal(queue.mac, LINK_MAC);
      t.equal(queue.guestMac, GUEST_MAC);
      t.equal(queue.guestMacMatches, false, 'no unicast frame reaches the guest any more');
      await t.rejects(send(queue, toPeer(GUEST_MAC, 'old')), {
        code: 'ERR_TAPFD_MAC_MISMATCH',
        message: new RegExp(LINK_MAC),
      });
      await send(queue, toPeer(LINK_MAC, 'new'));
    }
    t.strictSame(await textsUntil(peer, 'new'), ['new']);

    const mended = linkEvent(device, 'mac');
    await network.ip('link', 'set', device.name, 'address', GUEST_MAC);
    await mended;
    t.equal(device.guestMacMatches, true);
    await send(device, toPeer(GUEST_MAC, 'mended'));
    t.equal((await textsUntil(peer, 'mended')).at(-1), 'mended');
  });

  t.test('setMac(): the next frame is held against the new MAC', async (t) => {
    const [device, peer] = await withPeer(t, { mac: LINK_MAC });
    const told = linkEvent(device, 'mac');
    await device.setMac(GUEST_MAC);
    t.equal(device.mac, GUEST_MAC);
    await send(device, toPeer(GUEST_MAC, 'new'));
    await t.rejects(send(device, toPeer(LINK_MAC, 'old')), { code: 'ERR_TAPFD_MAC_MISMATCH' });
    t.strictSame(await textsUntil(peer, 'new'), ['new']);
    t.match(await told, { changed: ['mac'], mac: GUEST_MAC });
  });

  t.test('a frame that waited is held against the MAC at the time it goes out', async (t) => {
    const [device, peer] = await withPeer(t, { guestMac: GUEST_MAC, sendBufferBytes: 10_000 });
    const filler = testFrame({ to: PEER_MAC, from: GUEST_MAC, text: 'filler', length: 1400 });
    while (device.writableLength === 0) device.write(filler);
    const waited = send(device, toPeer(GUEST_MAC, 'too late'));
    await device.setMac(LINK_MAC);
    const refused = t.rejects(waited, { code: 'ERR_TAPFD_MAC_MISMATCH' });
    peer.resume();
    await refused;
  });

  t.test('adoptFd: guestMac must be the links, macCheck as for openMacvtap', async (t) => {
    const device = await open(t, { mac: LINK_MAC });
    const fd = device.handOff();
    await t.rejects(adoptFd(fd, { netns, guestMac: GUEST_MAC }), {
      code: 'ERR_TAPFD_MAC_MISMATCH',
      message: new RegExp(`${GUEST_MAC}.*${LINK_MAC}`),
    });
    const adopted = await adoptFd(fd, { netns, guestMac: LINK_MAC, macCheck: 'drop' });
    t.teardown(() => adopted[Symbol.asyncDispose]());
    await send(adopted, toPeer(GUEST_MAC, 'false'));
    t.strictSame(adopted.stats.sent.drops, { 'source-mac': 1 });
  });

  t.test('a TAP takes any MAC: guestMac and macCheck do not concern it', async (t) => {
    const tap = await openTap({ netns });
    const adopted = await adoptFd(tap.handOff(), { netns, guestMac: GUEST_MAC, macCheck: 'error' });
    await send(adopted, toPeer(LINK_MAC, 'any'));
    t.strictSame(adopted.stats.sent.drops, {});
    await adopted[Symbol.asyncDispose]();
    await tap[Symbol.asyncDispose]();
  });

  t.test('nothing is left', async (t) => {
    t.strictSame(await network.linkNames(), FIXED_LINKS);
  });
});
