/** `diagnose()` of macvtap: each finding is provoked, frames do stop, and its remedy helps. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, statSync } from 'node:fs';
import t from 'tap';
import { links, openMacvtap } from 'tapfd';
import { diagnoseFromOutside } from '#lib/diagnose/from-outside.js';
import { needs } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { addGuestLink, allCodes, codes, finding } from '../../kit/findings.js';
import { send, testFrame, textsUntil } from '../../kit/frames.js';
import { linkEvent, untilCarrier } from '../../kit/link-changes.js';
import { ownIndex, ownNamespace } from '../../kit/namespace.js';

const MAC_A = '02:00:00:00:00:0a';
const MAC_B = '02:00:00:00:00:0b';
const MAC_C = '02:00:00:00:00:0c';

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
    // Nobody reads it: what the kernel sent of its own accord may have been dropped meanwhile.
    t.same(
      (await codes(device)).filter((code) => code !== 'kernel-drops'),
      ['link-down'],
    );
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
    const link = await links.get('guest', { netns });
    const seen = (device: number | undefined) =>
      diagnoseFromOutside({ kind: 'macvtap', link, links: new Map(), addresses: [], device });
    t.match(await seen(statSync(`/proc/self/fd/${ours.fd}`).rdev), [{ code: 'wrong-node' }]);
    t.same(await seen(undefined), [], 'of a device number that is not known, nothing is said');
    await links.remove('guest', { netns: neighbour.name });
    t.same(await allCodes(ours), [], 'the node went with its link: what is missing misleads nobody');
    await ours[Symbol.asyncDispose]();
    await links.remove('guest', { netns });
  });

  t.test('a descriptor of a deleted macvtap that had the same number is no queue of this one', async (t) => {
    const dead = closedWith(t, await openMacvtap({ ...common, name: 'dead' }));
    const number = statSync(`/proc/self/fd/${dead.fd}`).rdev;
    const heir = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore', dead.fd] });
    t.teardown(() => heir.kill());
    await once(heir, 'spawn');
    dead.destroy();
    await once(dead, 'close');
    // The lowest free number is given out, and other tests take numbers too.
    for (let i = 0; ; i += 1) {
      const device = closedWith(t, await openMacvtap({ ...common, name: `later${i}` }));
      if (statSync(`/proc/self/fd/${device.fd}`).rdev !== number) continue;
      t.same(await codes(device), []);
      break;
    }
  });

  t.test('a link that has moved to another namespace', async (t) => {
    const elsewhere = await ownNamespace(t);
    const device = closedWith(t, await openMacvtap({ ...common, name: 'moving', guestMac: MAC_A }));
    // The kernel takes it down first, which may be an event of its own.
    const moved = linkEvent(device, 'namespace');
    await network.ip('link', 'set', 'moving', 'netns', elsewhere.name);
    await moved;
    t.same(await codes(device), ['moved-away']);
    await finding(t, device, { code: 'moved-away', severity: 'warning', interface: 'moving' });
    const there = closedWith(t, await openMacvtap({ netns: elsewhere.name, name: 'moving', up: false }));
    t.ok((await codes(there)).includes('link-down'), 'as its remedy says, it can be asked there');
  });
});
