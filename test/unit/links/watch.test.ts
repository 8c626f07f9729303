/** The shared watch: its users, what each hears, and how it ends. */
import t from 'tap';
import { LinkWatch } from '#lib/links/watch.js';
import { collectGarbage } from '../../kit/collect-garbage.js';
import { failure, Handle, Kernel, Listener, settle } from '../../kit/fake-link-kernel.js';
import { nativeLink } from '../../kit/native-link.js';

t.test('it opens a socket, lists nothing, and can be asked for one link or all', async (t) => {
  const kernel = new Kernel();
  kernel.links = [nativeLink(1), nativeLink(2)];
  const watch = await LinkWatch.acquire(new Handle(), { port: kernel, receiveBufferBytes: 5000 });
  t.equal(kernel.lists, 0);
  t.same(kernel.options, { receiveBufferBytes: 5000 });
  t.same(await watch.find(2), nativeLink(2));
  t.same(await watch.find('eth1'), nativeLink(1));
  t.equal(await watch.find(3), undefined);
  t.same(await watch.list('test'), { links: kernel.links, consistent: true });
  kernel.getLink = () => Promise.reject(failure('EMFILE'));
  await t.rejects(watch.find(2), { message: 'EMFILE' }, 'that says nothing about the link');
  watch.release();
  t.equal(kernel.watching, 0);
});

t.test('the namespace stays open until it is read, though the user is gone', async (t) => {
  const kernel = new Kernel();
  let open = () => {};
  kernel.listGate = new Promise((resolve) => {
    open = resolve;
  });
  const handle = new Handle();
  const watch = await LinkWatch.acquire(handle, { port: kernel });
  const list = watch.list('test');
  watch.release();
  t.equal(handle.closed, 0);
  open();
  await list;
  t.equal(handle.closed, 1);
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
  const watch = await LinkWatch.acquire(new Handle(), { port: kernel });
  const all = new Listener();
  const two = new Listener();
  const alsoTwo = new Listener();
  watch.follow(all);
  watch.subscribe(2, two);
  watch.subscribe(2, alsoTwo);
  const renamed = nativeLink(2, { name: 'new2' });
  kernel.emit([
    { type: 'change', link: nativeLink(1) },
    { type: 'change', link: renamed },
    { type: 'overrun' },
    { type: 'remove', link: nativeLink(7) },
  ]);
  t.same(all.told, ['change eth1', 'change new2', 'lost', 'remove eth7']);
  t.same(two.told, ['change new2', 'lost']);
  watch.unsubscribe(2, two);
  watch.unsubscribe(5, two);
  kernel.emit([{ type: 'remove', link: renamed }]);
  t.same(alsoTwo.told, ['change new2', 'lost', 'remove new2']);
  t.same(two.told, ['change new2', 'lost']);
  watch.unfollow(all);
  watch.unsubscribe(2, alsoTwo);
  kernel.emit([{ type: 'change', link: nativeLink(2) }]);
  t.equal(all.told.length, 5);
  t.equal(alsoTwo.told.length, 3);
  watch.follow(all);
  watch.release();
  kernel.emit([{ type: 'change', link: nativeLink(9) }]);
  t.equal(all.told.length, 5, 'a closed watch hears nothing');
});

t.test('a start that fails leaves nothing', async (t) => {
  const kernel = new Kernel();
  kernel.openError = failure('EMFILE');
  const handle = new Handle();
  await t.rejects(LinkWatch.acquire(handle, { port: kernel }), { code: 'EMFILE' });
  t.equal(kernel.watching, 0);
  t.equal(handle.closed, 1);
  kernel.openError = undefined;
  const watch = await LinkWatch.acquire(new Handle(handle.key), { port: kernel });
  watch.release();
});

/** Resolves when `listener` has been told of a loss `times` times. */
async function lost(listener: Listener, times: number): Promise<void> {
  while (listener.told.length < times) await new Promise((resolve) => setImmediate(resolve));
}

t.test('a socket that is lost is opened again, and everyone asks meanwhile and after', async (t) => {
  const kernel = new Kernel();
  const handle = new Handle();
  const watch = await LinkWatch.acquire(handle, { port: kernel, reopenMs: 1 });
  const all = new Listener();
  const one = new Listener();
  watch.follow(all);
  watch.subscribe(1, one);
  watch.ref();
  kernel.openError = failure('EMFILE');
  kernel.emit([{ type: 'error', error: new Error('lost') }]);
  t.same(one.told, ['lost']);
  t.equal(kernel.watching, 0);
  await lost(one, 3);
  kernel.openError = undefined;
  const before = one.told.length;
  await lost(one, before + 1);
  while (kernel.watching === 0) await new Promise((resolve) => setImmediate(resolve));
  await settle();
  t.ok(kernel.keptAlive, 'it keeps the process as before');
  const told = one.told.length;
  t.same(all.told, one.told);
  kernel.emit([{ type: 'change', link: nativeLink(1) }]);
  t.same(one.told.slice(told), ['change eth1']);
  t.equal(handle.closed, 0);
  watch.unref();
  watch.release();
  t.equal(handle.closed, 1);
});

t.test('a watch that is released while its socket is lost opens none', async (t) => {
  const kernel = new Kernel();
  const watch = await LinkWatch.acquire(new Handle(), { port: kernel, reopenMs: 1 });
  kernel.emit([{ type: 'error', error: new Error('lost') }]);
  watch.ref();
  watch.unref();
  watch.release();
  await new Promise((resolve) => setTimeout(resolve, 10));
  t.equal(kernel.watching, 0);

  const late = await LinkWatch.acquire(new Handle(), { port: kernel, reopenMs: 1 });
  let opened = () => {};
  const gate = new Promise<void>((resolve) => {
    opened = resolve;
  });
  const { watchLinks } = kernel;
  const asked = new Promise<void>((resolve) => {
    kernel.watchLinks = async (...options) => {
      resolve();
      await gate;
      return watchLinks.apply(kernel, options);
    };
  });
  late.ref();
  kernel.emit([{ type: 'error', error: new Error('lost') }]);
  await asked;
  late.unref();
  late.release();
  opened();
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(kernel.watching, 0, 'nor keeps the one that it was opening');
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
    eventsLost: () => undefined,
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
  t.same(after.told, ['change eth1']);
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
  t.same(kept.told, ['change eth1']);
  watch.release();
});

t.test('a lost socket is opened again after a while', async (t) => {
  const kernel = new Kernel();
  const watch = await LinkWatch.acquire(new Handle(), { port: kernel });
  kernel.emit([{ type: 'error', error: new Error('lost') }]);
  t.equal(kernel.watching, 0);
  watch.ref();
  while (kernel.watching === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  watch.unref();
  watch.release();
});
