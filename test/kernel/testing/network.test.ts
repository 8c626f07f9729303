/** Test networks: what is in them, and that nothing of them remains. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { links } from 'tapfd';
import { createTestNetwork, expectFrame, type TestNetwork, withTestNetwork } from 'tapfd/testing';
import { closeFd } from '#lib/fd-socket/fd-source.js';
import { fileNeeds } from '../../kit/capabilities.js';
import { childCommand, startChild } from '../../kit/child.js';
import { CHILD_SETTLE_MS, descriptorsOf, leftDescriptors } from '../../kit/open-files.js';
import { inRepo } from '../../kit/paths.js';
import { processesWith } from '../../kit/processes.js';
import { startProgram } from '../../kit/started-program.js';
import { isNumbered, numberedFrame } from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap', 'ping', 'ip');

/** Both ways to make one; the second needs no privilege, which rootless.test.ts goes without. */
const WAYS = [{ rootless: false }, { rootless: true }];

for (const way of WAYS) {
  t.test(`rootless: ${way.rootless}`, async (t) => {
    t.test('devices, links and programs of one host', async (t) => {
      await using net = await createTestNetwork(way);
      t.equal(net.rootless, way.rootless);
      await net.bridge('br0');
      const [a, b] = [await net.tap({ bridge: 'br0' }), await net.openTap({ bridge: 'br0' })];
      a.write(numberedFrame(5));
      const [frame] = await once(b, 'data');
      t.ok(isNumbered(frame));
      const tun = await net.openTun({ addresses: ['10.9.0.1/24', 'fd09::1/64'] });
      t.same(
        (await net.links.addresses(tun.name))
          .map(({ address }) => address)
          .filter((one) => !one.startsWith('fe80')),
        ['10.9.0.1', 'fd09::1'],
      );
      await net.links.create({ kind: 'veth', name: 'lower', up: true, peer: { name: 'far' } });
      const macvtap = await net.openMacvtap({ lower: 'lower' });
      t.equal(macvtap.kind, 'macvtap');
      const names = (await net.links.list()).map(({ name }) => name);
      t.same(
        names.toSorted(),
        ['br0', 'far', 'lo', 'lower', macvtap.name, a.name, b.name, tun.name].toSorted(),
      );
      t.equal((await net.links.get('lo')).up, true);
      t.same(
        (await links.list()).filter(({ name }) => name === 'lower'),
        [],
        'nothing is outside',
      );
      const { stdout } = await net.exec('ip', ['-o', 'link', 'show', 'lower']);
      t.match(stdout, /lower/);
      t.equal((await net.exec('cat', [], { input: 'told' })).stdout, 'told');
      t.equal(
        (await net.exec('sh', ['-c', 'echo $MARK; pwd'], { env: { MARK: 'x' }, cwd: '/' })).stdout,
        'x\n/\n',
      );
    });

    t.test('links: all functions, in the namespace', async (t) => {
      await using net = await createTestNetwork(way);
      const events = net.links.watch();
      await events.ready;
      await net.links.create({ kind: 'bridge', name: 'br1' });
      t.match(await events.next(), { value: { type: 'add', link: { name: 'br1' } } });
      await events.return();
      await net.links.set('br1', { mtu: 1400 });
      await net.links.addAddress('br1', '10.3.0.1/24');
      await net.links.removeAddress('br1', '10.3.0.1/24');
      t.same(await net.links.addresses('br1'), []);
      t.equal((await net.links.get('br1')).mtu, 1400);
      await net.links.remove('br1');
      t.same((await net.links.list({ kind: 'bridge' })).length, 0);
    });

    t.test('hosts on wires', async (t) => {
      await using net = await createTestNetwork(way);
      const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => net.host(name)));
      t.equal(await net.host('a'), a);
      t.equal(a.name, 'a');
      const made = await net.wire(
        { host: a, addresses: ['10.0.0.1/24', 'fd00::1/64'], mac: '02:00:00:00:00:01', mtu: 1400 },
        { host: b, addresses: ['10.0.0.2/24', { address: 'fd00::2', prefixLength: 64 }], name: 'up0' },
      );
      t.match(made, [
        { name: 'eth0', mac: '02:00:00:00:00:01', mtu: 1400 },
        { name: 'up0', up: true },
      ]);
      await Promise.all([
        net.wire(
          a,
          { host: b, mac: '02:00:00:00:00:02' },
          { host: c, addresses: ['10.1.0.3/24'], mtu: 1300 },
        ),
        net.wire({ host: a, addresses: ['10.2.0.1/24'] }, { host: c, addresses: ['10.2.0.3/24'] }),
      ]);
      t.match((await c.links.list()).map(({ name }) => name).toSorted(), ['eth0', 'eth1', 'lo']);
      for (const address of ['10.0.0.2', 'fd00::2', '10.2.0.3']) {
        t.match((await a.exec('ping', ['-n', '-c', '1', '-W', '5', address])).stdout, /1 received/);
      }
      await a.links.addAddress('eth1', '10.1.0.1/24');
      t.match((await a.exec('ping', ['-n', '-c', '1', '-W', '5', '10.1.0.3'])).stdout, /1 received/);
      const self = await net.wire({ host: a, name: 'loop0' }, { host: a, name: 'loop1' });
      t.match(self, [{ name: 'loop0' }, { name: 'loop1' }]);
    });

    t.test('shaping', async (t) => {
      await using net = await createTestNetwork(way);
      await net.links.create({ kind: 'veth', name: 'v0', up: true, peer: { name: 'v1' } });
      const shown = async () => (await net.exec('tc', ['qdisc', 'show', 'dev', 'v0'])).stdout;
      await net.shape('v0', { rateBitsPerSecond: 1_000_000, burstBytes: 20_000, limitBytes: 50_000 });
      t.match(await shown(), /tbf .* rate 1Mbit burst 20000b/);
      await net.shape('v0', { rateBitsPerSecond: 80_000_000_000 });
      t.match(await shown(), /tbf .* rate 80Gbit burst 99\d+b/);
      await net.shape('v0', null);
      t.notMatch(await shown(), /tbf/);
      await t.rejects(net.shape('v0', null), { code: 'ENOENT' });
      await t.rejects(net.shape('v9', null), { code: 'ENODEV' });
    });
  });
}

