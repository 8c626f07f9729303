/** What a device learns about its link, and how its life ends: deleted, moved, handed off. */
import { once } from 'node:events';
import { closeSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { adoptFd, type FrameStream, type LinkChange, openMacvtap, openTap, openTun, Tap } from 'tapfd';
import { HAND_OVER } from '#lib/base/hand-over.js';
import { closeFd } from '#lib/fd-socket/fd-source.js';
import { fileNeeds } from '../../kit/capabilities.js';
import { linkEvent } from '../../kit/link-changes.js';
import { ownNamespace, type TestNamespace } from '../../kit/namespace.js';
import { collect, numberedFrame, numberOf, tapPair } from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

// A device that is not read does not keep the process alive, and most of these only listen.
const alive = setInterval(() => undefined, 60_000);
t.teardown(() => clearInterval(alive));

async function openOnVeth(ns: TestNamespace) {
  await ns.wire('lower', 'other');
  return openMacvtap({ netns: ns.name, lower: 'lower', guestMac: '02:00:00:00:00:01' });
}

/** The error the device is destroyed with. */
async function endOf(device: FrameStream): Promise<Error> {
  const [error] = await once(device, 'error');
  if (!device.closed) await new Promise((resolve) => device.on('close', resolve));
  return error;
}

t.test('TAP: each change of the link is reported and believed', async (t) => {
  const { ns, a } = await tapPair(t);
  const after = async (fact: LinkChange['changed'][number], ...args: string[]) => {
    const change = linkEvent(a, fact);
    await ns.ip('link', 'set', 'dev', a.name, ...args);
    return change;
  };
  t.match(await after('mtu', 'mtu', '9000'), { changed: ['mtu'], mtu: 9000 });
  t.equal(a.mtu, 9000);
  const accepted = await new Promise((resolve) => a.write(numberedFrame(1, 9014), resolve));
  t.equal(accepted, null, 'the new MTU counts for written frames');
  t.match(await after('mac', 'address', '02:00:00:00:00:77'), { mac: '02:00:00:00:00:77' });
  t.equal(a.mac, '02:00:00:00:00:77');
  const down = await after('up', 'down');
  t.equal(down.up, false);
  t.equal((await after('name', 'name', 'renamed')).name, 'renamed');
  t.equal(a.name, 'renamed');
  t.equal((await after('up', 'up')).up, true);
  const unplugged = linkEvent(a, 'carrier');
  await a.setCarrier(false);
  t.equal((await unplugged).carrier, false);
});

t.test('macvtap: the MAC rule follows the link', async (t) => {
  const ns = await ownNamespace(t);
  const macvtap = await openOnVeth(ns);
  t.teardown(() => macvtap[Symbol.asyncDispose]());
  const frame = numberedFrame(1);
  const from = (mac: string) => {
    frame.write(mac.replaceAll(':', ''), 6, 'hex');
    return new Promise((resolve) => macvtap.write(frame, resolve));
  };
  t.equal(await from('02:00:00:00:00:01'), null);
  t.ok(macvtap.guestMacMatches);
  const changed = linkEvent(macvtap, 'mac');
  await ns.ip('link', 'set', 'dev', macvtap.name, 'address', '02:00:00:00:00:02');
  t.equal((await changed).mac, '02:00:00:00:00:02');
  t.notOk(macvtap.guestMacMatches);
  t.match(await from('02:00:00:00:00:01'), {
    code: 'ERR_TAPFD_MAC_MISMATCH',
    message: /02:00:00:00:00:02/,
  });
  t.equal(await from('02:00:00:00:00:02'), null);
  const mended = linkEvent(macvtap, 'mac');
  await macvtap.setMac('02:00:00:00:00:01');
  await mended;
  t.ok(macvtap.guestMacMatches);
});

t.test('a deleted device ends its stream, read or not', async (t) => {
  for (const reading of [true, false]) {
    const ns = await ownNamespace(t);
    await ns.ip('link', 'add', 'br0', 'type', 'bridge');
    const macvtap = await openOnVeth(ns);
    const devices = [await openTap({ netns: ns.name }), await openTun({ netns: ns.name }), macvtap];
    for (const device of devices) {
      t.equal(await device.isAlive(), true);
      if (reading) device.resume();
      const end = endOf(device);
      await ns.ip('link', 'delete', device.name);
      t.match(
        await end,
        { code: 'ERR_TAPFD_DEVICE_GONE', interface: device.name },
        `${device.kind} ${reading ? 'reading' : 'idle'}`,
      );
      t.equal(device.fd, -1);
    }
  }
});

t.test('a macvtap whose lower device is deleted goes with it', async (t) => {
  const ns = await ownNamespace(t);
  const macvtap = await openOnVeth(ns);
  const end = endOf(macvtap);
  await ns.ip('link', 'delete', 'lower');
  t.match(await end, { code: 'ERR_TAPFD_DEVICE_GONE' });
});

t.test('a writer hears of the deletion at once', async (t) => {
  const { ns, a } = await tapPair(t);
  const end = endOf(a);
  await ns.ip('link', 'delete', a.name);
  a.write(numberedFrame(1));
  t.match(await end, { code: 'ERR_TAPFD_DEVICE_GONE' });
});

t.test('TAP and TUN are followed into another namespace', async (t) => {
  for (const open of [openTap, openTun]) {
    const from = await ownNamespace(t);
    const to = await ownNamespace(t);
    const device = await open({ netns: from.name });
    t.teardown(() => device[Symbol.asyncDispose]());
    const moved = linkEvent(device, 'namespace');
    await from.ip('link', 'set', device.name, 'netns', to.name, 'name', 'moved0');
    t.match(await moved, { name: 'moved0' });
    const renamed = linkEvent(device, 'name');
    await to.ip('link', 'set', 'moved0', 'name', 'moved1');
    t.equal((await renamed).name, 'moved1', 'and watched there');
    const end = endOf(device);
    await to.ip('link', 'delete', 'moved1');
    t.match(await end, { code: 'ERR_TAPFD_DEVICE_GONE' });
  }
});

t.test('a macvtap that moved is followed by its descriptor', async (t) => {
  const from = await ownNamespace(t);
  const to = await ownNamespace(t);
  const macvtap = await openOnVeth(from);
  const moved = linkEvent(macvtap, 'namespace');
  await from.ip('link', 'set', macvtap.name, 'netns', to.name);
  await moved;
  t.equal(await macvtap.isAlive(), true);
  await t.rejects(macvtap.refreshStats(), { code: 'ERR_TAPFD_INVALID_STATE' });
  await t.rejects(macvtap.openQueue(), { code: 'ERR_TAPFD_INVALID_STATE' });
  const changed = linkEvent(macvtap, 'mac');
  await to.ip('link', 'set', macvtap.name, 'address', '02:00:00:00:00:05');
  t.equal((await changed).mac, '02:00:00:00:00:05');
  const end = endOf(macvtap);
  await to.ip('link', 'delete', macvtap.name);
  t.match(await end, { code: 'ERR_TAPFD_DEVICE_GONE' });
});

t.test('a reused index does not confuse the device that has it', async (t) => {
  const ns = await ownNamespace(t);
  // Deleted and recreated with the same index while the events wait to be read.
  await ns.ip('link', 'add', 'tap7', 'index', '4711', 'type', 'bridge');
  const witness = await openTap({ netns: ns.name });
  await ns.ip('link', 'delete', 'tap7');
  await ns.ip('link', 'add', 'veth7', 'index', '4711', 'type', 'veth', 'peer', 'name', 'veth8');
  const macvtap = await openMacvtap({ netns: ns.name, lower: 'veth8' });
  await delay(10);
  t.notOk(macvtap.destroyed);
  t.equal(await witness.isAlive(), true);
  await macvtap[Symbol.asyncDispose]();
  await witness[Symbol.asyncDispose]();
});

t.test('hand-off gives the descriptor away permanently', async (t) => {
  const { ns, a, b } = await tapPair(t);
  const waiting = collect(b, 3);
  for (let i = 0; i < 3; i++) a.write(numberedFrame(i));
  await waiting;
  const ended = new Promise((resolve) => b.on('end', resolve));
  const fd = b.handOff();
  t.equal(b.fd, -1);
  t.equal(b.handedOff, true);
  t.ok(statSync(`/proc/self/fd/${fd}`).isCharacterDevice(), 'still open');
  await ended;
  t.throws(() => b.handOff(), { code: 'ERR_TAPFD_HANDED_OFF' });
  t.match(await new Promise((resolve) => b.write(numberedFrame(1), resolve)), {
    code: 'ERR_TAPFD_HANDED_OFF',
  });
  await b.close();
  t.ok(statSync(`/proc/self/fd/${fd}`).isCharacterDevice(), 'close() leaves it alone');
  const taken = await adoptFd(fd, { netns: ns.name });
  t.equal(taken.kind, 'tap');
  if (!(taken instanceof Tap)) throw new Error(`adopted as ${taken.kind}`);
  const arriving = collect(taken, 1);
  a.write(numberedFrame(9));
  t.equal(numberOf((await arriving)[0]), 9);
  await taken[Symbol.asyncDispose]();
  t.throws(() => closeSync(fd), { code: 'EBADF' }, 'the adopter has closed it');
});

t.test('hand-off while a call is under way is refused', async (t) => {
  const { a } = await tapPair(t);
  const setting = a.setSendBuffer(1 << 20);
  t.throws(() => a.handOff(), { code: 'ERR_TAPFD_INVALID_STATE', recoverable: true });
  await setting;
  await closeFd(a.handOff());
});

t.test('hand-off fails the frames that wait', async (t) => {
  const { a } = await tapPair(t);
  a.cork();
  const waiting = new Promise((resolve) => a.write(numberedFrame(1), resolve));
  await closeFd(a.handOff());
  a.uncork();
  t.match(await waiting, { code: 'ERR_TAPFD_HANDED_OFF' });
});

t.test('a macvtap link that the open made stays after hand-off until close()', async (t) => {
  const ns = await ownNamespace(t);
  const macvtap = await openOnVeth(ns);
  const fd = macvtap.handOff();
  t.ok(await ns.link(macvtap.name));
  macvtap.destroy(new Error('of no effect'));
  t.notOk(macvtap.destroyed);
  t.ok(await ns.link(macvtap.name));
  await macvtap.close();
  t.equal(await ns.link(macvtap.name), undefined);
  await closeFd(fd);
});

t.test('a device that is deleted while another program has it ends', async (t) => {
  const ns = await ownNamespace(t);
  const tap = await openTap({ netns: ns.name });
  const ended = new Promise((resolve) => tap.on('error', resolve));
  await ns.ip('link', 'delete', tap.name);
  await tap[HAND_OVER].restoreSettings();
  t.match(await ended, { code: 'ERR_TAPFD_DEVICE_GONE' });
});

t.test('suspended reading resumes', async (t) => {
  const { a, b } = await tapPair(t);
  const arriving = collect(b, 1);
  b[HAND_OVER].suspend();
  a.write(numberedFrame(1));
  await delay(20);
  t.equal(b.stats.received.frames, 0);
  b[HAND_OVER].resume();
  t.equal(numberOf((await arriving)[0]), 1);
});
