/** The shared watch: its first list, and the lists that repair overruns. */
import { setFlagsFromString } from 'node:v8';
import t from 'tap';
import { LinkWatch } from '#lib/links/watch.js';
import { Handle, Kernel, Listener, settle } from '../../kit/fake-link-kernel.js';
import { nativeLink } from '../../kit/native-link.js';

setFlagsFromString('--expose-gc');

t.test('a start that fails leaves nothing', async (t) => {
  const kernel = new Kernel();
  kernel.listError = new Error('no list');
  const handle = new Handle();
  await t.rejects(LinkWatch.acquire(handle, { port: kernel }), { message: 'no list' });
  t.equal(kernel.watching, 0);
  t.equal(handle.closed, 1);
  kernel.listError = undefined;
  const watch = await LinkWatch.acquire(new Handle(handle.key), { port: kernel });
  watch.release();
});

t.test('a socket that fails before the first list is through', async (t) => {
  const kernel = new Kernel();
  let open = () => {};
  kernel.listGate = new Promise((resolve) => {
    open = resolve;
  });
  const handle = new Handle();
  const acquired = LinkWatch.acquire(handle, { port: kernel });
  await settle();
  kernel.emit([{ type: 'error', error: new Error('socket lost') }]);
  open();
  await t.rejects(acquired, { message: 'socket lost' });
  t.equal(handle.closed, 1);
  t.equal(kernel.watching, 0);
});

t.test('what happens during the first list is not lost, whichever is newer', async (t) => {
  const kernel = new Kernel();
  kernel.links = [nativeLink(1), nativeLink(2)];
  let open = () => {};
  kernel.listGate = new Promise((resolve) => {
    open = resolve;
  });
  const acquired = LinkWatch.acquire(new Handle(), { port: kernel });
  await settle();
  kernel.emit([
    { type: 'change', link: nativeLink(2, { mtu: 9000 }) },
    { type: 'remove', link: nativeLink(1) },
  ]);
  open();
  const watch = await acquired;
  t.same([...watch.links()], [nativeLink(2, { mtu: 9000 })]);
  watch.release();
});

t.test('an overrun is repaired by a new list', async (t) => {
  const kernel = new Kernel();
  kernel.links = [nativeLink(1), nativeLink(2), nativeLink(3), nativeLink(4), nativeLink(5)];
  const watch = await LinkWatch.acquire(new Handle(), { port: kernel });
  const all = new Listener();
  const five = new Listener();
  watch.follow(all);
  watch.subscribe(5, five);
  let open = () => {};
  kernel.listGate = new Promise((resolve) => {
    open = resolve;
  });
  kernel.links = [
    nativeLink(1),
    nativeLink(3, { mtu: 1400 }),
    nativeLink(4, { kind: 'tun', tun: undefined }),
    nativeLink(5, { name: 'other', mac: '02:00:00:00:00:55' }),
    nativeLink(6),
  ];
  kernel.emit([{ type: 'overrun' }, { type: 'change', link: nativeLink(1, { mtu: 1300 }) }]);
  await settle();
  t.same(all.told, [], 'nothing before the list is there');
  t.equal(kernel.lists, 2);
  open();
  await settle();
  t.same(all.told, [
    'remove eth2',
    'remove eth4',
    'remove eth5',
    'change eth3',
    'add eth4',
    'add other',
    'add eth6',
    'change eth1',
  ]);
  t.same(five.told, ['remove eth5', 'add other'], 'an index used again is a removal first');
  t.equal(watch.get(1)?.mtu, 1300);
  watch.release();
});

t.test('an overrun during the list that repairs one', async (t) => {
  const kernel = new Kernel();
  kernel.links = [nativeLink(1)];
  const watch = await LinkWatch.acquire(new Handle(), { port: kernel });
  let open = () => {};
  kernel.listGate = new Promise((resolve) => {
    open = resolve;
  });
  kernel.emit([{ type: 'overrun' }]);
  kernel.links = [nativeLink(1), nativeLink(2)];
  kernel.emit([{ type: 'overrun' }]);
  open();
  await settle();
  t.equal(kernel.lists, 3);
  t.same([...watch.links()], [nativeLink(1), nativeLink(2)]);
  watch.release();
});
