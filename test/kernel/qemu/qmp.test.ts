/** A real QEMU's monitor: descriptors that arrive, cards that come and go, and each step of it failing. No guest runs. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { adoptFd, FdSocket, openMacvtap, openTap, type Tap } from 'tapfd';
import { type QemuHotPlugNic, QmpClient, type QmpSocket, spawnQemu } from 'tapfd/qemu';
import { needs } from '../../kit/capabilities.js';
import { flowFrame, send, textOf } from '../../kit/frames.js';
import { bridgeAndWire, type TestNamespace } from '../../kit/namespace.js';
import { descriptorTargets } from '../../kit/open-files.js';

const QEMU = 'qemu-system-x86_64';
const MACHINE = ['-M', 'pc,accel=tcg', '-nodefaults', '-display', 'none', '-S'];

/** QEMU with as many monitors as `sockets`, which are this side's ends. */
async function launchQemu(t: Test, sockets: number) {
  const pairs = Array.from({ length: sockets }, () => FdSocket.pair());
  const monitors = pairs.flatMap((_pair, i) => [
    ...['-chardev', `socket,id=monitor${i},fd=${3 + i}`],
    ...['-mon', `chardev=monitor${i},mode=control`],
  ]);
  const child = await spawnQemu(QEMU, [...MACHINE, ...monitors], {
    nics: [],
    stdio: ['ignore', 'ignore', 'inherit', ...pairs.map(([, theirs]) => theirs.fd)],
  });
  t.teardown(() => child.kill('SIGKILL'));
  for (const [, theirs] of pairs) void theirs.close();
  return { child, sockets: pairs.map(([ours]) => ours) };
}

async function connected(t: Test, socket: QmpSocket): Promise<QmpClient> {
  const qmp = await QmpClient.connect(socket);
  t.teardown(() => qmp[Symbol.asyncDispose]());
  return qmp;
}

async function startQemu(t: Test, wrap: (socket: FdSocket) => QmpSocket = (socket) => socket) {
  const { child, sockets } = await launchQemu(t, 1);
  const qmp = await connected(t, wrap(sockets[0]));
  // Its firmware finds nothing to boot, and rests.
  await qmp.execute('cont');
  return { child, qmp };
}

/**
 * Resets the machine, once its firmware rests: one that is reset while it copies itself is broken, and its processor,
 * which never pauses then, keeps QEMU from telling that a device is gone.
 */
async function reset(qmp: QmpClient): Promise<void> {
  const registers = { 'command-line': 'info registers' };
  while (!String(await qmp.execute('human-monitor-command', registers)).includes('HLT=1')) await wait(5);
  await qmp.execute('system_reset');
}

async function tapQueues(t: Test, { name: netns }: TestNamespace): Promise<[Tap, Tap]> {
  const first = await openTap({ netns, bridge: 'br0', multiQueue: true });
  t.teardown(() => first[Symbol.asyncDispose]());
  const second = await first.openQueue();
  t.teardown(() => second[Symbol.asyncDispose]());
  return [first, second];
}

/** How many TUN/TAP descriptors a process has. */
function tapsOf(pid: number | 'self' | undefined): number {
  return descriptorTargets(pid).filter((path) => path === '/dev/net/tun').length;
}

/** What is done with a client's Nth command. */
type FaultKind =
  /** QEMU does not get it, and is said to refuse it. */
  | 'refused'
  /** QEMU does not get it, and the connection ends here. */
  | 'cut before'
  /** QEMU does it, and the connection ends here in place of its answer. */
  | 'cut after'
  /** QEMU does it, and `onLost` is called in place of its answer. */
  | 'lost';

class Fault implements QmpSocket {
  readonly #socket: FdSocket;
  readonly #kind: FaultKind;
  /** Commands left until the fault; none when negative. */
  remaining = -1;
  onLost: () => void = () => {};
  readonly #said: string[] = [];
  /** The answer that is not to come. */
  #unanswered: RegExp | undefined;
  #wake: () => void = () => {};

  constructor(socket: FdSocket, kind: FaultKind = 'refused') {
    this.#socket = socket;
    this.#kind = kind;
  }

