/** Who owns the descriptors of a message, sent or received; each is closed in the end. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readlinkSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { FdSocket } from 'tapfd';
import { closeFd } from '#lib/fd-socket/fd-source.js';
import { closeAll, message } from '../../kit/fd-messages.js';
import { isSameFile, openFiles, settledFiles, withFile } from '../../kit/open-files.js';

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
    for (const other of taken) await closeFd(other);
    await second.close();
    t.throws(() => second.takeFds(), again);
    await a.send('z');
    t.same((await message(b)).takeFds(), [], 'a message without');
  });
  await closeAll(a, b);
  t.equal(await settledFiles(before), before);
});

t.test(
  'untaken descriptors are closed: by the next message, by leaving the loop, by the end of the socket',
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
      // In the socket, with no receiver.
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
  await closeFd(fd);
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
  await closeFd(reused);
  await closeAll(a, b);
  t.equal(await settledFiles(before), before);
});
