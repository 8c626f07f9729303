/** `diagnose()`: each finding as the kernel brings it about, that frames do stop, and that its remedy mends it. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync } from 'node:fs';
import t, { type Test } from 'tap';
import {
  type Finding,
  type FrameStream,
  links,
  openMacvtap,
  openTap,
  openTun,
  type Tap,
  type Tun,
} from 'tapfd';
import { needs } from '../../kit/capabilities.js';
import { startChild } from '../../kit/child.js';
import { closedWith } from '../../kit/closed-with.js';
import { send, testFrame, textsUntil } from '../../kit/frames.js';
import { untilCarrier } from '../../kit/link-changes.js';
import { ownIndex, ownNamespace, run, type TestNamespace } from '../../kit/namespace.js';

const MAC_A = '02:00:00:00:00:0a';
const MAC_B = '02:00:00:00:00:0b';
const MAC_C = '02:00:00:00:00:0c';

async function allCodes(device: FrameStream): Promise<string[]> {
  return (await device.diagnose()).map(({ code }) => code);
}

/**
 * Without `wrong-node`, which is right of any macvtap whose index the kernel chose: a namespace elsewhere on the machine may
 * have one of that index. Where it matters the test chooses the index.
 */
async function codes(device: FrameStream): Promise<string[]> {
  return (await allCodes(device)).filter((code) => code !== 'wrong-node');
}

/** The one finding with this code; that it says which interface and what to do. */
async function finding(t: Test, device: FrameStream, wanted: Partial<Finding>): Promise<Finding> {
  const found = await device.diagnose();
  const one = found.find(({ code }) => code === wanted.code);
  if (one === undefined) throw new Error(`no ${wanted.code} among ${JSON.stringify(found)}`);
  t.match(one, wanted);
  t.match(one.message, /\S{3}/);
  t.match(one.remedy, /\S{3}/);
  return one;
}

/** A process that holds what `program` opens, until the test ends. */
async function holder(t: Test, program: string): Promise<number> {
  const child = startChild(
    `import { openTap } from 'tapfd'; ${program}; console.log('held'); setInterval(() => {}, 9e5);`,
  );
  t.teardown(async () => {
    child.kill('SIGKILL');
    await child.ended;
  });
  await child.printed('held');
  return child.pid;
}

/** Puts the macvtap `guest` on `wire`, with an index that tells its device node. */
async function addGuestLink(network: TestNamespace, index: number): Promise<void> {
  const link = `link add link wire name guest index ${index} type macvtap mode bridge`;
  await network.ip(...link.split(' '));
}

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
    t.match(message, new RegExp(`^another queue receives.*process ${pid} \\(node\\)`));
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
    await holder(
      t,
      `globalThis.tap = await openTap({ netns: '${elsewhere.name}', name: 'common', multiQueue: true })`,
    );
    t.same(await codes(device), []);
  });

  t.test('a process that may not be looked into has the other queue', async (t) => {
    await holder(
      t,
      `globalThis.tap = await openTap({ netns: '${netns}', name: 'secret', multiQueue: true })`,
    );
    const program = `import { openTap } from 'tapfd';
      const tap = await openTap({ name: 'secret', multiQueue: true });
      process.setgroups([]); process.setegid(65534); process.seteuid(65534);
      console.log(JSON.stringify(await tap.diagnose()));`;
    const output = await network.exec(process.execPath, '--input-type=module', '--eval', program);
    t.match(JSON.parse(output), [{ code: 'stray-queue', message: /another queue.*may not inspect/ }]);
  });

  t.test('devices that the program has forgotten are no queues', async (t) => {
    const program = `import { openTap } from 'tapfd';
      const tap = await openTap({ netns: '${netns}', name: 'left', multiQueue: true });
      const warned = new Promise((resolve) => process.once('warning', resolve));
      await (async () => { await tap.openQueue(); })();
      const collect = setInterval(() => gc(), 10);
      await warned;
      clearInterval(collect);
      console.log(JSON.stringify(await tap.diagnose()));`;
    t.same(
      JSON.parse(await run(process.execPath, '--expose-gc', '--input-type=module', '--eval', program)),
      [],
    );
  });

  t.test('a device that was deleted, and one that is closed or given away', async (t) => {
    const device = await openTap({ netns, name: 'gone' });
    const ended = once(device, 'close').catch(() => undefined);
    execFileSync('ip', ['-netns', netns, 'link', 'delete', 'gone']);
    await t.rejects(device.diagnose(), { code: 'ERR_TAPFD_DEVICE_GONE', interface: 'gone' });
    await ended;
    await t.rejects(device.diagnose(), { code: 'ERR_TAPFD_CLOSED' });
    const given = closedWith(t, await openTap({ netns }));
    closeSync(given.handOff());
    await t.rejects(given.diagnose(), { code: 'ERR_TAPFD_HANDED_OFF' });
  });
});

