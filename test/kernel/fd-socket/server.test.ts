/** Servers: names, files, permissions, and what remains. */
import { getEventListeners } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { FdSocket, TapfdError } from 'tapfd';
import { needs } from '../../kit/capabilities.js';
import { runChild } from '../../kit/child.js';
import { openFiles, settledFiles, socketDirectory } from '../../kit/open-files.js';
import { python3 } from '../../kit/python-peer.js';

async function talk(address: string, server: Awaited<ReturnType<typeof FdSocket.listen>>): Promise<string> {
  await using client = await FdSocket.connect(address);
  await using accepted = await server.accept();
  await client.send('hello', [0]);
  const message = await accepted.receive();
  return `${message?.data} ${message?.fds.length}`;
}

t.test('paths', async (t) => {
  const before = openFiles();
  const path = `${socketDirectory(t)}/server`;
  const server = await FdSocket.listen(path, { mode: 0o626 });
  t.equal(server.address, path);
  t.ok(lstatSync(path).isSocket());
  t.equal(statSync(path).mode & 0o777, 0o626, 'whatever the umask');
  t.equal(await talk(path, server), 'hello 1');
  await server.close();
  await server[Symbol.asyncDispose]();
  t.notOk(existsSync(path));
  await t.rejects(server.accept(), { code: 'ERR_TAPFD_CLOSED' });
  await t.rejects(FdSocket.connect(path), { code: 'ENOENT', syscall: 'connect', path });
  t.equal(await settledFiles(before), before);
});

t.test('a relative path, and a change of directory meanwhile', async (t) => {
  const home = process.cwd();
  const directory = socketDirectory(t);
  t.teardown(() => process.chdir(home));
  process.chdir(directory);
  const server = await FdSocket.listen('./@server');
  t.ok(existsSync(`${directory}/@server`), 'an @ in a path is a letter');
  t.equal(await talk('./@server', server), 'hello 1');
  process.chdir(home);
  await server.close();
  t.same(readdirSync(directory), []);
});

t.test('abstract names', async (t) => {
  const name = `tapfd-${process.pid}-server`;
  const server = await FdSocket.listen(`@${name}`);
  t.equal(await talk(`\0${name}`, server), 'hello 1');
  await t.rejects(FdSocket.listen(`\0${name}`), { code: 'EADDRINUSE', syscall: 'bind' });
  await server.close();
  const again = await FdSocket.listen(`\0${name}`);
  t.equal(await talk(`@${name}`, again), 'hello 1');
  await again.close();
  await t.rejects(FdSocket.connect(`@${name}`), { code: 'ECONNREFUSED' });
});

t.test('the longest names, and longer ones', async (t) => {
  const directory = socketDirectory(t);
  const home = process.cwd();
  t.teardown(() => process.chdir(home));
  process.chdir(directory);
  for (const start of ['', '@', '\0']) {
    const longest = `${start}${'é'.repeat(53)}x`;
    const server = await FdSocket.listen(longest);
    t.equal(await talk(longest, server), 'hello 1');
    await server.close();
    for (const wrong of [`${longest}x`, start, `${start}a\0b`]) {
      const error = { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'address' };
      await t.rejects(FdSocket.listen(wrong), error);
      await t.rejects(FdSocket.connect(wrong), error);
    }
  }
  // @ts-expect-error -- a wrong type
  await t.rejects(FdSocket.connect(3), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'address' });
  for (const [option, value] of [
    ['mode', 0o1000],
    ['backlog', -1],
    ['signal', 3],
  ] as const) {
    const error = { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: option };
    await t.rejects(FdSocket.listen('server', { [option]: value }), error);
  }
  // @ts-expect-error -- a wrong type
  await t.rejects(FdSocket.listen('server', null), TapfdError);
  t.same(readdirSync(directory), []);
});

