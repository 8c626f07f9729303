/** Guests on TAPs in a bridge: each other, a container on a veth, JavaScript on a third TAP, any MAC. */
import t from 'tap';
import { openTap } from 'tapfd';
import { EthernetHost } from '../../examples/ethernet-host.ts';
import { bootGuest, type Guest } from '../../examples/guest.ts';
import { needs } from '../kit/capabilities.ts';
import { guestImage } from '../kit/guest-image.ts';
import { ownNamespace, type TestNamespace, vethPair } from '../kit/namespace.ts';

const BRIDGE = 'br0';
const MAC_A = '52:54:00:77:00:0a';
const MAC_B = '52:54:00:77:00:0b';
const MAC_SCRIPT = '52:54:00:77:00:0c';
const ADDRESS_A = '10.77.0.10';
const ADDRESS_B = '10.77.0.11';
const ADDRESS_SCRIPT = '10.77.0.12';
const ADDRESS_CONTAINER = '10.77.0.13';

t.setTimeout(180_000);

t.test('TAP guests', { skip: needs('root', 'tun-device', 'bridge', 'veth', 'guest') }, async (t) => {
  const host = await ownNamespace(t);
  const container = await ownNamespace(t);
  await host.ip('link', 'add', BRIDGE, 'type', 'bridge');
  await host.ip('link', 'set', BRIDGE, 'up');
  await vethPair(host, 'port', container, 'eth0');
  await host.ip('link', 'set', 'port', 'master', BRIDGE);
  await container.ip('address', 'add', `${ADDRESS_CONTAINER}/24`, 'dev', 'eth0');

  const scriptTap = await openTap({ netns: host.name, name: 'script', bridge: BRIDGE });
  t.teardown(() => scriptTap[Symbol.asyncDispose]());
  const script = new EthernetHost(scriptTap, { mac: MAC_SCRIPT, address: ADDRESS_SCRIPT });

  const boot = async (name: string, mac: string): Promise<Guest> => {
    const tap = await openTap({ netns: host.name, name, bridge: BRIDGE });
    const guest = await bootGuest(guestImage(), [{ device: tap, mac }], { name });
    t.teardown(() => guest.kill());
    return guest;
  };
  // Both at once: a boot is work for one processor.
  const [a, b] = await Promise.all([boot('guest-a', MAC_A), boot('guest-b', MAC_B)]);
  await a.must(`ip address add ${ADDRESS_A}/24 dev eth0; ip link set eth0 up`);
  await b.must(`ip address add ${ADDRESS_B}/24 dev eth0; ip link set eth0 up`);

  await t.test('the guest has the MAC that its card was given, not that of the TAP', async (t) => {
    t.equal((await a.must('cat /sys/class/net/eth0/address')).trim(), MAC_A);
    t.not((await host.link('guest-a'))?.address, MAC_A);
  });

  await t.test('a guest and a container on a veth reach each other through the bridge', async (t) => {
    await a.must(`ping -c 2 -i 0.1 -W 10 ${ADDRESS_CONTAINER}`);
    t.equal(await container.ping(ADDRESS_A, 2), 2);
    t.match(await container.ip('neighbour', 'show', ADDRESS_A), MAC_A);
  });

  await t.test('two guests reach each other through the bridge', async () => {
    await a.must(`ping -c 2 -i 0.1 -W 10 ${ADDRESS_B}`);
    await b.must(`ping -c 2 -i 0.1 -W 10 ${ADDRESS_A}`);
  });

  await t.test('the bridge has learnt behind which TAP each guest is', async (t) => {
    t.equal(await portOf(host, MAC_A), 'guest-a');
    t.equal(await portOf(host, MAC_B), 'guest-b');
    t.equal(await portOf(host, MAC_SCRIPT), undefined, 'and knows nothing of one that has not spoken yet');
  });

  await t.test('a guest and JavaScript reach each other, both asking first once', async (t) => {
    const before = script.answered;
    await a.must(`ping -c 3 -i 0.1 -W 10 ${ADDRESS_SCRIPT}`);
    t.equal(script.answered, before + 3);
    const reply = await script.ping(ADDRESS_B, {
      payload: Buffer.from('from JavaScript'),
      timeoutMs: 20_000,
    });
    t.equal(reply.mac, MAC_B);
    t.equal(reply.payload.toString(), 'from JavaScript');
    t.equal(await portOf(host, MAC_SCRIPT), 'script');
  });

  await t.test('a TCP stream of full frames crosses unchanged', async (t) => {
    await b.must('head -c 3000000 /dev/urandom >/tmp/file; httpd -h /tmp -p 80');
    const sum = await b.must('md5sum </tmp/file');
    t.equal(await a.must(`wget -q -O - http://${ADDRESS_B}/file | md5sum`), sum);
  });

  await t.test('a TAP takes any MAC: a guest may change its own', async (t) => {
    const newMac = '52:54:00:77:ff:ff';
    await a.must(`ip link set eth0 down; ip link set eth0 address ${newMac}; ip link set eth0 up`);
    await a.must(`ping -c 2 -i 0.1 -W 10 ${ADDRESS_CONTAINER}`);
    t.equal(await container.ping(ADDRESS_A, 2), 2);
    t.match(await container.ip('neighbour', 'show', ADDRESS_A), newMac);
    t.equal((await script.ping(ADDRESS_A, { timeoutMs: 20_000 })).mac, newMac);
    t.equal(await portOf(host, newMac), 'guest-a');
  });

  await t.test('a TAP that is not persistent goes with its guest', async (t) => {
    t.ok(await host.link('guest-a'));
    await a.shutdown();
    t.equal(await host.link('guest-a'), undefined, 'QEMU had the only descriptor');
    t.ok(await host.link('guest-b'), 'the other guest keeps its own');
    await b.kill();
    t.equal(await host.link('guest-b'), undefined, 'also when QEMU is killed');
  });
});

/** The bridge port behind which the bridge has learnt `mac`. */
async function portOf(host: TestNamespace, mac: string): Promise<string | undefined> {
  const entries: { mac: string; ifname: string; state: string }[] = JSON.parse(
    await host.exec('bridge', '-json', 'fdb', 'show', 'br', BRIDGE, 'dynamic'),
  );
  return entries.find((entry) => entry.mac === mac)?.ifname;
}
