/** Real devices handed to QEMU, which is asked what it thinks it has. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { adoptFd, type Macvtap, openMacvtap, openTap, openTun, type Tap, type Tun } from 'tapfd';
import { qemuNetworkArguments, spawnQemu, spawnWithFds } from 'tapfd/qemu';
import { needs } from '../../kit/capabilities.js';
import { bridgedTap, contents, devicesOf, frame, GUEST, until } from '../../kit/held-devices.js';
import { bridgeAndWire } from '../../kit/namespace.js';
import { callsInChild } from '../../kit/open-in-child.js';

const QEMU = 'qemu-system-x86_64';
const MACHINE = ['-M', 'pc,accel=tcg', '-nodefaults', '-display', 'none', '-S', '-qmp', 'stdio'];

/** A QEMU's QMP on its stdin and stdout. */
class Monitor {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess) {
    if (child.stdout === null) throw new Error('no stdout');
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  static async of(t: Test, child: ChildProcess): Promise<Monitor> {
    t.teardown(() => child.kill('SIGKILL'));
    const monitor = new Monitor(child);
    await monitor.execute('qmp_capabilities');
    return monitor;
  }

  async execute(command: string, args: object = {}): Promise<unknown> {
    this.#child.stdin?.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error('QEMU has ended');
      const message: { return?: unknown; error?: { desc: string } } = JSON.parse(value);
      if (message.error) throw new Error(message.error.desc);
      if ('return' in message) return message.return;
    }
  }

  async human(command: string): Promise<string> {
    return String(await this.execute('human-monitor-command', { 'command-line': command })).replaceAll(
      '\r',
      '',
    );
  }
}

/** What a QEMU says on stderr when it refuses to start. */
async function complaint(t: Test, child: ChildProcess): Promise<string> {
  t.teardown(() => child.kill('SIGKILL'));
  const [said] = await Promise.all([child.stderr ? text(child.stderr) : '', once(child, 'exit')]);
  return said;
}

