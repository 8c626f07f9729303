/**
 * Guests on macvtaps of one lower device: each other, a macvlan container, a host on the wire, JavaScript; and the MAC
 * rule.
 */
import { once } from 'node:events';
import t from 'tap';
import { links, type Macvtap, openMacvtap } from 'tapfd';
import { spawnQemu, spawnWithFds } from 'tapfd/qemu';
import { EthernetHost } from '../../examples/ethernet-host.ts';
import { bootGuest, Guest, guestArguments } from '../../examples/guest.ts';
import { needs } from '../kit/capabilities.ts';
import { guestImage } from '../kit/guest-image.ts';
import { ownNamespace, vethPair } from '../kit/namespace.ts';

const LOWER = 'wire';
const MAC_A = '52:54:00:78:00:0a';
const MAC_B = '52:54:00:78:00:0b';
const MAC_SCRIPT = '52:54:00:78:00:0c';
const ANOTHER_MAC = '52:54:00:78:ff:ff';
const ADDRESS_A = '10.78.0.10';
const ADDRESS_B = '10.78.0.11';
const ADDRESS_SCRIPT = '10.78.0.12';
const ADDRESS_CONTAINER = '10.78.0.13';
const ADDRESS_OUTSIDE = '10.78.0.14';

t.setTimeout(180_000);

