/** Links that are moved to another namespace and renamed at once, again and again, as container plugins do. */
import { once } from 'node:events';
import t from 'tap';
import { links, type Macvtap, openMacvtap, openTap, type Tap } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { linkEvent } from '../../kit/link-changes.js';
import { ownNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap', 'veth', 'ip');

const ROUNDS = 12;
const MAC = '02:00:00:00:00:0a';

for (const kind of ['tap', 'macvtap'] as const) {
  t.test(`a ${kind} lives on, and its facts are right at the end`, async (t) => {
    const [home, away] = [await ownNamespace(t), await ownNamespace(t)];
    await home.wire('wire', 'far');
    const options = { netns: home.name, name: 'home' };
    const device: Tap | Macvtap = closedWith<Tap | Macvtap>(
      t,
      kind === 'tap'
        ? await openTap({ ...options, mac: MAC })
        : await openMacvtap({ ...options, lower: 'wire', guestMac: MAC }),
    );
    const failures: Error[] = [];
    device.on('error', (error) => failures.push(error));
    for (let round = 0; round < ROUNDS; round++) {
      // A stranger takes the name that becomes free.
      await home.ip('link', 'set', 'home', 'netns', away.name, 'name', 'away');
      await home.ip('link', 'add', 'home', 'type', 'veth', 'peer', 'name', 'end');
      await home.ip('link', 'delete', 'home');
      await away.ip('link', 'set', 'away', 'netns', home.name, 'name', 'home');
    }
    await home.ip('link', 'set', 'home', 'netns', away.name, 'name', 'last');
    // Following a link keeps no process alive.
    const waiting = setInterval(() => {}, 9e5);
    t.teardown(() => clearInterval(waiting));
    while (device.name !== 'last') await once(device, 'link');
    t.same(failures, []);
    t.notOk(device.destroyed);
    t.ok(await device.isAlive());
    t.equal(device.mac, MAC);
    if (kind === 'macvtap') return; // the kernel does not say where it is
    const found = await links.get('last', { netns: away.name });
    while (device.index !== found.index) await once(device, 'link');
    const heard = linkEvent(device, 'mtu');
    await links.set('last', { mtu: 1400, netns: away.name });
    t.equal((await heard).mtu, 1400);
  });
}
