/** The stream as one of Node's: Writable's rules, `for await`, pipe, destroy. */
import { once } from 'node:events';
import t from 'tap';
import { TapfdError } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { collect, isNumbered, numberedFrame, numberOf, tapPair, upTo, written } from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

t.test("Writable's own rules hold: cork, end, write after end, wrong chunks", async (t) => {
  const { a, b } = await tapPair(t);
  t.throws(() => a.write('text' as unknown as Buffer), {
    code: 'ERR_TAPFD_INVALID_ARGUMENT',
    argument: 'frame',
  });
  t.throws(() => a.write(null as unknown as Buffer), { code: 'ERR_TAPFD_INVALID_ARGUMENT' });
  const arriving = collect(b, 4);
  a.cork();
  a.write(numberedFrame(0));
  a.write(numberedFrame(1), 'utf8', (error) => t.equal(error, null));
  t.equal(a.stats.sent.frames, 0, 'corked');
  a.uncork();
  a.write(numberedFrame(2));
  const finished = once(a, 'finish');
  a.end(numberedFrame(3));
  t.same((await arriving).map(numberOf), upTo(4));
  await finished;
  t.match(await written(a, numberedFrame(4)), { code: 'ERR_STREAM_WRITE_AFTER_END', interface: a.name });
  t.equal(a.write(numberedFrame(4)), false);
  await t.rejects(a.writeBatch([numberedFrame(4)]), { code: 'ERR_STREAM_WRITE_AFTER_END', framesTaken: 0 });
  t.same(a.stats.sent.drops, { ended: 3 });
  t.notOk(a.destroyed, 'a late write is its own failure, not that of the stream');
});

t.test('a refused frame given to end() is counted, a chunk of another type is refused', async (t) => {
  const { a, b } = await tapPair(t);
  a.end(Buffer.alloc(3));
  await once(a, 'finish');
  t.same(a.stats.sent.drops, { 'too-short': 1 });
  t.throws(() => b.end('text'), { code: 'ERR_TAPFD_INVALID_ARGUMENT' });
  t.notOk(b.writableEnded);
});

t.test('for await gives frames, and leaving it destroys the stream', async (t) => {
  const { a, b } = await tapPair(t);
  for (const i of upTo(5)) a.write(numberedFrame(i));
  const numbers: number[] = [];
  for await (const frame of b) {
    if (isNumbered(frame)) numbers.push(numberOf(frame));
    if (numbers.length === 5) break;
  }
  t.same(numbers, upTo(5));
  t.ok(b.destroyed);
});

t.test('pipe forwards frames from one device to another', async (t) => {
  const left = await tapPair(t);
  const right = await tapPair(t);
  left.b.pipe(right.a);
  const arriving = collect(right.b, 50);
  for (const i of upTo(50)) left.a.write(numberedFrame(i, 60 + i));
  t.same((await arriving).map(numberOf), upTo(50));
});

t.test('the methods of a closed stream report that', async (t) => {
  const { a } = await tapPair(t);
  await a[Symbol.asyncDispose]();
  await a[Symbol.asyncDispose]();
  t.equal(a.fd, -1);
  t.throws(() => a.handOff(), { code: 'ERR_TAPFD_CLOSED' });
  await t.rejects(a.refreshStats(), { code: 'ERR_TAPFD_CLOSED' });
  await t.rejects(a.isAlive(), { code: 'ERR_TAPFD_CLOSED' });
  t.match(await written(a, numberedFrame(1)), { code: 'ERR_TAPFD_CLOSED' });
});

t.test('destroy with an error reports it, and frames that waited fail with it', async (t) => {
  const { a } = await tapPair(t);
  a.cork();
  const waiting = written(a, numberedFrame(1));
  const closed = new Promise((resolve) => a.on('close', resolve));
  a.on('error', (error) => t.equal(error.message, 'enough'));
  a.destroy(new Error('enough'));
  t.ok(await waiting);
  await closed;
  t.ok(a.errored instanceof Error && !(a.errored instanceof TapfdError));
});
