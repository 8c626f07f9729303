/** Children that die with a process which cannot ask the kernel for that. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { Guard } from '#lib/testing/network/guard.js';
import { startChild } from '../../kit/child.js';

const PATIENCE_MS = 60_000;

/** Ended, whoever is to reap it. */
async function hasEnded(pid: number): Promise<boolean> {
  const giveUp = Date.now() + PATIENCE_MS;
  while (existsSync(`/proc/${pid}/exe`) && Date.now() < giveUp) await wait(20);
  return !existsSync(`/proc/${pid}/exe`);
}

for (const signal of ['SIGKILL', 'SIGINT'] as const) {
  t.test(`${signal} of the process ends what still runs, and the guard`, async (t) => {
    const program = startChild(
      `import { spawn } from 'node:child_process';
       import { readdirSync, readFileSync } from 'node:fs';
       import { once } from 'node:events';
       import { Guard } from '#lib/testing/network/guard.js';
       const guard = new Guard();
       const [short, long, other] = ['true', 'sleep', 'sleep'].map((name) => {
         const child = spawn(name, ['1000'], { stdio: 'ignore' });
         guard.add(child);
         return child;
       });
       await once(short, 'exit');
       const children = readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').trim();
       console.log('pids', [long.pid, other.pid, ...children.split(' ')].join(' '));`,
    );
    const said = await program.printed(/pids .*\n/);
    const pids = [...new Set((/pids (.*)\n/.exec(said)?.[1] ?? '').split(' ').map(Number))];
    t.ok(pids.length >= 4, 'two children, each with a guard');
    program.kill(signal);
    await program.ended;
    for (const pid of pids) t.ok(await hasEnded(pid), `${pid}`);
  });
}

t.test('a guard that is closed kills nobody, and leaves nothing', async (t) => {
  const guard = new Guard();
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  t.teardown(() => child.kill());
  guard.add(child);
  await guard.close();
  await guard.close();
  t.equal(child.exitCode ?? child.signalCode, null);
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  t.same(await ended, [null, 'SIGTERM']);
});

t.test('a child that did not start needs none', async (t) => {
  const guard = new Guard();
  const child = spawn('/no/such/program');
  guard.add(child);
  await once(child, 'error');
  await guard.close();
  t.pass('nothing was started');
});

t.test('closing it is waited for', async (t) => {
  const program = startChild(
    `import { spawn } from 'node:child_process';
     import { Guard } from '#lib/testing/network/guard.js';
     const guard = new Guard();
     const child = spawn('true', { stdio: 'ignore' });
     guard.add(child);
     child.unref();
     await guard.close();
     console.log('closed');`,
  );
  t.match(await program.ended, { code: 0, output: 'closed\n' });
});

t.test('the process does not live for its guard', async (t) => {
  const program = startChild(
    `import { spawn } from 'node:child_process';
     import { Guard } from '#lib/testing/network/guard.js';
     const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
     child.unref();
     new Guard().add(child);
     console.log('pid', child.pid);`,
  );
  const said = await program.printed(/pid \d+/);
  t.match(await program.ended, { code: 0, errors: '' });
  t.ok(await hasEnded(Number(/pid (\d+)/.exec(said)?.[1])));
});
