/** Namespaces: made as `ip netns` makes them, used, and removed. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { createNetns, links, type Netns, openTap } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { run } from '../../kit/namespace.js';
import { descriptorsOf, leftDescriptors } from '../../kit/open-files.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

let made = 0;

function uniqueName(): string {
  made += 1;
  return `tapfd-${process.pid}-own${made}`;
}

/** Made by the library; removed by `ip` if the test fails to. */
async function own(t: Test, name = uniqueName()): Promise<Netns> {
  const netns = await createNetns(name);
  t.teardown(() => run('ip', 'netns', 'delete', netns.name).catch(() => undefined));
  return netns;
}

/** Ours of those that `ip` knows; other test files make theirs at the same time. */
async function namesOfIp(): Promise<string[]> {
  const output = await run('ip', '-j', 'netns', 'list');
  const names: string[] = JSON.parse(output || '[]').map(({ name }: { name: string }) => name);
  return names.filter((name) => name.startsWith(`tapfd-${process.pid}-`));
}

t.test('a namespace that ip and others can use', async (t) => {
  const name = uniqueName();
  const netns = await own(t, name);
  t.match(netns, { name, path: `/run/netns/${name}` });
  t.ok((await namesOfIp()).includes(name));
  t.not(statSync(netns.path).ino, statSync('/proc/self/ns/net').ino, 'another than ours');
  const [lo, ...others] = JSON.parse(await run('ip', '-n', name, '-j', 'link'));
  t.match(lo, { ifname: 'lo', operstate: 'DOWN' }, 'lo is as the kernel makes it');
  t.same(others, []);
  await netns.close();
  t.notOk(existsSync(netns.path));
  t.notOk((await namesOfIp()).includes(name));
  await netns.close();
  t.pass('a second time does nothing');
});

t.test('without a name: held by this process only', async (t) => {
  const before = await namesOfIp();
  const netns = await createNetns();
  const others = await Promise.all([createNetns(), createNetns(), createNetns()]);
  t.teardown(() => Promise.all([netns, ...others].map((one) => one.close())));
  t.equal(new Set([netns, ...others].map(({ path }) => statSync(path).ino)).size, 4);
  t.same(await namesOfIp(), before, 'no file that could be left behind');
  t.match(netns.path, new RegExp(`^/proc/${process.pid}/fd/\\d+$`));
  t.equal(netns.name, netns.path, 'so that it can always be given as the option');
  await links.create({ kind: 'bridge', name: 'inside', netns: netns.name });
  t.match(await run('nsenter', `--net=${netns.path}`, 'ip', 'link'), /inside/, 'others use its path');
});

t.test('a Netns as the option', async (t) => {
  const netns = await createNetns();
  const other = await own(t);
  t.teardown(() => netns.close());
  await links.create({ kind: 'veth', name: 'near', netns, peer: { name: 'far', netns: other } });
  await links.create({ kind: 'veth', name: 'goes', peer: { name: 'stays' }, netns, moveTo: other });
  t.same((await links.list({ netns })).map(({ name }) => name).sort(), ['lo', 'near', 'stays']);
  t.same((await links.list({ netns: other })).map(({ name }) => name).sort(), ['far', 'goes', 'lo']);
  await links.set('goes', { netns: other, moveTo: netns });
  t.equal((await links.get('goes', { netns })).name, 'goes');
  const tap = await openTap({ netns });
  tap.destroy();
  const events = links.watch({ netns, existing: true });
  t.match(await events.next(), { value: { link: { name: 'lo' } } });
  await events.close();

  await netns.close();
  const gone = { code: 'ERR_TAPFD_CLOSED', message: /is closed/ };
  await t.rejects(links.list({ netns }), gone);
  await t.rejects(links.set('lo', { up: true, netns: other, moveTo: netns }), gone);
  await t.rejects(openTap({ netns }), gone);
  t.throws(() => links.watch({ netns }), gone);
  t.throws(() => netns.spawn('true'), gone);
});

t.test('a signal for its life', async (t) => {
  const life = new AbortController();
  const reason = new Error('the test is over');
  const named = await createNetns(uniqueName(), { signal: life.signal });
  const unnamed = await createNetns({ signal: life.signal });
  const closedBefore = await createNetns({ signal: life.signal });
  await closedBefore.close();
  t.ok((await namesOfIp()).includes(named.name));
  const making = createNetns(uniqueName(), { signal: life.signal });
  const makingUnnamed = createNetns({ signal: life.signal });
  life.abort(reason);
  await Promise.all([t.rejects(making, reason), t.rejects(makingUnnamed, reason)]);
  await Promise.all([named.close(), unnamed.close()]);
  t.notOk(existsSync(named.path));
  t.throws(() => unnamed.spawn('true'), { code: 'ERR_TAPFD_CLOSED' });
  await t.rejects(createNetns({ signal: life.signal }), reason);

  const late = new AbortController();
  const taken = await createNetns(uniqueName(), { signal: late.signal });
  await run('ip', 'netns', 'delete', taken.name);
  writeFileSync(taken.path, 'precious');
  t.teardown(() => rmSync(taken.path, { force: true }));
  late.abort();
  await t.rejects(
    taken.close(),
    { code: 'ERR_TAPFD_NOT_A_NAMESPACE' },
    'close() tells what the abort could not',
  );
});

