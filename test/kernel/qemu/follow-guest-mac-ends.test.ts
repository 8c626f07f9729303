/** followGuestMac(): ends at the wrong moment, many followers, and answers that QEMU would not give. */
import { once } from 'node:events';
import t from 'tap';
import { type LinkRef, links, type NetnsOption } from 'tapfd';
import { needs } from '../../kit/capabilities.js';
import { FIRST, ground, NIC, SECOND, THIRD } from '../../kit/mac-guest.js';
import { foreignSignal } from '../../kit/odd-values.js';

t.test('followGuestMac', { skip: needs('root', 'netns', 'ip', 'veth', 'macvtap') }, async (t) => {
  t.test('the card is removed, or the monitor ends, during the first look', async (t) => {
    const { guest, follow, qmp } = await ground(t);
    guest.onQuestion = () => guest.monitor.happen('DEVICE_DELETED', { device: NIC });
    await t.rejects(follow(), { code: 'ERR_TAPFD_DEVICE_GONE', message: /tapfd0-nic/ });
    // After QEMU's answer, while the link is looked at.
    guest.onQuestion = () => setImmediate(() => guest.monitor.end());
    const { get } = links;
    t.teardown(() => Object.assign(links, { get }));
    Object.assign(links, {
      get: async (reference: LinkRef, options?: NetnsOption) => {
        const link = await get(reference, options);
        if (!qmp.closed && guest.asked > 1) await once(qmp, 'close');
        return link;
      },
    });
    await t.rejects(follow(), { code: 'ERR_TAPFD_QMP_CLOSED' });
  });

  t.test('aborted while its link is looked for', async (t) => {
    const { guest, follow } = await ground(t);
    const controller = new AbortController();
    const following = follow({ signal: controller.signal });
    const reason = new Error('enough');
    controller.abort(reason);
    await t.rejects(following, reason);
    t.equal(guest.asked, 0);
  });

  t.test('its caller hears of an end that comes with it', async (t) => {
    const { guest, follow } = await ground(t);
    const follower = await follow();
    guest.monitor.happen('DEVICE_DELETED', { device: NIC });
    await once(follower, 'close');
    t.equal(follower.closed, true);
  });

  t.test('any number of followers of one monitor and with one signal', async (t) => {
    const { follow, qmp } = await ground(t);
    const warnings: Error[] = [];
    const warn = (warning: Error): number => warnings.push(warning);
    process.on('warning', warn);
    t.teardown(() => process.off('warning', warn));
    const { signal } = new AbortController();
    const followers = [];
    for (let i = 0; i < 12; i += 1) followers.push(await follow({ signal }));
    await new Promise(setImmediate);
    t.strictSame(warnings, []);
    await qmp.close();
    t.ok(followers.every(({ closed }) => closed));
  });

  t.test(
    'a signal of another realm closes it, and ends the first look at a guest that does not answer',
    async (t) => {
      const { guest, follow } = await ground(t);
      const first = foreignSignal();
      const follower = await follow({ signal: first.signal });
      first.abort(new Error('over'));
      t.equal(follower.closed, true);
      const second = foreignSignal();
      const asked = new Promise<void>((resolve) => {
        guest.monitor.answer = () => {
          resolve();
          return undefined;
        };
      });
      const starting = follow({ signal: second.signal });
      await asked;
      second.abort(new Error('too late'));
      await t.rejects(starting, { message: 'too late' });
    },
  );

  t.test('a MAC by the follower, then by setMac(), then handed off', async (t) => {
    const { net, device, guest, follow } = await ground(t);
    guest.mac = SECOND;
    await (await follow()).close();
    await device.setMac(THIRD);
    device.handOff();
    guest.mac = FIRST;
    const follower = await follow();
    t.equal(follower.mac, FIRST);
    t.equal((await net.link('guest'))?.address, FIRST);
  });

  t.test('a MAC that no link can have, which a guest can set', async (t) => {
    const { guest, follow } = await ground(t);
    for (const mac of ['01:00:5e:00:00:01', '00:00:00:00:00:00']) {
      guest.mac = mac;
      await t.rejects(follow(), { code: 'ERR_TAPFD_MAC_MISMATCH', message: /no link can have/ });
    }
  });

  t.test('answers that QEMU would not give', async (t) => {
    const { guest, follow } = await ground(t);
    const { answer } = guest.monitor;
    for (const value of [
      null,
      [null],
      [{ 'main-mac': 'x', multicast: 'all', 'multicast-table': [] }],
      [{ 'main-mac': { toString: 1 }, multicast: 'all', 'multicast-table': [] }],
      [{ 'main-mac': FIRST, multicast: 'all', 'multicast-table': 5 }],
      [{ 'main-mac': FIRST, multicast: 'some', 'multicast-table': [] }],
    ]) {
      guest.monitor.answer = (command) =>
        command.execute === 'query-rx-filter' ? { return: value } : answer(command);
      await t.rejects(follow(), { code: 'ERR_TAPFD_QMP_PROTOCOL', message: /^query-rx-filter/ });
    }
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    guest.monitor.answer = ({ id }) => {
      guest.monitor.say(`{"id": ${id}, "return": ${deep}}\n`);
      return undefined;
    };
    await t.rejects(follow(), { code: 'ERR_TAPFD_QMP_PROTOCOL' });
  });
});