t.test('a name that is taken', async (t) => {
  const directory = socketDirectory(t);
  writeFileSync(`${directory}/file`, 'text');
  mkdirSync(`${directory}/directory`);
  const inUse = { code: 'EADDRINUSE', syscall: 'bind', message: /a server listens there/ };
  for (const name of ['file', 'directory']) {
    await t.rejects(FdSocket.listen(`${directory}/${name}`), inUse);
  }
  await using server = await FdSocket.listen(`${directory}/ours`);
  await t.rejects(FdSocket.listen(`${directory}/ours`), inUse);
  t.equal(await talk(`${directory}/ours`, server), 'hello 1', 'asking whether it is in use does no harm');
  const foreign = createServer().listen(`${directory}/foreign`);
  await new Promise((resolve) => foreign.once('listening', resolve));
  await t.rejects(FdSocket.listen(`${directory}/foreign`), inUse);
  await new Promise((resolve) => foreign.close(resolve));
  await t.rejects(FdSocket.listen(`${directory}/no/server`), {
    code: 'ENOENT',
    message: /directory is missing/,
  });
  await t.rejects(FdSocket.connect(`${directory}/file`), { code: 'ECONNREFUSED' });
  t.same(readdirSync(directory).sort(), ['directory', 'file', 'ours']);
});

t.test('a file that a killed server has left is replaced', async (t) => {
  const path = `${socketDirectory(t)}/server`;
  const { signal } = await runChild(
    `import { FdSocket } from 'tapfd';
    await FdSocket.listen(process.argv[1]);
    process.kill(process.pid, 'SIGKILL');`,
    [path],
  );
  t.equal(signal, 'SIGKILL');
  t.ok(lstatSync(path).isSocket(), 'left');
  await t.rejects(FdSocket.connect(path), { code: 'ECONNREFUSED', message: /killed/ });
  const server = await FdSocket.listen(path);
  t.equal(await talk(path, server), 'hello 1');
  await server.close();
});

t.test(
  'a socket that waits to listen, and one of another type, are no leftovers',
  { skip: needs('python3') },
  async (t) => {
    const directory = socketDirectory(t);
    const peer = python3(
      t,
      `
full = socket.socket(socket.AF_UNIX)
full.bind('${directory}/full')
full.listen(0)
first = socket.socket(socket.AF_UNIX)
first.connect('${directory}/full')
datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
datagrams.bind('${directory}/datagrams')
peer.send(b'ready')
line()
full.accept()[0].send(b'first')
full.accept()[0].send(b'second')
line()
`,
    );
    await peer.socket.receive();
    const inUse = { code: 'EADDRINUSE' };
    await t.rejects(FdSocket.listen(`${directory}/full`), inUse);
    await t.rejects(FdSocket.listen(`${directory}/datagrams`), inUse);
    await t.rejects(FdSocket.connect(`${directory}/datagrams`), { code: 'EPROTOTYPE' });

    // No event reports that a place is free.
    const reason = new Error('enough');
    const controller = new AbortController();
    const given = FdSocket.connect(`${directory}/full`, { signal: controller.signal });
    const waiting = FdSocket.connect(`${directory}/full`);
    controller.abort(reason);
    await t.rejects(given, reason);
    await t.rejects(FdSocket.connect(`${directory}/full`, { signal: AbortSignal.timeout(50) }), {
      name: 'TimeoutError',
    });
    await peer.go();
    const socket = await waiting;
    t.equal((await socket.receive())?.data.toString(), 'second');
    await socket[Symbol.asyncDispose]();
    await peer.go();
    await peer.output();
  },
);

t.test("another's file that has taken its place stays", async (t) => {
  const directory = socketDirectory(t);
  const path = `${directory}/server`;
  const server = await FdSocket.listen(path);
  renameSync(path, `${directory}/moved`);
  writeFileSync(path, 'precious');
  await server.close();
  t.same(readdirSync(directory).sort(), ['moved', 'server']);
  unlinkSync(path);
  const gone = await FdSocket.listen(path);
  unlinkSync(path);
  await gone.close();
  t.same(readdirSync(directory), ['moved']);
});

t.test('who may connect', { skip: needs('root') }, async (t) => {
  const directory = socketDirectory(t);
  mkdirSync(`${directory}/closed`);
  chmodSync(directory, 0o755);
  const server = await FdSocket.listen(`${directory}/server`, { mode: 0o600 });
  const uid = process.geteuid?.() ?? 0;
  process.seteuid?.(65534);
  try {
    // The pool's threads share the identity of the process.
    const refused = await FdSocket.connect(`${directory}/server`).catch((error: unknown) => error);
    const listening = await FdSocket.listen(`${directory}/closed/server`).catch((error: unknown) => error);
    process.seteuid?.(uid);
    t.match(refused, { code: 'EACCES', syscall: 'connect' });
    t.match(listening, { code: 'EACCES', syscall: 'bind' });
  } finally {
    process.seteuid?.(uid);
  }
  await server.close();
});

