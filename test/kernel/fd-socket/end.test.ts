/** How a socket ends, and what a caller that waits for a message learns. */
import { createHook } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { FdSocket, TapfdError } from 'tapfd';
import { needs } from '../../kit/capabilities.js';
import { closeAll, drain, message } from '../../kit/fd-messages.js';
import { openFiles, settledFiles } from '../../kit/open-files.js';
import { python3 } from '../../kit/python-peer.js';

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
  // The other direction stays open.
  await b.send('still');
  t.equal((await message(a)).data.toString(), 'still');
  await closeAll(a, b);
});

t.test('a peer that is gone', async (t) => {
  t.test('with everything received: the end, and EPIPE for a sender', async (t) => {
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
  // It has read by then, and no caller knows yet.
  await Promise.resolve();
  const closing = b.close();
  const received = await arrived;
  await closing;
  t.same(received?.fds, []);
  t.throws(() => received?.takeFds(), { code: 'ERR_TAPFD_INVALID_STATE' });
  await closeAll(a);
  t.equal(await settledFiles(before), before);
});

t.test('urgent data is data, and wakes no one again and again', { skip: needs('python3') }, async (t) => {
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
  const urgent = peer.socket.receive();
  await peer.go();
  t.equal((await urgent)?.data.toString(), '!');
  const waiting = peer.socket.receive();
  for (let i = 0; i < 100; i += 1) await turn();
  t.ok(wakes < 10, `${wakes} wakes`);
  await peer.go();
  t.equal((await waiting)?.data.toString(), 'data');
  await peer.output();
});
