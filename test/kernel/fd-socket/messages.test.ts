/** Descriptors over unix sockets: where among the bytes they arrive, and how many fit. */
import t from 'tap';
import { FdSocket } from 'tapfd';
import { closeAll, drain, message } from '../../kit/fd-messages.js';
import { isSameFile, openFiles, settledFiles, withFile } from '../../kit/open-files.js';

const NO_ONE = 999_999;

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
  // A received socket is one that another process made.
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