t.test('while the queue is full, any number wait with one signal', async (t) => {
  const path = `${socketDirectory(t)}/server`;
  const server = await FdSocket.listen(path, { backlog: 1 });
  const controller = new AbortController();
  const { signal } = controller;
  const inQueue: FdSocket[] = [];
  const all = Array.from({ length: 20 }, () => FdSocket.connect(path, { signal }));
  for (const connecting of all) connecting.then((socket) => inQueue.push(socket)).catch(() => undefined);
  while (inQueue.length < 2) await turn();
  // Those that try again pass by here every now and then.
  for (let i = 0; i < 20; i += 1) {
    t.ok(getEventListeners(signal, 'abort').length <= 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const accepted = await server.accept();
  const { length } = inQueue;
  while (inQueue.length === length) await turn();
  const reason = new Error('enough');
  controller.abort(reason);
  const settled = await Promise.allSettled(all);
  t.equal(settled.filter(({ status }) => status === 'fulfilled').length, inQueue.length);
  for (const result of settled) if (result.status === 'rejected') t.equal(result.reason, reason);
  t.equal(getEventListeners(signal, 'abort').length, 0);
  await Promise.all([accepted, ...inQueue, server].map((one) => one.close()));
});

t.test('connections are accepted when they are asked for, and one after the other', async (t) => {
  const before = openFiles();
  const path = `${socketDirectory(t)}/server`;
  const server = await FdSocket.listen(path, { backlog: 16 });
  const clients = await Promise.all(Array.from({ length: 10 }, () => FdSocket.connect(path)));
  t.equal(openFiles(), before + 2 + 10, 'a socket, the inode of its file, and the clients');
  let accepted = 0;
  for await (const socket of server) {
    await socket[Symbol.asyncDispose]();
    accepted += 1;
    if (accepted === 5) break;
  }
  const controller = new AbortController();
  const rest = (async () => {
    for await (const socket of server) {
      await socket[Symbol.asyncDispose]();
      accepted += 1;
    }
  })();
  while (accepted < 10) await turn();
  await t.rejects(server.accept(), { code: 'ERR_TAPFD_INVALID_STATE', message: /another accept/ });
  await t.rejects(server[Symbol.asyncIterator]().next(), { code: 'ERR_TAPFD_INVALID_STATE' });
  const closing = server.close();
  await rest;
  await closing;
  t.equal(accepted, 10);
  const other = await FdSocket.listen(path);
  const waiting = other.accept({ signal: controller.signal });
  controller.abort(new Error('enough'));
  await t.rejects(waiting, { message: 'enough' });
  await t.rejects(FdSocket.listen(`${path}2`, { signal: controller.signal }), { message: 'enough' });
  const late = new AbortController();
  const listening = FdSocket.listen(`${path}2`, { signal: late.signal });
  const connecting = FdSocket.connect(path, { signal: late.signal });
  const rejected = Promise.allSettled([listening, connecting]);
  late.abort(new Error('late'));
  const reason = { status: 'rejected', reason: { message: 'late' } };
  t.match(await rejected, [reason, reason]);
  t.notOk(existsSync(`${path}2`));
  await other.close();
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  t.equal(await settledFiles(before), before);
});

t.test('a process that can take no connection says so, and the connection waits', async (t) => {
  const path = `${socketDirectory(t)}/server`;
  const ended = await runChild(
    `import { execFileSync } from 'node:child_process';
    import { closeSync, openSync } from 'node:fs';
    import { FdSocket } from 'tapfd';
    const [, path] = process.argv;
    const server = await FdSocket.listen(path);
    const client = await FdSocket.connect(path);
    execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=100:']);
    const filler = [];
    try { for (;;) filler.push(openSync('/dev/null')); } catch {}
    await server.accept().catch((error) => console.log(error.code, error.syscall));
    for (const fd of filler) closeSync(fd);
    const accepted = await server.accept();
    await client.send('waited');
    console.log((await accepted.receive()).data.toString());
    await client.close(); await accepted.close(); await server.close();`,
    [path],
  );
  t.match(ended, { code: 0, output: 'EMFILE accept4\nwaited\n', errors: '' });
});