t.test('macvtap guests', { skip: needs('root', 'macvtap', 'macvlan', 'veth', 'guest') }, async (t) => {
  const host = await ownNamespace(t);
  const container = await ownNamespace(t);
  const outside = await ownNamespace(t);
  await vethPair(host, LOWER, outside, 'eth0');
  await outside.ip('address', 'add', `${ADDRESS_OUTSIDE}/24`, 'dev', 'eth0');
  await host.ip(
    ...`link add link ${LOWER} name eth0 netns ${container.name} type macvlan mode bridge`.split(' '),
  );
  await container.ip('link', 'set', 'eth0', 'up');
  await container.ip('address', 'add', `${ADDRESS_CONTAINER}/24`, 'dev', 'eth0');

  const open = async (name: string, guestMac: string): Promise<Macvtap> => {
    const device = await openMacvtap({ netns: host.name, name, lower: LOWER, guestMac });
    t.teardown(() => device[Symbol.asyncDispose]());
    return device;
  };
  const scriptDevice = await open('script', MAC_SCRIPT);
  const script = new EthernetHost(scriptDevice, { mac: MAC_SCRIPT, address: ADDRESS_SCRIPT });

  const deviceA = await open('guest-a', MAC_A);
  const deviceB = await open('guest-b', MAC_B);
  const guestOn = async (booting: Promise<Guest>): Promise<Guest> => {
    const guest = await booting;
    t.teardown(() => guest.kill());
    await guest.must('ip link set eth0 up');
    return guest;
  };
  /** QEMU gets a duplicate of the descriptor, and the device stays this process's too. */
  const bootSharing = async (device: Macvtap, mac: string): Promise<Guest> => {
    const card = `-netdev tap,id=n0,fd={fd:0} -device virtio-net-pci,netdev=n0,mac=${mac},romfile=`;
    const args = [...guestArguments(guestImage()), ...card.split(' ')];
    const child = await spawnWithFds('qemu-system-x86_64', args, [device], { stdio: 'pipe' });
    return Guest.on(child, { name: device.name });
  };

  await t.test('a card with another MAC is refused before QEMU starts', async (t) => {
    const refused = spawnQemu('qemu-system-x86_64', [], { nics: [{ device: deviceA, mac: ANOTHER_MAC }] });
    // A QEMU that was started nevertheless must not remain.
    refused.then(
      (child) => child.kill('SIGKILL'),
      () => {},
    );
    await t.rejects(refused, { code: 'ERR_TAPFD_MAC_MISMATCH' });
    t.equal(deviceA.handedOff, false, 'and the device is still ours');
  });

  const [a, b] = await Promise.all([
    guestOn(bootGuest(guestImage(), [{ device: deviceA }], { name: 'guest-a' })),
    guestOn(bootSharing(deviceB, MAC_B)),
  ]);
  await a.must(`ip address add ${ADDRESS_A}/24 dev eth0`);
  await b.must(`ip address add ${ADDRESS_B}/24 dev eth0`);
  const setGuestMac = (guest: Guest, mac: string): Promise<string> =>
    guest.must(`ip link set eth0 down; ip link set eth0 address ${mac}; ip link set eth0 up`);

  await t.test("the guest has its macvtap's MAC, though it was named only once", async (t) => {
    t.equal((await a.must('cat /sys/class/net/eth0/address')).trim(), MAC_A);
    t.equal((await host.link('guest-a'))?.address, MAC_A);
  });

  await t.test('a guest reaches a sibling guest', async () => {
    await reach(a, ADDRESS_B);
    await reach(b, ADDRESS_A);
  });

  await t.test('a guest and a macvlan container on the same lower device reach each other', async (t) => {
    await reach(a, ADDRESS_CONTAINER);
    t.equal(await container.ping(ADDRESS_A, 2), 2);
    t.match(await container.ip('neighbour', 'show', ADDRESS_A), MAC_A);
  });

  await t.test('a guest reaches a host at the other end of the wire, and it the guest', async (t) => {
    await reach(a, ADDRESS_OUTSIDE);
    t.equal(await outside.ping(ADDRESS_A, 2), 2);
  });

  await t.test('a guest and JavaScript on a sibling macvtap reach each other', async (t) => {
    const before = script.answered;
    await a.must(`ping -c 3 -i 0.1 -W 10 ${ADDRESS_SCRIPT}`);
    t.equal(script.answered, before + 3);
    const reply = await script.ping(ADDRESS_B, {
      payload: Buffer.from('from JavaScript'),
      timeoutMs: 20_000,
    });
    t.equal(reply.mac, MAC_B);
    t.equal(reply.payload.toString(), 'from JavaScript');
  });

  await t.test('frames between siblings do not leave the host', async (t) => {
    const pings = 40;
    const before = receivedPackets(await outside.ip('-json', '-s', 'link', 'show', 'eth0'));
    await a.must(`ping -c ${pings} -i 0.02 -W 10 ${ADDRESS_B}`);
    const after = receivedPackets(await outside.ip('-json', '-s', 'link', 'show', 'eth0'));
    t.ok(after - before < pings, `${after - before} frames on the wire, for ${2 * pings} between the guests`);
    await a.must(`ping -c ${pings} -i 0.02 -W 10 ${ADDRESS_OUTSIDE}`);
    const end = receivedPackets(await outside.ip('-json', '-s', 'link', 'show', 'eth0'));
    t.ok(end - after >= pings, `those to the outside do: ${end - after}`);
  });

  await t.test("a guest with another MAC than its macvtap's gets no unicast", async (t) => {
    await setGuestMac(a, ANOTHER_MAC);
    t.equal(
      await script.resolve(ADDRESS_A, 20_000),
      ANOTHER_MAC,
      'a broadcast reaches it, and its own frames leave',
    );
    // All at once: each waits for an answer that does not come.
    const fromScript = t.rejects(script.ping(ADDRESS_A, { timeoutMs: 10_000 }), /does not answer the ping/);
    const fromContainer = container.ping(ADDRESS_A);
    const { status, output } = await a.run(`ping -c 3 -i 0.2 -W 2 ${ADDRESS_B}`);
    t.equal(status, 1, 'no reply comes to a ping of its own');
    t.match(output, ' 0 packets received');
    t.equal(await fromContainer, 0);
    await fromScript;
  });

  await t.test("setting the macvtap's MAC to the guest's repairs it, while QEMU runs", async (t) => {
    await links.set('guest-a', { mac: ANOTHER_MAC, netns: host.name });
    await reach(a, ADDRESS_B);
    t.equal((await script.ping(ADDRESS_A, { timeoutMs: 20_000 })).mac, ANOTHER_MAC);
  });

  await t.test('so does the device itself, where this process has kept it', async (t) => {
    const newMac = '52:54:00:78:ff:fe';
    await setGuestMac(b, newMac);
    t.equal((await b.run(`ping -c 2 -i 0.2 -W 2 ${ADDRESS_OUTSIDE}`)).status, 1);
    await deviceB.setMac(newMac);
    await reach(b, ADDRESS_OUTSIDE);
    t.equal((await script.ping(ADDRESS_B, { timeoutMs: 20_000 })).mac, newMac);
  });

  await t.test("setting the guest's MAC to the macvtap's repairs it as well", async (t) => {
    await setGuestMac(a, MAC_A);
    t.equal(
      (await a.run(`ping -c 2 -i 0.2 -W 2 ${ADDRESS_B}`)).status,
      1,
      'now the guest is the one that is wrong',
    );
    await setGuestMac(a, ANOTHER_MAC);
    await reach(a, ADDRESS_B);
    t.equal((await script.ping(ADDRESS_A, { timeoutMs: 20_000 })).mac, ANOTHER_MAC);
  });

  await t.test('a macvtap that the opening made goes with the guest that had it alone', async (t) => {
    t.ok(await host.link('guest-a'), 'it lives as long as QEMU');
    const closed = once(deviceA, 'close');
    await a.shutdown();
    await closed;
    t.equal(await host.link('guest-a'), undefined);
  });

  await t.test('and one that this process has kept goes when the device is closed', async (t) => {
    await b.kill();
    t.ok(await host.link('guest-b'));
    await deviceB[Symbol.asyncDispose]();
    t.equal(await host.link('guest-b'), undefined);
    t.ok(await host.link('script'), 'the sibling stays');
  });
});

/** Pings from a guest, all of which must be answered. */
async function reach(guest: Guest, address: string): Promise<void> {
  // An unanswered ARP request of a moment ago would make these pings fail too.
  await guest.must('ip neigh flush dev eth0');
  await guest.must(`ping -c 2 -i 0.1 -W 10 ${address}`);
}

function receivedPackets(json: string): number {
  const [link]: { stats64: { rx: { packets: number } } }[] = JSON.parse(json);
  return link.stats64.rx.packets;
}
