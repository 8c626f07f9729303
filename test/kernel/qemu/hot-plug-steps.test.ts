/** Hot-plugging into a real QEMU step by step: each is done, refused, or its answer lost. */
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { openTap, type Tap } from 'tapfd';
import type { QemuHotPlugNic } from 'tapfd/qemu';
import { needs } from '../../kit/capabilities.js';
import { FaultySocket } from '../../kit/faulty-socket.js';
import { flowFrame, send, textOf } from '../../kit/frames.js';
import { bridgeAndWire } from '../../kit/namespace.js';
import { descriptorTargets } from '../../kit/open-files.js';
import { connected, launchQemu, reset, startQemu, tapQueues, tapsOf } from '../../kit/real-qemu.js';

/** Broadcasts frames of many flows. Resolves when every queue has received one of them. */
async function reachesEach(sender: Tap, queues: readonly Tap[]): Promise<void> {
  wave += 1;
  const text = `wave ${wave}`;
  const heard = queues.map(
    (queue) =>
      new Promise<void>((resolve) => {
        const hear = (frame: Buffer): void => {
          if (textOf(frame, queue.vnetHeaderBytes) !== text) return;
          queue.off('data', hear);
          resolve();
        };
        queue.on('data', hear);
      }),
  );
  for (let port = 1; port <= 64; port += 1) {
    await send(sender, flowFrame({ to: 'ff:ff:ff:ff:ff:ff', from: '02:00:00:00:00:99', text }, port));
  }
  await Promise.all(heard);
}

let wave = 0;

const skip = needs('root', 'tun-device', 'netns', 'ip', 'bridge', 'veth', 'macvtap', 'qemu');

