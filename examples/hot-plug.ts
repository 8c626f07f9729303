/**
 * A guest gets a network card while it runs, and loses it again. Everything is in its own namespace.
 *
 *     node hot-plug.js DIRECTORY     DIRECTORY: the last line printed by `node scripts/guest/image.mjs`
 */
import { join } from 'node:path';
import { createNetns, links, openTap } from 'tapfd';
import { EthernetHost } from './ethernet-host.ts';
import { bootGuestWithMonitor } from './guest.ts';

const [, , directory] = process.argv;
if (directory === undefined) throw new Error('usage: hot-plug.js DIRECTORY');
const image = { kernel: join(directory, 'vmlinuz'), initramfs: join(directory, 'initramfs') };

await using network = await createNetns();
const netns = network.path;
await links.create({ kind: 'bridge', name: 'br0', up: true, netns });
await using scriptTap = await openTap({ netns, name: 'script', bridge: 'br0' });
const script = new EthernetHost(scriptTap, { mac: '52:54:00:77:00:02', address: '10.77.0.2' });

const { guest, qmp } = await bootGuestWithMonitor(image, []);
// At the end, disposed in reverse order: the guest, then its monitor.
await using _monitor = qmp;
await using _guest = guest;
const { major, minor } = qmp.greeting.version;
console.log(`a guest without a network card is running in QEMU ${major}.${minor}`);

const begin = performance.now();
const tap = await openTap({ netns, name: 'guest', bridge: 'br0' });
const { netdevId, mac } = await qmp.addNic({ device: tap, romfile: '' });
await guest.must('until [ -e /sys/class/net/eth0 ]; do sleep 0.02; done');
console.log(`it has one with ${mac} after ${((performance.now() - begin) / 1000).toFixed(1)} s`);

await guest.must('ip address add 10.77.0.1/24 dev eth0; ip link set eth0 up');
await guest.must('ping -c 2 -i 0.1 -W 10 10.77.0.2');
console.log(`JavaScript answered ${script.answered} pings`);

await qmp.execute('set_link', { name: netdevId, up: false });
await guest.must('until [ "$(cat /sys/class/net/eth0/carrier)" = 0 ]; do sleep 0.02; done');
console.log('the cable was pulled');

await qmp.removeNic(netdevId);
console.log(`the card is gone: ${(await guest.must('ls /sys/class/net')).trim()} is left in the guest`);