  async send(data: string, fds: readonly number[] = []): Promise<void> {
    const { id }: { id: number } = JSON.parse(data);
    this.remaining -= 1;
    if (this.remaining !== 0) return this.#socket.send(data, fds);
    switch (this.#kind) {
      case 'refused':
        this.#said.push(`${JSON.stringify({ id, error: { class: 'GenericError', desc: 'injected' } })}\n`);
        this.#wake();
        return;
      case 'cut before':
        void this.#socket.close();
        return;
      default:
        this.#unanswered = new RegExp(`"id": ${id}\\b`);
        return this.#socket.send(data, fds);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<{ data: Uint8Array }, void, undefined> {
    let next = this.#socket.receive();
    for (;;) {
      const injected = new Promise<undefined>((resolve) => {
        this.#wake = () => resolve(undefined);
      });
      if (this.#said.length === 0) await Promise.race([next, injected]).catch(() => undefined);
      const said = this.#said.shift();
      if (said !== undefined) {
        yield { data: Buffer.from(said) };
        continue;
      }
      const message = await next;
      if (message === undefined) return;
      if (this.#unanswered?.test(message.data.toString())) {
        this.#unanswered = undefined;
        if (this.#kind === 'cut after') void this.#socket.close();
        else this.onLost();
      } else {
        yield message;
      }
      next = this.#socket.receive();
    }
  }

  close(): Promise<void> {
    return this.#socket.close();
  }

  ref(): void {}

  unref(): void {}
}

/** What the kernel has of a TAP, asked by a program that shares no code with the library; `change` is done first. */
function askKernel(net: TestNamespace, { fd, name }: { fd: number; name: string }, change = ''): unknown {
  const script = `
import ctypes, fcntl, json, os, socket, struct, sys
def set_vnet_header(size): fcntl.ioctl(3, 0x400454d8, struct.pack("i", size))
${change}
def ask(request): return struct.unpack("i", fcntl.ioctl(3, request, bytes(4)))[0]
def ethtool(command):
    value = ctypes.create_string_buffer(struct.pack("II", command, 0))
    request = struct.pack("16sQ16x", "${name}".encode(), ctypes.addressof(value))
    fcntl.ioctl(socket.socket(), 0x8946, request)
    return struct.unpack("II", value.raw[:8])[1]
print(json.dumps({
    "vnetHeader": ask(0x800454d7), "sendBuffer": ask(0x800454d3),
    "checksums": ethtool(0x16), "segmentation": ethtool(0x1e),
    "nonBlocking": os.get_blocking(3) == False,
}))`;
  const { stdout, stderr } = spawnSync('ip', ['netns', 'exec', net.name, 'python3', '-c', script], {
    stdio: ['ignore', 'pipe', 'pipe', fd],
    encoding: 'utf8',
  });
  return JSON.parse(stdout || JSON.stringify(stderr));
}

/** Frames of many flows to everyone in the bridge. Resolves when every queue was given one of them. */
async function reachesEach(sender: Tap, queues: readonly Tap[]): Promise<void> {
  wave += 1;
  const text = `wave ${wave}`;
  const heard = queues.map(
    (queue) =>
      new Promise<void>((resolve) => {
        const hear = (frame: Buffer): void => {
          if (textOf(frame, queue.vnetHeaderBytes) !== text) return;
          queue.off('data', hear);
          resolve();
        };
        queue.on('data', hear);
      }),
  );
  for (let port = 1; port <= 64; port += 1) {
    await send(sender, flowFrame({ to: 'ff:ff:ff:ff:ff:ff', from: '02:00:00:00:00:99', text }, port));
  }
  await Promise.all(heard);
}
let wave = 0;

const skip = needs('root', 'tun-device', 'netns', 'ip', 'bridge', 'veth', 'macvtap', 'qemu');
t.test('a real monitor', { skip }, async (t) => {
  t.test('by path: commands, events, refusals', async (t) => {
    // Not in the checkout: a socket's path has 107 bytes at most.
    const directory = mkdtempSync(join(tmpdir(), 'tapfd-qmp-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const path = join(directory, 'monitor');
    const child = await spawnQemu(QEMU, [...MACHINE, '-qmp', `unix:${path},server=on,wait=off`], {
      nics: [],
      stdio: 'ignore',
    });
    t.teardown(() => child.kill('SIGKILL'));
    const qmp = await connectSoon(path);
    t.ok(qmp.greeting.version.major >= 5);
    t.match(await qmp.execute('query-status'), { running: false });
    await t.rejects(qmp.execute('no-such-command'), { code: 'ERR_TAPFD_QMP', qmpClass: 'CommandNotFound' });
    const resumed = qmp.waitForEvent('RESUME');
    await qmp.execute('cont');
    await resumed;
    const aborter = new AbortController();
    const second = QmpClient.connect(path, { signal: aborter.signal });
    // QEMU serves one client at a time.
    aborter.abort(new Error('it is busy'));
    await t.rejects(second, { message: 'it is busy' });
    const ended = once(qmp, 'close');
    const exited = once(child, 'exit');
    await qmp.execute('quit');
    t.match(await ended, [{ code: 'ERR_TAPFD_QMP_CLOSED' }]);
    await exited;
  });

  t.test('a client that was let go does not keep the process alive', async (t) => {
    const { qmp } = await startQemu(t);
    t.equal(qmp.unref().ref(), qmp);
  });

  const vias: NonNullable<QemuHotPlugNic['via']>[] = ['getfd', 'add-fd'];
  for (const via of vias) {
    t.test(`${via}: QEMU gets both queues, and gives them back with the card`, async (t) => {
      const net = await bridgeAndWire(t);
      const { child, sockets } = await launchQemu(t, 2);
      const [qmp, next] = [await connected(t, sockets[0]), await connected(t, sockets[1])];
      await qmp.execute('cont');
      const here = tapsOf('self');
      const queues = await tapQueues(t, net);
      const added = await qmp.addNic({ device: queues, id: 'lan', via, romfile: '' });
      t.equal(tapsOf(child.pid), 2);
      await until(() => tapsOf('self') === here, 'the copies here are closed');
      const [filter] = [await qmp.execute('query-rx-filter', { name: added.deviceId })];
      t.match(filter, [{ name: 'lan-nic', 'main-mac': added.mac }]);

      // No guest runs that could let go of it; a reset does it in its place.
      const aborter = new AbortController();
      const removing = qmp.removeNic('lan', { signal: aborter.signal });
      await qmp.execute('query-status');
      aborter.abort(new Error('no guest'));
      await t.rejects(removing, { message: 'no guest' });
      const again = next.removeNic('lan');
      await next.execute('query-status');
      await reset(qmp);
      await again;
      t.equal(tapsOf(child.pid), 0);
      t.strictSame(await qmp.execute('query-fdsets'), []);
      t.equal(queues[0].destroyed, false, 'they are those of the client that plugged them in');
      await qmp.removeNic('lan');
      t.equal(queues[0].destroyed && queues[1].destroyed, true);
      t.equal(await net.link(queues[0].name), undefined);
    });

    t.test(`${via}: whichever step fails, QEMU and this process are as before`, async (t) => {
      const net = await bridgeAndWire(t);
      const device = await tapQueues(t, net);
      const sender = await openTap({ netns: net.name, bridge: 'br0' });
      t.teardown(() => sender[Symbol.asyncDispose]());
      const faults: Fault[] = [];
      const { child, qmp } = await startQemu(t, (socket) => {
        const fault = new Fault(socket);
        faults.push(fault);
        return fault;
      });
      const [fault] = faults;
      const before = [descriptorTargets(child.pid).sort(), descriptorTargets().sort()];
      const asBefore = async (what: string): Promise<void> => {
        t.strictSame([descriptorTargets(child.pid).sort(), descriptorTargets().sort()], before, what);
        t.strictSame(await qmp.execute('query-fdsets'), []);
        await reachesEach(sender, device);
      };
      const passing = via === 'getfd' ? [via, via] : ['query-status', via, via];
      for (const [step, name] of [...passing, 'netdev_add', 'device_add'].entries()) {
        fault.remaining = step + 1;
        await t.rejects(qmp.addNic({ device, id: 'x', via, romfile: '' }), {
          code: 'ERR_TAPFD_QMP',
          command: name,
          detail: 'injected',
        });
        await asBefore(`${name}, step ${step}`);
      }
      // QEMU's own refusals: of the card, then of the backend, whose id is taken.
      const bad = { device, id: 'x', via, romfile: '', bus: 'none' };
      await t.rejects(qmp.addNic(bad), { code: 'ERR_TAPFD_QMP', command: 'device_add', detail: /none/ });
      await asBefore('an unknown bus');
      await qmp
        .execute('netdev_add', { type: 'user', id: 'taken' })
        .catch(() => qmp.execute('netdev_add', { type: 'hubport', id: 'taken', hubid: 0 }));
      before[0] = descriptorTargets(child.pid).sort();
      await t.rejects(qmp.addNic({ device, id: 'taken', via }), {
        code: 'ERR_TAPFD_QMP',
        command: 'netdev_add',
      });
      await asBefore('an id that is taken');
      await qmp.execute('netdev_del', { id: 'taken' });

      // And it works all the same.
      await qmp.addNic({ device, id: 'x', via, romfile: '' });
      t.equal(device[0].handedOff, true);
    });

    t.test(`${via}: the connection is lost at a step, and QEMU lives: what is left is told`, async (t) => {
      const net = await bridgeAndWire(t);
      const device = await openTap({ netns: net.name, bridge: 'br0' });
      const sender = await openTap({ netns: net.name, bridge: 'br0' });
      for (const tap of [device, sender]) t.teardown(() => tap[Symbol.asyncDispose]());
      const passed = via === 'getfd' ? 'descriptor "x-fd0"' : 'descriptor sets';
      const steps = [...(via === 'getfd' ? [] : [undefined]), passed, 'netdev "x"', 'card "x-nic"'];
      const kinds = ['cut before', 'cut after'] as const;
      const { sockets } = await launchQemu(t, steps.length * kinds.length + 1);
      const witness = await connected(t, sockets[0]);
      await witness.execute('cont');
      /** What QEMU has, which is taken away. */
      const takeWhatIsLeft = async (): Promise<string[]> => {
        const found: string[] = [];
        const cards = await witness.execute('qom-list', { path: '/machine/peripheral' });
        if (JSON.stringify(cards).includes('x-nic')) {
          found.push('card "x-nic"');
          const deleted = witness.waitForEvent('DEVICE_DELETED', {
            where: (data) => data.device === 'x-nic',
          });
          await witness.execute('device_del', { id: 'x-nic' });
          await reset(witness);
          await deleted;
        }
        await witness.execute('netdev_del', { id: 'x' }).then(
          () => found.push('netdev "x"'),
          (error) => t.match(error, { qmpClass: 'DeviceNotFound' }),
        );
        const sets = await witness.execute('query-fdsets');
        for (const { 'fdset-id': set } of Array.isArray(sets) ? sets : []) {
          found.push('descriptor sets');
          await witness.execute('remove-fd', { 'fdset-id': set });
        }
        return found;
      };
      for (const [i, step] of steps.entries()) {
        for (const [j, kind] of kinds.entries()) {
          const fault = new Fault(sockets[1 + i * kinds.length + j], kind);
          const qmp = await connected(t, fault);
          fault.remaining = i + 1;
          const told = steps.slice(0, i + 1).filter((what) => what !== undefined);
          const error: unknown = await qmp.addNic({ device, id: 'x', via, romfile: '' }).catch((e) => e);
          if (step === undefined) {
            t.match(error, { code: 'ERR_TAPFD_QMP_CLOSED' });
          } else {
            const left = told.toReversed().map((what) => `${what} \\(`);
            t.match(error, {
              code: 'ERR_TAPFD_QMP_NOT_UNDONE',
              message: new RegExp(`left with ${left.join('.*')}`),
              cause: { code: 'ERR_TAPFD_QMP_CLOSED' },
            });
          }
          // The names of `getfd` are those of a monitor that nobody can ask any more.
          const done = (kind === 'cut before' ? told.slice(0, -1) : told).filter(
            (what) => !/x-fd0/.test(what),
          );
          t.strictSame(await takeWhatIsLeft(), done.toReversed(), `${step}: ${kind}`);
          t.notOk(device.handedOff);
          await reachesEach(sender, [device]);
        }
      }
      await witness.addNic({ device, romfile: '' });
      t.equal(device.handedOff, true, 'and the next client can have it');
    });
  }

  t.test('QEMU does the last step, but does not say so in time: the guest is asked to let go', async (t) => {
    const net = await bridgeAndWire(t);
    const device = await tapQueues(t, net);
    const sender = await openTap({ netns: net.name, bridge: 'br0' });
    t.teardown(() => sender[Symbol.asyncDispose]());
    const aborter = new AbortController();
    const faults: Fault[] = [];
    const { child, qmp } = await startQemu(t, (socket) => {
      faults.push(new Fault(socket, 'lost'));
      return faults[0];
    });
    faults[0].remaining = 4;
    faults[0].onLost = () => aborter.abort(new Error('no'));
    await t.rejects(
      qmp.addNic({ device, id: 'x', romfile: '' }, { signal: aborter.signal, undoTimeoutMs: 2000 }),
      {
        code: 'ERR_TAPFD_QMP_NOT_UNDONE',
        message: /left with card "x-nic" \([^)]*\)$/,
        cause: { message: 'no' },
      },
    );
    t.equal(tapsOf(child.pid), 0, 'the backend is gone at once');
    // The card has detached all queues but the first.
    await reachesEach(sender, device);
    const deleted = qmp.waitForEvent('DEVICE_DELETED', { where: ({ device: id }) => id === 'x-nic' });
    await reset(qmp);
    await deleted;
  });

  t.test('a device that comes back is set up as it was', { skip: needs('python3') }, async (t) => {
    const net = await bridgeAndWire(t);
    const { qmp } = await startQemu(t);
    const opened = await openTap({ netns: net.name, vnetHeader: true });
    t.teardown(() => opened[Symbol.asyncDispose]());
    askKernel(net, opened, 'set_vnet_header(12)');
    const device = await adoptFd(opened.handOff(), { netns: net.name });
    t.teardown(() => device[Symbol.asyncDispose]());
    if (device.kind === 'tun') throw new Error('a TAP was adopted as a TUN');
    await device.setOffload(['csum', 'tso4']);
    await device.setSendBuffer(65_536);
    const before = askKernel(net, device);
    t.match(before, { vnetHeader: 12, sendBuffer: 65_536, checksums: 1, segmentation: 1, nonBlocking: true });
    const refused = { code: 'ERR_TAPFD_QMP', command: 'device_add' };
    await t.rejects(qmp.addNic({ device, romfile: '', bus: 'none' }), refused);
    t.strictSame(askKernel(net, device), before);
  });

  t.test('QEMU ends at a step: the device is ours, and the next QEMU can have it', async (t) => {
    const net = await bridgeAndWire(t);
    const device = await openTap({ netns: net.name, bridge: 'br0' });
    t.teardown(() => device[Symbol.asyncDispose]());
    const faults: Fault[] = [];
    const dying = await startQemu(t, (socket) => {
      faults.push(new Fault(socket, 'lost'));
      return faults[0];
    });
    faults[0].remaining = 2;
    faults[0].onLost = () => dying.child.kill('SIGKILL');
    await t.rejects(dying.qmp.addNic({ device, romfile: '' }), { code: 'ERR_TAPFD_QMP_CLOSED' });
    t.notOk(device.handedOff);
    const { child, qmp } = await startQemu(t);
    await qmp.addNic({ device, romfile: '' });
    t.equal(tapsOf(child.pid), 1);
  });

  t.test('QEMU is killed: a macvtap link that the opening made goes', async (t) => {
    const net = await bridgeAndWire(t);
    const { child, qmp } = await startQemu(t);
    const device = await openMacvtap({ netns: net.name, name: 'guest', lower: 'wire' });
    t.teardown(() => device[Symbol.asyncDispose]());
    const refused = { code: 'ERR_TAPFD_QMP', command: 'device_add' };
    await t.rejects(qmp.addNic({ device, romfile: '', bus: 'none' }), refused);
    t.equal(device.destroyed, false, 'a step that fails costs a macvtap nothing either');
    await qmp.addNic({ device, romfile: '' });
    const closed = once(device, 'close');
    child.kill('SIGKILL');
    await closed;
    t.equal(await net.link('guest'), undefined);
  });

  t.test(
    'add-fd is refused while the guest does not run: QEMU could not remove the sets again',
    async (t) => {
      const net = await bridgeAndWire(t);
      const { child, qmp } = await startQemu(t);
      await qmp.execute('stop');
      const device = await openTap({ netns: net.name, bridge: 'br0' });
      t.teardown(() => device[Symbol.asyncDispose]());
      await t.rejects(qmp.addNic({ device, romfile: '', via: 'add-fd' }), {
        code: 'ERR_TAPFD_INVALID_STATE',
      });
      t.equal(tapsOf(child.pid), 0);
      await qmp.addNic({ device, romfile: '' });
      t.equal(tapsOf(child.pid), 1, 'getfd works then as well');
    },
  );

  t.test('why add-fd wants its client: QEMU before 9.1 takes the descriptors of who has gone', async (t) => {
    const net = await bridgeAndWire(t);
    const { child, qmp } = await startQemu(t);
    const { major, minor } = qmp.greeting.version;
    const named = await openTap({ netns: net.name, bridge: 'br0' });
    const inSet = await openTap({ netns: net.name, bridge: 'br0' });
    for (const tap of [named, inSet]) t.teardown(() => tap[Symbol.asyncDispose]());
    await qmp.addNic({ device: named, romfile: '' });
    await qmp.addNic({ device: inSet, romfile: '', via: 'add-fd' });
    t.equal(tapsOf(child.pid), 2);
    await qmp[Symbol.asyncDispose]();
    if (major > 9 || (major === 9 && minor >= 1)) return;
    await until(() => tapsOf(child.pid) === 1, 'that of getfd stays');
  });

  async function connectSoon(path: string): Promise<QmpClient> {
    for (;;) {
      try {
        return await QmpClient.connect(path);
      } catch (error) {
        const { code } = Object(error);
        if (code !== 'ENOENT' && code !== 'ECONNREFUSED') throw error;
        await wait(5);
      }
    }
  }

  async function until(condition: () => boolean, what: string): Promise<void> {
    while (!condition()) await wait(5);
    t.pass(what);
  }
});
