/** Several calls on one card at once, from one client or two: QEMU lives, and each call does what it answers. */
import t, { type Test } from 'tap';
import { type Macvtap, openMacvtap, openTap, type Tap } from 'tapfd';
import type { QemuHotPlugNic, QmpClient } from 'tapfd/qemu';
import { needs } from '../../kit/capabilities.js';
import { devicesOf } from '../../kit/held-devices.js';
import { bridgeAndWire, type TestNamespace } from '../../kit/namespace.js';
import { PausedSocket } from '../../kit/paused-socket.js';
import { connected, launchQemu, reset, startQemu, tapQueues, tapsOf } from '../../kit/real-qemu.js';

type Via = NonNullable<QemuHotPlugNic['via']>;
const vias: Via[] = ['getfd', 'add-fd'];

/** A running QEMU with two clients; the commands of the first can be paused. */
async function twoClients(t: Test) {
  const { child, sockets } = await launchQemu(t, 2);
  const paused = new PausedSocket(sockets[0]);
  const [first, second] = [await connected(t, paused), await connected(t, sockets[1])];
  await first.execute('cont');
  return { child, paused, first, second };
}

async function plainTap(t: Test, { name: netns }: TestNamespace): Promise<Tap> {
  const tap = await openTap({ netns, bridge: 'br0' });
  t.teardown(() => tap[Symbol.asyncDispose]());
  return tap;
}

async function ownMacvtap(t: Test, { name: netns }: TestNamespace, name: string): Promise<Macvtap> {
  const device = await openMacvtap({ netns, lower: 'wire', name });
  t.teardown(() => device[Symbol.asyncDispose]());
  return device;
}

/** Removes the card, which only a reset makes this QEMU release. */
async function unplug(qmp: QmpClient, id: string): Promise<void> {
  const removing = qmp.removeNic(id);
  await qmp.execute('query-status');
  await reset(qmp);
  await removing;
}

const skip = needs('root', 'tun-device', 'netns', 'ip', 'bridge', 'veth', 'macvtap', 'qemu');

