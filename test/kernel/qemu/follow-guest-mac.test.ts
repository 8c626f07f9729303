/** Real macvtap links that follow a guest whose monitor says what the test wants. */
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { openTap } from 'tapfd';
import { followGuestMac, type GuestMacFollower, QmpClient } from 'tapfd/qemu';
import { needs } from '../../kit/capabilities.js';
import { FIRST, type Guest, ground, NIC, SECOND, THIRD } from '../../kit/mac-guest.js';
import { ownNamespace, type TestNamespace } from '../../kit/namespace.js';

const macOf = async (net: TestNamespace): Promise<string | undefined> => (await net.link('guest'))?.address;
const takesAllGroups = async (net: TestNamespace): Promise<boolean | undefined> =>
  (await net.link('guest'))?.flags.includes('ALLMULTI');

t.test('followGuestMac', { skip: needs('root', 'netns', 'ip', 'veth', 'macvtap') }, async (t) => {
  t.test('a device that this process still has, through its descriptor', async (t) => {
    const { net, device, guest, follow } = await ground(t);
    guest.mac = SECOND;
    const follower = await follow();
    t.equal(await macOf(net), SECOND, 'following begins with what the guest has now');
    t.equal(device.mac, SECOND, 'and the device knows it');
    const followed = once(follower, 'followed');
    guest.change({ mac: THIRD });
    t.strictSame(await followed, [THIRD]);
    t.equal(await macOf(net), THIRD);
    t.equal(follower.mac, THIRD);
  });

  t.test('a device that was handed over, by rtnetlink; and once more', async (t) => {
    const { net, device, guest, follow } = await ground(t);
    device.handOff();
    const follower = await follow();
    const followed = once(follower, 'followed');
    guest.change({ mac: SECOND });
    await followed;
    t.equal(await macOf(net), SECOND);
    await follower.close();
    guest.mac = THIRD;
    t.equal((await follow()).mac, THIRD);
    await net.ip('link', 'set', 'guest', 'address', FIRST);
    await t.rejects(follow(), { code: 'ERR_TAPFD_WRONG_DEVICE', message: /its name instead of the device/ });
    t.equal((await follow({}, 'guest')).mac, THIRD, 'the name alone will do');
  });

  t.test('a link by its name or index', async (t) => {
    const { net, device, guest, follow } = await ground(t);
    for (const [what, mac] of [
      ['guest', SECOND],
      [device.index, THIRD],
    ] as const) {
      guest.mac = mac;
      const follower = await follow({}, what);
      t.equal(await macOf(net), mac);
      await follower.close();
    }
  });

  t.test('changes while it looks are not missed', async (t) => {
    const { net, guest, follow } = await ground(t);
    const macs = [SECOND, THIRD];
    guest.onQuestion = () => {
      const next = macs.shift();
      // After the answer with the old one.
      if (next !== undefined) setImmediate(() => guest.change({ mac: next }));
    };
    const follower = await follow();
    while (follower.mac !== THIRD) await once(follower, 'followed');
    t.equal(await macOf(net), THIRD);
  });

  t.test('a reset guest has its first MAC again', async (t) => {
    const { guest, follow } = await ground(t);
    guest.mac = SECOND;
    const follower = await follow();
    const followed = once(follower, 'followed');
    guest.mac = FIRST;
    guest.monitor.happen('RESET', { guest: true });
    t.strictSame(await followed, [FIRST]);
  });

  t.test('multicast: all of it while the guest has joined groups', async (t) => {
    const { net, guest, follow } = await ground(t);
    const follower = await follow();
    t.equal(await takesAllGroups(net), false);
    const after = async (changes: Parameters<Guest['change']>[0], mac: string): Promise<void> => {
      const followed = once(follower, 'followed');
      const looked = new Promise<void>((resolve) => {
        guest.onQuestion = resolve;
      });
      guest.change({ ...changes, mac });
      await Promise.all([followed, looked]);
      // The next look follows when this one is complete.
      const again = new Promise<void>((resolve) => {
        guest.onQuestion = resolve;
      });
      guest.change({});
      await again;
    };
    await after({ groups: ['01:00:5e:00:00:01'] }, SECOND);
    t.equal(await takesAllGroups(net), true);
    await after({ groups: [], multicast: 'all' }, THIRD);
    t.equal(await takesAllGroups(net), true);
    await after({ multicast: 'none', groups: ['01:00:5e:00:00:01'] }, FIRST);
    t.equal(await takesAllGroups(net), false);
  });

  t.test('multicast: what others have set stays; and it can be left alone', async (t) => {
    const { net, guest, follow } = await ground(t);
    await net.ip('link', 'set', 'guest', 'allmulticast', 'on');
    await follow();
    t.equal(await takesAllGroups(net), true);
    await net.ip('link', 'set', 'guest', 'allmulticast', 'off');
    guest.groups = ['01:00:5e:00:00:01'];
    await follow({ multicast: false });
    t.equal(await takesAllGroups(net), false);
  });

  t.test('a failure is reported, and the next change is followed', async (t) => {
    const { net, guest, follow } = await ground(t);
    const accepted = new Set([FIRST, SECOND, (await net.link('lower0'))?.address]);
    const follower = await follow({ accept: (mac) => accepted.has(mac) });
    const failing = async (changes: Parameters<Guest['change']>[0], code: string): Promise<void> => {
      const failed = once(follower, 'failed');
      guest.change(changes);
      t.match(await failed, [{ code }]);
    };
    await failing({ mac: (await net.link('lower0'))?.address ?? '' }, 'EADDRINUSE');
    await failing({ mac: THIRD }, 'ERR_TAPFD_MAC_MISMATCH');
    await failing({ broken: true }, 'ERR_TAPFD_QMP');
    const followed = once(follower, 'followed');
    guest.change({ broken: false, mac: SECOND });
    await followed;
    await net.ip('link', 'set', 'guest', 'down');
    await net.ip('link', 'set', 'guest', 'name', 'other');
    guest.change({ mac: FIRST });
    await once(follower, 'followed');
    t.equal((await net.link('other'))?.address, FIRST, 'a new name alone is no other link');
    await net.ip('link', 'set', 'other', 'address', THIRD);
    await net.ip('link', 'set', 'other', 'name', 'another');
    await failing({ mac: SECOND }, 'ERR_TAPFD_WRONG_DEVICE');
    t.equal((await net.link('another'))?.address, THIRD);
  });

  t.test('the end', async (t) => {
    const { net, guest, qmp, follow } = await ground(t);
    const aborter = new AbortController();
    const ends: [string, (follower: GuestMacFollower) => unknown][] = [
      ['close', (follower) => follower.close()],
      ['the signal', () => aborter.abort()],
      ['the card is removed', () => guest.monitor.happen('DEVICE_DELETED', { device: NIC })],
      ['the monitor closes', () => qmp.close()],
    ];
    for (const [name, end] of ends) {
      const follower = await follow(name === 'the signal' ? { signal: aborter.signal } : {});
      guest.monitor.happen('DEVICE_DELETED', { device: 'another' });
      guest.monitor.happen('NIC_RX_FILTER_CHANGED', { name: 'another' });
      await nextTurn();
      const closed = once(follower, 'close');
      t.equal(follower.closed, false);
      end(follower);
      await closed;
      t.equal(follower.closed, true);
      await follower.close();
      t.equal(qmp.listenerCount('NIC_RX_FILTER_CHANGED'), 0, name);
    }
    t.equal(await macOf(net), FIRST);
  });

  t.test('closed in the middle of a look: nothing is changed any more', async (t) => {
    const { net, guest, follow } = await ground(t);
    const follower = await follow();
    follower.on('failed', (error) => t.fail(String(error)));
    guest.onQuestion = () => follower.close();
    guest.change({ mac: SECOND, groups: ['01:00:5e:00:00:01'] });
    await once(follower, 'close');
    await follower.close();
    t.equal(await macOf(net), FIRST);
    t.equal(await takesAllGroups(net), false);
  });

  t.test('closed while QEMU does not answer', async (t) => {
    const { guest, follow } = await ground(t);
    const follower = await follow();
    follower.on('failed', (error) => t.fail(String(error)));
    const { answer } = guest.monitor;
    const asked = new Promise<void>((resolve) => {
      guest.monitor.answer = (command) => {
        if (command.execute !== 'query-rx-filter') return answer(command);
        resolve();
        return undefined;
      };
    });
    guest.change({ mac: SECOND });
    await asked;
    await follower.close();
    t.ok(follower.closed);
  });

  t.test('the monitor that closes in the middle of a look is no failure', async (t) => {
    const { guest, follow } = await ground(t);
    const follower = await follow();
    follower.on('failed', (error) => t.fail(String(error)));
    guest.onQuestion = () => guest.monitor.end();
    guest.change({ mac: SECOND });
    await once(follower, 'close');
    t.pass('only the end');
  });

  t.test('a first look that fails: nothing is followed', async (t) => {
    const { net, guest, qmp, device, follow } = await ground(t);
    await t.rejects(follow({ id: 'none' }), { code: 'ERR_TAPFD_QMP' });
    guest.mac = (await net.link('lower0'))?.address ?? '';
    await t.rejects(follow(), { code: 'EADDRINUSE' });
    await t.rejects(follow({ accept: () => false }), { code: 'ERR_TAPFD_MAC_MISMATCH' });
    const undecided = { accept: (async () => true) as never };
    await t.rejects(follow(undecided), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'accept' });
    guest.mac = SECOND;
    const aborter = new AbortController();
    guest.onQuestion = () => aborter.abort(new Error('enough'));
    await t.rejects(follow({ signal: aborter.signal }), { message: 'enough' });
    await t.rejects(follow({ signal: aborter.signal }), { message: 'enough' });
    guest.onQuestion = () => {};
    t.equal(await macOf(net), FIRST);
    t.equal(qmp.listenerCount('NIC_RX_FILTER_CHANGED') + qmp.listenerCount('close'), 0);

    const hanging = new AbortController();
    guest.monitor.answer = () => {
      setImmediate(() => hanging.abort(new Error('it hangs')));
      return undefined;
    };
    await t.rejects(follow({ signal: hanging.signal }), { message: 'it hangs' });
    guest.monitor.answer = () => ({ return: [] });
    await t.rejects(follow(), { code: 'ERR_TAPFD_QMP_PROTOCOL' });
    guest.monitor.answer = () => ({ return: {} });
    await t.rejects(follow(), { code: 'ERR_TAPFD_QMP_PROTOCOL' });
    await t.rejects(follow({}, 'lower0'), { code: 'ERR_TAPFD_NOT_A_MACVTAP' });
    await t.rejects(follow({}, 'nothing'), { code: 'ENODEV' });
    await using tap = await openTap({ netns: net.name });
    // @ts-expect-error: the wrong type on purpose
    await t.rejects(follow({}, tap), { code: 'ERR_TAPFD_NOT_A_MACVTAP', interface: tap.name });
    // The index means something else here, or nothing.
    // @ts-expect-error: the wrong type on purpose
    await t.rejects(followGuestMac(qmp, tap), { code: 'ERR_TAPFD_NOT_A_MACVTAP', interface: tap.name });
    const elsewhere = {
      code: 'ERR_TAPFD_WRONG_DEVICE',
      interface: 'guest',
      message: /its namespace as netns/,
    };
    await t.rejects(followGuestMac(qmp, device), elsewhere);
    const empty = await ownNamespace(t);
    await t.rejects(followGuestMac(qmp, device, { netns: empty.name }), elsewhere);
    await t.rejects(followGuestMac(qmp, device, { netns: 'tapfd-missing' }), {
      code: 'ENOENT',
      syscall: 'open',
    });
  });

  t.test('misuse', async (t) => {
    const { device, qmp } = await ground(t);
    const bad: [unknown, unknown, string][] = [
      [{}, {}, 'macvtap'],
      [null, {}, 'macvtap'],
      ['', {}, 'macvtap'],
      [device, 5, 'options'],
      [device, { ID: 'x' }, 'ID'],
      [device, { id: '7' }, 'id'],
      [device, { multicast: 'yes' }, 'multicast'],
      [device, { accept: 'all' }, 'accept'],
      [device, { signal: 5 }, 'signal'],
    ];
    for (const [macvtap, options, argument] of bad) {
      // @ts-expect-error: these are the wrong types on purpose
      const call = followGuestMac(qmp, macvtap, options);
      await t.rejects(call, { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument }, argument);
    }
    for (const wrong of [{}, Object.create(QmpClient.prototype)]) {
      await t.rejects(followGuestMac(wrong, device), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'qmp' });
    }
    // @ts-expect-error
    await t.rejects(followGuestMac(qmp, device, {}, {}), { argument: 'argument 4' });
  });
});
