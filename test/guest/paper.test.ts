/**
 * The command lines of the paper behind this library, verbatim, with devices that the library opened; a TAP that
 * outlives its process; and a clone device at another path.
 *
 * A machine started by them has no disk, so its e1000 card boots from the network: the DHCP request of its ROM is the
 * frame that shows the card works. A Linux guest with the same options except for the card's model shows that
 * traffic flows both ways (Debian's cloud kernel has no e1000).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type FrameStream, openMacvtap, openTap, parseMac } from 'tapfd';
import { spawnWithFds } from 'tapfd/qemu';
import { EthernetHost } from '../../examples/ethernet-host.ts';
import { bootGuest, Guest, guestArguments } from '../../examples/guest.ts';
import { needs } from '../kit/capabilities.ts';
import { guestImage } from '../kit/guest-image.ts';
import { ownNamespace, run, type TestNamespace, vethPair } from '../kit/namespace.ts';

const QEMU = 'qemu-system-x86_64';
/** Not in the paper: a processor that every machine has, and no window. */
const MACHINE = ['-accel', 'tcg', '-display', 'none'];
/** What `-net nic` gives the first card. */
const QEMU_DEFAULT_MAC = '52:54:00:12:34:56';
const PAPER_MAC = '52:54:00:12:34:80';
const SCRIPT = { mac: '52:54:00:79:00:0c', address: '10.79.0.12' };
const ADDRESS_GUEST = '10.79.0.10';
const FRAME_TIMEOUT_MS = 60_000;

t.setTimeout(240_000);

/** A bridge with JavaScript on a TAP of it. */
async function bridgeWithScript(
  t: Test,
): Promise<{ ns: TestNamespace; device: FrameStream; script: EthernetHost }> {
  const ns = await ownNamespace(t);
  await ns.ip('link', 'add', 'br0', 'type', 'bridge');
  await ns.ip('link', 'set', 'br0', 'up');
  const device = await openTap({ netns: ns.name, name: 'script', bridge: 'br0' });
  t.teardown(() => device[Symbol.asyncDispose]());
  return { ns, device, script: new EthernetHost(device, SCRIPT) };
}

/**
 * Resolves at the first DHCP request that `mac` sends; fails when the program ends before, or when none comes. A link
 * with that MAC may send something first: the kernel speaks IPv6 on a macvtap, as on every interface that is up.
 */
async function dhcpRequestOf(mac: string, device: FrameStream, sender: ChildProcess): Promise<void> {
  let errors = '';
  sender.stderr?.on('data', (text) => {
    errors += text;
  });
  const wanted = parseMac(mac);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => finish(new Error(`no DHCP request from ${mac}: ${errors}`)),
      FRAME_TIMEOUT_MS,
    );
    const onExit = () => finish(new Error(`QEMU ended: ${errors}`));
    const onFrame = (frame: Buffer) => {
      if (frame.subarray(6, 12).equals(wanted) && isDhcpRequest(frame)) finish();
    };
    const finish = (error?: Error) => {
      clearTimeout(timer);
      sender.off('exit', onExit);
      device.off('data', onFrame);
      if (error) reject(error);
      else resolve();
    };
    sender.on('exit', onExit);
    device.on('data', onFrame);
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** The broadcast of a ROM that looks for a boot server: IPv4, UDP, from port 68 to port 67. */
function isDhcpRequest(frame: Buffer): boolean {
  return (
    frame.length >= 38 &&
    frame.subarray(0, 6).equals(Buffer.alloc(6, 0xff)) &&
    frame.readUInt16BE(12) === 0x0800 &&
    frame.readUInt8(23) === 17 &&
    frame.readUInt16BE(34) === 68 &&
    frame.readUInt16BE(36) === 67
  );
}

async function pingBothWays(t: Test, guest: Guest, script: EthernetHost): Promise<void> {
  await guest.must(`ip address add ${ADDRESS_GUEST}/24 dev eth0; ip link set eth0 up`);
  await guest.must(`ping -c 2 -i 0.1 -W 10 ${SCRIPT.address}`);
  const mac = (await guest.must('cat /sys/class/net/eth0/address')).trim();
  t.equal((await script.ping(ADDRESS_GUEST, { timeoutMs: 20_000 })).mac, mac);
}