t.test('macvtap', { skip: needs('root', 'tun-device', 'macvtap', 'veth', 'ip') }, async (t) => {
  const network = await ownNamespace(t);
  const netns = network.name;
  await network.wire('wire', 'far');
  const common = { netns, lower: 'wire', allMulticast: true } as const;

  t.test('nothing is wrong', async (t) => {
    const link = ['link', 'add', 'link', 'wire', 'name', 'right', 'index', `${ownIndex(3)}`];
    await network.ip(...link, 'address', MAC_A, 'type', 'macvtap', 'mode', 'bridge');
    const device = await openMacvtap({ netns, name: 'right', guestMac: MAC_A, allMulticast: true });
    t.same(await device.diagnose(), []);
    await device[Symbol.asyncDispose]();
    await links.remove('right', { netns });
  });

  t.test('multicast', async (t) => {
    const device = closedWith(t, await openMacvtap({ netns, lower: 'wire' }));
    await finding(t, device, { code: 'multicast', severity: 'warning', interface: device.name });
    await links.set(device.name, { allMulticast: true, netns });
    t.same(await codes(device), []);
    await links.set(device.name, { allMulticast: false, promiscuous: true, netns });
    t.same(await codes(device), []);
  });

  t.test('the lower device is down, or has no carrier: siblings hear nothing either', async (t) => {
    const device = closedWith(t, await openMacvtap({ ...common, mac: MAC_A }));
    const sibling = closedWith(t, await openMacvtap({ ...common, mac: MAC_B }));
    const sendNow = (text: string) => send(device, testFrame({ to: MAC_B, from: MAC_A, text }));
    await links.set('wire', { up: false, netns });
    await finding(t, device, { code: 'lower-down', severity: 'error', interface: 'wire' });
    await sendNow('while it is down');
    await links.set('wire', { up: true, netns });
    await links.set('far', { up: false, netns });
    await untilCarrier(netns, device.name, false);
    t.same(await codes(device), ['lower-no-carrier']);
    await finding(t, device, { code: 'lower-no-carrier', severity: 'error', interface: 'wire' });
    await sendNow('without carrier');
    await links.set('far', { up: true, netns });
    await untilCarrier(netns, device.name, true);
    t.same(await codes(device), []);
    await sendNow('up');
    t.same(await textsUntil(sibling, 'up'), ['up']);
    await links.set(device.name, { up: false, netns });
    t.same(await codes(device), ['link-down']);
  });

  t.test('a lower device in another namespace, without carrier', async (t) => {
    const inner = await ownNamespace(t);
    await links.create({
      kind: 'macvtap',
      name: 'inner',
      lower: 'wire',
      netns,
      moveTo: inner.name,
      up: true,
    });
    const device = closedWith(t, await openMacvtap({ netns: inner.name, name: 'inner', allMulticast: true }));
    t.same(await codes(device), []);
    await links.set('far', { up: false, netns });
    await untilCarrier(inner.name, 'inner', false);
    const { message } = await finding(t, device, { code: 'lower-no-carrier', interface: 'inner' });
    t.match(message, /in another namespace/);
    await links.set('far', { up: true, netns });
    await untilCarrier(inner.name, 'inner', true);
    t.same(await codes(device), []);
  });

  t.test('an MTU that was lowered with the lower device and not raised again', async (t) => {
    const device = closedWith(t, await openMacvtap(common));
    for (const mtu of [1400, 1500]) await links.set('wire', { mtu, netns });
    const { message } = await finding(t, device, {
      code: 'mtu',
      severity: 'warning',
      interface: device.name,
    });
    t.match(message, /1400.*wire.*1500/);
    await links.set(device.name, { mtu: 1500, netns });
    t.same(await codes(device), []);
  });

  t.test("a MAC that is not the guest's any more", async (t) => {
    const device = closedWith(t, await openMacvtap({ ...common, guestMac: MAC_A }));
    await network.ip('link', 'set', device.name, 'address', MAC_C);
    const { message } = await finding(t, device, { code: 'mac-mismatch', severity: 'error' });
    t.match(message, new RegExp(`${MAC_A}.*${MAC_C}`));
    await device.setMac(MAC_A);
    t.same(await codes(device), []);
  });

  t.test('in passthru mode frames to every MAC arrive', async (t) => {
    await network.wire('wire2', 'far2');
    const device = closedWith(
      t,
      await openMacvtap({ ...common, lower: 'wire2', mode: 'passthru', guestMac: MAC_A }),
    );
    await network.ip('link', 'set', device.name, 'address', MAC_C);
    t.same(await codes(device), []);
  });

  for (const mode of ['vepa', 'private'] as const) {
    t.test(`mode ${mode}: siblings hear nothing`, async (t) => {
      const device = closedWith(t, await openMacvtap({ ...common, mac: MAC_A, mode }));
      const sibling = closedWith(t, await openMacvtap({ ...common, mac: MAC_B }));
      await finding(t, device, { code: `mode-${mode}`, severity: 'warning', interface: device.name });
      await send(device, testFrame({ to: MAC_B, from: MAC_A, text: mode }));
      await links.set(device.name, { mode: 'bridge', netns });
      t.same(await codes(device), []);
      await send(device, testFrame({ to: MAC_B, from: MAC_A, text: 'bridge' }));
      t.same(await textsUntil(sibling, 'bridge'), ['bridge']);
    });
  }

  t.test('mode source: only listed senders are heard', async (t) => {
    await links.create({
      kind: 'macvtap',
      name: 'picky',
      lower: 'wire',
      netns,
      mac: MAC_A,
      mode: 'source',
      sourceMacs: [MAC_C],
    });
    const device = closedWith(t, await openMacvtap({ netns, name: 'picky' }));
    const sibling = closedWith(t, await openMacvtap({ ...common, mac: MAC_B }));
    t.same(await codes(device), ['mode-source']);
    await finding(t, device, { code: 'mode-source', severity: 'warning', interface: 'picky' });
    await send(sibling, testFrame({ to: MAC_A, from: MAC_B, text: 'unlisted' }));
    await links.set('picky', { mode: 'bridge', netns });
    await send(sibling, testFrame({ to: MAC_A, from: MAC_B, text: 'bridge' }));
    t.same(await textsUntil(device, 'bridge'), ['bridge']);
    await device[Symbol.asyncDispose]();
    await links.remove('picky', { netns });
  });

  t.test('the node is opened once more: a stray queue, which an inherited descriptor is not', async (t) => {
    const index = ownIndex(1);
    const node = `/dev/tap${index}`;
    await addGuestLink(network, index);
    const device = closedWith(t, await openMacvtap({ netns, name: 'guest', allMulticast: true }));
    const further = closedWith(t, await device.openQueue());
    const heir = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore', device.fd] });
    t.teardown(() => heir.kill());
    await once(heir, 'spawn');
    t.same(await codes(device), []);

    const stray = spawn('sh', ['-c', 'exec 3<>"$0" 4>&3; echo open; exec cat', node], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    t.teardown(() => stray.kill());
    await once(stray.stdout, 'data');
    const { message } = await finding(t, further, {
      code: 'stray-queue',
      severity: 'warning',
      interface: 'guest',
    });
    t.match(
      message,
      new RegExp(`^another queue receives.*descriptor 3 of process ${stray.pid} \\((sh|cat)\\)$`),
    );
    const here = openSync(node, 'r+');
    t.match(
      (await finding(t, device, { code: 'stray-queue' })).message,
      new RegExp(`^2 other.*${here} of this process`),
    );
    closeSync(here);
    stray.kill();
    await once(stray, 'exit');
    t.same(await codes(device), []);
    await Promise.all([device, further].map((queue) => queue[Symbol.asyncDispose]()));
    await links.remove('guest', { netns });
  });

  t.test("/dev/tapN is another namespace's", async (t) => {
    const index = ownIndex(2);
    const neighbour = await ownNamespace(t);
    await neighbour.wire('wire', 'far');
    await addGuestLink(neighbour, index);
    await addGuestLink(network, index);
    const theirs = closedWith(
      t,
      await openMacvtap({ netns: neighbour.name, name: 'guest', allMulticast: true }),
    );
    const ours = closedWith(t, await openMacvtap({ netns, name: 'guest', allMulticast: true }));
    t.same(await allCodes(theirs), []);
    await theirs[Symbol.asyncDispose]();
    const { message } = await finding(t, ours, {
      code: 'wrong-node',
      severity: 'warning',
      interface: 'guest',
    });
    t.match(message, new RegExp(`^/dev/tap${index} is not the node of guest`));
    await links.remove('guest', { netns: neighbour.name });
    t.same(await allCodes(ours), [], 'the node went with its link: what is missing misleads nobody');
    await ours[Symbol.asyncDispose]();
    await links.remove('guest', { netns });
  });

  t.test('a descriptor of a deleted macvtap that had the same number is no queue of this one', async (t) => {
    const dead = closedWith(t, await openMacvtap({ ...common, name: 'dead' }));
    const number = fstatSync(dead.fd).rdev;
    const heir = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore', dead.fd] });
    t.teardown(() => heir.kill());
    await once(heir, 'spawn');
    dead.destroy();
    await once(dead, 'close');
    // The lowest free number is given out, and other tests want numbers, too.
    for (let i = 0; ; i += 1) {
      const device = closedWith(t, await openMacvtap({ ...common, name: `later${i}` }));
      if (fstatSync(device.fd).rdev !== number) continue;
      t.same(await codes(device), []);
      break;
    }
  });

  t.test('a link that has moved to another namespace', async (t) => {
    const elsewhere = await ownNamespace(t);
    const device = closedWith(t, await openMacvtap({ ...common, name: 'moving', guestMac: MAC_A }));
    const moved = new Promise<void>((resolve) =>
      // The kernel takes it down first, which may be news of its own.
      device.on('link', ({ changed }) => changed.includes('namespace') && resolve()),
    );
    await network.ip('link', 'set', 'moving', 'netns', elsewhere.name);
    await moved;
    t.same(await codes(device), ['moved-away']);
    await finding(t, device, { code: 'moved-away', severity: 'warning', interface: 'moving' });
    const there = closedWith(t, await openMacvtap({ netns: elsewhere.name, name: 'moving', up: false }));
    t.ok((await codes(there)).includes('link-down'), 'as its remedy says, it can be asked there');
  });
});
