import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { createNetns, links } from 'tapfd';
import { checkNetns, openNetns } from '#lib/links/namespace.js';
import { Netns } from '#lib/links/netns.js';
import { socketDirectory } from '../../kit/open-files.js';

const INVALID = { code: 'ERR_TAPFD_INVALID_ARGUMENT' };

t.test('a name, a path, a descriptor, or nothing', async (t) => {
  t.equal(checkNetns('netns', 'blue'), '/run/netns/blue');
  t.equal(checkNetns('netns', '/proc/1/ns/net'), '/proc/1/ns/net');
  t.equal(checkNetns('netns', './blue'), './blue');
  t.equal(checkNetns('netns', 7), 7);
  t.equal(checkNetns('netns', undefined), undefined);
});

t.test('anything else is refused before any system call', async (t) => {
  const wrong: unknown[] = [
    '',
    '.',
    '..',
    'a\0b',
    '/run/netns/a\0b',
    'n'.repeat(256),
    -1,
    1.5,
    2 ** 31,
    Number.NaN,
    null,
    {},
    true,
  ];
  for (const netns of wrong) {
    t.throws(() => checkNetns('netns', netns), { ...INVALID, argument: 'netns' }, String(netns));
  }
});

t.test('createNetns takes a plain name and options', async (t) => {
  for (const name of ['', '.', '..', 'a/b', '../etc', '/run/netns/a', 'a\0b', 'n'.repeat(256), 7, null]) {
    // @ts-expect-error: what a JavaScript caller may give
    await t.rejects(createNetns(name), { ...INVALID, argument: 'name' }, String(name));
  }
  const wrong: [object, string][] = [
    [{ name: 'a' }, 'name'],
    [{ signal: {} }, 'signal'],
    [[], 'options'],
  ];
  for (const [options, argument] of wrong) {
    await t.rejects(createNetns(options), { ...INVALID, argument });
    await t.rejects(createNetns('never-made', options), { ...INVALID, argument });
  }
});

t.test('what looks like a Netns and is none', async (t) => {
  const forged: Netns = Object.create(Netns.prototype);
  t.throws(() => checkNetns('netns', forged), INVALID);
});

t.test('a namespace that is missing, and what is none', async (t) => {
  await t.rejects(links.list({ netns: `tapfd-${process.pid}-missing` }), {
    code: 'ENOENT',
    syscall: 'open',
    path: `/run/netns/tapfd-${process.pid}-missing`,
    message: /createNetns\(\)/,
  });
  await t.rejects(openNetns('netns', `${tmpdir()}/tapfd-missing/ns`), {
    code: 'ENOENT',
    message: /no such file/,
  });
  for (const path of ['/dev/null', tmpdir(), '/proc/self/ns/uts', '/proc/self/ns/pid']) {
    await t.rejects(openNetns('netns', path), { code: 'ERR_TAPFD_NOT_A_NAMESPACE', path }, path);
  }
});

t.test('what is not a namespace is looked at, not opened', async (t) => {
  const fifo = join(socketDirectory(t), 'fifo');
  execFileSync('mkfifo', [fifo]);
  // Its open waits for a reader, and would end at ours.
  const writer = spawn('sh', ['-c', 'echo opening; echo written > "$0"', fifo], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => writer.kill());
  await once(writer.stdout, 'data');
  while (!/\) S /.test(readFileSync(`/proc/${writer.pid}/stat`, 'utf8'))) await nextTurn();
  await t.rejects(links.list({ netns: fifo }), { code: 'ERR_TAPFD_NOT_A_NAMESPACE', path: fifo });
  t.equal(await readFile(fifo, 'utf8'), 'written\n', 'the writer has waited for this reader');
});

t.test('a descriptor is borrowed', async (t) => {
  const fd = openSync('/proc/self/ns/net', 'r');
  const ns = await openNetns('netns', fd);
  const own = await openNetns('netns', undefined);
  t.equal(ns.key, own.key);
  t.not(ns.key, '');
  ns.close();
  ns.close();
  own.close();
  t.equal(ns.key, '');
  t.ok((await links.list({ netns: fd })).length > 0, 'it is still open');
  closeSync(fd);
  await t.rejects(links.list({ netns: fd }), { code: 'EBADF', message: /not open/ });
  const file = openSync('/dev/null', 'r');
  await t.rejects(links.list({ netns: file }), { code: 'ERR_TAPFD_NOT_A_NAMESPACE' });
  closeSync(file);
});