t.test(
  'a persistent TAP, and QEMU that opens it by name',
  { skip: needs('root', 'tun-device', 'bridge', 'guest') },
  async (t) => {
    const { ns, device, script } = await bridgeWithScript(t);
    const byName = 'tap,ifname=tap0,script=no,downscript=no';
    // QEMU opens the TAP itself and must run in its namespace.
    const qemu = (...args: string[]): ChildProcess => {
      const child = spawn('ip', ['netns', 'exec', ns.name, QEMU, ...args], { stdio: 'pipe' });
      t.teardown(() => end(child));
      return child;
    };

    await t.test('it outlives the process that made it', async (t) => {
      const program = `import { openTap } from 'tapfd';
        const tap = await openTap({ netns: '${ns.name}', name: 'tap0', bridge: 'br0', persist: true });
        process.stdout.write(String(tap.index));
        process.exit();`;
      const index = Number(await run(process.execPath, '--input-type=module', '--eval', program));
      t.equal((await ns.link('tap0'))?.ifindex, index);
      t.equal((await ns.link('tap0'))?.master, 'br0');
    });

    await t.test('-net nic -net tap,ifname=tap0', async (t) => {
      const child = qemu(...MACHINE, '-net', 'nic', '-net', byName);
      await dhcpRequestOf(QEMU_DEFAULT_MAC, device, child);
      await end(child);
      t.ok(await ns.link('tap0'), 'and outlives QEMU');
    });

    await t.test('a second guest uses it, in both directions', async (t) => {
      const card = ['-net', `nic,model=virtio-net-pci,macaddr=${PAPER_MAC}`, '-net', byName];
      const guest = await Guest.on(qemu(...guestArguments(guestImage()), ...card));
      t.teardown(() => guest.kill());
      await pingBothWays(t, guest, script);
      await guest.shutdown();
      t.ok(await ns.link('tap0'));
    });

    await t.test('a later process attaches to it, and can let it go', async (t) => {
      const before = await ns.link('tap0');
      const tap = await openTap({ netns: ns.name, name: 'tap0' });
      t.equal(tap.index, before?.ifindex);
      await tap.setPersist(false);
      t.ok(await ns.link('tap0'), 'the descriptor holds it');
      await tap[Symbol.asyncDispose]();
      t.equal(await ns.link('tap0'), undefined);
    });
  },
);

t.test(
  'a TAP that is not persistent goes with the process that made it, however that ends',
  { skip: needs('root', 'tun-device', 'ip') },
  async (t) => {
    const ns = await ownNamespace(t);
    const program = `import { openTap } from 'tapfd';
      await openTap({ netns: '${ns.name}', name: 'tap0' });
      process.stdout.write('open');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => end(child));
    await once(child.stdout, 'data');
    t.ok(await ns.link('tap0'));
    await end(child);
    t.equal(await ns.link('tap0'), undefined);
  },
);

t.test('QEMU that is given a macvtap', { skip: needs('root', 'macvtap', 'veth', 'guest') }, async (t) => {
  const ns = await ownNamespace(t);
  const outside = await ownNamespace(t);
  await vethPair(ns, 'wire', outside, 'eth0');
  const scriptDevice = await openMacvtap({
    netns: ns.name,
    name: 'script',
    lower: 'wire',
    guestMac: SCRIPT.mac,
  });
  t.teardown(() => scriptDevice[Symbol.asyncDispose]());
  const script = new EthernetHost(scriptDevice, SCRIPT);
  const device = await openMacvtap({ netns: ns.name, name: 'macvtap0', lower: 'wire', guestMac: PAPER_MAC });
  t.teardown(() => device[Symbol.asyncDispose]());

  await t.test(`-net nic,macaddr=${PAPER_MAC} -net tap,fd=3`, async (t) => {
    const args = [...MACHINE, '-net', `nic,macaddr=${PAPER_MAC}`, '-net', 'tap,fd={fd:0}'];
    const child = await spawnWithFds(QEMU, args, [device], { stdio: 'pipe' });
    t.teardown(() => end(child));
    t.match(child.spawnargs, [QEMU, ...MACHINE, '-net', `nic,macaddr=${PAPER_MAC}`, '-net', 'tap,fd=3']);
    await dhcpRequestOf(PAPER_MAC, scriptDevice, child);
    await end(child);
  });

  await t.test('in both directions, with the same options for a virtio card', async (t) => {
    const guest = await bootGuest(guestImage(), [{ device }], { style: 'classic' });
    t.teardown(() => guest.kill());
    await pingBothWays(t, guest, script);
    await guest.shutdown();
  });
});

t.test(
  'the clone device may be another file than /dev/net/tun',
  { skip: needs('root', 'tun-device', 'bridge', 'guest') },
  async (t) => {
    const { ns, script } = await bridgeWithScript(t);
    const devicePath = join(t.testdir(), 'tun-copy');
    await run('mknod', devicePath, 'c', '10', '200');
    const tap = await openTap({ netns: ns.name, name: 'tap0', bridge: 'br0', devicePath });
    t.teardown(() => tap[Symbol.asyncDispose]());
    t.equal(await readlink(`/proc/self/fd/${tap.fd}`), devicePath);
    const guest = await bootGuest(guestImage(), [{ device: tap }]);
    t.teardown(() => guest.kill());
    await pingBothWays(t, guest, script);
    await guest.shutdown();
  },
);
