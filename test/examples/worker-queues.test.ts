/** The example with the queues of one device in workers. */
import { readdirSync } from 'node:fs';
import t, { type Test } from 'tap';
import { fileNeeds } from '../kit/capabilities.js';
import { startExample } from '../kit/examples.js';

fileNeeds(t, 'root', 'tun-device', 'ip');

/** Runs the example; with `interrupt` a Ctrl-C once it has begun. */
async function run(t: Test, args: string[], interrupt = false) {
  const program = startExample(t, 'worker-queues', args);
  if (interrupt) program.printed(/./).then(() => program.kill('SIGINT'));
  const { code, output } = await program.ended;
  const left = readdirSync('/run/netns').filter((name) => name.startsWith(`tapfd-${program.pid}-`));
  t.strictSame(left, [], 'its namespace is gone');
  return { code, output };
}

t.test('each flow in one worker, each datagram once', async (t) => {
  const { code, output } = await run(t, ['3', '20']);
  t.equal(code, 0);
  const workers = [...output.matchAll(/worker \d: (\d+) datagrams from (\d+) flows/g)];
  t.equal(workers.length, 3);
  t.ok(
    workers.every(([, datagrams]) => Number(datagrams) > 0),
    output,
  );
  const sum = (column: number) => workers.reduce((all, found) => all + Number(found[column]), 0);
  t.strictSame([sum(1), sum(2)], [64 * 20, 64], 'each flow in one worker, each datagram once');
  t.match(output, /total: 1280 datagrams, \d+ per second\n$/);
});

t.test('ended by Ctrl-C it still reports', async (t) => {
  const { code, output } = await run(t, ['2', '100000000'], true);
  t.equal(code, 0);
  t.match(output, /total: \d+ datagrams, \d+ per second\n$/);
});
