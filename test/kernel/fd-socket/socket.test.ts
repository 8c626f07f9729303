/** Descriptors over unix sockets: where they arrive, who owns them, and what happens when something is full. */
import { createHook } from 'node:async_hooks';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readlinkSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { type FdMessage, FdSocket, TapfdError } from 'tapfd';
import { needs } from '../../kit/capabilities.js';
import { isSameFile, openFiles, settledFiles, withFile } from '../../kit/open-files.js';
import { python3 } from '../../kit/python-peer.js';

const NO_ONE = 999_999;

async function message(socket: FdSocket): Promise<FdMessage> {
  const received = await socket.receive();
  if (received === undefined) throw new Error('the stream has ended');
  return received;
}

async function closeAll(...sockets: FdSocket[]): Promise<void> {
  await Promise.all(sockets.map((socket) => socket[Symbol.asyncDispose]()));
}

/** Everything that comes until the end. */
async function drain(socket: FdSocket): Promise<{ bytes: number; fds: number }> {
  let bytes = 0;
  let fds = 0;
  for await (const { data, fds: numbers } of socket) {
    bytes += data.length;
    fds += numbers.length;
  }
  return { bytes, fds };
}

t.test('bytes and descriptors, in both directions', async (t) => {
  const before = openFiles();
  const [a, b] = FdSocket.pair();
  t.equal(a.peer.pid, process.pid);
  t.match([a.peer.uid, b.peer.gid], [process.getuid?.(), process.getgid?.()]);
  await withFile(async (fd) => {
    await a.send('hello', [fd]);
    const { data, fds } = await message(b);
    t.equal(data.toString(), 'hello');
    t.equal(fds.length, 1);
    t.ok(isSameFile(fds[0], fd));
    await b.send(Buffer.from('back'), [{ fd }, fd]);
    const back = await message(a);
    t.equal(back.fds.length, 2, 'an object with a descriptor, and one twice');
    t.not(back.fds[0], back.fds[1]);
    await b.send(new Uint8Array([1, 2]));
    t.same([...(await message(a)).data], [1, 2]);
    t.same(back.fds, [], 'closed when the next was asked for');
  });
  await closeAll(a, b);
  t.equal(await settledFiles(before), before);
});

t.test('descriptors keep their place among the bytes', async (t) => {
  const [a, b] = FdSocket.pair();
  await withFile(async (fd) => {
    await a.send('one');
    await a.send('two', [fd]);
    await a.send('three');
    await a.send('four', [fd]);
    await a.send('five', [fd]);
    await a.end();
  });
  const received: [string, number][] = [];
  for await (const { data, fds } of b) received.push([data.toString(), fds.length]);
  // What was sent before may stand in front, what was sent after never behind.
  t.same(received, [
    ['onetwo', 1],
    ['threefour', 1],
    ['five', 1],
  ]);
  await closeAll(a, b);
});

t.test('a message longer than one receive: descriptors come with its beginning', async (t) => {
  const [a, b] = FdSocket.pair();
  const sent = withFile((fd) => a.send(Buffer.alloc(300_000, 7), [fd, fd, fd]));
  const ended = sent.then(() => a.end());
  const counts: number[] = [];
  let bytes = 0;
  for await (const { data, fds } of b) {
    bytes += data.length;
    counts.push(fds.length);
  }
  await ended;
  t.equal(bytes, 300_000);
  t.ok(counts.length > 3);
  t.same(counts, [3, ...counts.slice(1).fill(0)]);
  await closeAll(a, b);
});

t.test('descriptors behind more bytes than one receive takes', async (t) => {
  const before = openFiles();
  const [a, b] = FdSocket.pair();
  const bytes = Buffer.alloc(100_000, 7);
  await a.send(bytes);
  await withFile((fd) => a.send('with', [fd]));
  await a.end();
  const received: [number, number][] = [];
  for await (const { data, fds } of b) received.push([data.length, fds.length]);
  const last = received.pop();
  t.match(last, [Number, 1]);
  t.same(
    received.map(([, fds]) => fds),
    received.map(() => 0),
    'a look that goes too far gives none to the bytes before',
  );
  t.ok(received.length > 0);
  await closeAll(a, b);
  t.equal(await settledFiles(before), before);
});

