/** A real monitor: commands, events, and clients that come and go. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { openTap } from 'tapfd';
import { QmpClient, spawnQemu } from 'tapfd/qemu';
import { needs } from '../../kit/capabilities.js';
import { bridgeAndWire } from '../../kit/namespace.js';
import { MACHINE, QEMU, startQemu, tapsOf } from '../../kit/real-qemu.js';

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

  t.test('an unreferenced client does not keep the process alive', async (t) => {
    const { qmp } = await startQemu(t);
    t.equal(qmp.unref().ref(), qmp);
  });

  t.test(
    'why add-fd needs its client: QEMU before 9.1 drops the descriptors of a client that has gone',
    async (t) => {
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
    },
  );

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