t.test('quiet: the kernel says nothing of its own accord', async (t) => {
  const count = async (quiet: boolean) => {
    await using net = await createTestNetwork({ quiet });
    const tap = await net.tap();
    const frames: Buffer[] = [];
    tap.on('data', (frame) => frames.push(frame));
    if (quiet) await wait(1500);
    else await once(tap, 'data');
    return frames.length;
  };
  t.ok((await count(false)) > 0, 'it solicits routers otherwise');
  t.equal(await count(true), 0);
});

t.test('where /proc/sys cannot be written the error says what to do', async (t) => {
  const program = `
    import { createTestNetwork } from 'tapfd/testing';
    await createTestNetwork().catch(({ code, message }) => console.log(code, message));
    await using net = await createTestNetwork({ quiet: false });
    console.log('made');`;
  const script = 'mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec "$0" "$@"';
  const bundled = program.replace('await using net', 'const net');
  const { ended } = startProgram('unshare', ['-m', 'sh', '-c', script, ...childCommand(bundled)], {
    cwd: inRepo('.'),
  });
  t.match((await ended).printed, /^EROFS createTestNetwork: .*quiet: false.*\nmade\n$/);
});

t.test('the clone device, and a device that is handed off', async (t) => {
  await using net = await createTestNetwork({ devicePath: '/dev/net/tun' });
  const tap = await net.tap();
  const waiting = t.rejects(
    expectFrame(tap, () => false),
    { code: 'ERR_TAPFD_HANDED_OFF' },
  );
  await closeFd(tap.handOff());
  await waiting;
  await t.rejects(net.exec('false', [], { signal: new AbortController().signal }), {
    code: 'ERR_TAPFD_EXEC',
  });
});

