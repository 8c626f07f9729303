/** QmpClient and a monitor that says much at once: the event loop turns meanwhile, and memory is what the bytes need. */
import { once } from 'node:events';
import t from 'tap';
import { runChild } from '../../kit/child.js';
import { connected } from '../../kit/fake-connection.js';
import { loopTurns, MOST_IN_A_TURN } from '../../kit/loop-turns.js';

const EVENT = '{"event":"STOP","timestamp":{"seconds":1,"microseconds":2}}\n';

t.test('events in one piece', async (t) => {
  const { monitor, qmp } = await connected(t);
  const turns = loopTurns();
  t.teardown(turns.stop);
  let heard = 0;
  const all = new Promise<void>((resolve) => {
    qmp.on('STOP', () => {
      turns.note();
      heard += 1;
      if (heard === 1000) resolve();
    });
  });
  monitor.say(EVENT.repeat(1000));
  await all;
  t.ok(turns.most <= MOST_IN_A_TURN, `${turns.most} events in one turn`);
});

t.test('blank lines, in one piece and in many', async (t) => {
  for (const pieces of [1, 1000]) {
    const { monitor, qmp } = await connected(t);
    const turns = loopTurns();
    const stopped = once(qmp, 'STOP');
    for (let i = 0; i < pieces; i += 1) monitor.say('\n'.repeat(10_000 / pieces));
    monitor.say(EVENT);
    await stopped;
    t.ok(turns.turns >= 10_000 / MOST_IN_A_TURN, `${turns.turns} turns`);
    turns.stop();
  }
});

t.test('pieces without a line end', async (t) => {
  const { monitor, qmp } = await connected(t);
  const turns = loopTurns();
  t.teardown(turns.stop);
  const stopped = once(qmp, 'STOP');
  for (let i = 0; i < 1000; i += 1) monitor.say(' ');
  monitor.say(EVENT);
  await stopped;
  t.ok(turns.turns >= 1000 / MOST_IN_A_TURN, `${turns.turns} turns`);
});

t.test('nothing is heard after close(), not even from the same piece', async (t) => {
  const { monitor, qmp } = await connected(t);
  const closed = once(qmp, 'close');
  let heard = 0;
  qmp.on('STOP', () => {
    heard += 1;
    void qmp.close();
  });
  monitor.say(EVENT.repeat(3));
  await closed;
  t.equal(heard, 1);
});

t.test('a line that comes byte by byte takes no more memory than its bytes', async (t) => {
  const { code, output, errors } = await runChild(
    `
    import { LineSplitter } from '#lib/qemu/qmp/messages.js';
    const lines = new LineSplitter();
    const bytes = 3_000_000;
    // Each in memory of its own, as from a socket.
    for (let i = 0; i < bytes; i += 1) for (const line of lines.split(Buffer.from('x'))) console.log(line);
    for (const line of lines.split(Buffer.from('\\n'))) console.log(line.length === bytes);
    `,
    [],
    ['--max-old-space-size=64'],
  );
  t.match({ code, output }, { code: 0, output: 'true\n' }, errors.slice(0, 300));
});
