/** The ends of test networks half-way: programs of programs, devices that are being opened. */
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { createTestNetwork } from 'tapfd/testing';
import { fileNeeds } from '../../kit/capabilities.js';
import { startChild } from '../../kit/child.js';
import { CHILD_SETTLE_MS, descriptorsOf, leftDescriptors } from '../../kit/open-files.js';
import { processesWith } from '../../kit/processes.js';

fileNeeds(t, 'root', 'tun-device');

const TIMEOUT_MS = 20_000;

async function untilGone(mark: string): Promise<number[]> {
  const giveUp = Date.now() + TIMEOUT_MS;
  while (processesWith(mark).length > 0 && Date.now() < giveUp) await wait(20);
  return processesWith(mark);
}

t.test('SIGKILL of the process leaves nothing that its programs have started', async (t) => {
  for (const rootless of [false, true]) {
    const mark = `3${process.pid}.${rootless ? 75 : 25}`;
    const child = startChild(
      `import { createTestNetwork } from 'tapfd/testing';
       const net = await createTestNetwork({ rootless: ${rootless} });
       const host = await net.host('a');
       host.spawn('sh', ['-c', 'sleep ${mark} & setsid sleep ${mark} & echo started; wait'], { stdio: 'inherit' });
       setInterval(() => {}, 1000);`,
    );
    await child.printed(/started/);
    while (processesWith(`sleep ${mark}`).length < 3) await wait(10);
    child.kill('SIGKILL');
    await child.ended;
    t.same(await untilGone(`sleep ${mark}`), []);
  }
});

t.test('what waits for that keeps no process alive, and is gone with the network', async (t) => {
  const child = startChild(
    `import { createTestNetwork } from 'tapfd/testing';
     const net = await createTestNetwork();
     await net.exec('true');
     console.log('end');`,
  );
  t.match(await child.ended, { code: 0 });
  // What all networks share is there from the first one on.
  await (await createTestNetwork()).close();
  const before = descriptorsOf();
  const net = await createTestNetwork();
  await Promise.all([net.exec('true'), net.exec('true')]);
  await net.close();
  t.same(await leftDescriptors(before, CHILD_SETTLE_MS), []);
});

t.test('without a shell, programs run as well', async (t) => {
  const { PATH } = process.env;
  t.teardown(() => {
    process.env.PATH = PATH;
  });
  await using net = await createTestNetwork();
  process.env.PATH = '/nowhere';
  t.equal((await net.exec('/bin/echo', ['x'])).stdout, 'x\n');
  await net.close();
});

t.test('a program that is ended by a signal is not waited for by way of what it has started', async (t) => {
  await using net = await createTestNetwork();
  const mark = `4${process.pid}.25`;
  const controller = new AbortController();
  const running = net.exec('sh', ['-c', `sleep ${mark}; true`], { signal: controller.signal });
  const left = t.rejects(running, { message: 'enough' });
  while (processesWith(`sleep ${mark}`).length < 2) await wait(10);
  controller.abort(new Error('enough'));
  await left;
  t.equal(processesWith(`sleep ${mark}`).length, 1, 'that goes with the network');
  await net.close();
  t.same(processesWith(`sleep ${mark}`), []);
});

t.test('the close waits for what is being opened', async (t) => {
  const net = await createTestNetwork();
  let isOver = false;
  const opening = net.tap().finally(() => {
    isOver = true;
  });
  const failing = t.rejects(opening, { code: 'ERR_TAPFD_CLOSED' });
  await net.close();
  t.equal(isOver, true);
  await failing;
});

t.test('addresses that are none', async (t) => {
  await using net = await createTestNetwork();
  const hostile = {
    toString() {
      throw new Error('of the caller');
    },
  };
  for (const addresses of [[Symbol('x')], [{ address: Symbol('x') }], [{ address: hostile }], [hostile]]) {
    await t.rejects(Reflect.apply(net.tap, net, [{ addresses }]), { code: 'ERR_TAPFD_INVALID_ARGUMENT' });
  }
});