t.test('the directory is one shared mount, however many are made at once', async (t) => {
  const all = await Promise.all([own(t), own(t), own(t), own(t)]);
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const at = (path: string) => mounts.filter((line) => line.split(' ')[4] === path);
  t.equal(at('/run/netns').length, 1);
  t.match(at('/run/netns')[0], / shared:\d+ /);
  for (const { path } of all) t.equal(at(path).length, 1, path);
});

t.test('a name that is taken', async (t) => {
  const netns = await own(t);
  await t.rejects(createNetns(netns.name), {
    code: 'EEXIST',
    syscall: 'open',
    path: netns.path,
    message: /choose another name/,
  });
  t.ok(existsSync(netns.path), 'the first one stays');
  // What an unmount without unlink leaves.
  const stale = `/run/netns/${uniqueName()}`;
  writeFileSync(stale, '');
  t.teardown(() => rmSync(stale, { force: true }));
  await t.rejects(createNetns(stale.slice('/run/netns/'.length)), { code: 'EEXIST' });
  t.ok(existsSync(stale));
});

t.test('removing takes away this namespace and nothing else', async (t) => {
  const gone = await own(t);
  await run('ip', 'netns', 'delete', gone.name);
  await gone.close();
  t.pass('gone already');

  const replaced = await own(t);
  await run('ip', 'netns', 'delete', replaced.name);
  await run('ip', 'netns', 'add', replaced.name);
  await replaced.close();
  t.ok((await namesOfIp()).includes(replaced.name), 'the later one of that name stays');

  const first = await own(t);
  await run('ip', 'netns', 'delete', first.name);
  const second = await own(t, first.name);
  await first.close();
  t.ok(existsSync(second.path), 'also when it is the library’s own');
  await second.close();
  t.notOk(existsSync(second.path));

  const file = await own(t);
  await run('ip', 'netns', 'delete', file.name);
  writeFileSync(file.path, 'precious');
  t.teardown(() => rmSync(file.path, { force: true }));
  await t.rejects(file.close(), { code: 'ERR_TAPFD_NOT_A_NAMESPACE', path: file.path });
  t.equal(readFileSync(file.path, 'utf8'), 'precious');
  rmSync(file.path);
  await file.close();
  t.pass('and a removal that failed can be tried again');
});

t.test('await using', async (t) => {
  const netns = await own(t);
  await netns[Symbol.asyncDispose]();
  t.notOk(existsSync(netns.path));
});

t.test('programs inside', async (t) => {
  const netns = await own(t);
  await links.create({ kind: 'bridge', name: 'inside', netns: netns.name });
  const ip = netns.spawn('ip', ['-j', 'link']);
  const names = JSON.parse(await text(ip.stdout)).map(({ ifname }: { ifname: string }) => ifname);
  t.same(names, ['lo', 'inside']);

  const cat = netns.spawn('readlink', ['/proc/self/ns/net'], { env: { ...process.env, LC_ALL: 'C' } });
  t.equal((await text(cat.stdout)).trim(), `net:[${statSync(netns.path).ino}]`);

  const exited = (child: ReturnType<Netns['spawn']>) =>
    new Promise<number | null>((resolve) => child.on('exit', resolve));
  t.equal(await exited(netns.spawn('true')), 0);
  t.equal(
    await exited(netns.spawn('sh', ['-c', 'exit 7'], { stdio: 'ignore' })),
    7,
    'its status is passed on',
  );

  await run('ip', 'netns', 'delete', netns.name);
  await run('ip', 'netns', 'add', netns.name);
  t.teardown(() => run('ip', 'netns', 'delete', netns.name));
  const still = netns.spawn('ip', ['-j', 'link']);
  t.match(await text(still.stdout), /inside/, 'not into a stranger of the same name');
});

t.test('the namespace is removed once no process is left in it', async (t) => {
  const outside = await own(t);
  const netns = await own(t);
  await links.create({
    kind: 'veth',
    name: 'near',
    peer: { name: 'far', netns: netns.name },
    netns: outside.name,
  });
  const events = links.watch({ netns: outside.name });
  await events.ready;
  await netns.close();
  // A veth's end goes with its namespace, and the other end with it.
  for await (const { type, link } of events) if (type === 'remove' && link.name === 'near') break;
  t.pass('nothing of ours holds it');
});

t.test('no descriptor is left after many', async (t) => {
  await (await createNetns()).close();
  const threads = () => readdirSync('/proc/self/task').length;
  const before = { descriptors: descriptorsOf(), threads: threads() };
  const namespaces = await namesOfIp();
  for (let i = 0; i < 100; i++) {
    const netns = await createNetns(uniqueName());
    await createNetns(netns.name).catch(() => undefined);
    await Promise.all([netns.close(), (await createNetns()).close()]);
  }
  // Of what earlier tests forgot, the garbage collector may have closed some meanwhile.
  t.same(await leftDescriptors(before.descriptors), []);
  // Deno starts more of its own whenever it reads a directory.
  if (process.versions.deno === undefined) t.ok(threads() <= before.threads);
  t.same(await namesOfIp(), namespaces);
});
