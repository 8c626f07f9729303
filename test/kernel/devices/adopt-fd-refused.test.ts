/** adoptFd: other namespaces, callers without privilege, and what it refuses. */
import { execFile } from 'node:child_process';
import { closeSync, openSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { adoptFd, FdSocket, type FrameStream, openMacvtap, openTap, openTun } from 'tapfd';
import { closeFd } from '#lib/fd-socket/fd-source.js';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { cannotChangeUser, childCommand } from '../../kit/child.js';
import { closedWith } from '../../kit/closed-with.js';
import { send, testFrame, textsUntil } from '../../kit/frames.js';
import { bridgeAndWire, ownNamespace } from '../../kit/namespace.js';
import { ROOT } from '../../kit/paths.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const run = promisify(execFile);
const MAC_A = '02:00:00:00:00:0a';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';

t.test('adoptFd', { skip: needs('root', 'tun-device', 'macvtap', 'bridge', 'veth', 'ip') }, async (t) => {
  const network = await bridgeAndWire(t);
  const netns = network.name;
  const FIXED_LINKS = await network.linkNames();

  /** A device's descriptor without its stream. */
  const handedOff = (t: Test, device: FrameStream) => closedWith(t, device).handOff();

  t.test('a device of another namespace, with and without one of the same name here', async (t) => {
    const elsewhere = await ownNamespace(t);
    await elsewhere.wire('wire', 'far');
    for (const open of [
      (netns: string) => openTap({ netns, name: 'same' }),
      (netns: string) => openTun({ netns, name: 'same' }),
      (netns: string) => openMacvtap({ netns, lower: 'wire', name: 'same' }),
    ] as ((netns: string) => Promise<FrameStream>)[]) {
      const fd = handedOff(t, await open(elsewhere.name));
      const refused = { code: 'ERR_TAPFD_WRONG_DEVICE', interface: 'same' };
      await t.rejects(adoptFd(fd, { netns }), { ...refused, message: /another network namespace.*netns/ });
      const namesake = await open(netns);
      await t.rejects(adoptFd(fd, { netns }), refused);
      await namesake[Symbol.asyncDispose]();
      const adopted = await adoptFd(fd, { netns: elsewhere.name });
      t.equal(adopted.fd, fd, 'and stayed the callers');
      await adopted[Symbol.asyncDispose]();
    }
  });

  t.test('without privilege: its own namespace, by name and MAC', { skip: cannotChangeUser }, async (t) => {
    const elsewhere = await ownNamespace(t);
    const module = `
      import { adoptFd, openTap, openTun } from 'tapfd';
      const outcome = (opening) => opening.then(({ name }) => name, ({ code }) => code);
      const here = (await openTap({ name: 'own' })).handOff();
      const tun = (await openTun({ name: 'vpn' })).handOff();
      const there = (await openTap({ netns: ${JSON.stringify(elsewhere.name)}, name: 'other' })).handOff();
      await openTap({ name: 'other' });
      const alone = (await openTap({ netns: ${JSON.stringify(elsewhere.name)}, name: 'alone' })).handOff();
      process.setgroups([]);
      process.setegid(65534);
      process.seteuid(65534);
      const outcomes = [];
      for (const fd of [here, tun, there, alone]) outcomes.push(await outcome(adoptFd(fd)));
      process.seteuid(0);
      process.stdout.write(outcomes.join(' '));
      process.exit();`;
    const node = childCommand(module);
    const { stdout } = await run('ip', ['netns', 'exec', netns, ...node], { cwd: ROOT });
    t.equal(stdout, 'own vpn ERR_TAPFD_WRONG_DEVICE ERR_TAPFD_WRONG_DEVICE');
  });

  t.test('what is no device of ours', async (t) => {
    const path = join(t.testdir({ file: 'text' }), 'file');
    const sockets = FdSocket.pair();
    t.teardown(() => Promise.all(sockets.map((socket) => socket.close())));
    const files = [path, '/dev/null', '/dev/zero', '/proc/self/ns/net', '/'].map((name) =>
      openSync(name, 'r'),
    );
    for (const fd of [...files, sockets[0].fd, eventFd()]) {
      await t.rejects(adoptFd(fd, { netns }), {
        code: 'ERR_TAPFD_NOT_A_DEVICE',
        message: new RegExp(`descriptor ${fd} is not`),
      });
      t.doesNotThrow(() => statSync(`/proc/self/fd/${fd}`), 'and stays open');
    }
    for (const fd of files) closeSync(fd);
    await t.rejects(adoptFd(0x7fff_ffff, { netns }), {
      code: 'EBADF',
      errno: -9,
      syscall: 'fstat',
      message: /not open/,
    });
  });

  /** Other threads wake this one by it: it stays open as long as the process runs. */
  function eventFd(): number {
    const found = readdirSync('/proc/self/fd').find((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).includes('eventfd');
      } catch {
        return false; // closed while this looks
      }
    });
    return Number(found);
  }

  t.test('a clone device without interface, and devices that were deleted', async (t) => {
    const unattached = openSync('/dev/net/tun', 'r+');
    t.teardown(() => closeSync(unattached));
    await t.rejects(adoptFd(unattached, { netns }), {
      code: 'EBADFD',
      errno: -77,
      syscall: 'ioctl TUNGETIFF',
      message: /never given one.*deleted/,
    });
    const tap = handedOff(t, await openTap({ netns, name: 'doomed' }));
    await network.ip('link', 'delete', 'doomed');
    await t.rejects(adoptFd(tap, { netns }), { code: 'EBADFD', syscall: 'ioctl TUNGETIFF' });
    await closeFd(tap);
    const macvtap = handedOff(t, await openMacvtap({ netns, lower: 'wire', name: 'doomed' }));
    await network.ip('link', 'delete', 'doomed');
    await t.rejects(adoptFd(macvtap, { netns }), {
      code: 'ENOLINK',
      errno: -67,
      syscall: 'ioctl TUNGETIFF',
      message: /deleted/,
    });
    await closeFd(macvtap);
  });

  t.test('a descriptor that this thread works with already stays with its stream', async (t) => {
    const device = closedWith(t, await openTap({ netns, name: 'mine', bridge: 'br0' }));
    await t.rejects(adoptFd(device.fd, { netns }), {
      code: 'ERR_TAPFD_INVALID_STATE',
      message: /already belongs to a device of this thread/,
    });
    device.resume();
    await t.rejects(adoptFd(device.fd, { netns }), { code: 'ERR_TAPFD_INVALID_STATE' }, 'nor while it reads');
    device.pause();
    const other = closedWith(t, await openTap({ netns, bridge: 'br0' }));
    await send(other, testFrame({ to: BROADCAST, from: MAC_A, text: 'still mine' }));
    await textsUntil(device, 'still mine');
  });

  t.test('nothing is left', async (t) => {
    t.strictSame(await network.linkNames(), FIXED_LINKS);
  });
});
