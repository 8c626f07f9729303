/**
 * Cards that come and go while guests run, on both machine types, with several queues; the MAC that follows the guest;
 * and that nothing is left when a guest reboots, is killed, crashes or is turned off, or QEMU crashes.
 */
import { once } from 'node:events';
import { statSync } from 'node:fs';
import t, { type Test } from 'tap';
import { type Macvtap, openMacvtap, openTap, type Tap } from 'tapfd';
import { followGuestMac, type QemuHotPlugNic } from 'tapfd/qemu';
import { bootGuestWithMonitor, type GuestWithMonitor } from '../../examples/guest.ts';
import { needs } from '../kit/capabilities.ts';
import { depth } from '../kit/depth.ts';
import {
  type NamedGuest,
  type Node,
  nodeOf,
  plug,
  untilGuestCarrier,
  usesBothQueues,
} from '../kit/guest-cards.ts';
import { guestImage } from '../kit/guest-image.ts';
import { ownNamespace, run, vethPair } from '../kit/namespace.ts';
import { descriptorTargets, fileKinds, settledFileKinds } from '../kit/open-files.ts';

const BRIDGE = 'br0';
const LOWER = 'wire';
const ON_TAP = '10.79.0';
const ON_WIRE = '10.80.0';
const OUTSIDE = `${ON_WIRE}.1`;
const HOST = `${ON_TAP}.1`;
/** An even number. A leak in every cycle shows after one: more cycles find what leaks now and then. */
const CYCLES = depth({ brief: 24, bounded: 100, deep: 300 });
/** Longer than any machine needs. */
const REBOOT_MS = 120_000;
/** From `addNic` until the guest has the card. */
const MAX_PLUG_MS = 3000;

t.setTimeout(280_000);

