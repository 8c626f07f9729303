/** Each option of openTap and openTun, with its effect as the kernel shows it. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { adoptFd, openTap, openTun, type Tap } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { childCommand } from '../../kit/child.js';
import { framesUntil, send, testFrame, textOf, textsUntil } from '../../kit/frames.js';
import { ownNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const run = promisify(execFile);
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const MAC_A = '02:00:00:00:00:0a';
const MAC_B = '02:00:00:00:00:0b';

t.test('openTap and openTun', { skip: needs('root', 'tun-device', 'bridge', 'ip') }, async (t) => {
  const network = await ownNamespace(t);
  const netns = network.name;

  /** Two TAPs in one bridge: what is written to one, the host sends out of the other. */
  async function bridgedPair(bridge: string, options: object = {}): Promise<[Tap, Tap]> {
    await network.bridge(bridge);
    const sender = await openTap({ netns, name: `${bridge}-s`, bridge });
    const receiver = await openTap({ netns, name: `${bridge}-r`, bridge, ...options });
    return [sender, receiver];
  }

  t.test(
    'without options: a new device in the namespace of the process, up, gone when destroyed',
    async (t) => {
      const script = `
    import { openTap, openTun } from 'tapfd';
    const devices = [await openTap(), await openTun()];
    process.send(devices.map(({ name, kind, index }) => ({ name, kind, index })));
    process.on('message', async () => {
      for (const device of devices) await device[Symbol.asyncDispose]();
      process.disconnect();
    });`;
      const child = spawn('nsenter', [`--net=${network.path}`, ...childCommand(script)], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      const [[tap, tun]] = await once(child, 'message');
      t.strictSame([tap.name, tap.kind, tun.name, tun.kind], ['tap0', 'tap', 'tun0', 'tun']);
      const tapLink = await network.existingLink('tap0');
      const tunLink = await network.existingLink('tun0');
      t.equal(tapLink.ifindex, tap.index);
      t.match(tapLink.linkinfo, {
        info_kind: 'tun',
        info_data: { type: 'tap', pi: false, vnet_hdr: false, multi_queue: false, persist: false },
      });
      t.match(tunLink.linkinfo, { info_kind: 'tun', info_data: { type: 'tun', pi: false, persist: false } });
      t.ok(tapLink.flags.includes('UP') && tunLink.flags.includes('UP'));
      child.send('close');
      const [code] = await once(child, 'exit');
      t.equal(code, 0);
      t.strictSame(await network.linkNames(), []);
    },
  );

  t.test('name: as given, or the lowest free number for %d', async (t) => {
    const named = await openTap({ netns, name: 'guest' });
    const first = await openTap({ netns, name: 'vm%d-lan' });
    const second = await openTap({ netns, name: 'vm%d-lan' });
    const number = await openTun({ netns, name: '%d' });
    const longest = await openTun({ netns, name: 'exactly15bytes-' });
    const unicode = await openTun({ netns, name: 'Gästekä-1' });
    const devices = [named, first, second, number, longest, unicode];
    const names = ['guest', 'vm0-lan', 'vm1-lan', '0', 'exactly15bytes-', 'Gästekä-1'];
    t.strictSame(
      devices.map(({ name }) => name),
      names,
    );
    t.strictSame(await network.linkNames(), names);
    for (const device of devices) {
      t.equal((await network.existingLink(device.name)).ifindex, device.index);
      await device[Symbol.asyncDispose]();
    }
    t.strictSame(await network.linkNames(), [], 'each went with its descriptor');
  });

  t.test('netns: by name, by path, by descriptor, which stays open', async (t) => {
    const file = await open(network.path);
    for (const place of [network.name, network.path, file.fd]) {
      const device = await openTap({ netns: place, name: 'elsewhere' });
      t.equal((await network.existingLink('elsewhere')).ifindex, device.index, `${place}`);
      t.notMatch(await readFile('/proc/net/dev', 'utf8'), /elsewhere/, 'not where this process is');
      await device[Symbol.asyncDispose]();
    }
    await file.stat();
    await file.close();
  });

  t.test('devicePath: a clone device elsewhere', async (t) => {
    // In /dev, as other file systems may be mounted nodev.
    const path = `/dev/tapfd-${process.pid}-clone`;
    await run('mknod', [path, 'c', '10', '200']);
    t.teardown(() => rm(path));
    const device = await openTap({ netns, devicePath: path, name: 'cloned' });
    t.ok(await network.link('cloned'));
    await device[Symbol.asyncDispose]();
  });

  t.test('devicePath: anything else is refused and never opened', async (t) => {
    const directory = t.testdir({ file: '', folder: {}, link: t.fixture('symlink', '/dev/null') });
    const path = (name: string) => join(directory, name);
    await run('mknod', [path('null'), 'c', '1', '3']);
    // No driver has this number: an open() would fail with ENODEV or ENXIO.
    await run('mknod', [path('no-driver'), 'c', '10', '254']);
    await run('mknod', [path('block'), 'b', '10', '200']);
    for (const name of ['file', 'folder', 'link', 'null', 'no-driver', 'block']) {
      await t.rejects(
        openTap({ netns, devicePath: path(name) }),
        { code: 'ERR_TAPFD_WRONG_DEVICE', path: path(name), message: /not a TUN\/TAP clone device/ },
        name,
      );
    }
    // A writer sleeps in open() until the FIFO is opened, even for a moment.
    await run('mkfifo', [path('fifo')]);
    const writer = spawn('sh', ['-c', 'echo ready; echo asleep until now > "$0"', path('fifo')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(writer.stdout, 'data');
    await t.rejects(openTun({ netns, devicePath: path('fifo') }), { code: 'ERR_TAPFD_WRONG_DEVICE' });
    const { stdout } = await run('cat', [path('fifo')]);
    t.equal(stdout, 'asleep until now\n');
    t.strictSame(await network.linkNames(), []);
  });

  t.test('persist: true outlives the descriptor, false ends it, absent leaves it as it is', async (t) => {
    const first = await openTap({ netns, name: 'lasting', persist: true });
    t.equal(first.flags.persist, true);
    const { ifindex, linkinfo } = await network.existingLink('lasting');
    t.equal(linkinfo?.info_data?.persist, true);
    await first[Symbol.asyncDispose]();
    t.equal((await network.existingLink('lasting')).ifindex, ifindex);

    const second = await openTap({ netns, name: 'lasting' });
    t.equal(second.index, ifindex);
    t.equal(second.flags.persist, true);
    await second[Symbol.asyncDispose]();
    t.equal((await network.existingLink('lasting')).ifindex, ifindex);

    const third = await openTap({ netns, name: 'lasting', persist: false });
    t.equal(third.index, ifindex);
    t.equal(third.flags.persist, false);
    t.equal((await network.info('lasting')).persist, false);
    await third[Symbol.asyncDispose]();
    t.strictSame(await network.linkNames(), []);
  });

  t.test('persist: true outlives the process, absent goes with it, even when it is killed', async (t) => {
    const script = `
    import { openTap, openTun } from 'tapfd';
    const netns = ${JSON.stringify(netns)};
    await openTap({ netns, name: 'stays', persist: true });
    await openTun({ netns, name: 'stays-too', persist: true });
    const goes = await openTap({ netns, name: 'goes' });
    goes.resume();
    process.send('open');`;
    const [command, ...args] = childCommand(script);
    const child = spawn(command, args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await once(child, 'message');
    t.strictSame(await network.linkNames(), ['stays', 'stays-too', 'goes']);
    child.kill('SIGKILL');
    await once(child, 'exit');
    t.strictSame(await network.linkNames(), ['stays', 'stays-too']);
    for (const open of [
      () => openTap({ netns, name: 'stays' }),
      () => openTun({ netns, name: 'stays-too' }),
    ]) {
      const again = await open();
      await again.setPersist(false);
      await again[Symbol.asyncDispose]();
    }
    t.strictSame(await network.linkNames(), []);
  });

  t.test('exclusive: not with a device that exists', async (t) => {
    const first = await openTap({ netns, name: 'mine', exclusive: true, multiQueue: true });
    await t.rejects(openTap({ netns, name: 'mine', exclusive: true, multiQueue: true }), { code: 'EBUSY' });
    const second = await openTap({ netns, name: 'mine', multiQueue: true });
    t.equal(second.index, first.index, 'without it, another queue of the same device');
    await second[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
  });

  t.test('owner and group', async (t) => {
    const device = await openTap({ netns, name: 'owned', owner: 4242, group: 4343 });
    t.equal(await network.sysfs('owned', 'owner'), '4242');
    t.equal(await network.sysfs('owned', 'group'), '4343');
    await device[Symbol.asyncDispose]();
    const root = await openTun({ netns, name: 'owned', owner: 0 });
    t.equal(await network.sysfs('owned', 'owner'), '0', '0 is an owner, not none');
    t.equal(await network.sysfs('owned', 'group'), '-1');
    await root[Symbol.asyncDispose]();
  });

  t.test('multiQueue', async (t) => {
    const device = await openTap({ netns, name: 'many', multiQueue: true });
    t.equal(device.flags.multiQueue, true);
    const info = await network.info('many');
    t.equal(info.multi_queue, true);
    const queue = await device.openQueue();
    t.equal((await network.info('many')).numqueues, 2);
    await queue[Symbol.asyncDispose]();
    await device[Symbol.asyncDispose]();
  });

  t.test('packetInfo: 4 bytes in front of each frame, both ways', async (t) => {
    const [sender, receiver] = await bridgedPair('br-pi', { packetInfo: true });
    t.equal(receiver.flags.packetInfo, true);
    t.equal((await network.info('br-pi-r')).pi, true);
    await send(sender, testFrame({ to: BROADCAST, from: MAC_A, text: 'there' }));
    const there = (await framesUntil(receiver, (frame) => textOf(frame, 4) === 'there')).at(-1);
    t.equal(there?.length, 64);
    t.equal(there?.readUInt16BE(0), 0, 'flags');
    t.equal(there?.readUInt16BE(2), 0x88b5, 'protocol');
    const back = Buffer.concat([
      Buffer.from([0, 0, 0x88, 0xb5]),
      testFrame({ to: MAC_A, from: MAC_B, text: 'back' }),
    ]);
    await send(receiver, back);
    t.equal((await textsUntil(sender, 'back')).at(-1), 'back');
    await sender[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();

    const tun = await openTun({ netns, name: 'tunpi', packetInfo: true, addresses: ['10.9.0.1/24'] });
    await network.exec('bash', '-c', 'echo hello > /dev/udp/10.9.0.2/9');
    const packet = (await framesUntil(tun, (frame) => frame.readUInt16BE(2) === 0x0800)).at(-1);
    t.equal(packet?.[4], 0x45);
    t.equal(packet?.subarray(-6).toString(), 'hello\n');
    await send(tun, packet ?? Buffer.alloc(0));
    t.strictSame(tun.stats.sent, { frames: 1, bytes: packet?.length, drops: {} });
    await tun[Symbol.asyncDispose]();
  });

  t.test('vnetHeader: 10 bytes in front of each frame, both ways', async (t) => {
    const [sender, receiver] = await bridgedPair('br-vh', { vnetHeader: true });
    t.equal(receiver.vnetHeaderBytes, 10);
    t.equal(receiver.flags.vnetHeader, true);
    t.equal((await network.info('br-vh-r')).vnet_hdr, true);
    await send(sender, testFrame({ to: BROADCAST, from: MAC_A, text: 'there' }));
    const there = (await framesUntil(receiver, (frame) => textOf(frame, 10) === 'there')).at(-1);
    t.equal(there?.length, 70);
    await send(
      receiver,
      Buffer.concat([Buffer.alloc(10), testFrame({ to: MAC_A, from: MAC_B, text: 'back' })]),
    );
    t.equal((await textsUntil(sender, 'back')).at(-1), 'back');
    await sender[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  });

  t.test(
    'vnetHeader: its size is set at each open, because a persistent device keeps the last one',
    async (t) => {
      const first = await openTap({ netns, name: 'sized', persist: true, vnetHeader: true });
      await first[Symbol.asyncDispose]();
      await setVnetHeaderBytes('sized', 12);
      const second = await openTap({ netns, name: 'sized', vnetHeader: true, persist: false });
      t.equal(second.vnetHeaderBytes, 10);
      const adopted = await adoptFd(second.handOff(), { netns });
      t.equal(adopted.vnetHeaderBytes, 10, 'and the kernel says the same');
      await adopted[Symbol.asyncDispose]();
      second.destroy();
    },
  );

  /** The size that the kernel keeps for a device, set as QEMU does: by a program that opens the device itself. */
  async function setVnetHeaderBytes(name: string, bytes: number): Promise<void> {
    const TUNSETIFF = 0x400454ca;
    const TUNSETVNETHDRSZ = 0x400454d8;
    const IFF_TAP_NO_PI_VNET_HDR = 0x5002;
    const script = `
    open(my $tun, '+<', '/dev/net/tun') or die $!;
    my $request = pack('a16Sx22', '${name}', ${IFF_TAP_NO_PI_VNET_HDR});
    my $size = pack('i', ${bytes});
    ioctl($tun, ${TUNSETIFF}, $request) or die $!;
    ioctl($tun, ${TUNSETVNETHDRSZ}, $size) or die $!;`;
    await network.exec('perl', '-e', script);
  }
});
