/**
 * How the follower reacts to what a real kernel does too seldom: stale events, questions that cannot be asked, a link that
 * changes between two answers. Only the descriptor can say that a device is gone.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { NamespaceHandle, NativeLink } from '#lib/base/native-links.js';
import type { NativeOpened } from '#lib/base/native-queue.js';
import { type LinkChange, LinkFollower } from '#lib/descriptor/link-follower.js';
import { LinkWatch } from '#lib/links/watch.js';
import { failure, Handle, Kernel } from '../../kit/fake-link-kernel.js';
import { nativeLink } from '../../kit/native-link.js';

const LINK = nativeLink(9, { kind: 'tun', name: 'tap9' });
const GONE = Object.assign(new Error('EBADFD'), { errno: -77 });

/** A namespace with one watch, over a scripted kernel. */
async function place(found: NativeLink[]) {
  const kernel = new Kernel();
  kernel.links = found;
  const handle = new Handle();
  const watch = await LinkWatch.acquire(handle, { port: kernel, reopenMs: 1 });
  return { kernel, handle, watch };
}

type Answer<T> = () => T | Promise<T>;

/** What the descriptor answers; each may be replaced at any time. */
class Descriptor {
  name: Answer<string> = () => 'tap9';
  mac: Answer<string> = () => LINK.mac ?? '';
  namespace: Answer<NamespaceHandle> = () => Promise.reject(failure('EPERM'));
  asked = 0;
  atOnce = 0;
  mostAtOnce = 0;
  readonly #count = async <T>(answer: Answer<T>): Promise<T> => {
    this.asked += 1;
    this.atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.atOnce);
    try {
      await nextTurn();
      return await answer();
    } finally {
      this.atOnce -= 1;
    }
  };
  getInterface = async () => ({ name: await this.#count(() => this.name()), flags: 0 });
  getMac = () => this.#count(() => this.mac());
  getNamespace = () => this.#count(() => this.namespace());
}

interface Following {
  kind?: 'tun' | 'tap' | 'macvtap';
  descriptor?: Descriptor;
  listener?: (change: LinkChange) => void;
}

async function follow(
  t: Test,
  watch: LinkWatch,
  { kind = 'tap', descriptor = new Descriptor(), listener = () => undefined }: Following = {},
) {
  const heard: string[] = [];
  const opened = { kind, link: LINK, queue: descriptor };
  const follower = new LinkFollower(opened as unknown as NativeOpened, watch.share(), {
    changed: (change) => {
      heard.push(change.changed.join());
      listener(change);
    },
    gone: () => heard.push('gone'),
  });
  t.teardown(() => follower.stop());
  await quiet(descriptor);
  return { follower, descriptor, heard };
}

/** Waits until nothing is asked any more. */
async function quiet(descriptor: Descriptor): Promise<void> {
  for (let before = -1; before !== descriptor.asked || descriptor.atOnce > 0; ) {
    before = descriptor.asked;
    for (let turn = 0; turn < 5; turn++) await nextTurn();
  }
}

t.test('what changed between the open and now is found', async (t) => {
  const { watch } = await place([{ ...LINK, mtu: 1400, flags: 0 }]);
  const { heard } = await follow(t, watch);
  t.same(heard, ['mtu,up']);
  watch.release();
});

t.test('only the descriptor says that a device is gone', async (t) => {
  const { watch, kernel, handle } = await place([LINK]);
  const { follower, descriptor, heard } = await follow(t, watch);
  watch.release();
  kernel.links = [];
  for (const name of [
    () => Promise.reject(failure('EMFILE')),
    () => Promise.reject(failure('EPERM')),
    () => Promise.reject(new Error('no system call')),
  ]) {
    descriptor.name = name;
    kernel.emit([{ type: 'remove', link: LINK }]);
    await quiet(descriptor);
    t.same(heard, []);
    await t.rejects(follower.isAlive());
  }
  descriptor.name = () => 'tap9';
  t.equal(await follower.isAlive(), true);
  descriptor.name = () => Promise.reject(GONE);
  t.equal(await follower.isAlive(), false);
  kernel.emit([
    { type: 'remove', link: LINK },
    { type: 'remove', link: LINK },
  ]);
  await quiet(descriptor);
  t.same(heard, ['gone'], 'once');
  t.equal(handle.closed, 1, 'its share of the watch is released');
  t.ok(follower.movedAway);
});

t.test('gone between two answers', async (t) => {
  const { watch } = await place([LINK]);
  const { follower, descriptor, heard } = await follow(t, watch);
  let answers = 0;
  descriptor.name = () => (answers++ === 0 ? 'tap9' : Promise.reject(GONE));
  follower.linkRemoved();
  await quiet(descriptor);
  t.same(heard, ['gone']);
  watch.release();
});

t.test('two removals of one index: one question at a time, one watch, nothing left', async (t) => {
  const from = await place([LINK]);
  const to = await place([LINK]);
  const { descriptor, heard, follower } = await follow(t, from.watch);
  from.watch.release();
  from.kernel.links = [];
  descriptor.namespace = () => to.watch.ns;
  from.kernel.emit([
    { type: 'remove', link: LINK },
    { type: 'remove', link: LINK },
    { type: 'change', link: nativeLink(9, { name: 'stranger' }) },
    { type: 'remove', link: LINK },
  ]);
  await quiet(descriptor);
  t.equal(descriptor.mostAtOnce, 1);
  t.same(heard, ['namespace']);
  t.equal(from.handle.closed, 1, 'the old watch is released');
  t.notOk(follower.movedAway);
  follower.stop();
  const users = descriptor.asked;
  to.kernel.emit([{ type: 'remove', link: LINK }]);
  await quiet(descriptor);
  t.equal(descriptor.asked, users, 'a stopped follower asks nothing');
});

t.test('a stranger with the index is not taken for the device', async (t) => {
  for (const stranger of [
    { ...LINK, mac: '02:00:00:00:00:66', mtu: 900 },
    { ...LINK, name: 'other', mtu: 900 },
    { ...LINK, kind: 'bridge', mtu: 900 },
  ]) {
    const { watch, kernel } = await place([LINK]);
    const { follower, descriptor, heard } = await follow(t, watch);
    kernel.links = [stranger];
    kernel.emit([
      { type: 'remove', link: LINK },
      { type: 'change', link: stranger },
    ]);
    await quiet(descriptor);
    t.same(heard, ['namespace'], 'it is where only the descriptor leads');
    t.match(follower.link, { name: 'tap9', mac: LINK.mac, mtu: 1500 });
    t.ok(follower.movedAway);
    watch.release();
  }
});

t.test('news of a removal of the link that had the index before is no removal', async (t) => {
  const { watch, kernel } = await place([LINK]);
  const { descriptor, heard, follower } = await follow(t, watch);
  kernel.links = [{ ...LINK, mtu: 1400 }];
  kernel.emit([{ type: 'remove', link: nativeLink(9, { name: 'before' }) }]);
  await quiet(descriptor);
  t.same(heard, ['mtu']);
  t.notOk(follower.movedAway);
  watch.release();
});

t.test('moved and renamed at once: asked again until two answers agree', async (t) => {
  const from = await place([LINK]);
  const to = await place([{ ...LINK, index: 4, name: 'eth0' }]);
  const { descriptor, heard, follower } = await follow(t, from.watch);
  from.kernel.links = [];
  descriptor.namespace = () => to.watch.ns;
  let answers = 0;
  // Not yet renamed when it is asked first.
  descriptor.name = () => (answers++ < 3 ? 'tap9' : 'eth0');
  from.kernel.emit([{ type: 'remove', link: LINK }]);
  await quiet(descriptor);
  t.same(heard, ['namespace,name']);
  t.match(follower.link, { name: 'eth0', index: 4 });
  to.kernel.emit([{ type: 'change', link: { ...LINK, index: 4, name: 'eth0', mtu: 1300 } }]);
  t.same(heard.slice(1), ['mtu'], 'and is watched there');
  from.kernel.emit([{ type: 'change', link: { ...LINK, mtu: 1200 } }]);
  t.equal(heard.length, 2, 'no longer where it was');
  from.watch.release();
  to.watch.release();
});

t.test('moved within one namespace: out, and back with another index', async (t) => {
  const { watch, kernel } = await place([LINK]);
  const { descriptor, heard, follower } = await follow(t, watch);
  descriptor.namespace = () => watch.ns;
  kernel.links = [{ ...LINK, index: 12 }];
  kernel.emit([{ type: 'remove', link: LINK }]);
  await quiet(descriptor);
  t.same(heard, ['namespace']);
  t.equal(follower.link.index, 12);
  kernel.emit([{ type: 'change', link: { ...LINK, index: 12, mtu: 1300 } }]);
  t.same(heard.slice(1), ['mtu']);
  watch.release();
});

t.test('what cannot be asked now is asked again later', async (t) => {
  const { watch, kernel } = await place([LINK]);
  const { descriptor, heard, follower } = await follow(t, watch);
  kernel.links = [];
  const to = await place([LINK]);
  descriptor.namespace = () => Promise.reject(failure('EMFILE'));
  kernel.emit([{ type: 'remove', link: LINK }]);
  await quiet(descriptor);
  t.same(heard, []);
  t.notOk(follower.movedAway, 'nothing is concluded');
  kernel.emit([{ type: 'change', link: { ...LINK, mtu: 900 } }]);
  await quiet(descriptor);
  t.equal(follower.link.mtu, 1500, 'and the index is not believed meanwhile');
  descriptor.namespace = () => to.watch.ns;
  while (heard.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
  t.same(heard, ['namespace']);
  watch.release();
  to.watch.release();
});

t.test('a namespace that may not be entered: followed by the descriptor, and found later', async (t) => {
  const { watch, kernel } = await place([LINK]);
  const { descriptor, heard, follower } = await follow(t, watch);
  kernel.links = [];
  descriptor.namespace = () => Promise.reject(failure('EPERM'));
  kernel.emit([{ type: 'remove', link: LINK }]);
  await quiet(descriptor);
  t.same(heard, ['namespace']);
  t.ok(follower.movedAway);
  t.throws(() => follower.shareWatch(), { code: 'ERR_TAPFD_INVALID_STATE' });
  descriptor.name = () => 'inside';
  descriptor.mac = () => '02:00:00:00:00:77';
  while (heard.length < 2) await new Promise((resolve) => setTimeout(resolve, 50));
  t.same(heard, ['namespace', 'name,mac'], 'asked about once a second');
  const to = await place([{ ...LINK, name: 'inside', mac: '02:00:00:00:00:77', mtu: 1300 }]);
  descriptor.namespace = () => to.watch.ns;
  while (heard.length < 3) await new Promise((resolve) => setTimeout(resolve, 50));
  t.same(heard.slice(2), ['mtu'], 'that it moved was reported');
  watch.release();
  to.watch.release();
});

t.test('a macvtap that moved has no namespace to ask for', async (t) => {
  const { watch, kernel } = await place([LINK]);
  const { descriptor, heard, follower } = await follow(t, watch, { kind: 'macvtap' });
  descriptor.namespace = () => t.fail('not asked') as never;
  kernel.links = [];
  kernel.emit([{ type: 'remove', link: LINK }]);
  await quiet(descriptor);
  t.same(heard, ['namespace']);
  t.ok(follower.movedAway);
  descriptor.name = () => Promise.reject(GONE);
  while (!heard.includes('gone')) await new Promise((resolve) => setTimeout(resolve, 50));
  watch.release();
});

t.test('a TUN has no MAC to compare', async (t) => {
  const link = { ...LINK, mac: undefined };
  const { watch } = await place([link as unknown as NativeLink]);
  const { descriptor, follower } = await follow(t, watch, { kind: 'tun' });
  descriptor.mac = () => t.fail('not asked') as never;
  follower.linkRemoved();
  await quiet(descriptor);
  t.notOk(follower.movedAway);
  watch.release();
});

t.test('a watch that is lost costs nothing while the descriptor answers', async (t) => {
  const { watch, kernel } = await place([LINK]);
  const { descriptor, heard } = await follow(t, watch);
  kernel.openError = failure('EMFILE');
  kernel.emit([{ type: 'error', error: new Error('lost') }]);
  kernel.links = [{ ...LINK, mtu: 1400 }];
  await quiet(descriptor);
  t.same(heard, ['mtu']);
  kernel.openError = undefined;
  watch.ref();
  while (kernel.watching === 0) await nextTurn();
  kernel.emit([{ type: 'change', link: { ...LINK, mtu: 1300 } }]);
  await quiet(descriptor);
  watch.unref();
  watch.release();
});

t.test('a link that changes without end is asked about a bounded number of times', async (t) => {
  const { watch } = await place([LINK]);
  const { descriptor, follower } = await follow(t, watch);
  let answers = 0;
  descriptor.name = () => `tap${answers++}`;
  follower.linkRemoved();
  await quiet(descriptor);
  const { asked } = descriptor;
  t.ok(asked < 200, `${asked} questions`);
  watch.release();
});

t.test('our own change counts at once, whatever is being asked', async (t) => {
  const { watch, kernel } = await place([LINK]);
  const { descriptor, heard, follower } = await follow(t, watch);
  follower.eventsLost();
  const mac = '02:00:00:00:00:55';
  follower.noteMac(mac);
  t.equal(follower.link.mac, mac);
  kernel.links = [{ ...LINK, mac }];
  descriptor.mac = () => mac;
  await quiet(descriptor);
  t.same(heard, ['mac'], 'and an older answer does not take it back');
  watch.release();
});

t.test('events older than our own change do not take it back, and later ones count', async (t) => {
  const { watch, kernel } = await place([LINK]);
  const { descriptor, heard, follower } = await follow(t, watch);
  const [older, ours, later] = [1, 2, 3].map((n) => `02:00:00:00:01:0${n}`);
  const becomes = (mac: string) => {
    kernel.links = [{ ...LINK, mac }];
    descriptor.mac = () => mac;
  };
  becomes(ours);
  follower.noteMac(older);
  follower.noteMac(ours);
  for (const mac of [older, ours]) {
    follower.linkChanged({ ...LINK, mac });
    t.equal(follower.link.mac, ours);
    await quiet(descriptor);
    t.equal(follower.link.mac, ours);
  }
  becomes(later);
  follower.linkChanged({ ...LINK, mac: later });
  await quiet(descriptor);
  t.equal(follower.link.mac, later);
  t.same(heard, ['mac', 'mac', 'mac']);
  watch.release();
});

t.test('our own change is not taken back by an answer given before it and delivered behind it', async (t) => {
  const mac = '02:00:00:00:00:55';
  for (let turns = 0; turns < 16; turns++) {
    const { watch, kernel } = await place([LINK]);
    const { descriptor, heard, follower } = await follow(t, watch);
    let current = LINK.mac ?? '';
    descriptor.mac = async () => {
      const answer = current;
      await nextTurn();
      return answer;
    };
    follower.eventsLost();
    for (let turn = 0; turn < turns; turn++) await nextTurn();
    current = mac;
    kernel.links = [{ ...LINK, mac }];
    follower.noteMac(mac);
    await quiet(descriptor);
    t.same(heard, ['mac'], `${turns} turns after the question`);
    watch.release();
  }
});

t.test('a change that changes nothing of interest is not reported', async (t) => {
  const { watch } = await place([LINK]);
  const { heard, follower } = await follow(t, watch);
  follower.linkChanged({ ...LINK });
  t.same(heard, []);
  follower.linkChanged({ ...LINK, flags: 0 });
  t.same(heard, ['up']);
  watch.release();
});

t.test('what is under way when the follower stops reports nothing and holds nothing', async (t) => {
  for (let turns = 0; turns < 12; turns++) {
    const from = await place([LINK]);
    const to = await place([LINK]);
    const { descriptor, heard, follower } = await follow(t, from.watch);
    from.kernel.links = [];
    descriptor.namespace = () => to.watch.ns;
    follower.linkRemoved();
    for (let turn = 0; turn < turns; turn++) await nextTurn();
    const before = heard.length;
    follower.stop();
    follower.stop();
    await quiet(descriptor);
    t.equal(heard.length, before);
    from.watch.release();
    t.equal(from.handle.closed, 1);
    to.watch.release();
    t.equal(to.handle.closed, 1);
  }
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

t.test('a listener that throws is heard of, and changes nothing for the device', async (t) => {
  const caught = uncaughtExceptions(t);
  const { watch, kernel } = await place([LINK]);
  const listener = () => {
    throw new Error('from the listener');
  };
  const { descriptor, heard, follower } = await follow(t, watch, { listener });
  const neighbour = await follow(t, watch);
  kernel.links = [{ ...LINK, mtu: 1400 }];
  kernel.emit([{ type: 'change', link: { ...LINK, mtu: 1400 } }]);
  t.same(neighbour.heard, ['mtu'], 'nor for others');
  while (caught.length === 0) await nextTurn();
  t.match(caught, [{ message: 'from the listener' }]);
  follower.linkRemoved();
  await quiet(descriptor);
  t.same(heard, ['mtu']);
  watch.release();
});

t.test('after stop() nothing is asked', async (t) => {
  const { watch } = await place([LINK]);
  const { follower, descriptor, heard } = await follow(t, watch);
  const { asked } = descriptor;
  follower.stop();
  follower.eventsLost();
  await quiet(descriptor);
  t.equal(descriptor.asked, asked);
  t.same(heard, []);
  watch.release();
});