t.test('as many as the kernel carries, and no more', async (t) => {
  const before = openFiles();
  const [a, b] = FdSocket.pair();
  await withFile(async (fd) => {
    await a.send('x', Array(253).fill(fd));
    const received = await message(b);
    t.equal(received.fds.length, 253);
    t.ok(received.fds.every((other) => isSameFile(fd, other)));
    await t.rejects(a.send('x', Array(254).fill(fd)), {
      code: 'ERR_TAPFD_INVALID_ARGUMENT',
      argument: 'fds',
    });
    await t.rejects(a.send('', [fd]), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'data' });
  });
  for (const fds of [['x'], [-1], [1.5], [{}], [null], [{ fd: '1' }]]) {
    // @ts-expect-error -- wrong types
    await t.rejects(a.send('x', fds), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'fds[0]' });
  }
  // @ts-expect-error -- a wrong type
  await t.rejects(a.send('x', 3), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'fds' });
  // @ts-expect-error -- a wrong type
  await t.rejects(a.send(3), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'data' });
  await a.send('', []);
  await a.send('still');
  t.equal((await message(b)).data.toString(), 'still');
  await closeAll(a, b);
  t.equal(await settledFiles(before), before);
});

t.test('a descriptor that is not open: nothing is sent, and the socket lives on', async (t) => {
  const [a, b] = FdSocket.pair();
  const error = { code: 'EBADF', syscall: 'sendmsg', message: /one of the descriptors is not open/ };
  await t.rejects(a.send('lost', [0, NO_ONE]), error);
  await a.send('next');
  t.match(await message(b), { data: Buffer.from('next'), fds: [] });
  const waiting = a.send(Buffer.alloc(4 << 20));
  await t.rejects(a.send('lost', [NO_ONE]), { code: 'EBADF', syscall: 'fcntl F_DUPFD_CLOEXEC' });
  const all = drain(b);
  await waiting;
  await a.end();
  t.equal((await all).bytes, 4 << 20);
  await closeAll(a, b);
});

t.test('takeFds gives them away, once', async (t) => {
  const before = openFiles();
  const [a, b] = FdSocket.pair();
  await withFile(async (fd) => {
    await a.send('x', [fd, fd]);
    const first = await message(b);
    const taken = first.takeFds();
    t.equal(taken.length, 2);
    t.same(first.fds, []);
    const again = { code: 'ERR_TAPFD_INVALID_STATE', message: /taken before/ };
    t.throws(() => first.takeFds(), again);
    await first.close();
    await first.close();
    await a.send('y', [fd]);
    const second = await message(b);
    t.ok(
      taken.every((other) => isSameFile(fd, other)),
      'still open',
    );
    for (const other of taken) closeSync(other);
    await second.close();
    t.throws(() => second.takeFds(), again);
    await a.send('z');
    t.same((await message(b)).takeFds(), [], 'a message without');
  });
  await closeAll(a, b);
  t.equal(await settledFiles(before), before);
});

t.test(
  'what nobody takes is closed: by the next, by leaving the loop, by the end of the socket',
  async (t) => {
    const before = openFiles();
    const [a, b] = FdSocket.pair();
    await withFile(async (fd) => {
      await a.send('x', [fd, fd]);
      await message(b);
      t.equal(openFiles(), before + 2 + 1 + 2);
      await a.send('x', [fd]);
      await message(b);
      t.equal(openFiles(), before + 2 + 1 + 1);
      {
        await a.send('x', [fd]);
        await using disposed = await message(b);
        t.equal(disposed.fds.length, 1);
      }
      t.equal(openFiles(), before + 2 + 1, 'a message at the end of its block');
      await a.send('x', [fd, fd, fd]);
      for await (const { fds } of b) {
        t.equal(fds.length, 3);
        break;
      }
      t.equal(openFiles(), before + 2 + 1);
      t.notOk(b.closed, 'leaving the loop leaves the socket');
      await a.send('x', [fd]);
      const last = await message(b);
      // In the socket, for nobody.
      await a.send('y', Array(10).fill(fd));
      await b.close();
      t.same(last.fds, []);
      t.equal(b.fd, -1);
    });
    await closeAll(a, b);
    t.equal(await settledFiles(before), before);
  },
);

