/** adoptFd: what it finds out, and what it makes of the descriptor. */
import { execFile } from 'node:child_process';
import { fstatSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { adoptFd, type FrameStream, openMacvtap, openTap, openTun } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { childCommand } from '../../kit/child.js';
import { closedWith } from '../../kit/closed-with.js';
import { framesUntil, send, testFrame, textOf, textsUntil } from '../../kit/frames.js';
import { bridgeAndWire } from '../../kit/namespace.js';
import { ROOT } from '../../kit/paths.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const run = promisify(execFile);
const MAC_A = '02:00:00:00:00:0a';
const MAC_B = '02:00:00:00:00:0b';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';

/** The status flags of a descriptor as the kernel shows them: O_NONBLOCK, O_CLOEXEC. */
function flagsOf(fd: number): { nonBlocking: boolean; closeOnExec: boolean } {
  const flags = Number.parseInt(
    /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '',
    8,
  );
  return { nonBlocking: (flags & 0o4000) !== 0, closeOnExec: (flags & 0o2000000) !== 0 };
}

t.test('adoptFd', { skip: needs('root', 'tun-device', 'macvtap', 'bridge', 'veth', 'ip') }, async (t) => {
  const network = await bridgeAndWire(t);
  const netns = network.name;
  const FIXED_LINKS = await network.linkNames();

  /** A device's descriptor without its stream. */
  const handedOff = (t: Test, device: FrameStream) => closedWith(t, device).handOff();

  t.test('finds out what it is: the facts are those of the opening call', async (t) => {
    const openings: (() => Promise<FrameStream>)[] = [
      () => openTap({ netns }),
      () => openTap({ netns, vnetHeader: true, multiQueue: true, napi: true }),
      () => openTap({ netns, packetInfo: true, persist: true, name: 'lasting' }),
      () => openTun({ netns }),
      () => openTun({ netns, packetInfo: true, vnetHeader: true }),
      () => openMacvtap({ netns, lower: 'wire' }),
      () => openMacvtap({ netns, lower: 'wire', vnetHeader: true, multiQueue: true }),
    ];
    for (const open of openings) {
      const device = await open();
      const facts = ({ kind, name, index, mac, mtu, flags, vnetHeaderBytes, features }: FrameStream) => ({
        ...{ kind, name, index, mac, mtu, flags, vnetHeaderBytes },
        supported: features.supported,
      });
      const before = facts(device);
      const fd = device.handOff();
      const adopted = await adoptFd(fd, { netns });
      t.strictSame(facts(adopted), before, `${before.kind} ${before.name}`);
      t.equal(adopted.fd, fd);
      t.equal(adopted.constructor, device.constructor);
      await adopted[Symbol.asyncDispose]();
      t.throws(() => fstatSync(fd), { code: 'EBADF' }, 'closed with it');
      await device[Symbol.asyncDispose]();
    }
    await network.ip('link', 'delete', 'lasting');
    t.strictSame(await network.linkNames(), FIXED_LINKS);
  });

  t.test('frames go both ways', async (t) => {
    const tap = await adoptFd(handedOff(t, await openTap({ netns, bridge: 'br0' })), { netns });
    closedWith(t, tap);
    const other = closedWith(t, await openTap({ netns, bridge: 'br0' }));
    await send(other, testFrame({ to: BROADCAST, from: MAC_A, text: 'there' }));
    await textsUntil(tap, 'there');
    await send(tap, testFrame({ to: BROADCAST, from: MAC_B, text: 'back' }));
    await textsUntil(other, 'back');

    const macvtap = closedWith(
      t,
      await adoptFd(handedOff(t, await openMacvtap({ netns, lower: 'wire', mac: MAC_A })), { netns }),
    );
    const sibling = closedWith(t, await openMacvtap({ netns, lower: 'wire', mac: MAC_B }));
    await send(sibling, testFrame({ to: MAC_A, from: MAC_B, text: 'there' }));
    await textsUntil(macvtap, 'there');
    await send(macvtap, testFrame({ to: MAC_B, from: MAC_A, text: 'back' }));
    await textsUntil(sibling, 'back');
  });

  t.test('packet information and vnet headers of any size are recognised', async (t) => {
    // The helper opens, asks for 12 bytes of vnet header as QEMU does, and becomes this Node program.
    const module = `
      import { adoptFd, openTap } from 'tapfd';
      const adopted = await adoptFd(Number(process.env.TAP_FD), { netns: ${JSON.stringify(netns)} });
      const { kind, name, vnetHeaderBytes, flags } = adopted;
      const further = await adopted.openQueue();
      const refused = await new Promise((resolve) => adopted.write(Buffer.alloc(4 + 12 + 13), resolve));
      const taken = await new Promise((resolve) => adopted.write(Buffer.alloc(4 + 12 + 14), resolve));
      process.stdout.write(JSON.stringify({
        kind, name, vnetHeaderBytes, flags,
        further: { bytes: further.vnetHeaderBytes, flags: further.flags },
        refused: refused?.code, taken,
      }));
      process.exit();`;
    const IFF_TAP_MULTI_QUEUE_VNET_HDR = 0x4102;
    const helper = `
      open(my $tap, '+<', '/dev/net/tun') or die $!;
      my $request = pack('a16Sx22', 'helped', ${IFF_TAP_MULTI_QUEUE_VNET_HDR});
      my $size = pack('i', 12);
      ioctl($tap, 0x400454ca, $request) or die $!;
      ioctl($tap, 0x400454d8, $size) or die $!;
      system('ip link set helped up');
      fcntl($tap, 2, 0) or die $!;
      $ENV{TAP_FD} = fileno $tap;
      exec @ARGV;`;
    const node = childCommand(module);
    const command = ['netns', 'exec', netns, 'perl', '-e', helper, '--', ...node];
    const { stdout } = await run('ip', command, { cwd: ROOT });
    const flags = { packetInfo: true, vnetHeader: true, multiQueue: true, persist: false, detached: false };
    t.match(JSON.parse(stdout), {
      kind: 'tap',
      name: 'helped',
      vnetHeaderBytes: 12,
      flags,
      further: { bytes: 12, flags },
      refused: 'ERR_TAPFD_FRAME_TOO_SHORT',
      taken: null,
    });
  });

  t.test('makes it non-blocking and close-on-exec', async (t) => {
    const module = `
      import { adoptFd } from 'tapfd';
      import { readFileSync } from 'node:fs';
      const fd = Number(process.env.TAP_FD);
      const flags = () => /flags:\\s*(\\d+)/.exec(readFileSync('/proc/self/fdinfo/' + fd, 'utf8'))[1];
      const before = flags();
      await adoptFd(fd);
      process.stdout.write(before + ' ' + flags());
      process.exit();`;
    const helper = `
      open(my $tap, '+<', '/dev/net/tun') or die $!;
      my $request = pack('a16Sx22', 'helped', 0x1002);
      ioctl($tap, 0x400454ca, $request) or die $!;
      fcntl($tap, 2, 0) or die $!;
      $ENV{TAP_FD} = fileno $tap;
      exec @ARGV;`;
    const node = childCommand(module);
    const { stdout } = await run('ip', ['netns', 'exec', netns, 'perl', '-e', helper, '--', ...node], {
      cwd: ROOT,
    });
    const [before, after] = stdout.split(' ').map((flags) => Number.parseInt(flags, 8));
    const O_NONBLOCK = 0o4000;
    const O_CLOEXEC = 0o2000000;
    t.equal(before & O_NONBLOCK, 0);
    t.equal(after & (O_NONBLOCK | O_CLOEXEC), O_NONBLOCK | O_CLOEXEC);
  });

  t.test('opened descriptors are so from the beginning', async (t) => {
    for (const device of [
      closedWith(t, await openTap({ netns })),
      closedWith(t, await openTun({ netns })),
      closedWith(t, await openMacvtap({ netns, lower: 'wire' })),
    ]) {
      t.strictSame(flagsOf(device.fd), { nonBlocking: true, closeOnExec: true }, device.kind);
    }
  });

  t.test('vnetHeader: switched on macvtap, both ways', async (t) => {
    const sibling = closedWith(t, await openMacvtap({ netns, lower: 'wire', mac: MAC_B }));
    for (const [had, wanted, bytes] of [
      [false, true, 10],
      [true, false, 0],
      [true, true, 10],
      [false, false, 0],
      [true, undefined, 10],
    ] as const) {
      const device = await openMacvtap({ netns, lower: 'wire', mac: MAC_A, vnetHeader: had });
      const adopted = await adoptFd(device.handOff(), { netns, vnetHeader: wanted });
      t.equal(adopted.vnetHeaderBytes, bytes);
      t.equal(adopted.flags.vnetHeader, bytes > 0);
      await send(sibling, testFrame({ to: MAC_A, from: MAC_B, text: 'in' }));
      const frame = (await framesUntil(adopted, (frame) => textOf(frame, bytes) === 'in')).at(-1);
      t.equal(frame?.length, bytes + 60);
      await adopted[Symbol.asyncDispose]();
      await device[Symbol.asyncDispose]();
    }
  });

  t.test('vnetHeader: fixed on TUN and TAP', async (t) => {
    for (const open of [openTap, openTun]) {
      for (const vnetHeader of [true, false]) {
        const fd = handedOff(t, await open({ netns, name: 'fixed', vnetHeader }));
        await t.rejects(adoptFd(fd, { netns, vnetHeader: !vnetHeader }), {
          code: 'ERR_TAPFD_DEVICE_DIFFERS',
          interface: 'fixed',
          message: /leave out vnetHeader/,
        });
        const adopted = await adoptFd(fd, { netns, vnetHeader });
        t.equal(adopted.flags.vnetHeader, vnetHeader);
        await adopted[Symbol.asyncDispose]();
      }
    }
  });

  t.test('further queues', async (t) => {
    for (const open of [
      () => openTap({ netns, multiQueue: true, vnetHeader: true, offload: ['csum'] }),
      () => openTun({ netns, multiQueue: true, packetInfo: true }),
      () => openMacvtap({ netns, lower: 'wire', vnetHeader: true }),
    ] as (() => Promise<FrameStream>)[]) {
      const adopted = closedWith(t, await adoptFd(handedOff(t, await open()), { netns }));
      const queue = closedWith(t, await adopted.openQueue());
      t.strictSame(
        [queue.kind, queue.name, queue.index, queue.vnetHeaderBytes, queue.flags],
        [adopted.kind, adopted.name, adopted.index, adopted.vnetHeaderBytes, adopted.flags],
      );
    }
  });

  t.test('a detached queue is known as such', async (t) => {
    const device = closedWith(t, await openTap({ netns, multiQueue: true }));
    const queue = closedWith(t, await device.openQueue());
    await queue.detachQueue();
    const adopted = closedWith(t, await adoptFd(queue.handOff(), { netns }));
    t.equal(adopted.flags.detached, true);
    await adopted.attachQueue();
    t.equal(adopted.flags.detached, false);
  });

  t.test('stream options apply', async (t) => {
    const adopted = closedWith(
      t,
      await adoptFd(handedOff(t, await openTap({ netns })), {
        netns,
        readableHighWaterMark: 3,
        writableHighWaterMark: 4,
      }),
    );
    t.equal(adopted.readableHighWaterMark, 3);
    t.equal(adopted.writableHighWaterMark, 4);
  });

  t.test('nothing is left', async (t) => {
    t.strictSame(await network.linkNames(), FIXED_LINKS);
  });
});