t.test('a network that is closed has ended all that was in it', async (t) => {
  const before = descriptorsOf();
  const net = await createTestNetwork({ rootless: 'auto' });
  t.equal(net.rootless, false);
  const host = await net.host('a');
  const tap = await net.tap();
  const closed = once(tap, 'close');
  const mark = `1${process.pid}.25`;
  const child = host.spawn('sh', ['-c', `sleep ${mark} & setsid sleep ${mark} & wait`]);
  // Its pipes are at their end some turns after its own.
  const over = once(child, 'close');
  while (processesWith(`sleep ${mark}`).length < 3) await wait(10);
  const reading = t.rejects(tap[Symbol.asyncIterator]().next(), { code: 'ERR_TAPFD_CLOSED' });
  await net.close();
  await net.close();
  await Promise.all([closed, reading]);
  t.equal(child.signalCode, 'SIGKILL');
  t.same(processesWith(`sleep ${mark}`), []);
  await over;
  t.same(await leftDescriptors(before, CHILD_SETTLE_MS), []);
  const gone = { code: 'ERR_TAPFD_CLOSED' };
  await t.rejects(net.tap(), gone);
  await t.rejects(net.bridge('br0'), gone);
  await t.rejects(net.exec('true'), gone);
  await t.rejects(net.shape('lo', null), gone);
  await t.rejects(net.wire(net, net), gone);
  await t.rejects(net.host('b'), gone);
  t.throws(() => net.spawn('true'), gone);
});

t.test('what is under way at the close leaves nothing either', async (t) => {
  const before = descriptorsOf();
  const net = await createTestNetwork();
  const opening = t.rejects(net.tap(), { code: 'ERR_TAPFD_CLOSED' });
  const making = t.rejects(net.host('late'), { code: 'ERR_TAPFD_CLOSED' });
  await net.close();
  await Promise.all([opening, making]);
  t.same(await leftDescriptors(before, CHILD_SETTLE_MS), []);
});

t.test('the signal closes it', async (t) => {
  const controller = new AbortController();
  const net = await createTestNetwork({ signal: controller.signal });
  const tap = await net.tap();
  controller.abort(new Error('enough'));
  await once(tap, 'close');
  await net.close();
  await t.rejects(createTestNetwork({ signal: controller.signal }), { message: 'enough' });
  const late = new AbortController();
  const making = createTestNetwork({ signal: late.signal });
  late.abort(new Error('too late'));
  await t.rejects(making, { message: 'too late' });
});

t.test('programs: how they fail', async (t) => {
  await using net = await createTestNetwork();
  await t.rejects(net.exec('sh', ['-c', 'echo why >&2; exit 3']), {
    code: 'ERR_TAPFD_EXEC',
    detail: 'why',
    message: /sh -c .* ended with status 3: why/,
  });
  await t.rejects(net.exec('sh', ['-c', 'kill -9 $$']), { code: 'ERR_TAPFD_EXEC', message: /by SIGKILL$/ });
  await t.rejects(net.exec('tapfd-no-such-program'), { code: 'ENOENT', syscall: 'spawn' });
  const controller = new AbortController();
  const running = net.exec('sleep', ['60'], { signal: controller.signal });
  controller.abort(new Error('enough'));
  await t.rejects(running, { message: 'enough' });
  await t.rejects(net.exec('true', [], { signal: controller.signal }), { message: 'enough' });
  net.spawn('tapfd-no-such-program').on('error', () => undefined);
});

t.test('withTestNetwork closes it, whatever becomes of the function', async (t) => {
  let seen: TestNetwork | undefined;
  t.equal(await withTestNetwork({}, (net) => net.exec('echo', ['x']).then(({ stdout }) => stdout)), 'x\n');
  const failing = withTestNetwork({}, async (net) => {
    seen = net;
    throw new Error('the test failed');
  });
  await t.rejects(failing, { message: 'the test failed' });
  await t.rejects(async () => seen?.exec('true'), { code: 'ERR_TAPFD_CLOSED' });
});

t.test('whatever fails at the close, the rest is closed, and the error of the test is kept', async (t) => {
  const before = descriptorsOf();
  const net = await createTestNetwork();
  const [tap, other] = [await net.tap(), await net.tap()];
  const close = tap.close.bind(tap);
  const failure = new Error('not closed');
  tap.close = async () => {
    await close();
    throw failure;
  };
  const child = net.spawn('sh', ['-c', 'trap "" TERM INT HUP; while :; do sleep 60; done']);
  await t.rejects(net.close(), failure);
  await t.rejects(net.close(), failure, 'again');
  t.equal(other.destroyed, true);
  t.equal(child.signalCode, 'SIGKILL');
  t.same(await leftDescriptors(before, CHILD_SETTLE_MS), []);
  const failing = withTestNetwork({}, async (net) => {
    const device = await net.tap();
    device.close = () => Promise.reject(failure);
    throw new Error('the test failed');
  });
  await t.rejects(failing, { message: 'the test failed' });
});

