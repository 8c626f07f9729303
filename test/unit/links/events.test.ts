/** `links.watch` over a scripted kernel: its first list, and the lists that repair what was lost or skipped. */
import t, { type Test } from 'tap';
import { links } from 'tapfd';
import type { NativeLink } from '#lib/base/native-links.js';
import type { LinkEvents } from '#lib/links/events.js';
import { openNetns } from '#lib/links/namespace.js';
import { LinkWatch } from '#lib/links/watch.js';
import { failure, Kernel } from '../../kit/fake-link-kernel.js';
import { nativeLink } from '../../kit/native-link.js';

/** Stands in for the kernel: the first watch of a namespace opens the socket for the others. */
async function fakeKernel(t: Test, found: NativeLink[]): Promise<Kernel> {
  const kernel = new Kernel();
  kernel.links = found;
  const watch = await LinkWatch.acquire(await openNetns('netns', undefined), { port: kernel, reopenMs: 1 });
  t.teardown(() => watch.release());
  return kernel;
}

/** Holds the kernel's lists back until the returned function is called. */
function holdLists(kernel: Kernel): () => void {
  let open = () => {};
  kernel.listGate = new Promise((resolve) => {
    open = resolve;
  });
  return open;
}

const listed = async (kernel: Kernel, lists: number) => {
  while (kernel.lists < lists) await new Promise((resolve) => setImmediate(resolve));
};

async function take(events: LinkEvents, count: number): Promise<string[]> {
  const told: string[] = [];
  while (told.length < count) {
    const { value } = await events.next();
    if (value === undefined) throw new Error('the iteration is over');
    told.push(`${value.type} ${value.link.name} ${value.link.mtu}`);
  }
  return told;
}

t.test('what happens during the first list is not lost, and nothing is told before it', async (t) => {
  const kernel = await fakeKernel(t, [nativeLink(1), nativeLink(2)]);
  const open = holdLists(kernel);
  const events = links.watch();
  await listed(kernel, 1);
  const first = events.next();
  kernel.emit([
    { type: 'change', link: nativeLink(2) },
    { type: 'change', link: nativeLink(2, { mtu: 9000 }) },
    { type: 'remove', link: nativeLink(1) },
    { type: 'remove', link: nativeLink(7) },
  ]);
  open();
  t.match(await first, { value: { type: 'change', previous: { mtu: 1500 }, link: { mtu: 9000 } } });
  t.same(await take(events, 1), ['remove eth1 1500']);
  await events.close();
});

t.test('what was lost is found by a new list', async (t) => {
  const kernel = await fakeKernel(
    t,
    [1, 2, 3, 4, 5].map((index) => nativeLink(index)),
  );
  const events = links.watch();
  await events.ready;
  const open = holdLists(kernel);
  kernel.links = [
    nativeLink(1),
    nativeLink(3, { mtu: 1400 }),
    nativeLink(4, { kind: 'tun', tun: undefined }),
    nativeLink(5, { name: 'other', mac: '02:00:00:00:00:55' }),
    nativeLink(6),
  ];
  kernel.emit([{ type: 'overrun' }]);
  const told = take(events, 8);
  await listed(kernel, 2);
  kernel.emit([{ type: 'change', link: nativeLink(1, { mtu: 1300 }) }]);
  open();
  t.same(await told, [
    'remove eth2 1500',
    'remove eth4 1500',
    'remove eth5 1500',
    'change eth3 1400',
    'add eth4 1500',
    'add other 1500',
    'add eth6 1500',
    'change eth1 1300',
  ]);
  await events.close();
});

t.test('a link that an inconsistent list lacks is asked for before it is said to be gone', async (t) => {
  const kernel = await fakeKernel(t, [nativeLink(1), nativeLink(2), nativeLink(3)]);
  const events = links.watch();
  await events.ready;
  kernel.consistent = false;
  kernel.missedByLists.add(1).add(2);
  kernel.links = [nativeLink(1), nativeLink(2, { mtu: 1400 })];
  kernel.emit([{ type: 'overrun' }]);
  t.same(await take(events, 2), ['remove eth3 1500', 'change eth2 1400']);
  await events.close();
});

