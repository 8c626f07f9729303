/**
 * The test kit as an ordinary user has it: rootless.test.ts runs this program as nobody. Prints a line for each part that
 * works; its argument is a clone device that the user may open.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createNetns, forward, links, type Tap } from 'tapfd';
import { captureFrames, createTestNetwork, expectFrame } from 'tapfd/testing';
import { numberedFrame, numberOf, upTo } from './tap-pair.js';

const [, , devicePath] = process.argv;

async function part(name: string, work: () => Promise<void>): Promise<void> {
  await work();
  console.log(`ok ${name}`);
}

assert.notEqual(process.getuid?.(), 0);
await assert.rejects(createNetns(), { code: 'EPERM' });
await assert.rejects(createTestNetwork({ rootless: false }), { code: 'EPERM', syscall: 'unshare' });
const net = await createTestNetwork({ devicePath });
assert.equal(net.rootless, true);

await part('TAPs in a bridge', async () => {
  await net.bridge('br0');
  const [a, b] = [await net.tap({ bridge: 'br0' }), await net.tap({ bridge: 'br0' })];
  const seen = captureFrames(b);
  await a.writeBatch(upTo(100).map((number) => numberedFrame(number)));
  await seen.expect((_packet, frame) => numberOf(frame) === 99);
  assert.deepEqual(
    seen.frames.map(({ frame }) => numberOf(frame)),
    upTo(100),
  );
  await seen.close();
  await checkDevice(a);
  await a.close();
  await assert.rejects(net.links.get(a.name), { code: 'ENODEV' });
});

/** What a device with a descriptor can do, its link included. */
async function checkDevice(tap: Tap): Promise<void> {
  await tap.setMac('02:00:00:00:00:42');
  assert.equal((await net.links.get(tap.name)).mac, '02:00:00:00:00:42');
  const changed = once(tap, 'link');
  await net.links.set(tap.name, { mtu: 1400 });
  const [{ mtu }] = await changed;
  assert.equal(mtu, 1400);
  assert.equal(await tap.isAlive(), true);
  assert.deepEqual(
    (await tap.diagnose()).map(({ code }) => code),
    ['mtu'],
  );
  assert.deepEqual((await tap.refreshStats()).received.drops, {});
  await tap.setPersist(false);
}

await part('a TUN that answers the kernel', async () => {
  const tun = await net.tun({ addresses: ['10.7.0.1/24'] });
  const asked = expectFrame(tun, { icmp: { type: 'echo-request' }, ipv4: { destination: '10.7.0.2' } });
  const pinging = net.exec('ping', ['-n', '-c', '1', '-W', '10', '10.7.0.2']);
  const request = await asked;
  const reply = Buffer.from(request);
  request.copy(reply, 12, 16, 20);
  request.copy(reply, 16, 12, 16);
  reply[20] = 0;
  reply.writeUInt16BE((request.readUInt16BE(22) + 0x0800) % 0xffff, 22);
  tun.write(reply);
  assert.match((await pinging).stdout, /1 received/);
});

await part('a device with several queues, and one that is deleted', async () => {
  const tap = await net.tap({ multiQueue: true });
  const queue = await tap.openQueue();
  const gone = [tap, queue].map((device) => once(device, 'error'));
  await net.links.remove(tap.name);
  for (const [error] of await Promise.all(gone)) assert.equal(error.code, 'ERR_TAPFD_DEVICE_GONE');
});

await part('hosts on wires, shaped', async () => {
  const [a, b] = [await net.host('a'), await net.host('b')];
  await net.wire(
    { host: a, addresses: ['10.0.0.1/24', 'fd00::1/64'] },
    { host: b, addresses: ['10.0.0.2/24', 'fd00::2/64'] },
  );
  await a.shape('eth0', { rateBitsPerSecond: 10_000_000 });
  for (const address of ['10.0.0.2', 'fd00::2']) {
    assert.match((await a.exec('ping', ['-n', '-c', '1', '-W', '10', address])).stdout, /1 received/);
  }
  await net.wire(a, b, net);
});

await part('forwarding between hosts', async () => {
  const [a, b] = [await (await net.host('a')).tap(), await (await net.host('b')).tap()];
  const controller = new AbortController();
  const forwarding = forward(a, b, { signal: controller.signal });
  await (await net.host('a')).exec('ip', [
    'neigh',
    'add',
    '10.5.0.9',
    'lladdr',
    '02:00:00:00:00:09',
    'dev',
    a.name,
  ]);
  await (await net.host('a')).links.addAddress(a.name, '10.5.0.1/24');
  await (await net.host('a')).exec('ping', ['-n', '-c', '1', '-W', '1', '10.5.0.9']).catch(() => undefined);
  while (b.stats.sent.frames === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  controller.abort();
  assert.ok((await forwarding).frames > 0);
});

await part('a namespace by its path, and programs in it', async () => {
  assert.equal((await links.get('lo', { netns: net.netns.path })).up, true);
  const { stdout } = await net.exec('sh', ['-c', 'id -u; readlink /proc/self/ns/net']);
  assert.match(stdout, /^0\nnet:\[\d+\]\n$/);
  const child = net.netns.spawn('true');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

await part('a macvtap: its node is root’s', async () => {
  await net.links.create({ kind: 'veth', name: 'lower', up: true, peer: { name: 'far' } });
  await assert.rejects(net.macvtap({ lower: 'lower' }), {
    code: 'EACCES',
    syscall: 'open',
    path: /^\/dev\/tap\d+$/,
  });
  assert.deepEqual(await net.links.list({ kind: 'macvtap' }), [], 'nothing is left');
});

await net.close();
console.log('closed');
