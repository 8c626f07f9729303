/** `diagnose()` of TUN and TAP: each finding is provoked, frames do stop, and its remedy helps. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import t from 'tap';
import { links, openTap, openTun, type Tap, type Tun } from 'tapfd';
import { closeFd } from '#lib/fd-socket/fd-source.js';
import { needs } from '../../kit/capabilities.js';
import { cannotChangeUser, childCommand } from '../../kit/child.js';
import { closedWith } from '../../kit/closed-with.js';
import { codes, finding, holder } from '../../kit/findings.js';
import { send, testFrame, textsUntil } from '../../kit/frames.js';
import { ownNamespace, run } from '../../kit/namespace.js';

/** How processes of the test's own are called. */
const runtime = basename(process.execPath);
const MAC_A = '02:00:00:00:00:0a';
const MAC_B = '02:00:00:00:00:0b';

t.test('TUN and TAP', { skip: needs('root', 'tun-device', 'bridge', 'ip') }, async (t) => {
  const network = await ownNamespace(t);
  const netns = network.name;

  for (const open of [openTap, openTun]) {
    const kind = open === openTap ? 'tap' : 'tun';

    t.test(`${kind}: nothing is wrong`, async (t) => {
      t.same(await closedWith<Tap | Tun>(t, await open({ netns })).diagnose(), []);
    });

    t.test(`${kind}: down, without carrier, detached`, async (t) => {
      const device: Tap | Tun = closedWith(
        t,
        await open({ netns, up: false, carrier: false, multiQueue: true }),
      );
      await device.detachQueue();
      t.same(await codes(device), ['queue-detached', 'link-down', 'no-carrier']);
      for (const code of ['queue-detached', 'link-down', 'no-carrier'] as const) {
        await finding(t, device, { code, severity: 'error', interface: device.name });
      }
      await device.attachQueue();
      await links.set(device.name, { up: true, netns });
      t.same(await codes(device), ['no-carrier']);
      await device.setCarrier(true);
      t.same(await codes(device), []);
    });
  }

  t.test('a bridge that is down', async (t) => {
    await network.ip('link', 'add', 'down0', 'type', 'bridge');
    const one = closedWith(t, await openTap({ netns, bridge: 'down0' }));
    const other = closedWith(t, await openTap({ netns, bridge: 'down0' }));
    await finding(t, one, { code: 'bridge-down', severity: 'error', interface: 'down0' });
    await send(one, testFrame({ to: MAC_B, from: MAC_A, text: 'while it is down' }));
    await links.set('down0', { up: true, netns });
    t.same(await codes(one), []);
    await send(one, testFrame({ to: MAC_B, from: MAC_A, text: 'up' }));
    t.same(await textsUntil(other, 'up'), ['up']);
  });

  t.test('ports of one bridge with different MTUs', async (t) => {
    await network.bridge('br0');
    const large = closedWith(t, await openTap({ netns, bridge: 'br0' }));
    const small = closedWith(t, await openTap({ netns, bridge: 'br0', mtu: 1400 }));
    for (const device of [large, small]) {
      const { message } = await finding(t, device, {
        code: 'mtu',
        severity: 'warning',
        interface: small.name,
      });
      t.match(message, /1400.*1500/);
    }
    const long = { to: MAC_B, from: MAC_A, length: 1500 };
    await send(large, testFrame({ ...long, text: 'too long' }));
    await links.set(small.name, { mtu: 1500, netns });
    t.same(await codes(small), []);
    await send(large, testFrame({ ...long, text: 'as long' }));
    t.same(await textsUntil(small, 'as long'), ['as long']);
  });

  t.test('a queue in another process takes its share', async (t) => {
    const device = closedWith(t, await openTap({ netns, name: 'shared', multiQueue: true }));
    const further = closedWith(t, await device.openQueue());
    t.same(await codes(device), [], 'those of this thread are known');
    const program = `await openTap({ netns: '${netns}', name: 'shared', multiQueue: true })`;
    const pid = await holder(t, `globalThis.tap = ${program}`);
    const { message } = await finding(t, further, {
      code: 'stray-queue',
      severity: 'warning',
      interface: 'shared',
    });
    t.match(message, new RegExp(`^another queue receives.*process ${pid} \\(${runtime}\\)`));
    await holder(t, `globalThis.tap = ${program}; await tap.detachQueue()`);
    t.match(
      (await finding(t, device, { code: 'stray-queue' })).message,
      /^another queue/,
      'a detached one does not',
    );
    await holder(t, `globalThis.tap = ${program}`);
    t.match((await finding(t, device, { code: 'stray-queue' })).message, /^2 other queues receive/);
    await further.detachQueue();
    t.same(await codes(further), ['queue-detached', 'stray-queue']);
  });

  t.test('a device of the same name in another namespace is another', async (t) => {
    const device = closedWith(t, await openTap({ netns, name: 'common', multiQueue: true }));
    const elsewhere = await ownNamespace(t);
    const open = (netns: string) =>
      `globalThis.tap = await openTap({ netns: '${netns}', name: 'common', multiQueue: true })`;
    const stranger = await holder(t, open(elsewhere.name));
    t.same(await codes(device), []);
    const stray = await holder(t, open(netns));
    await holder(t, `${open(netns)}; await tap.detachQueue()`);
    const { message } = await finding(t, device, { code: 'stray-queue' });
    t.match(
      message,
      new RegExp(`^another queue receives.*: descriptor \\d+ of process ${stray} \\(${runtime}\\)$`),
    );
    t.notMatch(message, new RegExp(`process ${stranger} `));
  });

  t.test(
    'without the privilege to ask for its namespace, a name is no proof',
    { skip: cannotChangeUser },
    async (t) => {
      const program = `import { once } from 'node:events'; import { Worker } from 'node:worker_threads';
      import { openTap } from 'tapfd';
      const tap = await openTap({ name: 'maybe', multiQueue: true });
      const worker = new Worker(\`import('tapfd').then(async ({ openTap }) => {
          globalThis.tap = await openTap({ name: 'maybe', multiQueue: true });
          setInterval(() => {}, 9e5);
          require('node:worker_threads').parentPort.postMessage('held');
        })\`, { eval: true, execArgv: [] });
      await once(worker, 'message');
      const findings = await tap.diagnose();
      process.setgroups([]); process.setegid(65534); process.seteuid(65534);
      console.log(JSON.stringify([...findings, ...(await tap.diagnose())]));
      process.exit();`;
      const output = await network.exec(...childCommand(program));
      t.match(JSON.parse(output), [
        { code: 'stray-queue', message: /: descriptor \d+ of this process/ },
        {
          code: 'stray-queue',
          message: /: held by a process that .* \(perhaps descriptor \d+ of this process/,
        },
      ]);
    },
  );

  t.test(
    'a process that may not be looked into has the other queue',
    { skip: cannotChangeUser },
    async (t) => {
      await holder(
        t,
        `globalThis.tap = await openTap({ netns: '${netns}', name: 'secret', multiQueue: true })`,
      );
      const program = `import { openTap } from 'tapfd';
      const tap = await openTap({ name: 'secret', multiQueue: true });
      process.setgroups([]); process.setegid(65534); process.seteuid(65534);
      console.log(JSON.stringify(await tap.diagnose()));`;
      const output = await network.exec(...childCommand(program));
      t.match(JSON.parse(output), [{ code: 'stray-queue', message: /another queue.*may not inspect/ }]);
    },
  );

  t.test('devices that the program has forgotten are no queues', async (t) => {
    const program = `import { openTap } from 'tapfd';
      const tap = await openTap({ netns: '${netns}', name: 'left', multiQueue: true });
      const warned = new Promise((resolve) => process.once('warning', resolve));
      await (async () => { await tap.openQueue(); })();
      const collect = setInterval(() => gc(), 10);
      await warned;
      // The collector may come to the descriptor in its next round only, which is then closed in the background.
      let found;
      do found = await tap.diagnose(); while (found.length > 0);
      clearInterval(collect);
      console.log(JSON.stringify(found));`;
    t.same(JSON.parse(await run(...childCommand(program, [], ['--expose-gc']))), []);
  });

  t.test('a device that was deleted, and one that is closed or given away', async (t) => {
    const device = await openTap({ netns, name: 'gone' });
    const ended = once(device, 'close').catch(() => undefined);
    execFileSync('ip', ['-netns', netns, 'link', 'delete', 'gone']);
    await t.rejects(device.diagnose(), { code: 'ERR_TAPFD_DEVICE_GONE', interface: 'gone' });
    await ended;
    await t.rejects(device.diagnose(), { code: 'ERR_TAPFD_CLOSED' });
    const given = closedWith(t, await openTap({ netns }));
    await closeFd(given.handOff());
    await t.rejects(given.diagnose(), { code: 'ERR_TAPFD_HANDED_OFF' });
  });
});