t.test('where the process can have no more descriptors the message stays in the socket', async (t) => {
  const before = openFiles();
  const [a, b] = FdSocket.pair();
  const [one, other] = FdSocket.pair();
  await withFile((fd) => a.send('kept', [fd, fd, fd]));
  const limit = (soft: string) =>
    execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${soft}:`], { stdio: 'inherit' });
  const [normal] = execFileSync('prlimit', [
    '--pid',
    String(process.pid),
    '--nofile',
    '-o',
    'SOFT',
    '--noheadings',
  ])
    .toString()
    .split('\n');
  limit(String(openFiles() + 60));
  const filler: number[] = [];
  const room = (count: number) => {
    for (const fd of filler.splice(0, count)) closeSync(fd);
  };
  const truncated = {
    code: 'ERR_TAPFD_FDS_TRUNCATED',
    syscall: 'recvmsg',
    recoverable: true,
    message: /ulimit -n/,
  };
  try {
    t.throws(
      () => {
        for (;;) filler.push(openSync('/dev/null', 'r'));
      },
      { code: 'EMFILE' },
    );
    await t.rejects(b.receive(), truncated, 'no room');
    room(2);
    const open = openFiles();
    await t.rejects(b.receive(), truncated, 'room for two of three');
    t.equal(openFiles(), open, 'which are not kept');
    const waiting = one.send(Buffer.alloc(4 << 20));
    await t.rejects(one.send('x', [0, 0, 0]), { code: 'EMFILE', syscall: 'fcntl F_DUPFD_CLOEXEC' });
    t.equal(openFiles(), open);
    void one.close();
    await t.rejects(waiting, { code: 'ERR_TAPFD_CLOSED' });
  } finally {
    room(filler.length);
    limit(normal.trim());
  }
  t.match(await message(b), { data: Buffer.from('kept'), fds: { length: 3 } });
  await closeAll(a, b, one, other);
  t.equal(await settledFiles(before), before);
});

t.test('a receiver that stops stops the sender; what waits goes out in order', async (t) => {
  const before = openFiles();
  const [a, b] = FdSocket.pair();
  const numbers = Array.from({ length: 2000 }, (_, i) => i);
  let settled = 0;
  const sends = numbers.map((i) => {
    const data = Buffer.alloc(4096);
    data.writeUInt32BE(i);
    return a.send(data).then(() => {
      settled += 1;
    });
  });
  await turn();
  t.ok(settled > 0 && settled < 1000, `the kernel took ${settled} of 2000`);
  const all: Buffer[] = [];
  let bytes = 0;
  while (bytes < 2000 * 4096) {
    const { data } = await message(b);
    bytes += data.length;
    all.push(data);
  }
  await Promise.all(sends);
  const joined = Buffer.concat(all);
  t.same(
    numbers.map((i) => joined.readUInt32BE(i * 4096)),
    numbers,
  );
  await closeAll(a, b);
  t.equal(await settledFiles(before), before);
});

t.test('descriptors that wait are duplicates: the number may mean another file meanwhile', async (t) => {
  const before = openFiles();
  const [a, b] = FdSocket.pair();
  const waiting = a.send(Buffer.alloc(2 << 20));
  const fd = openSync('/dev/zero', 'r');
  const sent = a.send('!', [fd]);
  closeSync(fd);
  const reused = openSync('/dev/null', 'r');
  t.equal(reused, fd, 'the kernel gives the lowest free number');
  let found: string[] = [];
  const reading = (async () => {
    for await (const { fds } of b) {
      found = [...found, ...fds.map((number) => readlinkSync(`/proc/self/fd/${number}`))];
    }
  })();
  await Promise.all([waiting, sent]);
  await a.end();
  await reading;
  t.same(found, ['/dev/zero']);
  closeSync(reused);
  await closeAll(a, b);
  t.equal(await settledFiles(before), before);
});

t.test('a socket closed with much to send: every promise rejects, every duplicate is closed', async (t) => {
  const before = openFiles();
  const [a, b] = FdSocket.pair();
  const sends = [a.send(Buffer.alloc(2 << 20)), ...Array.from({ length: 5 }, () => a.send('x', [0, 0]))];
  const ending = a.end();
  const outcomes = Promise.allSettled([...sends, ending]);
  const closing = a.close();
  t.ok(a.closed);
  t.equal(a.fd, -1, 'at once');
  for (const outcome of await outcomes)
    t.match(outcome, { status: 'rejected', reason: { code: 'ERR_TAPFD_CLOSED' } });
  for (const late of [a.send('x'), a.receive().then(() => {}), a.end()]) {
    await t.rejects(late, { code: 'ERR_TAPFD_CLOSED' });
  }
  t.equal(a.close(), closing, 'twice');
  await closeAll(a, b);
  t.equal(await settledFiles(before), before);
});

t.test('the end of the stream', async (t) => {
  const [a, b] = FdSocket.pair();
  const sent = a.send(Buffer.alloc(1 << 20));
  const ended = a.end();
  t.equal(await Promise.race([ended.then(() => 'ended'), turn().then(() => 'waits')]), 'waits');
  await t.rejects(a.send('late'), { code: 'ERR_TAPFD_INVALID_STATE', message: /end\(\)/ });
  t.same(await drain(b), { bytes: 1 << 20, fds: 0 });
  await Promise.all([sent, ended, a.end()]);
  t.equal(await b.receive(), undefined, 'and again');
  // The other direction goes on.
  await b.send('still');
  t.equal((await message(a)).data.toString(), 'still');
  await closeAll(a, b);
});

t.test('a peer that is gone', async (t) => {
  t.test('with everything received: the end, and EPIPE for who sends', async (t) => {
    const [a, b] = FdSocket.pair();
    await b.send('last');
    await closeAll(b);
    const error = { code: 'EPIPE', syscall: 'sendmsg', message: /has closed/ };
    await t.rejects(a.send('x'), error);
    await t.rejects(a.send('x'), error);
    t.equal((await message(a)).data.toString(), 'last', 'what it had sent is there still');
    t.equal(await a.receive(), undefined);
    await a.end();
    await closeAll(a);
  });
  t.test('with something unread: ECONNRESET', async (t) => {
    const [a, b] = FdSocket.pair();
    const waiting = t.rejects(a.receive(), { code: 'ECONNRESET', syscall: 'recvmsg' });
    await a.send('unread');
    await closeAll(b);
    await waiting;
    await closeAll(a);
  });
  t.test('in the middle of a message: no other is taken for its rest', async (t) => {
    const before = openFiles();
    const [a, b] = FdSocket.pair();
    const outcomes = Promise.allSettled([a.send(Buffer.alloc(4 << 20)), a.send('next', [0])]);
    await message(b);
    await closeAll(b);
    const gone = { status: 'rejected', reason: { code: /^(EPIPE|ECONNRESET)$/, syscall: 'sendmsg' } };
    t.match(await outcomes, [gone, gone]);
    await t.rejects(a.send('later'), { code: /^(EPIPE|ECONNRESET)$/ });
    await closeAll(a);
    t.equal(await settledFiles(before), before);
  });
});

t.test('waiting to receive: one at a time, and until an abort', async (t) => {
  const [a, b] = FdSocket.pair();
  const reason = new Error('changed my mind');
  const controller = new AbortController();
  const waiting = b.receive({ signal: controller.signal });
  await t.rejects(b.receive(), { code: 'ERR_TAPFD_INVALID_STATE', message: /another receive/ });
  controller.abort(reason);
  await t.rejects(waiting, reason);
  await t.rejects(b.receive({ signal: controller.signal }), reason);
  const atOnce = new AbortController();
  const caught = b.receive({ signal: atOnce.signal });
  // Before it has begun to wait.
  atOnce.abort(reason);
  await t.rejects(caught, reason);
  await a.send('kept');
  t.equal((await message(b)).data.toString(), 'kept', 'nothing is lost by it');
  const later = b.receive({ signal: new AbortController().signal });
  await turn();
  await a.send('came');
  t.equal((await later)?.data.toString(), 'came');
  // @ts-expect-error -- wrong types
  for (const options of [3, null, { signal: 3 }]) await t.rejects(b.receive(options), TapfdError);
  await closeAll(a, b);
});

t.test('a loop ends with the socket', async (t) => {
  const [a, b] = FdSocket.pair();
  const draining = drain(a);
  await turn();
  await a.close();
  t.same(await draining, { bytes: 0, fds: 0 });
  await closeAll(b);
});

t.test('closed between the arrival of a message and its reader', async (t) => {
  const before = openFiles();
  const [a, b] = FdSocket.pair();
  await a.send('x', [0, 0]);
  const arrived = b.receive();
  // It has read by then, and nobody has been told yet.
  await Promise.resolve();
  const closing = b.close();
  const received = await arrived;
  await closing;
  t.same(received?.fds, []);
  t.throws(() => received?.takeFds(), { code: 'ERR_TAPFD_INVALID_STATE' });
  await closeAll(a);
  t.equal(await settledFiles(before), before);
});

t.test('urgent data is thrown away and wakes nobody for ever', { skip: needs('python3') }, async (t) => {
  const sockets = new Set<number>();
  let wakes = 0;
  const hook = createHook({
    init(id, type) {
      if (type === 'TAPFD_SOCKET') sockets.add(id);
    },
    before(id) {
      if (sockets.has(id)) wakes += 1;
    },
  }).enable();
  t.teardown(() => hook.disable());
  const peer = python3(t, 'line(); peer.send(b"!", socket.MSG_OOB); line(); peer.send(b"data")');
  const waiting = peer.socket.receive();
  await peer.go();
  while (wakes === 0) await turn();
  for (let i = 0; i < 100; i += 1) await turn();
  t.ok(wakes < 10, `${wakes} wakes`);
  await peer.go();
  t.equal((await waiting)?.data.toString(), 'data');
  await peer.output();
});

t.test('adopt takes connected unix stream sockets only', async (t) => {
  const before = openFiles();
  const [a, b] = FdSocket.pair();
  t.throws(() => FdSocket.adopt(a.fd), { code: 'ERR_TAPFD_INVALID_STATE' });
  t.throws(() => FdSocket.adopt(NO_ONE), { code: 'EBADF', syscall: 'fstat' });
  await withFile(async (fd) => {
    t.throws(() => FdSocket.adopt(fd), { code: 'ERR_TAPFD_NOT_A_UNIX_SOCKET', message: /not a socket/ });
  });
  // @ts-expect-error -- a wrong type
  t.throws(() => FdSocket.adopt('3'), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'fd' });
  await a.send('alive');
  t.equal((await message(b)).data.toString(), 'alive');
  // A socket that was received is one that somebody else made.
  const [one, other] = FdSocket.pair();
  await a.send('!', [one]);
  const [fd] = (await message(b)).takeFds();
  const adopted = FdSocket.adopt(fd);
  t.equal(adopted.fd, fd);
  await adopted.send('through');
  t.equal((await message(other)).data.toString(), 'through');
  await closeAll(a, b, one, other, adopted);
  t.equal(await settledFiles(before), before);
});
