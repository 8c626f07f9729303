/** Links that come and go without end: every call answers in bounded time, and no device suffers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { links, openMacvtap, openTap } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { linkEvent } from '../../kit/link-changes.js';
import { ownNamespace, type TestNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const STABLE = 150;

/** A namespace with many links, in which one is made and removed as fast as the kernel can, until the test ends. */
async function churning(t: Test): Promise<{ ns: TestNamespace; stop: () => Promise<void> }> {
  const ns = await ownNamespace(t);
  const batch = spawn('ip', ['-netns', ns.name, '-batch', '-'], { stdio: ['pipe', 'ignore', 'inherit'] });
  for (let i = 0; i < STABLE; i++) batch.stdin.write(`link add name stable${i} type bridge\n`);
  batch.stdin.end();
  await once(batch, 'exit');
  const loop = 'while :; do echo link add name comes type bridge; echo link delete comes; done';
  const churn = spawn('sh', ['-c', `${loop} | ip -netns ${ns.name} -force -batch -`], {
    stdio: 'ignore',
    detached: true,
  });
  let stopped = false;
  const stop = async () => {
    if (stopped || churn.pid === undefined) return;
    stopped = true;
    const exited = once(churn, 'exit');
    process.kill(-churn.pid, 'SIGKILL');
    await exited;
  };
  t.teardown(stop);
  return { ns, stop };
}

/** How a call with a time-out fails, which is made again while it ends before: its speed is the machine's. */
async function failureOf(call: (signal: AbortSignal) => Promise<unknown>): Promise<unknown> {
  for (;;) {
    try {
      await call(AbortSignal.timeout(1));
    } catch (error) {
      return error;
    }
  }
}

t.test('links come and go without end', async (t) => {
  const { ns, stop } = await churning(t);
  const netns = ns.name;

  await t.test('links.list() answers with all that stay, and says whether it is in doubt', async (t) => {
    for (let round = 0; round < 5; round++) {
      const found = await Promise.all(Array.from({ length: 7 }, () => links.list({ netns })));
      for (const list of found) {
        t.equal(list.filter(({ name }) => name.startsWith('stable')).length, STABLE);
        t.type(list.consistent, 'boolean');
      }
    }
  });

  await t.test('an abort is answered while the kernel is still writing', async (t) => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const aborted = links.list({ netns, signal: controller.signal });
    controller.abort(reason);
    await t.rejects(aborted, reason);
    await t.rejects(links.list({ netns, signal: AbortSignal.abort(reason) }), reason);
    const timedOut = { name: 'TimeoutError' };
    t.match(await failureOf((signal) => links.list({ netns, signal })), timedOut);
    t.match(await failureOf(async (signal) => (await openTap({ netns, signal })).close()), timedOut);
  });

  await t.test('devices are opened, and a watch is ready', async (t) => {
    const tap = await openTap({ netns });
    const macvtap = await openMacvtap({ netns, lower: 'stable0' });
    const events = links.watch({ netns });
    await events.ready;
    const changed = linkEvent(tap, 'mtu');
    await links.set(tap.name, { mtu: 1400, netns });
    t.equal((await changed).mtu, 1400);
    for await (const { link } of events) if (link.name === 'comes') break;
    await Promise.all([tap.close(), macvtap.close()]);
  });

  await t.test('a device outlives overruns of its watch, and hears what was lost', async (t) => {
    // The first watch of the namespace opens the socket: it holds nothing.
    const events = links.watch({ netns, receiveBufferBytes: 1, persistent: false });
    await events.ready;
    const tap = await openTap({ netns });
    for (let mtu = 1000; mtu < 1005; mtu++) {
      const changed = linkEvent(tap, 'mtu');
      await links.set(tap.name, { mtu, netns });
      t.equal((await changed).mtu, mtu);
    }
    t.notOk(tap.destroyed);
    await tap.close();
    await events.close();
  });

  await stop();
  // What is still queued in the namespace.
  await delay(0);
  t.equal((await links.list({ netns })).consistent, true);
});