t.test('a namespace that is closed early takes no other one with it', async (t) => {
  const net = await createTestNetwork();
  await net.netns.close();
  // It gets the number of the descriptor that was closed.
  await using other = await createTestNetwork();
  const child = other.spawn('sleep', ['60']);
  await net.close();
  t.equal(child.signalCode, null);
  t.equal((await other.exec('echo', ['x'])).stdout, 'x\n');
});

t.test('bad arguments', async (t) => {
  const invalid = { code: 'ERR_TAPFD_INVALID_ARGUMENT' };
  for (const options of [
    { rootless: 'yes' },
    { quiet: 1 },
    { devicePath: '' },
    { netns: 'x' },
    { onFailure: 1 },
  ]) {
    await t.rejects(Reflect.apply(createTestNetwork, undefined, [options]), invalid, JSON.stringify(options));
  }
  await t.rejects(Reflect.apply(withTestNetwork, undefined, [{}, 'x']), invalid);
  await using net = await createTestNetwork();
  await t.rejects(net.host(''), invalid);
  for (const options of [{ input: 5 }, { env: 'x' }, { cwd: '' }, { signal: 1 }, { shell: true }]) {
    await t.rejects(Reflect.apply(net.exec, net, ['cat', [], options]), invalid, JSON.stringify(options));
  }
  await t.rejects(net.wire(net), invalid);
  await using another = await createTestNetwork();
  for (const stranger of [another, await another.host('a')]) {
    await t.rejects(net.wire(net, stranger), { ...invalid, argument: 'ends[1].host' });
  }
  for (const end of [
    {},
    { host: 'a' },
    { host: net, mtu: 1 },
    { host: net, mac: 'x' },
    { host: net, unknown: 1 },
  ]) {
    await t.rejects(Reflect.apply(net.wire, net, [end, net]), invalid, JSON.stringify(Object.keys(end)));
  }
  await t.rejects(net.wire({ host: net, addresses: ['x'] }, net), {
    ...invalid,
    argument: 'ends[0].addresses[0]',
  });
  await t.rejects(net.wire({ host: net, name: 'a name' }, net), invalid);
  await t.rejects(net.shape('lo', { rateBitsPerSecond: 1 }), invalid);
  await t.rejects(Reflect.apply(net.shape, net, ['lo', { rate: 1 }]), invalid);
  await t.rejects(net.exec(''), invalid);
  await t.rejects(net.exec('true', ['a\0b']), invalid);
  await t.rejects(Reflect.apply(net.exec, net, ['true', [], { timeout: 1 }]), invalid);
  await t.rejects(Reflect.apply(net.bridge, net, ['br0', null]), invalid);
  await t.rejects(net.tap({ addresses: Reflect.apply(JSON.parse, undefined, ['[null]']) }), invalid);
});

t.test('SIGKILL of the process leaves no link, no namespace and no program', async (t) => {
  for (const way of WAYS) {
    const mark = `2${process.pid}.${way.rootless ? 75 : 25}`;
    const child = startChild(
      `import { createTestNetwork } from 'tapfd/testing';
       const net = await createTestNetwork({ rootless: ${way.rootless} });
       await net.bridge('br0');
       const tap = await net.tap({ bridge: 'br0' });
       const host = await net.host('a');
       await net.wire(net, host);
       const macvtap = await host.macvtap({ lower: 'eth0' });
       const child = host.spawn('sleep', ['${mark}']);
       console.log('made', child.pid, macvtap.index);
       setInterval(() => {}, 1000);`,
    );
    const said = await child.printed(/made \d+ \d+/);
    const [, pid, index] = /made (\d+) (\d+)/.exec(said) ?? [];
    t.same(processesWith(`sleep ${mark}`), [Number(pid)]);
    t.ok(readdirSync('/dev').includes(`tap${index}`));
    child.kill('SIGKILL');
    await child.ended;
    // The kernel takes a namespace down in the background, and with it the link and its node.
    const isLeft = () => readdirSync('/dev').includes(`tap${index}`);
    const giveUp = Date.now() + 20_000;
    while ((isLeft() || processesWith(`sleep ${mark}`).length > 0) && Date.now() < giveUp) await wait(20);
    t.same(processesWith(`sleep ${mark}`), []);
    t.notOk(isLeft());
  }
});
