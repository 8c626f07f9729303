/** Further queues of a device that was deleted, replaced or renamed meanwhile. */
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { type FrameStream, openMacvtap, openTap, openTun } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { framesUntil, send, testFrame, textOf } from '../../kit/frames.js';
import { monitorLinks } from '../../kit/link-changes.js';
import { bridgeAndWire } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const FROM = '02:00:00:00:00:01';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';

type Queue = FrameStream & { openQueue(): Promise<FrameStream> };

t.test('queues', { skip: needs('root', 'tun-device', 'macvtap', 'bridge', 'veth', 'ip') }, async (t) => {
  const network = await bridgeAndWire(t);
  const netns = network.name;
  const FIXED_LINKS = await network.linkNames();

  /** Runs `ip` while the event loop is blocked: the library has heard of nothing when it returns. */
  const ipNow = (...args: string[]) => execFileSync('ip', ['-n', network.name, ...args]);
  /** A persistent multi-queue TAP with this index (TUNSETIFINDEX). */
  const makeTap = (name: string, index: number) =>
    execFileSync('ip', [
      ...['netns', 'exec', network.name, 'perl', '-e'],
      `open(my $tun, '+<', '/dev/net/tun') or die $!;
      my $index = pack('i', ${index});
      my $request = pack('a16Sx22', '${name}', 0x1102);
      ioctl($tun, 0x400454da, $index) or die $!;
      ioctl($tun, 0x400454ca, $request) or die $!;
      ioctl($tun, 0x400454cb, 1) or die $!;`,
    ]);
  const deafTo = (device: FrameStream) =>
    device.on('error', (error) => t.match(error, { code: 'ERR_TAPFD_DEVICE_GONE' }));

  t.test('a queue of a device that was deleted is refused, and no new device is made', async (t) => {
    for (const open of [openTap, openTun]) {
      const device: Queue = await open({ netns, name: 'doomed', multiQueue: true });
      deafTo(device);
      ipNow('link', 'delete', 'doomed');
      const events = await monitorLinks(t, network);
      await t.rejects(device.openQueue(), { code: /ERR_TAPFD_(DEVICE_GONE|CLOSED)/ });
      await network.ip('link', 'add', 'the-end', 'type', 'bridge');
      t.notMatch(await events.until('the-end'), /doomed/);
      await network.ip('link', 'delete', 'the-end');
    }
    const device = await openTap({ netns, name: 'doomed', multiQueue: true });
    deafTo(device);
    ipNow('link', 'delete', 'doomed');
    await t.rejects(device.openQueue(), { code: 'ERR_TAPFD_DEVICE_GONE', interface: 'doomed' });
    const macvtap = await openMacvtap({ netns, name: 'doomed', lower: 'wire' });
    deafTo(macvtap);
    ipNow('link', 'delete', 'doomed');
    await t.rejects(macvtap.openQueue(), { code: 'ERR_TAPFD_DEVICE_GONE', interface: 'doomed' });
    t.strictSame(await network.linkNames(), FIXED_LINKS);
  });

  t.test('a stranger that took the name is not opened', async (t) => {
    const device = await openTap({ netns, name: 'taken', multiQueue: true });
    deafTo(device);
    ipNow('link', 'delete', 'taken');
    ipNow('tuntap', 'add', 'dev', 'taken', 'mode', 'tap', 'multi_queue');
    await t.rejects(device.openQueue(), { code: 'ERR_TAPFD_DEVICE_GONE' });
    t.match(await network.info('taken'), { numqueues: 0 });
    await network.ip('link', 'delete', 'taken');
  });

  t.test('a stranger that took name and index is not opened', async (t) => {
    const device = await openTap({ netns, name: 'taken', multiQueue: true });
    deafTo(device);
    ipNow('link', 'delete', 'taken');
    makeTap('taken', device.index);
    await t.rejects(device.openQueue(), { code: 'ERR_TAPFD_DEVICE_GONE' });
    t.match(await network.info('taken'), { numqueues: 0 });
    await network.ip('link', 'delete', 'taken');

    const macvtap = await openMacvtap({ netns, name: 'taken', lower: 'wire' });
    deafTo(macvtap);
    const { index } = macvtap;
    ipNow('link', 'delete', 'taken');
    ipNow(
      'link',
      'add',
      'link',
      'wire',
      'name',
      'taken',
      'index',
      `${index}`,
      'type',
      'macvtap',
      'mode',
      'bridge',
    );
    await t.rejects(macvtap.openQueue(), { code: 'ERR_TAPFD_DEVICE_GONE' });
    await macvtap[Symbol.asyncDispose]();
    t.equal((await network.existingLink('taken')).ifindex, index, 'nor removed');
    await network.ip('link', 'delete', 'taken');
  });

  t.test('a device that was renamed is found by its index', async (t) => {
    for (const open of [
      () => openTap({ netns, name: 'before', multiQueue: true, up: false }),
      () => openTun({ netns, name: 'before', multiQueue: true, up: false }),
      () => openMacvtap({ netns, name: 'before', lower: 'wire', up: false }),
    ]) {
      const device: Queue = await open();
      ipNow('link', 'set', 'before', 'name', 'after');
      const queue = await device.openQueue();
      t.equal(queue.name, 'after', device.kind);
      t.equal(queue.index, device.index);
      await queue[Symbol.asyncDispose]();
      await device[Symbol.asyncDispose]();
    }
  });

  t.test('further queues are set up as the first', async (t) => {
    const first = closedWith(
      t,
      await openTap({
        netns,
        bridge: 'br0',
        multiQueue: true,
        packetInfo: true,
        vnetHeader: true,
        napi: true,
      }),
    );
    const second = closedWith(t, await first.openQueue());
    t.strictSame(second.flags, first.flags);
    t.equal(second.vnetHeaderBytes, 10);
    const sender = closedWith(t, await openTap({ netns, bridge: 'br0' }));
    await first.detachQueue();
    await send(sender, testFrame({ to: BROADCAST, from: FROM, text: 'with both headers' }));
    const frame = (await framesUntil(second, (frame) => textOf(frame, 14) === 'with both headers')).at(-1);
    t.equal(frame?.length, 4 + 10 + 60);
  });
});
