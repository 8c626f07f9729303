/**
 * How the follower reacts to what a real kernel does too seldom: stale events, a lost watch, a device gone in between.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { native } from '#lib/base/native.js';
import type { NativeLink } from '#lib/base/native-links.js';
import type { NativeOpened } from '#lib/base/native-queue.js';
import { type LinkChange, LinkFollower } from '#lib/descriptor/link-follower.js';
import type { LinkWatch } from '#lib/links/watch.js';

const LINK = { name: 'tap9', index: 9, mac: '02:00:00:00:00:09', mtu: 1500, carrier: true, flags: 1 };

function follow(
  getInterface: () => Promise<{ name: string }>,
  ns: object = {},
  getNamespace: () => Promise<unknown> = () => Promise.reject(new Error('none')),
  listener: (change: LinkChange) => void = () => undefined,
) {
  const heard: unknown[] = [];
  const watch = {
    ns,
    get: () => undefined,
    subscribe: () => undefined,
    unsubscribe: () => heard.push('unsubscribed'),
    share: () => watch,
    release: () => heard.push('released'),
  };
  const opened = {
    kind: 'tap',
    link: LINK,
    queue: { getInterface, getNamespace },
  };
  const follower = new LinkFollower(opened as unknown as NativeOpened, watch as unknown as LinkWatch, {
    changed: (change: LinkChange) => {
      heard.push(change.changed.join());
      listener(change);
    },
    gone: () => heard.push('gone'),
    failed: (error) => heard.push((error as Error & { code: string }).code),
  });
  return { follower, heard };
}

t.test('a watch that is lost ends the device', async (t) => {
  const { follower, heard } = follow(() => Promise.resolve({ name: 'tap9' }));
  follower.watchFailed(new Error('the socket is gone'));
  t.same(heard, ['ERR_TAPFD_WATCH_LOST']);
  follower.stop();
  follower.stop();
});

t.test('news of a removal after the end is not news', async (t) => {
  const { follower, heard } = follow(() => Promise.resolve({ name: 'tap9' }));
  follower.stop();
  follower.linkRemoved();
  await nextTurn();
  t.same(heard, ['unsubscribed', 'released']);
});

t.test('a device that cannot be asked is gone', async (t) => {
  const { follower, heard } = follow(() => Promise.reject(new Error('EBADFD')));
  t.equal(await follower.isAlive(), false);
  follower.linkRemoved();
  await nextTurn();
  t.same(heard, ['gone']);
  follower.stop();
});

t.test('a change that changes nothing of interest is not reported', async (t) => {
  const { follower, heard } = follow(() => Promise.resolve({ name: 'tap9' }));
  follower.linkChanged({ ...LINK } as unknown as NativeLink);
  t.same(heard, []);
  follower.linkChanged({ ...LINK, flags: 0 } as unknown as NativeLink);
  t.same(heard, ['up']);
  follower.stop();
});

t.test('a device that moved and is gone from there by the time it is looked for is gone', async (t) => {
  const ns = await native().openNamespace(undefined);
  const { follower, heard } = follow(
    () => Promise.resolve({ name: 'nolink9' }),
    ns,
    () => native().openNamespace(undefined),
  );
  follower.link = { ...follower.link, index: 0x7fff_fff0 };
  follower.linkRemoved();
  while (!heard.includes('gone')) await nextTurn();
  t.same(heard, ['unsubscribed', 'released', 'gone']);
  follower.stop();
  ns.close();
});

t.test('news of a removal is checked against the link that has the index now', async (t) => {
  const ns = await native().openNamespace(undefined);
  const loopback = await native().getLink(ns, 'lo');
  for (const { what, link, asked, told } of [
    { what: 'the same link', link: loopback, asked: 'lo', told: ['mtu'] },
    { what: 'another name', link: loopback, asked: 'tap9', told: ['unsubscribed', 'released', 'gone'] },
    {
      what: 'another MAC',
      link: { ...loopback, mac: LINK.mac },
      asked: 'lo',
      told: ['unsubscribed', 'released', 'gone'],
    },
  ]) {
    const { follower, heard } = follow(() => Promise.resolve({ name: asked }), ns);
    follower.link = { ...link, mtu: 68 };
    follower.linkRemoved();
    while (heard.length < told.length) await nextTurn();
    t.same(heard, told, what);
    follower.stop();
  }
  ns.close();
});

/** Catches uncaught exceptions before tap does. */
function uncaughtExceptions(t: Test): unknown[] {
  const caught: unknown[] = [];
  const catcher = (error: unknown) => caught.push(error);
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException').on('uncaughtException', catcher);
  t.teardown(() => {
    process.off('uncaughtException', catcher);
    for (const other of others) process.on('uncaughtException', other);
  });
  return caught;
}

t.test('what is under way when the follower stops reports nothing and holds nothing', async (t) => {
  const asked = follow(
    () => Promise.resolve({ name: 'tap9' }),
    await native().openNamespace(undefined),
    () => t.fail('nothing more is asked') as never,
  );
  asked.follower.link = { ...asked.follower.link, index: 0x7fff_fff0 };
  asked.follower.linkRemoved();
  asked.follower.stop();
  await native().openNamespace(undefined); // another turn in the pool
  t.same(asked.heard, ['unsubscribed', 'released']);

  const ns = await native().openNamespace(undefined);
  const moved = await native().openNamespace(undefined);
  const { follower, heard } = follow(
    () => Promise.resolve({ name: 'lo' }),
    ns,
    async () => {
      setImmediate(() => follower.stop());
      return moved;
    },
  );
  follower.link = { ...follower.link, index: 0x7fff_fff0 };
  follower.linkRemoved();
  // The watch of the namespace that it moved to closes the handle with its last user.
  while (moved.key !== '') await nextTurn();
  t.same(heard, ['unsubscribed', 'released']);
  ns.close();
});

t.test('a listener that throws is heard of, and changes nothing for the device', async (t) => {
  const caught = uncaughtExceptions(t);
  const ns = await native().openNamespace(undefined);
  const moved = await native().openNamespace(undefined);
  const { follower, heard } = follow(
    () => Promise.resolve({ name: 'lo' }),
    ns,
    () => Promise.resolve(moved),
    () => {
      throw new Error('from the listener');
    },
  );
  follower.link = { ...follower.link, index: 0x7fff_fff0 };
  follower.linkRemoved();
  while (caught.length === 0) await nextTurn();
  t.match(caught, [{ message: 'from the listener' }]);
  t.match(heard[2], /^namespace,/);
  t.equal(heard.length, 3, 'it is not said to be gone');
  t.not(moved.key, '', 'the watch of the other namespace is still held');
  follower.stop();
  t.equal(moved.key, '');
  ns.close();
});
