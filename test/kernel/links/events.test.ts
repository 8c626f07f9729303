/**
 * `links.watch`: every difference is reported once, in order, whatever happens to the socket and however slow the
 * reader.
 */
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import t, { type Test } from 'tap';
import { type Link, type LinkEvent, links } from 'tapfd';
import { native } from '#lib/base/native.js';
import type { NativeLinkEvent } from '#lib/base/native-links.js';
import { openNetns } from '#lib/links/namespace.js';
import { LinkWatch } from '#lib/links/watch.js';
import { fileNeeds } from '../../kit/capabilities.js';
import { childCommand } from '../../kit/child.js';
import { ownNamespace, type TestNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

/** What a consumer that believes each event knows; fails the test at one that cannot be true. */
class Believer {
  readonly known = new Map<number, Link>();
  readonly #t: Test;

  constructor(t: Test) {
    this.#t = t;
  }

  take({ type, link, previous }: LinkEvent): void {
    const before = this.known.get(link.index);
    if (type === 'add' && before) this.#t.fail(`${link.name} was added twice`);
    if (type !== 'add' && !before) this.#t.fail(`${type} of ${link.name}, which was never added`);
    if (type === 'change') this.#t.same(previous, before, `the previous ${link.name}`);
    if (type === 'remove') this.known.delete(link.index);
    else this.known.set(link.index, link);
  }
}

/** The counters move by themselves. */
function withoutStats(all: Iterable<Link>): object[] {
  return [...all].map((link) => ({ ...link, stats: undefined })).sort((a, b) => a.index - b.index);
}

/** Reads until a link named `name` is reported. */
async function upTo(events: AsyncIterableIterator<LinkEvent>, name: string): Promise<LinkEvent[]> {
  const seen: LinkEvent[] = [];
  for (;;) {
    const { value, done } = await events.next();
    if (done) return seen;
    seen.push(value);
    if (value.link.name === name) return seen;
  }
}

function batch(ns: TestNamespace, lines: string[]): Promise<string> {
  return ns.exec('sh', '-c', `printf '%s\\n' "$@" | ip -batch -`, 'sh', ...lines);
}

t.test('links made, changed, renamed, removed and moved', async (t) => {
  const ns = await ownNamespace(t);
  const other = await ownNamespace(t);
  const events = links.watch({ netns: ns.name });
  t.teardown(() => events.return());
  await events.ready;
  const next = async () => {
    const { value } = await events.next();
    return value;
  };
  /** Skips the steps of one cause until the link is as expected. */
  const until = async (right: (event: LinkEvent) => boolean) => {
    for (;;) {
      const event = await next();
      if (event === undefined || right(event)) return event;
    }
  };

  await ns.ip('link', 'add', 'br0', 'type', 'bridge');
  t.match(await next(), { type: 'add', link: { name: 'br0', kind: 'bridge', up: false } });
  await ns.ip('link', 'set', 'br0', 'mtu', '1400');
  t.match(await next(), { type: 'change', link: { mtu: 1400 }, previous: { mtu: 1500 } });
  await ns.ip('link', 'set', 'br0', 'up');
  t.match(await until(({ link }) => link.up), { type: 'change', previous: { up: false } });
  await ns.ip('link', 'set', 'br0', 'name', 'br9');
  t.match(await until(({ link }) => link.name === 'br9'), { type: 'change', previous: { name: 'br0' } });
  await ns.ip('link', 'set', 'br9', 'address', '02:00:00:00:00:99');
  t.match(await until(({ link }) => link.mac === '02:00:00:00:00:99'), { type: 'change' });

  await ns.ip('link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
  await ns.ip('link', 'set', 'v0', 'master', 'br9');
  const joined = await until(({ link }) => link.name === 'v0' && link.master !== undefined);
  t.match(joined, { type: 'change', link: { portKind: 'bridge' } });
  await ns.ip('link', 'set', 'v0', 'nomaster');
  const left = await until(({ link, type }) => link.name === 'v0' && (type === 'remove' || !link.master));
  t.equal(left?.type, 'change', 'a port that leaves its bridge is not removed');

  await ns.ip('link', 'set', 'v1', 'netns', other.name);
  t.match(
    await until(({ type }) => type === 'remove'),
    { link: { name: 'v1' } },
    'to here, moving is removing',
  );
  await other.ip('link', 'set', 'v1', 'netns', ns.name);
  t.match(await until(({ type }) => type === 'add'), { link: { name: 'v1' } });
  await ns.ip('link', 'delete', 'br9');
  t.match(await until(({ type }) => type === 'remove'), { link: { name: 'br9' } });
});

t.test('links that exist are not reported, unless asked for', async (t) => {
  const ns = await ownNamespace(t);
  await ns.ip('link', 'add', 'old', 'type', 'bridge');
  const plain = links.watch({ netns: ns.name });
  const full = links.watch({ netns: ns.name, existing: true });
  t.teardown(() => Promise.all([plain.return(), full.return()]));
  await Promise.all([plain.ready, full.ready]);
  t.match(await upTo(full, 'old'), [
    { type: 'add', link: { name: 'lo' } },
    { type: 'add', link: { name: 'old' } },
  ]);
  await ns.ip('link', 'add', 'new', 'type', 'bridge');
  t.match(await upTo(plain, 'new'), [{ type: 'add', link: { name: 'new' } }]);
  t.match(await upTo(full, 'new'), [{ type: 'add', link: { name: 'new' } }]);
});

t.test('events are delivered in order to every reader that waits', async (t) => {
  const ns = await ownNamespace(t);
  const events = links.watch({ netns: ns.name });
  t.teardown(() => events.return());
  const waiting = [events.next(), events.next(), events.next()];
  await events.ready;
  await ns.ip('link', 'add', 'one', 'type', 'bridge');
  await ns.ip('link', 'add', 'two', 'type', 'bridge');
  t.match((await waiting[0]).value, { link: { name: 'one' } });
  t.match((await waiting[1]).value, { link: { name: 'two' } });
  await events.close();
  t.same(await waiting[2], { done: true, value: undefined });
  t.same(await events.next(), { done: true, value: undefined });
  await events.close();
  t.same(await events.return(), { done: true, value: undefined }, 'and again');
});

t.test('breaking out of the loop, disposing and aborting', async (t) => {
  const ns = await ownNamespace(t);
  const netns = ns.name;
  for await (const { link } of links.watch({ netns, existing: true })) if (link.name === 'lo') break;
  const disposed = links.watch({ netns });
  await disposed[Symbol.asyncDispose]();
  t.equal((await disposed.next()).done, true);
  await disposed.ready;

  const early = links.watch({ netns, signal: AbortSignal.abort(new Error('never')) });
  await t.rejects(early.ready, { message: 'never' });
  await t.rejects(early.next(), { message: 'never' });
  t.equal((await early.next()).done, true, 'thrown once');

  const soon = new AbortController();
  const starting = links.watch({ netns, signal: soon.signal });
  soon.abort();
  await t.rejects(starting.ready, { name: 'AbortError' });
  await t.rejects(starting.next(), { name: 'AbortError' });

  const later = new AbortController();
  const running = links.watch({ netns, signal: later.signal });
  await running.ready;
  const waiting = running.next();
  later.abort(new Error('enough'));
  await t.rejects(waiting, { message: 'enough' });
  t.equal((await running.next()).done, true);
});

t.test('a watch that cannot start rejects ready and the iteration', async (t) => {
  const events = links.watch({ netns: `tapfd-${process.pid}-missing` });
  await t.rejects(events.next(), { code: 'ENOENT' });
  await t.rejects(events.ready, { code: 'ENOENT' });
  const unread = links.watch({ netns: '/dev/null' });
  await t.rejects(unread.ready, { code: 'ERR_TAPFD_NOT_A_NAMESPACE' });
});

t.test('a socket that is lost is opened again, and no difference is lost', async (t) => {
  const ns = await ownNamespace(t);
  let emit: (events: NativeLinkEvent[]) => void = () => undefined;
  // The first watch of a namespace opens the socket for the others.
  const watch = await LinkWatch.acquire(await openNetns('netns', ns.name), {
    port: {
      listLinks: (handle) => native().listLinks(handle),
      getLink: (handle, link) => native().getLink(handle, link),
      listAddresses: (handle, link) => native().listAddresses(handle, link),
      watchLinks: (handle, options, onEvents) => {
        emit = onEvents;
        return native().watchLinks(handle, options, onEvents);
      },
    },
    reopenMs: 1,
  });
  t.teardown(() => watch.release());
  const events = links.watch({ netns: ns.name });
  await events.ready;
  t.teardown(() => events.return());
  emit([{ type: 'error', error: new Error('socket lost') }]);
  execFileSync('ip', ['-netns', ns.name, 'link', 'add', 'missed', 'type', 'bridge']);
  t.match(await upTo(events, 'missed'), [{ type: 'add', link: { name: 'missed' } }]);
  await ns.ip('link', 'add', 'heard', 'type', 'bridge');
  t.match(await upTo(events, 'heard'), [{ type: 'add', link: { name: 'heard' } }]);
});

t.test('a slow reader gets the current state without the steps in between', async (t) => {
  const ns = await ownNamespace(t);
  const slow = links.watch({ netns: ns.name });
  const quick = links.watch({ netns: ns.name });
  t.teardown(() => Promise.all([slow.return(), quick.return()]));
  await Promise.all([slow.ready, quick.ready]);
  const believer = new Believer(t);
  for (const link of await links.list({ netns: ns.name })) believer.known.set(link.index, link);
  await ns.ip('link', 'add', 'gone', 'type', 'bridge');
  for (const event of await upTo(slow, 'gone')) believer.take(event);
  await ns.ip('link', 'delete', 'gone');
  await ns.ip('link', 'add', 'busy', 'type', 'bridge');
  const reading = upTo(quick, 'last');
  // Far more than can wait for a reader, in portions that the socket holds.
  for (let round = 0; round < 4; round++) {
    await batch(
      ns,
      Array.from({ length: 500 }, (_, i) => `link set busy mtu ${1000 + round * 500 + i}`),
    );
  }
  await ns.ip('link', 'add', 'last', 'type', 'bridge');
  const all = await reading;
  t.ok(all.length > 1024, `the quick reader saw ${all.length} steps`);
  const some = await upTo(slow, 'last');
  t.ok(some.length < 10, `the slow one ${some.length}`);
  for (const event of some) believer.take(event);
  t.same(withoutStats(believer.known.values()), withoutStats(await links.list({ netns: ns.name })));
});

t.test('an overrun of the socket loses no difference', async (t) => {
  const ns = await ownNamespace(t);
  await batch(ns, ['link add gone0 type bridge', 'link add gone1 type bridge', 'link add stays type bridge']);
  const events = links.watch({ netns: ns.name, existing: true, receiveBufferBytes: 1 });
  t.teardown(() => events.return());
  await events.ready;
  const believer = new Believer(t);
  for (const event of await upTo(events, 'stays')) believer.take(event);
  const lines = [
    'link delete gone0',
    'link delete gone1',
    'link set stays mtu 1234',
    ...Array.from({ length: 200 }, (_, i) => `link add name made${i} type bridge`),
    ...Array.from({ length: 10 }, (_, i) => `link delete made${i * 3}`),
    ...Array.from({ length: 50 }, (_, i) => `link set made${i * 3 + 1} name renamed${i}`),
    'link add name last type bridge',
  ];
  await batch(ns, lines);
  while (![...believer.known.values()].some(({ name }) => name === 'last')) {
    const { value, done } = await events.next();
    if (done) break;
    believer.take(value);
  }
  const kernel = withoutStats(await links.list({ netns: ns.name }));
  t.equal(kernel.length, 193);
  // The last link may be reported before the list that repairs the overrun is complete.
  while (!isDeepStrictEqual(withoutStats(believer.known.values()), kernel)) {
    const { value, done } = await events.next();
    if (done) break;
    believer.take(value);
  }
  t.same(withoutStats(believer.known.values()), kernel);
});

t.test('whether a watch keeps the process alive', async (t) => {
  const ns = await ownNamespace(t);
  const start = (options: string) => {
    const script = `
      import { links } from 'tapfd';
      // Not at the top level: Bun waits there for ever, Node and Deno end with an error.
      (async () => {
        const events = links.watch({ netns: process.argv[1], ${options} });
        await events.ready;
        console.log('watching');
        const { value } = await events.next();
        console.log(value.link.name);
        await events.return();
      })();`;
    const [command, ...args] = childCommand(script, [ns.path]);
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return { child, output: text(child.stdout) };
  };
  const unkept = start('persistent: false');
  t.equal(await unkept.output, 'watching\n', 'it ends although nothing happens');

  const kept = start('');
  await new Promise((resolve) => kept.child.stdout.once('data', resolve));
  await ns.ip('link', 'add', 'br0', 'type', 'bridge');
  t.equal(await kept.output, 'watching\nbr0\n', 'it waits, and ends after return()');
});

t.test('neither sockets nor namespaces stay open', async (t) => {
  const ns = await ownNamespace(t);
  const round = async () => {
    const events = links.watch({ netns: ns.name, existing: true });
    await events.next();
    await events.return();
    const unstarted = links.watch({ netns: ns.name });
    await unstarted.return();
    await unstarted.ready;
    await links.watch({ netns: 'tapfd-missing' }).ready.catch(() => undefined);
  };
  const count = () => readdirSync('/proc/self/fd').length;
  await round();
  // libuv closes a handle in the next turn of the loop.
  await new Promise((resolve) => setImmediate(resolve));
  const before = count();
  for (let i = 0; i < 170; i++) await round();
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(count(), before);
});