t.test('a real monitor', { skip }, async (t) => {
  const vias: NonNullable<QemuHotPlugNic['via']>[] = ['getfd', 'add-fd'];
  for (const via of vias) {
    t.test(`${via}: QEMU gets both queues, and gives them back with the card`, async (t) => {
      const net = await bridgeAndWire(t);
      const { child, sockets } = await launchQemu(t, 2);
      const [qmp, next] = [await connected(t, sockets[0]), await connected(t, sockets[1])];
      await qmp.execute('cont');
      const here = tapsOf('self');
      const queues = await tapQueues(t, net);
      const added = await qmp.addNic({ device: queues, id: 'lan', via, romfile: '' });
      t.equal(tapsOf(child.pid), 2);
      await until(() => tapsOf('self') === here, 'the copies here are closed');
      const [filter] = [await qmp.execute('query-rx-filter', { name: added.deviceId })];
      t.match(filter, [{ name: 'lan-nic', 'main-mac': added.mac }]);

      // No guest runs that could release it; a reset does.
      const aborter = new AbortController();
      const removing = qmp.removeNic('lan', { signal: aborter.signal });
      await qmp.execute('query-status');
      aborter.abort(new Error('no guest'));
      await t.rejects(removing, { message: 'no guest' });
      const again = next.removeNic('lan');
      await next.execute('query-status');
      await reset(qmp);
      await again;
      t.equal(tapsOf(child.pid), 0);
      t.strictSame(await qmp.execute('query-fdsets'), []);
      t.equal(queues[0].destroyed, false, 'they are those of the client that plugged them in');
      await qmp.removeNic('lan');
      t.equal(queues[0].destroyed && queues[1].destroyed, true);
      t.equal(await net.link(queues[0].name), undefined);
    });

    t.test(`${via}: whichever step fails, QEMU and this process are as before`, async (t) => {
      const net = await bridgeAndWire(t);
      const device = await tapQueues(t, net);
      const sender = await openTap({ netns: net.name, bridge: 'br0' });
      t.teardown(() => sender[Symbol.asyncDispose]());
      const faults: FaultySocket[] = [];
      const { child, qmp } = await startQemu(t, (socket) => {
        const fault = new FaultySocket(socket);
        faults.push(fault);
        return fault;
      });
      const [fault] = faults;
      const before = [descriptorTargets(child.pid).sort(), descriptorTargets().sort()];
      const asBefore = async (what: string): Promise<void> => {
        t.strictSame([descriptorTargets(child.pid).sort(), descriptorTargets().sort()], before, what);
        t.strictSame(await qmp.execute('query-fdsets'), []);
        await reachesEach(sender, device);
      };
      const passing = via === 'getfd' ? [via, via] : ['query-status', via, via];
      for (const [step, name] of [...passing, 'netdev_add', 'device_add'].entries()) {
        fault.remaining = step + 1;
        await t.rejects(qmp.addNic({ device, id: 'x', via, romfile: '' }), {
          code: 'ERR_TAPFD_QMP',
          command: name,
          detail: 'injected',
        });
        await asBefore(`${name}, step ${step}`);
      }
      // QEMU's own refusals: of the card, then of the backend with a taken id.
      const bad = { device, id: 'x', via, romfile: '', bus: 'none' };
      await t.rejects(qmp.addNic(bad), { code: 'ERR_TAPFD_QMP', command: 'device_add', detail: /none/ });
      await asBefore('an unknown bus');
      await qmp
        .execute('netdev_add', { type: 'user', id: 'taken' })
        .catch(() => qmp.execute('netdev_add', { type: 'hubport', id: 'taken', hubid: 0 }));
      before[0] = descriptorTargets(child.pid).sort();
      await t.rejects(qmp.addNic({ device, id: 'taken', via }), {
        code: 'ERR_TAPFD_QMP',
        command: 'netdev_add',
      });
      await asBefore('an id that is taken');
      await qmp.execute('netdev_del', { id: 'taken' });

      // And it works all the same.
      await qmp.addNic({ device, id: 'x', via, romfile: '' });
      t.equal(device[0].handedOff, true);
    });

    t.test(
      `${via}: the connection is lost at a step, and QEMU lives: what is left is reported`,
      async (t) => {
        const net = await bridgeAndWire(t);
        const device = await openTap({ netns: net.name, bridge: 'br0' });
        const sender = await openTap({ netns: net.name, bridge: 'br0' });
        for (const tap of [device, sender]) t.teardown(() => tap[Symbol.asyncDispose]());
        const passed = via === 'getfd' ? 'descriptor "x-[0-9a-f]{8}-fd0"' : 'descriptor sets';
        const steps = [...(via === 'getfd' ? [] : [undefined]), passed, 'netdev "x"', 'card "x-nic"'];
        const kinds = ['cut before', 'cut after'] as const;
        const { sockets } = await launchQemu(t, steps.length * kinds.length + 1);
        const witness = await connected(t, sockets[0]);
        await witness.execute('cont');
        /** What QEMU has, which is taken away. */
        const takeWhatIsLeft = async (): Promise<string[]> => {
          const found: string[] = [];
          const cards = await witness.execute('qom-list', { path: '/machine/peripheral' });
          if (JSON.stringify(cards).includes('x-nic')) {
            found.push('card "x-nic"');
            const deleted = witness.waitForEvent('DEVICE_DELETED', {
              where: (data) => data.device === 'x-nic',
            });
            await witness.execute('device_del', { id: 'x-nic' });
            await reset(witness);
            await deleted;
          }
          await witness.execute('netdev_del', { id: 'x' }).then(
            () => found.push('netdev "x"'),
            (error) => t.match(error, { qmpClass: 'DeviceNotFound' }),
          );
          const sets = await witness.execute('query-fdsets');
          for (const { 'fdset-id': set } of Array.isArray(sets) ? sets : []) {
            found.push('descriptor sets');
            await witness.execute('remove-fd', { 'fdset-id': set });
          }
          return found;
        };
        for (const [i, step] of steps.entries()) {
          for (const [j, kind] of kinds.entries()) {
            const fault = new FaultySocket(sockets[1 + i * kinds.length + j], kind);
            const qmp = await connected(t, fault);
            fault.remaining = i + 1;
            const told = steps.slice(0, i + 1).filter((what) => what !== undefined);
            const error: unknown = await qmp.addNic({ device, id: 'x', via, romfile: '' }).catch((e) => e);
            if (step === undefined) {
              t.match(error, { code: 'ERR_TAPFD_QMP_CLOSED' });
            } else {
              const left = told.toReversed().map((what) => `${what} \\(`);
              t.match(error, {
                code: 'ERR_TAPFD_QMP_NOT_UNDONE',
                message: new RegExp(`left with ${left.join('.*')}`),
                cause: { code: 'ERR_TAPFD_QMP_CLOSED' },
              });
            }
            // The names of `getfd` belong to a monitor that cannot be asked any more.
            const done = (kind === 'cut before' ? told.slice(0, -1) : told).filter(
              (what) => !/-fd0/.test(what),
            );
            t.strictSame(await takeWhatIsLeft(), done.toReversed(), `${step}: ${kind}`);
            t.notOk(device.handedOff);
            await reachesEach(sender, [device]);
          }
        }
        await witness.addNic({ device, romfile: '' });
        t.equal(device.handedOff, true, 'and the next client can have it');
      },
    );
  }

  t.test(
    'QEMU does the last step, but does not say so in time: the guest is asked to release the card',
    async (t) => {
      const net = await bridgeAndWire(t);
      const device = await tapQueues(t, net);
      const sender = await openTap({ netns: net.name, bridge: 'br0' });
      t.teardown(() => sender[Symbol.asyncDispose]());
      const aborter = new AbortController();
      const faults: FaultySocket[] = [];
      const { child, qmp } = await startQemu(t, (socket) => {
        faults.push(new FaultySocket(socket, 'lost'));
        return faults[0];
      });
      faults[0].remaining = 4;
      faults[0].onLost = () => aborter.abort(new Error('no'));
      await t.rejects(
        qmp.addNic({ device, id: 'x', romfile: '' }, { signal: aborter.signal, undoTimeoutMs: 2000 }),
        {
          code: 'ERR_TAPFD_QMP_NOT_UNDONE',
          message: /left with card "x-nic" \([^)]*\)$/,
          cause: { message: 'no' },
        },
      );
      t.equal(tapsOf(child.pid), 0, 'the backend is gone at once');
      // The card has detached all queues but the first.
      await reachesEach(sender, device);
      const deleted = qmp.waitForEvent('DEVICE_DELETED', { where: ({ device: id }) => id === 'x-nic' });
      await reset(qmp);
      await deleted;
    },
  );

  async function until(condition: () => boolean, what: string): Promise<void> {
    while (!condition()) await wait(5);
    t.pass(what);
  }
});
