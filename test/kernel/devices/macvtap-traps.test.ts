/** What docs/macvtap.md warns of, each shown to be true. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { links, openMacvtap, openTap, openTun } from 'tapfd';
import { needs } from '../../kit/capabilities.js';
import { framesUntil, send, sum16, testFrame, textOf, textsUntil } from '../../kit/frames.js';
import { ownNamespace } from '../../kit/namespace.js';

const GUEST_MAC = '02:00:00:00:00:0a';
const OUTSIDE_MAC = '02:00:00:00:00:0b';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERNET_BYTES = 14;
const IPV4_BYTES = 20;
const MORE_FRAGMENTS = 0x2000;
/** RFC 3692: a protocol number for experiments, which nothing here speaks. */
const EXPERIMENTAL = 253;

/** Two raw sockets that read two frames each, and the attempt of an ordinary user to have one. */
const RAW_SOCKETS = `
import errno, os, socket
def raw(): return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
both = [raw(), raw()]
for one in both:
    one.bind(('container', 0x88b5))
    one.settimeout(10)
print('ready', flush=True)
for one in both: print(*[one.recv(2048)[14:17].decode() for _ in range(2)])
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try: raw()
except OSError as error: print('nobody:', errno.errorcode[error.errno])
`;

/** An ARP request for `address` from the guest. */
function whoHas(address: number[]): Buffer {
  const frame = testFrame({ to: BROADCAST, from: GUEST_MAC, text: '' });
  frame.writeUInt16BE(ETHERTYPE_ARP, 12);
  frame.set([0, 1, 8, 0, 6, 4, 0, 1], 14);
  frame.write(GUEST_MAC.replaceAll(':', ''), 22, 'hex');
  frame.set([10, 9, 0, 2], 28);
  frame.set(address, 38);
  return frame;
}

/** An IPv4 packet to a multicast group, in `count` fragments of `bytes` bytes, each filled with its number. */
function multicastFragments(count: number, bytes: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const frame = testFrame({
      to: '01:00:5e:01:02:03',
      from: OUTSIDE_MAC,
      text: '',
      length: 34 + bytes,
    }).fill(i, 34);
    frame.writeUInt16BE(ETHERTYPE_IPV4, 12);
    const ip = frame.subarray(ETHERNET_BYTES, ETHERNET_BYTES + IPV4_BYTES);
    ip.set([0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 1, EXPERIMENTAL, 0, 0, 10, 9, 0, 7, 239, 1, 2, 3]);
    ip.writeUInt16BE(IPV4_BYTES + bytes, 2);
    ip.writeUInt16BE((i < count - 1 ? MORE_FRAGMENTS : 0) | ((i * bytes) / 8), 6);
    ip.writeUInt16BE(~sum16(ip) & 0xffff, 10);
    return frame;
  });
}

