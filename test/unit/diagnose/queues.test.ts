/** What is said of a queue whose holder is not known for certain. */
import t from 'tap';
import { diagnoseQueues } from '#lib/diagnose/queues.js';
import type { Surroundings } from '#lib/diagnose/surroundings.js';

const held = (fd: number, certain: boolean) => ({ pid: 1, fd, command: 'init', certain });

function messageFor(holders: ReturnType<typeof held>[], strays: number): string | undefined {
  const link = { name: 'tap0', tun: { multiQueue: true, queues: strays } };
  const around = { device: { kind: 'tap' }, link, links: new Map(), others: { device: 0, holders } };
  const [found] = diagnoseQueues(around as unknown as Surroundings);
  return found?.message.replace(/.*tap0: /, '');
}

t.test('a process is named for certain only if its descriptor was asked', async (t) => {
  const hidden = 'held by a process that this user may not inspect';
  t.equal(messageFor([], 1), hidden);
  t.equal(messageFor([held(3, true), held(4, false)], 1), 'descriptor 3 of process 1 (init)');
  t.equal(messageFor([held(4, false)], 1), `${hidden} (perhaps descriptor 4 of process 1 (init))`);
  t.equal(messageFor([held(3, true)], 2), `descriptor 3 of process 1 (init), ${hidden}`);
});
