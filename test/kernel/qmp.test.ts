/** A real QEMU's monitor: descriptors that arrive, cards that come and go, and each step of it failing. No guest runs. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { FdSocket, openMacvtap, openTap, type Tap } from 'tapfd';
import { type QemuHotPlugNic, QmpClient, type QmpSocket, spawnQemu } from 'tapfd/qemu';
import { needs } from '../capabilities.js';
import { ownNamespace, type TestNamespace, vethPair } from './network.js';

const QEMU = 'qemu-system-x86_64';
const MACHINE = ['-M', 'pc,accel=tcg', '-nodefaults', '-display', 'none', '-S'];
const MONITOR = ['-chardev', 'socket,id=monitor,fd=3', '-mon', 'chardev=monitor,mode=control'];

async function startQemu(t: Test, wrap: (socket: FdSocket) => QmpSocket = (socket) => socket) {
  const [ours, theirs] = FdSocket.pair();
  const child = await spawnQemu(QEMU, [...MACHINE, ...MONITOR], {
    nics: [],
    stdio: ['ignore', 'inherit', 'inherit', theirs.fd],
  });
  t.teardown(() => child.kill('SIGKILL'));
  theirs.destroy();
  const qmp = await QmpClient.connect(wrap(ours));
  t.teardown(() => qmp[Symbol.asyncDispose]());
  // Its firmware finds nothing to boot, and rests.
  await qmp.execute('cont');
  return { child, qmp };
}

async function ground(t: Test): Promise<TestNamespace> {
  const net = await ownNamespace(t);
  await net.ip('link', 'add', 'br0', 'up', 'type', 'bridge');
  await vethPair(net, 'lower0', net, 'far0');
  return net;
}

async function tapQueues(t: Test, { name: netns }: TestNamespace): Promise<[Tap, Tap]> {
  const first = await openTap({ netns, bridge: 'br0', multiQueue: true });
  t.teardown(() => first[Symbol.asyncDispose]());
  const second = await first.openQueue();
  t.teardown(() => second[Symbol.asyncDispose]());
  return [first, second];
}

function descriptors(pid: number | 'self' | undefined): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return []; // the one that lists the directory
    }
  });
}

/** How many TUN/TAP descriptors a process has. */
function tapsOf(pid: number | 'self' | undefined): number {
  return descriptors(pid).filter((path) => path === '/dev/net/tun').length;
}

/** Fails the Nth command of a client in place of QEMU: with a refusal, or with the connection's end. */
class Fault implements QmpSocket {
  readonly #socket: FdSocket;
  /** Commands left until the fault; none when negative. */
  remaining = -1;
  ending = false;
  readonly commands: string[] = [];
  readonly #said: string[] = [];
  #wake: () => void = () => {};

  constructor(socket: FdSocket) {
    this.#socket = socket;
  }

  async send(data: string, fds: readonly number[] = []): Promise<void> {
    const { execute, id }: { execute: string; id: number } = JSON.parse(data);
    this.commands.push(execute);
    this.remaining -= 1;
    if (this.remaining !== 0) return this.#socket.send(data, fds);
    if (this.ending) {
      this.#socket.destroy();
      return;
    }
    this.#said.push(`${JSON.stringify({ id, error: { class: 'GenericError', desc: 'injected' } })}\n`);
    this.#wake();
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
      yield message;
      next = this.#socket.receive();
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }

  ref(): void {}

