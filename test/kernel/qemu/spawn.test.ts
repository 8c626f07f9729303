/** Real devices handed to real programs: a small reader and writer, and QEMU, asked what it thinks it has. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import t, { type Test } from 'tap';
import {
  adoptFd,
  type FrameStream,
  type Macvtap,
  openMacvtap,
  openTap,
  openTun,
  type Tap,
  type TapOptions,
  type Tun,
} from 'tapfd';
import { qemuNetworkArguments, spawnQemu, spawnWithFds } from 'tapfd/qemu';
import { needs } from '../../kit/capabilities.js';
import { bridgeAndWire, type TestNamespace } from '../../kit/namespace.js';
import { descriptorsOf } from '../../kit/open-files.js';
import { callsInChild } from '../../kit/open-in-child.js';

const QEMU = 'qemu-system-x86_64';
const MACHINE = ['-M', 'pc,accel=tcg', '-nodefaults', '-display', 'none', '-S', '-qmp', 'stdio'];

/** IEEE 802 local experimental EtherType 1: nobody else's frames. */
const ETHERTYPE = 0x88b5;

async function bridgedTap(t: Test, { name: netns }: TestNamespace, options: TapOptions = {}): Promise<Tap> {
  const tap = await openTap({ netns, bridge: 'br0', ...options });
  t.teardown(() => tap[Symbol.asyncDispose]());
  return tap;
}

const GUEST = '52:54:00:12:34:80';
const OTHER_GUEST = '52:54:00:12:34:81';

function frame(to: string, content: string): Buffer {
  const macs = Buffer.from((to + OTHER_GUEST).replaceAll(':', ''), 'hex');
  const rest = Buffer.alloc(48);
  rest.writeUInt16BE(ETHERTYPE);
  rest.write(content, 2);
  return Buffer.concat([macs, rest]);
}

/** What the frames of this test that arrive at `device` say, up to and with the one that says `last`. */
async function contents(device: FrameStream, last: string): Promise<string[]> {
  const seen: string[] = [];
  for await (const chunk of device.iterator({ destroyOnReturn: false })) {
    const received: Buffer = chunk;
    if (received.readUInt16BE(12) !== ETHERTYPE) continue;
    const content = received.toString('latin1', 14).replace(/\0+$/, '');
    seen.push(content);
    if (content === last) break;
  }
  return seen;
}

function fdInfo(pid: number | 'self', fd: string): string {
  try {
    return readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
  } catch {
    return ''; // closed meanwhile
  }
}

/** The devices that process `pid` holds, by descriptor: `tap0` by fdinfo, `/dev/tap7` for a macvtap. */
function devicesOf(pid: number | 'self'): Record<string, string> {
  const held: Record<string, string> = {};
  for (const { fd, target } of descriptorsOf(pid)) {
    const name = /^iff:\s*(\S+)/m.exec(fdInfo(pid, fd))?.[1];
    if (name !== undefined) held[fd] = name;
    else if (/^\/(dev\/(net\/tun|tap\d+)|tap$)/.test(target)) held[fd] = target;
  }
  return held;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await wait(5);
}

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
  'spawnWithFds',
  { skip: needs('root', 'tun-device', 'netns', 'ip', 'bridge', 'veth', 'macvtap') },
  async (t) => {
    t.test('a program reads a frame from the number it was told, and writes one', async (t) => {
      const net = await bridgeAndWire(t);
      const ours = await bridgedTap(t, net);
      const theirs = await bridgedTap(t, net);
      const answering = `
      const { readSync, writeSync } = require('node:fs');
      const fd = Number(process.argv[1].slice('fd='.length));
      const frame = Buffer.alloc(2048);
      for (;;) {
        let length = 0;
        try {
          length = readSync(fd, frame);
        } catch (error) {
          if (error.code !== 'EAGAIN') throw error;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        }
        if (length < 14 || frame.readUInt16BE(12) !== ${ETHERTYPE}) continue;
        const text = frame.toString('latin1', 14, length).toUpperCase();
        writeSync(fd, Buffer.concat([frame.subarray(6, 12), frame.subarray(0, 6), frame.subarray(12, 14), Buffer.from(text)]));
        break;
      }
    `;
      const child = await spawnWithFds(process.execPath, ['-e', answering, '--', 'fd={fd:0}'], [theirs], {
        stdio: 'inherit',
        env: { PATH: process.env.PATH },
      });
      ours.write(frame(GUEST, 'a question'));
      t.strictSame(await contents(ours, 'A QUESTION'), ['A QUESTION']);
      t.strictSame(await once(child, 'exit'), [0, null]);
      t.ok(theirs.fd > 2 && !theirs.destroyed, "the parent's descriptor is as it was");
      ours.write(frame(GUEST, 'for us'));
      t.strictSame(await contents(theirs, 'for us'), ['for us'], 'and reads');
    });

    t.test('no other child gets a descriptor', async (t) => {
      const net = await bridgeAndWire(t);
      const devices = [
        await bridgedTap(t, net),
        await openTun({ netns: net.name }),
        await openMacvtap({ netns: net.name, lower: 'wire' }),
      ];
      t.teardown(() => Promise.all(devices.map((device) => device[Symbol.asyncDispose]())));
      t.equal(Object.keys(devicesOf('self')).length, 3, 'this process has three');
      const [, tun] = devices;
      const told = await spawnWithFds('sleep', ['1000'], tun ? [tun] : []);
      const untold = await spawnWithFds('sleep', ['1000'], []);
      t.teardown(() => [told, untold].map((child) => child.kill()));
      t.strictSame(devicesOf(told.pid ?? 0), { 3: tun?.name }, 'the child that was given one has that one');
      t.strictSame(devicesOf(untold.pid ?? 0), {}, 'and another has none');
      for (const { fd } of devices) {
        const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '';
        t.ok(Number.parseInt(flags, 8) & 0o2000000, 'each is close-on-exec here');
      }
    });
  },
);

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

    t.test('the same arguments for a spawn of the own', async (t) => {
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

    t.test('refuses what QEMU would accept in silence or abort on', async (t) => {
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
      // A /dev of its own has nothing else, whatever this machine has.
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
