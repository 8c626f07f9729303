/** The shared watch: its users, what each hears, and how it ends. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { LinkWatch } from '#lib/links/watch.js';
import { Handle, Kernel, Listener, settle } from '../../kit/fake-link-kernel.js';
import { nativeLink } from '../../kit/native-link.js';

setFlagsFromString('--expose-gc');

const collectGarbage: () => void = runInNewContext('gc');

t.test('the first list fills the table and notifies no one', async (t) => {
  const kernel = new Kernel();
  kernel.links = [nativeLink(1), nativeLink(2)];
  const watch = await LinkWatch.acquire(new Handle(), { port: kernel, receiveBufferBytes: 5000 });
  t.same([...watch.links()], [nativeLink(1), nativeLink(2)]);
  t.same(watch.get(2), nativeLink(2));
  t.equal(watch.get(3), undefined);
  t.same(kernel.options, { receiveBufferBytes: 5000 });
  watch.release();
  t.equal(kernel.watching, 0);
});

t.test('one watch for a namespace, closed with its last user', async (t) => {
  const kernel = new Kernel();
  const first = new Handle('fake:shared');
  const second = new Handle('fake:shared');
  const [a, b] = await Promise.all([
    LinkWatch.acquire(first, { port: kernel }),
    LinkWatch.acquire(second, { port: kernel }),
  ]);
  t.equal(a, b);
  t.equal(kernel.watching, 1);
  t.equal(second.closed, 1, 'the second handle is not needed');
  const c = await LinkWatch.acquire(first, { port: kernel });
  t.equal(first.closed, 0, 'the handle in use stays open');
  t.equal(c.share(), a);
  for (let i = 0; i < 3; i++) a.release();
  t.equal(kernel.watching, 1);
  a.release();
  t.equal(kernel.watching, 0);
  t.equal(first.closed, 1);
  const again = await LinkWatch.acquire(new Handle('fake:shared'), { port: kernel });
  t.not(again, a, 'a new one afterwards');
  again.release();
});

t.test('events go to followers of all links and to subscribers of the link', async (t) => {
  const kernel = new Kernel();
  kernel.links = [nativeLink(1), nativeLink(2)];
  const watch = await LinkWatch.acquire(new Handle(), { port: kernel });
  const all = new Listener();
  const two = new Listener();
  const alsoTwo = new Listener();
  watch.follow(all);
  watch.subscribe(2, two);
  watch.subscribe(2, alsoTwo);
  const renamed = nativeLink(2, { name: 'new2' });
  kernel.emit([
    { type: 'change', link: nativeLink(1, { mtu: 1400 }) },
    { type: 'change', link: renamed },
    { type: 'change', link: { ...renamed, stats: { ...renamed.stats, rxBytes: 1 } } },
    { type: 'change', link: nativeLink(3) },
    { type: 'remove', link: nativeLink(7) },
  ]);
  t.same(
    all.told,
    ['change eth1', 'change new2', 'add eth3'],
    'repetitions and unknown links are not reported',
  );
  t.same(two.told, ['change new2']);
  t.same(two.states, [[renamed, nativeLink(2)]]);
  watch.unsubscribe(2, two);
  watch.unsubscribe(5, two);
  kernel.emit([{ type: 'remove', link: renamed }]);
  t.same(alsoTwo.told, ['change new2', 'remove new2']);
  t.same(two.told, ['change new2']);
  t.equal(watch.get(2), undefined);
  watch.unfollow(all);
  watch.unsubscribe(2, alsoTwo);
  kernel.emit([{ type: 'change', link: nativeLink(2) }]);
  t.equal(all.told.length, 4);
  t.equal(alsoTwo.told.length, 2);
  watch.release();
  kernel.emit([{ type: 'change', link: nativeLink(9) }]);
  t.equal(watch.get(9), undefined, 'a closed watch hears nothing');
});

t.test('a watch released while it reads a list', async (t) => {
  const kernel = new Kernel();
  const watch = await LinkWatch.acquire(new Handle(), { port: kernel });
  const all = new Listener();
  watch.follow(all);
  kernel.links = [nativeLink(1)];
  kernel.emit([{ type: 'overrun' }]);
  watch.release();
  await settle();
  t.same(all.told, []);
});

t.test('a lost socket ends the watch and notifies everyone', async (t) => {
  for (const lose of [
    (kernel: Kernel) => kernel.emit([{ type: 'error', error: new Error('lost') }]),
    (kernel: Kernel) => {
      kernel.listError = new Error('lost');
      kernel.emit([{ type: 'overrun' }]);
    },
  ]) {
    const kernel = new Kernel();
    const handle = new Handle();
    const watch = await LinkWatch.acquire(handle, { port: kernel });
    const all = new Listener();
    const one = new Listener();
    watch.follow(all);
    watch.subscribe(1, one);
    watch.subscribe(1, { linkChanged: () => undefined, linkRemoved: () => undefined });
    lose(kernel);
    await settle();
    t.same(all.told, ['failed lost']);
    t.same(one.told, ['failed lost']);
    t.equal(kernel.watching, 0);
    t.equal(handle.closed, 1);
    const fresh = new Kernel();
    const next = await LinkWatch.acquire(new Handle(handle.key), { port: fresh });
    t.not(next, watch, 'the next to come gets a new one');
    watch.release();
    t.equal(handle.closed, 1);
    t.equal(fresh.watching, 1, 'which the old one does not take along');
    next.release();
  }
});

t.test('ref and unref count', async (t) => {
  const kernel = new Kernel();
  const watch = await LinkWatch.acquire(new Handle(), { port: kernel });
  t.notOk(kernel.keptAlive);
  watch.ref();
  watch.ref();
  t.ok(kernel.keptAlive);
  watch.unref();
  t.ok(kernel.keptAlive);
  watch.unref();
  t.notOk(kernel.keptAlive);
  watch.release();
});

t.test('a subscriber that throws is an uncaught exception, and the others still hear', async (t) => {
  const kernel = new Kernel();
  const watch = await LinkWatch.acquire(new Handle(), { port: kernel });
  const after = new Listener();
  watch.follow({
    linkChanged: () => {
      throw new Error('from a subscriber');
    },
    linkRemoved: () => undefined,
  });
  watch.follow(after);
  const uncaught = t.capture(process, 'emit', (event: string, error: unknown) => {
    if (event !== 'uncaughtException') return false;
    t.match(error, { message: 'from a subscriber' });
    return true;
  });
  kernel.emit([{ type: 'change', link: nativeLink(1) }]);
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(uncaught().filter(({ args }) => args[0] === 'uncaughtException').length, 1);
  t.same(after.told, ['add eth1']);
  watch.release();
});

t.test('a subscriber without other references is collected and forgotten', async (t) => {
  const kernel = new Kernel();
  const watch = await LinkWatch.acquire(new Handle(), { port: kernel });
  const kept = new Listener();
  watch.subscribe(1, kept);
  const subscribeAndForget = () => {
    const dropped = new Listener();
    watch.subscribe(1, dropped);
    watch.subscribe(2, dropped);
    return new WeakRef(dropped);
  };
  const dropped = subscribeAndForget();
  // A dereferenced WeakRef holds its target until the current task is over.
  while (dropped.deref()) {
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
  }
  kernel.emit([
    { type: 'change', link: nativeLink(1) },
    { type: 'change', link: nativeLink(2) },
  ]);
  t.same(kept.told, ['add eth1']);
  watch.release();
});