const skip = needs('root', 'tun-device', 'bridge', 'veth', 'macvtap', 'guest');
t.test('hot-plug', { skip }, async (t) => {
  const host = await ownNamespace(t);
  const outside = await ownNamespace(t);
  await host.ip('link', 'add', BRIDGE, 'up', 'type', 'bridge');
  await host.ip('address', 'add', `${HOST}/24`, 'dev', BRIDGE);
  await vethPair(host, LOWER, outside, 'eth0');
  await outside.ip('address', 'add', `${OUTSIDE}/24`, 'dev', 'eth0');

  const filesBefore = fileKinds();
  const linksBefore = (await host.linkNames()).sort();

  const openQueues = async (name: string): Promise<[Tap, Tap]> => {
    const first = await openTap({ netns: host.name, name, bridge: BRIDGE, multiQueue: true });
    t.teardown(() => first[Symbol.asyncDispose]());
    const second = await first.openQueue();
    t.teardown(() => second[Symbol.asyncDispose]());
    return [first, second];
  };
  const openLink = async (name: string): Promise<Macvtap> => {
    const device = await openMacvtap({ netns: host.name, name, lower: LOWER });
    t.teardown(() => device[Symbol.asyncDispose]());
    return device;
  };
  const boot = async (name: string, nics: QemuHotPlugNic[], machine: string[]): Promise<NamedGuest> => {
    const options = { name, arguments: ['-smp', '2', ...machine] };
    const { guest, qmp } = await bootGuestWithMonitor(guestImage(), nics, options);
    t.teardown(async () => {
      await qmp.close();
      await guest.kill();
    });
    return { guest, qmp, name };
  };

  const inherited = await openLink('inherited');
  const inheritedNode = nodeOf(inherited);
  const queues: [Macvtap, Macvtap] = [inherited, await inherited.openQueue()];
  const ports = ['rp0', 'rp1'].flatMap((id, i) => ['-device', `pcie-root-port,id=${id},chassis=${i + 1}`]);
  // Both at once: a boot is work for one processor.
  const [pc, q35] = await Promise.all([
    boot('pc', [{ device: queues }], []),
    boot('q35', [], ['-machine', 'q35', ...ports]),
  ]);

  await t.test('two queues over macvtap, inherited by QEMU at its start', async (t) => {
    await pc.guest.must(`ip address add ${ON_WIRE}.10/24 dev eth0; ip link set eth0 up`);
    const card = { name: 'eth0', driver: 'virtio0', address: `${ON_WIRE}.10`, peer: OUTSIDE, from: outside };
    await usesBothQueues(t, pc.guest, card);
  });

  const plugged = await openQueues('plugged');

  await t.test('two queues over TAP, plugged into a running pc by getfd', async (t) => {
    const { mac } = await plug(t, pc, { device: plugged, id: 'lan' }, 'eth1');
    t.equal((await pc.guest.must('cat /sys/class/net/eth1/address')).trim(), mac);
    await pc.guest.must(`ip address add ${ON_TAP}.10/24 dev eth1; ip link set eth1 up`);
    const card = { name: 'eth1', driver: 'virtio1', address: `${ON_TAP}.10`, peer: HOST, from: host };
    await usesBothQueues(t, pc.guest, card);
    t.equal(plugged[0].handedOff && plugged[1].handedOff, true);
  });

  await t.test('the cable of the TAP is pulled and put in again while the guest runs', async (t) => {
    const arrived = (): Promise<string> => pc.guest.must('cat /sys/class/net/eth1/statistics/rx_packets');
    // Of the backend; of the card it is below.
    await pc.qmp.execute('set_link', { name: 'lan', up: false });
    await untilGuestCarrier(pc.guest, 'eth1', 0);
    const before = await arrived();
    await host.exec('bash', '-c', `for i in {1..20}; do echo x >/dev/udp/${ON_TAP}.10/9; done`);
    t.equal((await pc.guest.run(`ping -c 1 -W 1 ${HOST}`)).status, 1);
    t.equal(await arrived(), before, 'no frame passes');
    await pc.qmp.execute('set_link', { name: 'lan', up: true });
    await untilGuestCarrier(pc.guest, 'eth1', 1);
    await pc.guest.must(`ping -c 2 -i 0.1 -W 10 ${HOST}`);
    t.equal(await host.ping(`${ON_TAP}.10`), 1);
  });

  const wan = await openLink('wan');

  await t.test('macvtap, plugged into a running q35 by add-fd', async (t) => {
    await t.rejects(q35.qmp.addNic({ device: wan, romfile: '' }), {
      code: 'ERR_TAPFD_QMP',
      command: 'device_add',
    });
    t.equal(wan.handedOff, false, 'the root bus of a q35 takes none, and gives the device back');
    await plug(t, q35, { device: wan, id: 'wan', bus: 'rp0', via: 'add-fd' }, 'eth0');
    await q35.guest.must(`ip address add ${ON_WIRE}.11/24 dev eth0; ip link set eth0 up`);
    await q35.guest.must(`ping -c 2 -i 0.1 -W 10 ${OUTSIDE}`);
    t.equal(await outside.ping(`${ON_WIRE}.11`, 2), 2);
  });

  await t.test('the cable of the macvtap is pulled and put in again', async (t) => {
    await q35.qmp.execute('set_link', { name: 'wan-nic', up: false });
    await untilGuestCarrier(q35.guest, 'eth0', 0);
    t.equal((await q35.guest.run(`ping -c 1 -W 1 ${OUTSIDE}`)).status, 1);
    await q35.qmp.execute('set_link', { name: 'wan-nic', up: true });
    await untilGuestCarrier(q35.guest, 'eth0', 1);
    await q35.guest.must(`ping -c 2 -i 0.1 -W 10 ${OUTSIDE}`);
  });

  await t.test('a macvtap follows its guest to another MAC', async (t) => {
    const setMac = (mac: string): Promise<string> => q35.guest.must(`ip link set eth0 address ${mac}`);
    const reach = async (): Promise<void> => {
      await q35.guest.must(`ip neigh flush dev eth0; ping -c 2 -i 0.1 -W 10 ${OUTSIDE}`);
    };
    const lower = await host.link(LOWER);
    const first = wan.mac ?? '';
    t.notOk((await host.link('wan'))?.flags.includes('ALLMULTI'));
    const follower = await followGuestMac(q35.qmp, wan, { id: 'wan', netns: host.name });
    t.ok((await host.link('wan'))?.flags.includes('ALLMULTI'), 'the guest has joined groups');

    const followed = once(follower, 'followed');
    await setMac('52:54:00:80:00:aa');
    t.strictSame(await followed, ['52:54:00:80:00:aa']);
    t.equal((await host.link('wan'))?.address, '52:54:00:80:00:aa');
    await reach();

    const failed = once(follower, 'failed');
    await setMac(`${lower?.address}`);
    t.match(await failed, [{ code: 'EADDRINUSE' }], "the wire's own MAC cannot be had");
    const back = once(follower, 'followed');
    await setMac('52:54:00:80:00:ab');
    await back;
    await reach();

    await follower.close();
    await setMac(first);
    const { status } = await q35.guest.run(`ip neigh flush dev eth0; ping -c 1 -W 2 ${OUTSIDE}`);
    t.equal(status, 1, 'the link no longer follows');
    const again = await followGuestMac(q35.qmp, wan, { id: 'wan', netns: host.name });
    t.equal(again.mac, first, 'following begins with what the guest has now');
    await reach();
    await again.close();
  });

  await t.test('the card leaves the guest, and nothing stays', async (t) => {
    const closed = once(wan, 'close');
    const begin = performance.now();
    await q35.qmp.removeNic('wan');
    t.comment(`q35: removed after ${(performance.now() - begin).toFixed(0)} ms`);
    await closed;
    t.equal(await host.link('wan'), undefined, 'the link that the opening made goes too');
    t.strictSame(await q35.qmp.execute('query-fdsets'), []);
    t.notOk((await q35.guest.must('ls /sys/class/net')).includes('eth0'));
  });

  await t.test(`${CYCLES} times a card in and out of one guest: no descriptor too many`, async (t) => {
    const { guest, qmp } = q35;
    const standing = async () => ({
      here: descriptorTargets().length,
      inQemu: descriptorTargets(guest.pid).length,
      sets: await qmp.execute('query-fdsets'),
      cards: await qmp.execute('human-monitor-command', { 'command-line': 'info network' }),
      links: (await host.linkNames()).sort(),
    });
    const ways = (['getfd', 'add-fd'] as const).flatMap((via) => [
      { via, open: () => openTap({ netns: host.name, bridge: BRIDGE }) },
      { via, open: () => openMacvtap({ netns: host.name, name: 'cycled', lower: LOWER }) },
    ]);
    /** Returns after how many milliseconds the guest had the card. */
    const cycle = async ({ via, open }: (typeof ways)[number]): Promise<number> => {
      const device = await open();
      try {
        const begin = performance.now();
        const { netdevId } = await qmp.addNic({ device, via, bus: 'rp0', romfile: '' });
        // A guest that is still plugging it in does not notice a request to release it.
        await guest.must('until [ -e /sys/class/net/eth0 ]; do sleep 0.02; done');
        const seen = performance.now() - begin;
        await qmp.removeNic(netdevId);
        return seen;
      } finally {
        await device[Symbol.asyncDispose]();
      }
    };
    for (const way of ways) await cycle(way);
    const before = await standing();
    const begin = performance.now();
    const seen: number[] = [];
    for (let i = 0; i < CYCLES; i += 1) seen.push(await cycle(ways[i % ways.length]));
    t.comment(`${((performance.now() - begin) / CYCLES).toFixed(0)} ms a cycle`);
    t.strictSame(await standing(), before);
    const median = seen.sort((a, b) => a - b)[CYCLES / 2];
    t.ok(median < MAX_PLUG_MS, `the guest has a card after ${median.toFixed(0)} ms, which is the median`);
  });

  const late = await openLink('late');
  const lateNode = nodeOf(late);

  await t.test('a guest that reboots has its cards again, and its first MAC', async (t) => {
    const { guest, qmp } = pc;
    await plug(t, pc, { device: late, via: 'add-fd' }, 'eth2');
    const first = inherited.mac;
    const follower = await followGuestMac(qmp, inherited, { netns: host.name });
    const followed = once(follower, 'followed');
    await guest.must('ip link set eth0 address 52:54:00:80:00:ac');
    await followed;
    t.equal((await host.link('inherited'))?.address, '52:54:00:80:00:ac');
    await qmp.execute('set-action', { reboot: 'reset' });
    const open = (): [number, number] => [descriptorTargets().length, descriptorTargets(guest.pid).length];
    const before = open();
    const back = once(follower, 'followed', { signal: AbortSignal.timeout(REBOOT_MS) });
    // Before anything else is done to the card, which would be reported too.
    await Promise.all([guest.reboot(REBOOT_MS), back]);
    t.strictSame(await back, [first]);
    t.equal((await host.link('inherited'))?.address, first);
    await follower.close();
    await guest.must(`ip address add ${ON_WIRE}.10/24 dev eth0; ip link set eth0 up`);
    await guest.must(`ip address add ${ON_TAP}.10/24 dev eth1; ip link set eth1 up`);
    await guest.must(`ping -c 2 -i 0.1 -W 10 ${OUTSIDE}; ping -c 2 -i 0.1 -W 10 ${HOST}`);
    t.equal(await host.ping(`${ON_TAP}.10`), 1);
    await guest.must('ip link set eth0 down');
    await guest.must(`ip address add ${ON_WIRE}.13/24 dev eth2; ip link set eth2 up`);
    await guest.must(`ping -c 2 -i 0.1 -W 10 ${OUTSIDE}`);
    t.strictSame(open(), before);
  });

  /**
   * Checks what happens to QEMU's devices when `end` ends it, in whatever way: they close, here too, and neither their
   * links nor their nodes remain.
   */
  const goWithQemu = async (
    t: Test,
    { qmp }: GuestWithMonitor,
    devices: (Tap | Macvtap)[],
    nodes: Node[],
    end: () => unknown,
  ): Promise<void> => {
    const names = await host.linkNames();
    for (const { name } of devices) t.ok(names.includes(name), `${name} is there`);
    const closed = devices.map((device) => once(device, 'close'));
    const waiting = t.rejects(qmp.waitForEvent('STOP'), { code: 'ERR_TAPFD_QMP_CLOSED' });
    await end();
    await Promise.all([...closed, waiting]);
    t.equal(qmp.closed, true);
    t.strictSame((await host.linkNames()).sort(), linksBefore);
    for (const { path, number } of nodes) {
      // Another namespace's macvtap of that index may have its node there.
      t.not(statSync(path, { throwIfNoEntry: false })?.rdev, number);
    }
  };
  /** A guest with a TAP and a macvtap whose names were in use before, both of which carry its pings. */
  const startNext = async (
    name: string,
  ): Promise<NamedGuest & { devices: (Tap | Macvtap)[]; node: Node }> => {
    const link = await openLink('inherited');
    const node = nodeOf(link);
    const tap = await openTap({ netns: host.name, name: 'plugged', bridge: BRIDGE });
    t.teardown(() => tap[Symbol.asyncDispose]());
    const next = await boot(name, [{ device: link }, { device: tap }], []);
    await next.guest.must(`ip address add ${ON_WIRE}.12/24 dev eth0; ip link set eth0 up`);
    await next.guest.must(`ip address add ${ON_TAP}.12/24 dev eth1; ip link set eth1 up`);
    await next.guest.must(`ping -c 2 -i 0.1 -W 10 ${OUTSIDE}; ping -c 2 -i 0.1 -W 10 ${HOST}`);
    return { ...next, devices: [link, tap], node };
  };
  /** One more card of each kind for a running guest, each plugged in another way. */
  const plugBoth = async (
    t: Test,
    guest: NamedGuest,
    [first, second]: { bus: string; interfaceName: string }[],
  ): Promise<{ devices: [Tap, Macvtap]; node: Node }> => {
    const tap = await openTap({ netns: host.name, name: 'late-tap', bridge: BRIDGE });
    t.teardown(() => tap[Symbol.asyncDispose]());
    const link = await openLink('late');
    const node = nodeOf(link);
    await plug(t, guest, { device: tap, via: 'getfd', bus: first.bus }, first.interfaceName);
    await plug(t, guest, { device: link, via: 'add-fd', bus: second.bus }, second.interfaceName);
    return { devices: [tap, link], node };
  };

  await t.test('QEMU is killed: nothing stays', async (t) => {
    const devices = [...queues, ...plugged, late];
    await goWithQemu(t, pc, devices, [inheritedNode, lateNode], () => pc.guest.kill());
  });

  await t.test('QEMU crashes: nothing stays, and the next start works', async (t) => {
    const { guest } = q35;
    const { devices, node } = await plugBoth(t, q35, [
      { bus: 'rp0', interfaceName: 'eth0' },
      { bus: 'rp1', interfaceName: 'eth1' },
    ]);
    // Without a core, which would have the guest's memory in it.
    await run('prlimit', '--core=0', `--pid=${guest.pid}`);
    await goWithQemu(t, q35, devices, [node], async () => {
      const cut = t.rejects(guest.run('sleep 60'), /exited \(SIGSEGV\)/);
      process.kill(Number(guest.pid), 'SIGSEGV');
      await cut;
    });
    t.strictSame(await settledFileKinds(filesBefore), filesBefore, 'no descriptor of either guest');
  });

  const next = await startNext('next');

  await t.test("the guest's kernel panics: nothing stays, and the next start works", async (t) => {
    const { guest, qmp } = next;
    const { devices, node } = await plugBoth(t, next, [
      { bus: 'pci.0', interfaceName: 'eth2' },
      { bus: 'pci.0', interfaceName: 'eth3' },
    ]);
    await goWithQemu(t, next, [...next.devices, ...devices], [next.node, node], async () => {
      const told = qmp.waitForEvent('SHUTDOWN');
      // It would restart after a panic, but QEMU has -no-reboot.
      await t.rejects(guest.run('echo c >/proc/sysrq-trigger'), /exited \(status 0\)/);
      t.match(await told, { data: { guest: true, reason: 'guest-reset' } });
    });
    t.match(guest.console, 'Kernel panic - not syncing: sysrq triggered crash');
    t.strictSame(await settledFileKinds(filesBefore), filesBefore);
  });

  const last = await startNext('last');

  await t.test('a guest is turned off: nothing stays', async (t) => {
    await goWithQemu(t, last, last.devices, [last.node], () => last.guest.shutdown());
    t.strictSame(await settledFileKinds(filesBefore), filesBefore);
  });
});
