/** Sockets and descriptors at the end of processes and workers, and under the garbage collector. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import t from 'tap';
import { FdSocket } from 'tapfd';
import { cannotEvaluateImports, childCommand, runChild, startChild } from '../kit/child.js';
import { openFiles, settledFiles, socketDirectory } from '../kit/open-files.js';
import { ROOT } from '../kit/paths.js';

t.test('a process ends by itself, whatever is open and idle', async (t) => {
  const path = `${socketDirectory(t)}/server`;
  const ended = await runChild(
    `import { FdSocket } from 'tapfd';
    const server = await FdSocket.listen(process.argv[1]);
    const [a, b] = FdSocket.pair();
    await a.send('x', [0, 1, 2]);
    const client = await FdSocket.connect(process.argv[1]);
    await server.accept();
    console.log((await b.receive()).fds.length);`,
    [path],
  );
  t.match(ended, { code: 0, output: '3\n', errors: '' });
  t.notOk(existsSync(path), 'its socket file went with it');
});

t.test('what is waited for keeps the process until unref', async (t) => {
  const path = `${socketDirectory(t)}/server`;
  const child = startChild(
    `import { FdSocket } from 'tapfd';
    const server = await FdSocket.listen(process.argv[1]);
    const [a, b] = FdSocket.pair();
    a.unref().ref();
    a.receive(); server.accept(); b.send(Buffer.alloc(4 << 20));
    process.on('SIGUSR2', () => { a.unref(); b.unref(); server.ref().unref(); });
    console.log('waiting');`,
    [path],
  );
  await child.printed('waiting');
  t.ok(existsSync(path));
  child.kill('SIGUSR2');
  // 13: "unsettled top-level await" is not the case, for nothing awaits.
  t.match(await child.ended, { code: 0, errors: '' });
  t.notOk(existsSync(path));
});

t.test('process.exit(), an exception and a rejection in the middle', async (t) => {
  for (const end of ['process.exit(3)', 'throw new Error("end")', 'Promise.reject(new Error("end"))']) {
    const path = `${socketDirectory(t)}/server`;
    const ended = await runChild(
      `import { FdSocket } from 'tapfd';
      const path = process.argv[1];
      const server = await FdSocket.listen(path);
      const [a, b] = FdSocket.pair();
      a.receive(); b.send(Buffer.alloc(4 << 20), [0, 0]); b.send('x', [0, 0]);
      FdSocket.connect(path); FdSocket.listen(path + '2'); server.accept();
      setImmediate(() => { ${end} });`,
      [path],
    );
    t.equal(ended.signal, null, `${end}: ${ended.errors}`);
    t.not(ended.code, 0);
    t.notOk(existsSync(path), end);
    t.notOk(existsSync(`${path}2`), end);
  }
});

t.test('workers are terminated in the middle', { skip: cannotEvaluateImports }, async (t) => {
  const directory = socketDirectory(t);
  const worker = `
    import { parentPort, workerData } from 'node:worker_threads';
    import { FdSocket } from 'tapfd';
    const path = workerData;
    const server = await FdSocket.listen(path);
    const [a, b] = FdSocket.pair();
    (async () => { for (;;) await a.send(Buffer.alloc(100000), Array(20).fill(0)); })();
    let received = 0;
    (async () => { for await (const { fds } of b) { received += fds.length; if (received === 1000) parentPort.postMessage(0); } })();
    (async () => { for await (const socket of server) { await socket.send('x', [0, 0]); await socket.close(); } })();
    for (;;) { const socket = await FdSocket.connect(path); await socket.receive(); await socket.close(); }
  `;
  const ended = await runChild(
    `import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    import { readdirSync, readlinkSync } from 'node:fs';
    import { setTimeout as wait } from 'node:timers/promises';
    const [, directory] = process.argv;
    const source = ${JSON.stringify(worker)}.replaceAll("from 'tapfd'", "from '" + import.meta.resolve('tapfd') + "'");
    const openFiles = () => readdirSync('/proc/self/fd').map((fd) => {
      try { return fd + ' ' + readlinkSync('/proc/self/fd/' + fd); } catch { return fd; }
    });
    let before;
    for (let round = 0; round < 5; round++) {
      const workers = [0, 1].map((n) => new Worker(source, { eval: true, workerData: directory + '/' + n }));
      for (const worker of workers) worker.on('error', (error) => { console.error(error); process.exitCode = 1; });
      await Promise.all(workers.map((worker) => once(worker, 'message')));
      await Promise.all(workers.map((worker) => worker.terminate()));
      before ??= openFiles();
      // The garbage of an environment is closed by threads of its own.
      const giveUp = Date.now() + 10000;
      while (openFiles().length > before.length && Date.now() < giveUp) await wait(2);
      const now = openFiles();
      if (now.length > before.length) { console.error('before', before, 'now', now); process.exitCode = 1; }
    }
    console.log('done');`,
    [directory],
  );
  t.match(ended, { code: 0, output: 'done\n', errors: '' }, ended.errors);
  t.same(readdirSync(directory), []);
});

t.test('forgotten sockets, servers and messages are closed by the garbage collector', async (t) => {
  const path = `${socketDirectory(t)}/server`;
  const ended = await runChild(
    `import { FdSocket } from 'tapfd';
    import { closeSync, existsSync, openSync, readdirSync, readlinkSync } from 'node:fs';
    const path = process.argv[1];
    const sent = '/proc/version';
    const file = openSync(sent);
    // By what they are: Node itself opens and closes files meanwhile.
    const ours = () => readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        const link = readlinkSync('/proc/self/fd/' + fd);
        return link.startsWith('socket:') || link === sent || link === path ? [fd + ' ' + link] : [];
      } catch { return []; }
    });
    const [kept, other] = FdSocket.pair();
    const waits = kept.receive();
    await other.send('x'); await waits;
    const before = ours();
    const forget = async () => {
      const [a, b] = FdSocket.pair();
      await a.send('x', [file, file, file]);
      await b.receive();
      // Has polled.
      const later = b.receive(); await a.send('y', [file, file]); await later;
      await a.send('z', [file, file]);
    };
    for (let i = 0; i < 3; i++) await forget();
    await FdSocket.listen(path);
    while (ours().some((one) => !before.includes(one)) || existsSync(path)) { gc(); await new Promise((resolve) => setTimeout(resolve, 5)); }
    // One that is waited for is not garbage.
    let end, answer;
    (() => { const [a, b] = FdSocket.pair(); end = () => b.send('still'); answer = a.receive(); })();
    for (let i = 0; i < 10; i++) { gc(); await new Promise((resolve) => setImmediate(resolve)); }
    await end(); console.log((await answer).data.toString());
    closeSync(file);
    await kept.end(); console.log(await other.receive());`,
    [path],
    ['--expose-gc'],
  );
  t.match(ended, { code: 0, output: 'still\nundefined\n', errors: '' });
});

t.test('a thousand times opened and closed', async (t) => {
  const path = `${socketDirectory(t)}/server`;
  const before = openFiles();
  const server = await FdSocket.listen(path);
  for (let i = 0; i < 1000; i += 1) {
    const [a, b] = FdSocket.pair();
    const client = await FdSocket.connect(path);
    const accepted = await server.accept();
    await client.send('x', [0, a, b]);
    const message = await accepted.receive();
    if (message?.fds.length !== 3) t.fail(`round ${i}`);
    // Otherwise b would have another holder, and a would not end.
    await message?.close();
    const waits = a.receive();
    void b.close();
    if ((await waits) !== undefined) t.fail(`round ${i}`);
    await Promise.all([a, b, client, accepted].map((socket) => socket[Symbol.asyncDispose]()));
  }
  await server.close();
  t.equal(await settledFiles(before), before);
});

t.test('no descriptor reaches an unrelated child process', async (t) => {
  const [a, b] = FdSocket.pair();
  await using server = await FdSocket.listen(`${socketDirectory(t)}/server`);
  const client = await FdSocket.connect(server.address);
  const accepted = await server.accept();
  const file = openSync(import.meta.filename, 'r');
  await a.send('x', [file, file]);
  const message = await b.receive();
  const filled = a.send(Buffer.alloc(4 << 20));
  const queued = a.send('y', [file, file]);
  const lost = Promise.allSettled([filled, queued]);
  const ours = new Set([a, b, client, accepted].map(({ fd }) => readlinkSync(`/proc/self/fd/${fd}`)));
  t.equal(ours.size, 4);
  t.equal(message?.fds.length, 2);
  const child = startChild(`console.log('up'); setInterval(() => {}, 1000);`);
  await child.printed('up');
  const theirs = readdirSync(`/proc/${child.pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${child.pid}/fd/${fd}`);
    } catch {
      return 'gone';
    }
  });
  child.kill('SIGTERM');
  await child.ended;
  t.same(
    theirs.filter((link) => ours.has(link)),
    [],
  );
  t.same(
    theirs.filter((link) => link === import.meta.filename),
    [],
    'neither what was received nor the duplicate that waits',
  );
  closeSync(file);
  await Promise.all([a, b, client, accepted].map((socket) => socket[Symbol.asyncDispose]()));
  await lost;
});

t.test('two processes: a parent gives a descriptor to a child, and gets it back', async (t) => {
  const before = openFiles();
  const [ours, theirs] = FdSocket.pair();
  const [command, ...args] = childCommand(
    `import { FdSocket } from 'tapfd';
    const socket = FdSocket.adopt(3);
    for await (const message of socket) await socket.send('back: ' + message.data, message.fds);
    console.error(socket.peer.pid);`,
  );
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'pipe', theirs.fd] });
  const ended = once(child, 'exit');
  await once(child, 'spawn');
  await theirs[Symbol.asyncDispose]();
  await ours.send('there', [0, 1]);
  const message = await ours.receive();
  t.match(message, { data: Buffer.from('back: there'), fds: { length: 2 } });
  await ours.end();
  t.equal(await ours.receive(), undefined);
  t.same(await ended, [0, null]);
  child.stderr?.destroy();
  await ours[Symbol.asyncDispose]();
  t.equal(await settledFiles(before), before);
});