t.test('traps of macvtap', { skip: needs('root', 'macvtap', 'veth', 'bridge', 'ip') }, async (t) => {
  const network = await ownNamespace(t);
  const netns = network.name;
  await network.wire('wire', 'far');

  t.test('the host does not reach its guest through the lower device, nor the guest the host', async (t) => {
    const guest = await openMacvtap({ netns, lower: 'wire', name: 'guest', guestMac: GUEST_MAC });
    const outside = await openMacvtap({ netns, lower: 'far', name: 'outside', guestMac: OUTSIDE_MAC });
    // The other end of the wire is the host's as well here and must not answer for this one.
    await network.exec('sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1');
    await network.ip('address', 'add', '10.9.0.1/24', 'dev', 'wire');
    await network.ip('neigh', 'add', '10.9.0.2', 'lladdr', GUEST_MAC, 'dev', 'wire');

    await network.exec('bash', '-c', 'echo from the host > /dev/udp/10.9.0.2/9');
    await send(guest, whoHas([10, 9, 0, 1]));
    await send(outside, testFrame({ to: GUEST_MAC, from: OUTSIDE_MAC, text: 'from outside' }));
    const received = await framesUntil(guest, (frame) => textOf(frame) === 'from outside');
    t.notOk(received.some((frame) => frame.includes('from the host')));
    t.notOk(
      received.some((frame) => frame.readUInt16BE(12) === ETHERTYPE_ARP),
      'the host does not answer',
    );
    await send(guest, testFrame({ to: BROADCAST, from: GUEST_MAC, text: 'to all' }));
    t.same((await textsUntil(outside, 'to all')).at(-1), 'to all', 'but what is outside hears it');
    await guest[Symbol.asyncDispose]();
    await outside[Symbol.asyncDispose]();
    await network.ip('address', 'flush', 'dev', 'wire');
  });

  t.test("lowering the lower device's MTU lowers the link's, raising it does not raise it", async (t) => {
    const guest = await openMacvtap({ netns, lower: 'wire', name: 'guest' });
    t.equal(guest.mtu, 1500);
    await links.set('wire', { mtu: 1400, netns });
    t.equal((await links.get('guest', { netns })).mtu, 1400);
    await links.set('wire', { mtu: 1500, netns });
    t.equal((await links.get('guest', { netns })).mtu, 1400);
    await guest[Symbol.asyncDispose]();
  });

  t.test('it cannot be put into a bridge', async (t) => {
    const guest = await openMacvtap({ netns, lower: 'wire', name: 'guest' });
    await network.bridge('br0');
    await t.rejects(links.set('guest', { master: 'br0', netns }), { code: 'EBUSY' });
    await guest[Symbol.asyncDispose]();
  });

  t.test("the kernel's own default mode is vepa", async (t) => {
    await network.ip('link', 'add', 'link', 'wire', 'name', 'plain', 'type', 'macvtap');
    t.match(await network.info('plain'), { mode: 'vepa' });
    await network.ip('link', 'delete', 'plain');
  });

  const raw = needs('macvlan', 'python3');
  t.test('raw sockets on a macvlan: each gets every frame, and they need root', { skip: raw }, async (t) => {
    await links.create({
      kind: 'macvlan',
      name: 'container',
      lower: 'wire',
      mac: GUEST_MAC,
      up: true,
      netns,
    });
    const outside = await openMacvtap({ netns, lower: 'far', name: 'outside', guestMac: OUTSIDE_MAC });
    const sockets = spawn('ip', ['netns', 'exec', netns, 'python3', '-c', RAW_SOCKETS], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => sockets.kill('SIGKILL'));
    const said = text(sockets.stdout);
    await once(sockets.stdout, 'data');
    for (const what of ['one', 'two']) {
      await send(outside, testFrame({ to: GUEST_MAC, from: OUTSIDE_MAC, text: what }));
    }
    t.same((await said).trim().split('\n'), ['ready', 'one two', 'one two', 'nobody: EPERM']);
    await outside[Symbol.asyncDispose]();
    await links.remove('container', { netns });
  });

  t.test('what is written while it is down is lost, and counted', async (t) => {
    const guest = await openMacvtap({ netns, lower: 'wire', name: 'guest', guestMac: GUEST_MAC, up: false });
    const frame = testFrame({ to: BROADCAST, from: GUEST_MAC, text: 'lost' });
    await send(guest, frame);
    t.match(guest.stats.sent, { frames: 0, drops: { 'link-down': 1 } });
    await guest[Symbol.asyncDispose]();
  });

  t.test('fragments of a multicast packet arrive as one frame over the MTU', async (t) => {
    const guest = await openMacvtap({ netns, lower: 'wire', guestMac: GUEST_MAC, allMulticast: true });
    const outside = await openMacvtap({ netns, lower: 'far', guestMac: OUTSIDE_MAC });
    for (const fragment of multicastFragments(3, 1000)) await send(outside, fragment);
    const isOurs = (frame: Buffer) => frame.readUInt16BE(12) === ETHERTYPE_IPV4 && frame[23] === EXPERIMENTAL;
    const [joined] = (await framesUntil(guest, isOurs)).slice(-1);
    t.equal(joined.length, ETHERNET_BYTES + IPV4_BYTES + 3000);
    t.ok(joined.length > guest.mtu + ETHERNET_BYTES);
    t.same(
      [34, 1034, 2034].map((offset) => joined[offset]),
      [0, 1, 2],
    );
    await guest.close();
    await outside.close();
  });

  t.test('multicast may come after unicast that was sent later', async (t) => {
    const guest = await openMacvtap({ netns, lower: 'wire', guestMac: GUEST_MAC });
    const outside = await openMacvtap({ netns, lower: 'far', guestMac: OUTSIDE_MAC });
    const both = [BROADCAST, GUEST_MAC].map((to) =>
      testFrame({ to, from: OUTSIDE_MAC, text: to === BROADCAST ? 'first' : 'second' }),
    );
    // The kernel delivers multicast from a queue of its own: most rounds show it.
    let texts: (string | undefined)[];
    do {
      await outside.writeBatch(both);
      const missing = new Set(['first', 'second']);
      const received = await framesUntil(guest, (frame) => {
        missing.delete(textOf(frame) ?? '');
        return missing.size === 0;
      });
      texts = received.map((frame) => textOf(frame));
    } while (texts.indexOf('first') < texts.indexOf('second'));
    t.pass('the unicast frame came first');
    await guest.close();
    await outside.close();
  });

  t.test(
    'a bridge without a MAC of its own takes the lowest of its ports, one with it keeps it',
    async (t) => {
      const mac = '02:00:00:00:00:99';
      await links.create({ kind: 'bridge', name: 'plain', netns });
      await links.create({ kind: 'bridge', name: 'fixed', mac, netns });
      for (const bridge of ['plain', 'fixed']) {
        const high = await openTap({ netns, bridge, mac: '02:00:00:00:00:55' });
        const low = await openTap({ netns, bridge, mac: '02:00:00:00:00:11' });
        const now = async () => (await links.get(bridge, { netns })).mac;
        t.equal(await now(), bridge === 'plain' ? low.mac : mac);
        await low.close();
        t.equal(await now(), bridge === 'plain' ? high.mac : mac);
        await high.close();
        await links.remove(bridge, { netns });
      }
    },
  );

  t.test('as many frames wait in the kernel as its queue is long', async (t) => {
    const macvtap = await openMacvtap({ netns, lower: 'wire' });
    const tap = await openTap({ netns });
    const tun = await openTun({ netns });
    t.equal((await links.get(tun.index, { netns })).txQueueLength, 500);
    await tun.close();
    t.equal((await links.get(macvtap.index, { netns })).txQueueLength, 500);
    t.equal((await links.get(tap.index, { netns })).txQueueLength, 1000);
    await macvtap[Symbol.asyncDispose]();
    await tap[Symbol.asyncDispose]();
  });
});