  unref(): void {}
}

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
      const net = await ground(t);
      const { child, qmp } = await startQemu(t);
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
      const again = qmp.removeNic('lan');
      await qmp.execute('system_reset');
      await again;
      t.equal(tapsOf(child.pid), 0);
      t.strictSame(await qmp.execute('query-fdsets'), []);
      t.equal(queues[0].destroyed && queues[1].destroyed, true);
      t.equal(await net.link(queues[0].name), undefined);
    });

    t.test(`${via}: whichever step fails, QEMU and this process are as before`, async (t) => {
      const net = await ground(t);
      const device = await tapQueues(t, net);
      const faults: Fault[] = [];
      const { child, qmp } = await startQemu(t, (socket) => {
        const fault = new Fault(socket);
        faults.push(fault);
        return fault;
      });
      const [fault] = faults;
      const before = [descriptors(child.pid).sort(), descriptors('self').sort()];
      const passing = via === 'getfd' ? [via, via] : ['query-status', via, via];
      for (const [step, name] of [...passing, 'netdev_add', 'device_add'].entries()) {
        fault.remaining = step + 1;
        await t.rejects(qmp.addNic({ device, id: 'x', via, romfile: '' }), {
          code: 'ERR_TAPFD_QMP',
          command: name,
          detail: 'injected',
        });
        t.strictSame(
          [descriptors(child.pid).sort(), descriptors('self').sort()],
          before,
          `${name}, step ${step}`,
        );
        t.strictSame(await qmp.execute('query-fdsets'), []);
      }
      // QEMU's own refusals: of the card, then of the backend, whose id is taken.
      const bad = { device, id: 'x', via, romfile: '', bus: 'none' };
      await t.rejects(qmp.addNic(bad), { code: 'ERR_TAPFD_QMP', command: 'device_add', detail: /none/ });
      t.strictSame([descriptors(child.pid).sort(), descriptors('self').sort()], before, 'an unknown bus');
      await qmp
        .execute('netdev_add', { type: 'user', id: 'taken' })
        .catch(() => qmp.execute('netdev_add', { type: 'hubport', id: 'taken', hubid: 0 }));
      const withIt = descriptors(child.pid).sort();
      await t.rejects(qmp.addNic({ device, id: 'taken', via }), {
        code: 'ERR_TAPFD_QMP',
        command: 'netdev_add',
      });
      t.strictSame(descriptors(child.pid).sort(), withIt, 'an id that is taken');
      await qmp.execute('netdev_del', { id: 'taken' });

      // And it works all the same.
      await qmp.addNic({ device, id: 'x', via, romfile: '' });
      t.equal(device[0].handedOff, true);
    });
  }

  t.test('the connection ends at a step: the device is ours, and the next client can have it', async (t) => {
    const net = await ground(t);
    const device = await openTap({ netns: net.name, bridge: 'br0' });
    t.teardown(() => device[Symbol.asyncDispose]());
    for (const step of [1, 2, 3]) {
      const { child, qmp } = await startQemu(t, (socket) => {
        const fault = new Fault(socket);
        fault.ending = true;
        // The negotiation and 'cont' come before.
        fault.remaining = 2 + step;
        return fault;
      });
      await t.rejects(qmp.addNic({ device, romfile: '' }), { code: 'ERR_TAPFD_QMP_CLOSED' });
      t.notOk(device.handedOff);
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    const { child, qmp } = await startQemu(t);
    await qmp.addNic({ device, romfile: '' });
    t.equal(tapsOf(child.pid), 1);
  });

  t.test('QEMU is killed: a macvtap link that the opening made goes', async (t) => {
    const net = await ground(t);
    const { child, qmp } = await startQemu(t);
    const device = await openMacvtap({ netns: net.name, name: 'guest', lower: 'lower0' });
    t.teardown(() => device[Symbol.asyncDispose]());
    await qmp.addNic({ device, romfile: '' });
    const closed = once(device, 'close');
    child.kill('SIGKILL');
    await closed;
    t.equal(await net.link('guest'), undefined);
  });

  t.test(
    'add-fd is refused while the guest does not run: QEMU could not remove the sets again',
    async (t) => {
      const net = await ground(t);
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
    const net = await ground(t);
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
        await turn();
      }
    }
  }

  async function until(condition: () => boolean, what: string): Promise<void> {
    while (!condition()) await turn();
    t.pass(what);
  }

  function turn(): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
});
