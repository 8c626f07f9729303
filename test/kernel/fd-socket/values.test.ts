/** What callers give to FdSocket: checked before any system call, and theirs again when the call has returned. */
import t from 'tap';
import { FdSocket } from 'tapfd';
import { closeAll, drain, message } from '../../kit/fd-messages.js';
import { foreignBytes, LOOKS_LIKE_BYTES, transferred } from '../../kit/odd-values.js';

t.test('bytes that are changed or transferred while they wait arrive as they were', async (t) => {
  const [a, b] = FdSocket.pair();
  const bytes = Buffer.alloc(1_000_000, 'x');
  const sent = a.send(bytes).then(() => a.end());
  bytes.fill('y');
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  t.equal(bytes.length, 0);
  let received = '';
  for await (const { data } of b) received += data.toString();
  await sent;
  t.ok(received === 'x'.repeat(1_000_000), `${received.length} bytes`);
  await closeAll(a, b);
});

t.test('bytes of another realm are bytes', async (t) => {
  const [a, b] = FdSocket.pair();
  t.teardown(() => closeAll(a, b));
  await a.send(foreignBytes([104, 105]));
  t.equal((await message(b)).data.toString(), 'hi');
});

t.test('a subclass cannot lie about its bytes', async (t) => {
  class Liar extends Uint8Array {
    override get length(): number {
      return 1000;
    }
  }
  const [a, b] = FdSocket.pair();
  await a.send(new Liar([104, 105]));
  await a.end();
  t.same(await drain(b), { bytes: 2, fds: 0 });
  await closeAll(a, b);
});

t.test('what only looks like bytes or descriptors is refused', async (t) => {
  const [a, b] = FdSocket.pair();
  t.teardown(() => closeAll(a, b));
  for (const data of [...LOOKS_LIKE_BYTES(), transferred(), 5, null]) {
    await t.rejects(a.send(data as Uint8Array), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'data' });
  }
  for (const fds of [new Array(1), new Array(3).fill(0, 0, 2), [undefined], ['0'], { length: 1, 0: 0 }]) {
    await t.rejects(a.send('x', fds as number[]), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: /^fds/ });
  }
});

t.test('options that a call does not have are refused', async (t) => {
  const [a, b] = FdSocket.pair();
  await using server = await FdSocket.listen(`@tapfd-${process.pid}-values`);
  t.teardown(() => closeAll(a, b));
  const unknown: object = { timeoutMs: 5 };
  for (const call of [
    () => FdSocket.connect('/nowhere/at/all', unknown),
    () => FdSocket.listen('/nowhere/at/all', unknown),
    () => a.receive(unknown),
    () => server.accept(unknown),
  ]) {
    await t.rejects(async () => void (await call()), {
      code: 'ERR_TAPFD_INVALID_ARGUMENT',
      argument: 'timeoutMs',
    });
  }
});

t.test('a signal of another realm works; what only looks like one is refused', async (t) => {
  const [a, b] = FdSocket.pair();
  t.teardown(() => closeAll(a, b));
  const { signal, abort } = foreignSignal();
  const waiting = b.receive({ signal });
  abort(new Error('enough'));
  await t.rejects(waiting, { message: 'enough' });
  await t.rejects(b.receive({ signal }), { message: 'enough' });
  for (const wrong of [
    null,
    {},
    { aborted: false },
    Object.create(AbortSignal.prototype),
    new AbortController(),
  ]) {
    await t.rejects(b.receive({ signal: wrong as AbortSignal }), {
      code: 'ERR_TAPFD_INVALID_ARGUMENT',
      argument: 'signal',
    });
  }
});

/** As a test environment such as jsdom defines it: no class of Node's. */
function foreignSignal(): { signal: AbortSignal; abort: (reason: unknown) => void } {
  const target = Object.assign(new EventTarget(), {
    aborted: false,
    reason: undefined as unknown,
    onabort: null,
    throwIfAborted() {
      if (target.aborted) throw target.reason;
    },
  });
  const abort = (reason: unknown): void => {
    Object.assign(target, { aborted: true, reason });
    target.dispatchEvent(new Event('abort'));
  };
  return { signal: target as AbortSignal, abort };
}

t.test('a loop beside a receive() fails and takes nothing from it', async (t) => {
  const [a, b] = FdSocket.pair();
  t.teardown(() => Promise.all([a.close(), b.close()]));
  const pending = b.receive();
  const messages = b[Symbol.asyncIterator]();
  await t.rejects(messages.next(), { code: 'ERR_TAPFD_INVALID_STATE' });
  await a.send('for the first');
  t.equal(String((await pending)?.data), 'for the first');
});
