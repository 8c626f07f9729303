/** The shared watch on the real kernel: overruns that are certain to happen, and its life beside an event loop. */
import { execFileSync, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { links } from 'tapfd';
import { native } from '#lib/base/native.js';
import type { NativeLink, NativeLinkEvent } from '#lib/base/native-links.js';
import { openNetns } from '#lib/links/namespace.js';
import { LinkWatch, type LinkWatchPort } from '#lib/links/watch.js';
import { fileNeeds } from '../../kit/capabilities.js';
import { childCommand } from '../../kit/child.js';
import { ownNamespace, type TestNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

/** The addon, with its overruns counted. */
function countingPort(): LinkWatchPort & { overruns: number } {
  return {
    overruns: 0,
    listLinks: (ns) => native().listLinks(ns),
    getLink: (ns, link) => native().getLink(ns, link),
    listAddresses: (ns, link) => native().listAddresses(ns, link),
    watchLinks(ns, options, onEvents) {
      return native().watchLinks(ns, options, (events) => {
        this.overruns += events.filter(({ type }) => type === 'overrun').length;
        onEvents(events);
      });
    },
  };
}

/** Runs `ip` while the event loop is blocked. */
function batchBlocking(ns: TestNamespace, lines: string[]): void {
  execFileSync('ip', ['-netns', ns.name, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

async function watching(t: Test, ns: TestNamespace, receiveBufferBytes: number) {
  const port = countingPort();
  const watch = await LinkWatch.acquire(await openNetns('netns', ns.name), { port, receiveBufferBytes });
  watch.ref();
  t.teardown(() => watch.release());
  return { port, watch };
}

/** Resolves when a follower hears of a link with this name. */
function told(watch: LinkWatch, name: string): Promise<void> {
  return new Promise((resolve) => {
    const follower = {
      linkChanged(link: NativeLink) {
        if (link.name !== name) return;
        watch.unfollow(follower);
        resolve();
      },
      linkRemoved: () => undefined,
      eventsLost: () => undefined,
    };
    watch.follow(follower);
  });
}

t.test('hundreds of links while the loop is blocked: an overrun, told to each subscriber', async (t) => {
  const ns = await ownNamespace(t);
  batchBlocking(ns, ['link add kept type bridge']);
  const { port, watch } = await watching(t, ns, 1);
  const { index } = await links.get('kept', { netns: ns.name });
  const heard: string[] = [];
  const overrun = new Promise<void>((resolve) => {
    watch.follow({ linkChanged: () => undefined, linkRemoved: () => undefined, eventsLost: resolve });
  });
  const subscriber = {
    linkChanged: ({ mtu }: NativeLink) => heard.push(`mtu ${mtu}`),
    linkRemoved: () => heard.push('removed'),
    eventsLost: () => heard.push('lost'),
  };
  watch.subscribe(index, subscriber);
  batchBlocking(ns, [
    ...Array.from({ length: 250 }, (_, i) => `link add name made${i} type bridge`),
    'link set kept mtu 1234',
  ]);
  await overrun;
  t.equal(port.overruns, 1);
  t.same(heard, ['lost'], 'what was changed is not told, but that something is missing');
  t.match(await watch.find(index), { mtu: 1234 });
});

t.test('the default buffer takes hundreds of links without an overrun', async (t) => {
  const ns = await ownNamespace(t);
  const { port, watch } = await watching(t, ns, 0);
  const last = told(watch, 'last');
  batchBlocking(ns, [
    ...Array.from({ length: 200 }, (_, i) => `link add name made${i} type bridge`),
    'link add last type bridge',
  ]);
  await last;
  t.equal(port.overruns, 0);
});

t.test('two handles on one namespace share a watch; another namespace has its own', async (t) => {
  const ns = await ownNamespace(t);
  const other = await ownNamespace(t);
  const a = await LinkWatch.acquire(await openNetns('netns', ns.name));
  const b = await LinkWatch.acquire(await openNetns('netns', ns.path));
  const c = await LinkWatch.acquire(await openNetns('netns', other.name));
  t.equal(a, b);
  t.not(a, c);
  for (const watch of [a, b, c]) watch.release();
});

t.test('a closed handle is refused by every call, and nothing is done elsewhere', async (t) => {
  const ns = await ownNamespace(t);
  const closed = await openNetns('netns', ns.name);
  closed.close();
  const open = await openNetns('netns', ns.name);
  const api = native();
  const link = { kind: 'veth', name: `tapfd${process.pid % 100_000}`, changes: {} };
  const prefix = { address: Uint8Array.of(127, 9, 9, 9), prefixLength: 32, noDad: false };
  const calls: (() => Promise<unknown>)[] = [
    () => api.listLinks(closed),
    () => api.getLink(closed, 'lo'),
    () => api.createLink(closed, link),
    () => api.createLink(open, { ...link, changes: { netns: closed } }),
    () => api.createLink(open, { ...link, peerNetns: closed }),
    () => api.setLink(closed, 'lo', { mtu: 1400 }),
    () => api.setLink(open, 'lo', { netns: closed }),
    () => api.removeLink(closed, 'lo'),
    () => api.addAddress(closed, 'lo', prefix),
    () => api.removeAddress(closed, 'lo', prefix),
    () => api.listAddresses(closed, 'lo'),
    () => api.watchLinks(closed, {}, () => undefined),
    () => api.removeNamespace(ns.path, closed),
  ];
  for (const call of calls) await t.rejects(call(), { code: 'ERR_TAPFD_CLOSED' }, String(call));
  t.same(await ns.linkNames(), []);
  open.close();
});

/** Runs a module with `addon`, `ns` and `path` in a process of its own. */
async function runScript(
  ns: TestNamespace,
  body: string,
): Promise<{ status: number | null; output: string }> {
  const lib = (name: string) => JSON.stringify(import.meta.resolve(`#lib/${name}`));
  const script = `
    import { execFileSync } from 'node:child_process';
    import { Worker } from 'node:worker_threads';
    const { native } = await import(${lib('base/native.js')});
    const { openNetns } = await import(${lib('links/namespace.js')});
    const name = process.argv[1];
    const ip = (...args) => execFileSync('ip', ['-netns', name, ...args]);
    const ns = await openNetns('netns', name);
    ${body}`;
  const [command, ...args] = childCommand(script, [ns.name], ['--expose-gc']);
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  return { output: await text(child.stdout), status: await exited };
}

t.test('a watch alone does not keep the process, until ref()', async (t) => {
  const ns = await ownNamespace(t);
  t.same(await runScript(ns, `await native().watchLinks(ns, {}, () => {}); console.log('idle');`), {
    output: 'idle\n',
    status: 0,
  });
  const kept = `
    const watch = await native().watchLinks(ns, {}, (events) => {
      console.log(events[0].type, events[0].link.name);
      watch.unref();
    });
    watch.ref();
    const { spawn } = await import('node:child_process');
    spawn('ip', ['-netns', name, 'link', 'add', 'br0', 'type', 'bridge']).unref();`;
  t.same(await runScript(ns, kept), { output: 'change br0\n', status: 0 });
});

t.test('after close nothing is called, and closing twice is closing', async (t) => {
  const ns = await ownNamespace(t);
  const body = `
    const watch = await native().watchLinks(ns, {}, () => console.log('called'));
    ip('link', 'add', 'br0', 'type', 'bridge');
    watch.close(); watch.close(); watch.ref(); watch.unref();
    const inside = await native().watchLinks(ns, {}, () => { console.log('once'); inside.close(); });
    inside.ref();
    ip('link', 'set', 'br0', 'up');`;
  t.same(await runScript(ns, body), { output: 'once\n', status: 0 });
});

t.test('an exception in the callback is an uncaught exception, and the watch lives on', async (t) => {
  const ns = await ownNamespace(t);
  const body = `
    process.on('uncaughtException', (error, origin) => console.log(origin, error.message ?? error));
    const thrown = [new Error('first'), 'a string'];
    const watch = await native().watchLinks(ns, {}, () => {
      if (thrown.length === 0) { console.log('heard'); watch.close(); return; }
      setImmediate(() => ip('link', 'add', 'br' + thrown.length, 'type', 'bridge'));
      throw thrown.shift();
    });
    watch.ref();
    ip('link', 'add', 'bridge9', 'type', 'bridge');`;
  t.same(await runScript(ns, body), {
    output: 'uncaughtException first\nuncaughtException a string\nheard\n',
    status: 0,
  });
  const unhandled = await runScript(
    ns,
    `const watch = await native().watchLinks(ns, {}, () => { throw undefined; });
     watch.ref(); ip('link', 'set', 'bridge9', 'up');`,
  );
  t.equal(unhandled.status, 1);
});

t.test('promises and ticks of the callback run before the next one', async (t) => {
  const ns = await ownNamespace(t);
  const body = `
    const watch = await native().watchLinks(ns, {}, () => {
      process.nextTick(() => { console.log('tick'); watch.close(); });
      Promise.resolve().then(() => console.log('promise'));
      setImmediate(() => console.log('immediate'));
    });
    watch.ref();
    ip('link', 'add', 'br0', 'type', 'bridge');`;
  t.same(await runScript(ns, body), { output: 'tick\npromise\nimmediate\n', status: 0 });
});

t.test('a watch that is collected closes its socket', async (t) => {
  const ns = await ownNamespace(t);
  const body = `
    const { readdirSync } = await import('node:fs');
    const count = () => readdirSync('/proc/self/fd').length;
    const before = count();
    for (let i = 0; i < 20; i++) await native().watchLinks(ns, {}, () => {});
    const during = count();
    while (count() > before) {
      gc();
      await new Promise((resolve) => setImmediate(resolve));
    }
    console.log(during - before);`;
  t.same(await runScript(ns, body), { output: '20\n', status: 0 });
});

const UNDER_WAY =
  process.versions.deno !== undefined &&
  'needs node: what a call opens that is under way when Deno ends a worker stays open now and then';

t.test('worker threads that watch, ended at any moment', { skip: UNDER_WAY }, async (t) => {
  const ns = await ownNamespace(t);
  const body = `
    const script = \`
      import { parentPort, workerData } from 'node:worker_threads';
      const { native } = await import(workerData.native);
      const { openNetns } = await import(workerData.namespace);
      const ns = await openNetns('netns', workerData.name);
      for (let i = 0; ; i++) {
        const watch = await native().watchLinks(ns, {}, (events) => parentPort.postMessage(events.length));
        watch.ref();
        parentPort.postMessage('watching');
        // Some are closed by hand, in the turn that may be the last.
        if (i > 10) watch.close();
      }\`;
    const { native: nativeUrl, namespace: namespaceUrl } = ${JSON.stringify({
      native: import.meta.resolve('#lib/base/native.js'),
      namespace: import.meta.resolve('#lib/links/namespace.js'),
    })};
    const { readdirSync, readlinkSync } = await import('node:fs');
    // A worker that is ended while it waits leaves an epoll and an eventfd of Deno's own.
    const isDenos = (fd) => {
      if (process.versions.deno === undefined) return false;
      try { return /eventfd|eventpoll/.test(readlinkSync('/proc/self/fd/' + fd)); } catch { return true; }
    };
    const count = () => readdirSync('/proc/self/fd').filter((fd) => !isDenos(fd)).length;
    // Node keeps a descriptor of /dev/null from the first process that it starts.
    ip('link');
    const before = count();
    for (let round = 0; round < 8; round++) {
      const workers = [0, 1].map(() => new Worker(new URL('data:text/javascript,' + encodeURIComponent(script)), {
        workerData: { name, native: nativeUrl, namespace: namespaceUrl },
      }));
      await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
      ip('link', 'add', 'br' + round, 'type', 'bridge');
      for (let turns = 0; turns < round; turns++) await new Promise((resolve) => setImmediate(resolve));
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
    // Other runtimes close some of their own meanwhile, and end a worker behind its terminate().
    for (const giveUp = Date.now() + 60_000; count() > before && Date.now() < giveUp; ) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    console.log(Math.max(0, count() - before));`;
  t.same(await runScript(ns, body), { output: '0\n', status: 0 });
});

t.test('events come whole and in one call a wake-up', async (t) => {
  const ns = await ownNamespace(t);
  const handle = await openNetns('netns', ns.name);
  const calls: NativeLinkEvent[][] = [];
  let finished = () => {};
  const done = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const watch = await native().watchLinks(handle, {}, (events) => {
    calls.push(events);
    if (events.some((event) => event.type === 'remove')) finished();
  });
  watch.ref();
  batchBlocking(ns, ['link add br0 type bridge', 'link set br0 mtu 1400', 'link delete br0']);
  await done;
  watch.close();
  handle.close();
  t.equal(calls.length, 1, 'all three were waiting');
  const [first, ...rest] = calls[0];
  t.match(first, { type: 'change', link: { name: 'br0', mtu: 1500, kind: 'bridge' } });
  t.match(rest[rest.length - 1], { type: 'remove', link: { name: 'br0', mtu: 1400 } });
});