t.test('calls at once', { skip }, async (t) => {
  t.test('add-fd: an addNic that is aborted leaves the running card of that id alone', async (t) => {
    const net = await bridgeAndWire(t);
    const { child, paused, first, second } = await twoClients(t);
    const device = await ownMacvtap(t, net, 'guest');
    await second.addNic({ device, id: 'x', via: 'add-fd', romfile: '' });
    const before = [devicesOf(child.pid ?? -1), await second.execute('query-fdsets')];
    for (const step of ['query-status', 'add-fd', 'netdev_add']) {
      const tap = await plainTap(t, net);
      const aborter = new AbortController();
      paused.before = async (command) => {
        if (command === step) aborter.abort(new Error('enough'));
      };
      await t.rejects(
        first.addNic({ device: tap, id: 'x', via: 'add-fd', romfile: '' }, { signal: aborter.signal }),
        step === 'netdev_add' ? /enough|Duplicate/ : { message: 'enough' },
      );
      t.strictSame([devicesOf(child.pid ?? -1), await second.execute('query-fdsets')], before, step);
    }
    t.equal((await net.link('guest'))?.ifname, 'guest');
  });

  for (const via of vias) {
    t.test(
      `${via}: of two addNic of one id, one is refused and the other's device is the guest's`,
      async (t) => {
        const net = await bridgeAndWire(t);
        const { child, qmp } = await startQemu(t);
        const devices = [await plainTap(t, net), await plainTap(t, net)];
        const calls = await Promise.allSettled(
          devices.map((device) => qmp.addNic({ device, id: 'x', via, romfile: '' })),
        );
        t.strictSame(
          calls.map(({ status }) => status),
          ['fulfilled', 'rejected'],
        );
        t.match(calls[1], { reason: { code: 'ERR_TAPFD_QMP', command: 'netdev_add', detail: /Duplicate/ } });
        t.strictSame(Object.values(devicesOf(child.pid ?? -1)), [devices[0].name]);
        t.strictSame(
          devices.map(({ handedOff }) => handedOff),
          [true, false],
        );
        t.ok(await devices[1].isAlive());
      },
    );

    t.test(`${via}: so it is with two clients, at every step`, async (t) => {
      const net = await bridgeAndWire(t);
      const { child, paused, first, second } = await twoClients(t);
      for (const step of [via, 'netdev_add', 'device_add']) {
        const [one, two] = [await plainTap(t, net), await plainTap(t, net)];
        let other: Promise<unknown> | undefined;
        paused.before = async (command) => {
          if (command !== step || other !== undefined) return;
          other = second.addNic({ device: two, id: 'x', via, romfile: '' }).catch((error) => error);
          await other;
        };
        const failure = await first.addNic({ device: one, id: 'x', via, romfile: '' }).then(
          () => other,
          (error) => error,
        );
        t.match(failure, { code: 'ERR_TAPFD_QMP', command: 'netdev_add', detail: /Duplicate/ });
        const [winner, loser] = one.handedOff ? [one, two] : [two, one];
        t.strictSame(Object.values(devicesOf(child.pid ?? -1)), [winner.name], step);
        t.strictSame([winner.handedOff, loser.handedOff], [true, false]);
        t.ok(await loser.isAlive());
        paused.before = () => undefined;
        await unplug(winner === one ? first : second, 'x');
        t.equal(tapsOf(child.pid), 0);
        t.strictSame(await second.execute('query-fdsets'), []);
      }
    });

    t.test(
      `${via}: removeNic of another client while addNic is under way is refused, at every step`,
      async (t) => {
        const net = await bridgeAndWire(t);
        const { child, paused, first, second } = await twoClients(t);
        const steps = via === 'getfd' ? [via] : ['query-status', via];
        for (const step of [...steps, 'netdev_add', 'device_add']) {
          const device = await tapQueues(t, net);
          let removing: Promise<unknown> | undefined;
          paused.before = async (command) => {
            if (command !== step || removing !== undefined) return;
            removing = second.removeNic('x').catch((error) => error);
            await removing;
          };
          await first.addNic({ device, id: 'x', via, romfile: '' });
          t.match(await removing, { code: 'ERR_TAPFD_QMP', qmpClass: 'DeviceNotFound' }, step);
          t.equal(tapsOf(child.pid), 2);
          paused.before = () => undefined;
          await unplug(first, 'x');
          t.equal(tapsOf(child.pid), 0);
          t.strictSame(await second.execute('query-fdsets'), []);
        }
      },
    );

    t.test(`${via}: the steps of another client's removeNic between those of addNic`, async (t) => {
      const net = await bridgeAndWire(t);
      const { child, paused: remover, first: second, second: first } = await twoClients(t);
      // The remover has asked, and goes on when the card is there.
      const device = await tapQueues(t, net);
      let adding: Promise<unknown> | undefined;
      remover.before = async (command) => {
        if (command === 'device_del' || adding !== undefined) return;
        adding = first.addNic({ device, id: 'x', via, romfile: '' });
        await adding;
      };
      await t.rejects(second.removeNic('x'), { code: 'ERR_TAPFD_QMP', qmpClass: 'DeviceNotFound' });
      await (adding ?? first.addNic({ device, id: 'x', via, romfile: '' }));
      t.equal(tapsOf(child.pid), 2);
    });

    t.test(`${via}: removeNic of the same client waits for addNic`, async (t) => {
      const net = await bridgeAndWire(t);
      const { child, qmp } = await startQemu(t);
      for (let round = 0; round < 3; round += 1) {
        const device = await tapQueues(t, net);
        const adding = qmp.addNic({ device, id: 'x', via, romfile: '' });
        const removing = qmp.removeNic('x');
        const again = qmp.removeNic('x');
        await adding;
        await qmp.execute('query-status');
        await reset(qmp);
        await Promise.all([removing, again]);
        t.equal(tapsOf(child.pid), 0);
        t.strictSame(await qmp.execute('query-fdsets'), []);
        t.strictSame([device[0].destroyed, device[1].destroyed], [true, true]);
      }
    });

    t.test(`${via}: both of two clients that remove a card succeed`, async (t) => {
      const net = await bridgeAndWire(t);
      const { child, first, second } = await twoClients(t);
      await first.addNic({ device: await tapQueues(t, net), id: 'x', via, romfile: '' });
      const removing = Promise.all([first.removeNic('x'), second.removeNic('x')]);
      await Promise.all([first.execute('query-status'), second.execute('query-status')]);
      await reset(second);
      await removing;
      t.equal(tapsOf(child.pid), 0);
      t.strictSame(await second.execute('query-fdsets'), []);
    });
  }
});