t.test(
  'spawnQemu',
  { skip: needs('root', 'tun-device', 'netns', 'ip', 'bridge', 'veth', 'macvtap', 'qemu') },
  async (t) => {
    t.test('QEMU has the cards as they were described, and this process no descriptor', async (t) => {
      const net = await bridgeAndWire(t);
      const tap = await bridgedTap(t, net);
      const macvtap = await openMacvtap({ netns: net.name, lower: 'wire' });
      const fds = [tap.fd, macvtap.fd].map(String);
      const held = devicesOf('self');
      const child = await spawnQemu(QEMU, MACHINE, {
        nics: [
          { device: tap, mac: GUEST, romfile: '' },
          { device: macvtap, id: 'wire', model: 'e1000', romfile: '' },
        ],
      });
      const monitor = await Monitor.of(t, child);
      t.equal(
        await monitor.human('info network'),
        [
          'tapfd0-nic: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:80',
          ' \\ tapfd0: index=0,type=tap,fd=3',
          `wire-nic: index=0,type=nic,model=e1000,macaddr=${macvtap.mac}`,
          ' \\ wire: index=0,type=tap,fd=4',
          '',
        ].join('\n'),
      );
      // /dev/tapN; another namespace's may stand there, and then it is a node of the library's own.
      const node = held[fds[1]];
      t.match(node, /^\/(dev\/)?tap/);
      t.strictSame(devicesOf(child.pid ?? 0), { 3: tap.name, 4: node });
      await until(() => !fds.some((fd) => fd in devicesOf('self')));
      t.pass('the copies here are closed');
      const links = await net.linkNames();
      t.ok(links.includes(tap.name) && links.includes(macvtap.name), 'both links live on in QEMU');
      const gone = Promise.all([once(tap, 'close'), once(macvtap, 'close')]);
      await Promise.all([monitor.execute('quit'), once(child, 'exit')]);
      await gone;
      const left = await net.linkNames();
      t.notOk(left.includes(tap.name), 'the TAP goes with QEMU');
      t.notOk(left.includes(macvtap.name), 'and so does the macvtap link that was made for it');
    });

    t.test('a card with three queues', async (t) => {
      const net = await bridgeAndWire(t);
      const first = await bridgedTap(t, net, { multiQueue: true, vnetHeader: true });
      const device = [first, await first.openQueue(), await first.openQueue()];
      const child = await spawnQemu(QEMU, MACHINE, { nics: [{ device, romfile: '' }] });
      const monitor = await Monitor.of(t, child);
      t.strictSame((await monitor.human('info network')).match(/index=\d,type=tap,fds?=\S+/g), [
        'index=0,type=tap,fd=3',
        'index=1,type=tap,fd=4',
        'index=2,type=tap,fd=5',
      ]);
      const tree = await monitor.human('info qtree');
      t.match(tree, /vectors = 8 /);
      t.match(tree, /mq = true/);
      await Promise.all([monitor.execute('quit'), once(child, 'exit')]);
    });

    t.test("classic style, and descriptors of the caller's in front", async (t) => {
      const net = await bridgeAndWire(t);
      const macvtap = await openMacvtap({ netns: net.name, lower: 'wire', mac: GUEST });
      const child = await spawnQemu(QEMU, MACHINE, {
        nics: [{ device: macvtap }],
        style: 'classic',
        stdio: ['pipe', 'pipe', 'inherit', 'ignore', 'pipe'],
      });
      const monitor = await Monitor.of(t, child);
      const network = await monitor.human('info network');
      t.match(network, /hub 0/);
      t.match(network, /type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:80/);
      t.match(network, /type=tap,fd=5/);
      t.strictSame(Object.keys(devicesOf(child.pid ?? 0)), ['5']);
      await Promise.all([monitor.execute('quit'), once(child, 'exit')]);
    });

    t.test("the same arguments for the caller's own spawn", async (t) => {
      const net = await bridgeAndWire(t);
      const tap = await bridgedTap(t, net);
      const { args, fds, nics } = qemuNetworkArguments([{ device: tap, romfile: '' }]);
      const monitor = await Monitor.of(t, await spawnWithFds(QEMU, [...MACHINE, ...args], fds));
      t.match(
        await monitor.human('info network'),
        `macaddr=${nics[0]?.mac}\n \\ tapfd0: index=0,type=tap,fd=3`,
      );
      t.notOk(tap.handedOff, 'which leaves the device here');
    });

    t.test('QEMU reads each value as it was given', async (t) => {
      const net = await bridgeAndWire(t);
      const start = async (nic: object): Promise<string> => {
        const tap = await bridgedTap(t, net);
        return complaint(t, await spawnQemu(QEMU, MACHINE, { nics: [{ device: tap, romfile: '', ...nic }] }));
      };
      t.match(await start({ romfile: '/none,id=x,driver=y' }), '"/none,id=x,driver=y"');
      t.match(await start({ bus: 'no,bus=pci.0' }), "'no,bus=pci.0'");
      t.match(await start({ properties: { host_mtu: '1,netdev=other' } }), /'host_mtu' expects/);
      t.match(await start({ netdevProperties: { 'poll-us': '1,script=/bin/sh' } }), /'poll-us' expects/);
    });

    t.test('a QEMU that cannot be started gives the device back, reading as before', async (t) => {
      const net = await bridgeAndWire(t);
      const ours = await bridgedTap(t, net);
      const device = await bridgedTap(t, net);
      const reading = contents(device, 'second');
      await t.rejects(spawnQemu('/nonexistent/qemu', [], { nics: [{ device }] }), { code: 'ENOENT' });
      ours.write(frame(GUEST, 'first'));
      ours.write(frame(GUEST, 'second'));
      t.strictSame(await reading, ['first', 'second']);
      const monitor = await Monitor.of(
        t,
        await spawnQemu(QEMU, MACHINE, { nics: [{ device, romfile: '' }] }),
      );
      t.match(await monitor.human('info network'), 'type=tap,fd=3', 'and the next try has it');
    });

    t.test('a call on the device is awaited before it is handed over', async (t) => {
      const net = await bridgeAndWire(t);
      const tap = await bridgedTap(t, net);
      const child = spawnQemu(QEMU, MACHINE, { nics: [{ device: tap, romfile: '' }] });
      const calls = Array.from({ length: 50 }, () => tap.setSendBuffer(65536));
      const monitor = await Monitor.of(t, await child);
      await Promise.all(calls);
      await until(() => tap.handedOff);
      t.match(await monitor.human('info network'), 'type=tap,fd=3');
    });

    t.test('refuses what QEMU would accept silently or abort on', async (t) => {
      const net = await bridgeAndWire(t);
      const refused = async (device: Tap | Tun | Macvtap, code: string, nic = {}): Promise<void> => {
        t.teardown(() => device[Symbol.asyncDispose]());
        // @ts-expect-error: a TUN is the wrong type on purpose
        const started = spawnQemu(QEMU, MACHINE, { nics: [{ device, ...nic }] });
        started.then((child) => child.kill('SIGKILL')).catch(() => undefined);
        await t.rejects(started, { code }, code);
      };
      await refused(await openTun({ netns: net.name }), 'ERR_TAPFD_QEMU_TUN');
      const withInformation = await openTap({ netns: net.name, packetInfo: true });
      await refused(withInformation, 'ERR_TAPFD_QEMU_PACKET_INFO');
      await refused(
        await adoptFd(withInformation.handOff(), { netns: net.name }),
        'ERR_TAPFD_QEMU_PACKET_INFO',
      );
      const macvtap = await openMacvtap({ netns: net.name, lower: 'wire' });
      await refused(macvtap, 'ERR_TAPFD_MAC_MISMATCH', { mac: GUEST });
      const queue = await openTap({ netns: net.name, multiQueue: true });
      await queue.detachQueue();
      await refused(queue, 'ERR_TAPFD_QEMU_DETACHED_QUEUE');
      for (const dead of [await openTap({ netns: net.name }), macvtap]) {
        dead.on('error', () => {});
        await net.ip('link', 'delete', dead.name);
        await refused(dead, 'ERR_TAPFD_QEMU_DEAD_DEVICE');
      }
    });

    t.test('vhost without its device is refused: QEMU would abort', async (t) => {
      // A /dev of its own has nothing else, whatever this machine's has.
      const furnish = 'mount -t tmpfs none /dev && mkdir /dev/net && mknod /dev/net/tun c 10 200';
      const prefix = ['unshare', '--net', '--mount', 'sh', '-c', `${furnish} && exec "$@"`, 'sh'];
      const start = (nic: string): string => `
        Promise.all([openTap(), import('tapfd/qemu')]).then(([device, { spawnQemu }]) =>
          spawnQemu('/nonexistent/qemu', [], { nics: [{ device, ${nic} }] }))`;
      const calls = { refused: start('vhost: true'), checked: start('vhost: false') };
      t.match(await callsInChild({ prefix }, calls), {
        refused: { error: { code: 'ERR_TAPFD_QEMU_VHOST', path: '/dev/vhost-net' } },
        checked: { error: { code: 'ENOENT', syscall: 'spawn' } },
      });
    });

    t.test("why a guest must not have its TAP's own MAC: the bridge keeps its frames", async (t) => {
      const net = await bridgeAndWire(t);
      const ours = await bridgedTap(t, net);
      const guests = await bridgedTap(t, net);
      ours.write(frame(guests.mac ?? '', "to the TAP's own"));
      ours.write(frame(GUEST, 'to another'));
      t.strictSame(await contents(guests, 'to another'), ['to another']);
      await t.rejects(spawnQemu(QEMU, [], { nics: [{ device: guests, mac: guests.mac ?? '' }] }), {
        code: 'ERR_TAPFD_QEMU_HOST_MAC',
      });
    });
  },
);