t.test('a loss during the list that repairs one', async (t) => {
  const kernel = await fakeKernel(t, [nativeLink(1)]);
  const events = links.watch({ existing: true });
  t.same(await take(events, 1), ['add eth1 1500']);
  const open = holdLists(kernel);
  kernel.emit([{ type: 'overrun' }]);
  const told = take(events, 1);
  await listed(kernel, 2);
  kernel.links = [nativeLink(1), nativeLink(2)];
  kernel.emit([{ type: 'overrun' }]);
  open();
  t.same(await told, ['add eth2 1500']);
  t.equal(kernel.lists, 3);
  await events.close();
});

t.test('a socket that is lost costs no difference', async (t) => {
  const kernel = await fakeKernel(t, [nativeLink(1)]);
  const events = links.watch();
  await events.ready;
  kernel.emit([{ type: 'error', error: new Error('lost') }]);
  kernel.links = [nativeLink(1, { mtu: 1400 }), nativeLink(2)];
  t.same(await take(events, 2), ['change eth1 1400', 'add eth2 1500']);
  await events.close();
});

t.test('a list that cannot be read ends the iteration, at the start and later', async (t) => {
  const kernel = await fakeKernel(t, [nativeLink(1)]);
  kernel.listError = failure('EMFILE');
  const unstarted = links.watch();
  await t.rejects(unstarted.ready, { code: 'EMFILE' });
  await t.rejects(unstarted.next(), { code: 'EMFILE' });
  kernel.listError = undefined;
  const events = links.watch();
  await events.ready;
  kernel.listError = failure('EMFILE');
  const next = events.next();
  kernel.emit([{ type: 'overrun' }]);
  await t.rejects(next, { code: 'EMFILE' });
  t.equal((await events.next()).done, true);
});

t.test('after close() nothing is reported that was heard before or comes later', async (t) => {
  const kernel = await fakeKernel(t, [nativeLink(1)]);
  const events = links.watch();
  const neighbour = links.watch();
  await Promise.all([events.ready, neighbour.ready]);
  // Closed in the middle of a delivery, by a listener that is told before.
  const watch = await LinkWatch.acquire(await openNetns('netns', undefined));
  t.teardown(() => watch.release());
  const closing = {
    linkChanged: () => void events.close(),
    linkRemoved: () => undefined,
    eventsLost: () => undefined,
  };
  watch.follow(closing);
  await neighbour.close();
  const reopened = links.watch();
  await reopened.ready;
  closing.linkChanged = () => void reopened.close();
  kernel.emit([{ type: 'change', link: nativeLink(2) }, { type: 'overrun' }]);
  t.equal((await reopened.next()).done, true);
  watch.unfollow(closing);

  kernel.emit([{ type: 'change', link: nativeLink(3) }]);
  await events.close();
  t.equal((await events.next()).done, true, 'what waited is dropped');

  const open = holdLists(kernel);
  const before = kernel.lists;
  const listing = links.watch({ existing: true });
  const next = listing.next();
  await listed(kernel, before + 1);
  await listing.close();
  open();
  t.equal((await next).done, true);
  await listing.ready;
  t.equal((await listing.next()).done, true, 'nor does a list come too late');
});

t.test('an abort answers at once while a list is being read', async (t) => {
  const kernel = await fakeKernel(t, [nativeLink(1)]);
  const open = holdLists(kernel);
  const controller = new AbortController();
  const events = links.watch({ signal: controller.signal });
  await listed(kernel, 1);
  controller.abort(new Error('enough'));
  await t.rejects(events.ready, { message: 'enough' });
  await t.rejects(events.next(), { message: 'enough' });
  open();
});

t.test('closed by another listener while both are told of a loss', async (t) => {
  const kernel = await fakeKernel(t, [nativeLink(1)]);
  const watch = await LinkWatch.acquire(await openNetns('netns', undefined), { port: kernel });
  t.teardown(() => watch.release());
  const closing = { linkChanged: () => {}, linkRemoved: () => {}, eventsLost: () => void events.close() };
  watch.follow(closing);
  const events = links.watch();
  await events.ready;
  const { lists } = kernel;
  kernel.emit([{ type: 'overrun' }]);
  t.match(await events.next(), { done: true });
  t.equal(kernel.lists, lists, 'nothing is listed for it any more');
});
