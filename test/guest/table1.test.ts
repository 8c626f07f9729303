/** The measurement of the paper's table at its smallest, between two real guests. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { needs } from '../capabilities.js';

const MAIN = fileURLToPath(new URL('../../bench/table1/main.mjs', import.meta.url));
const NEEDS = needs('root', 'tun-device', 'bridge', 'veth', 'macvlan', 'macvtap', 'iperf3', 'guest');

t.setTimeout(300_000);

/** `npm run table1` for iperf alone, with the library as it is built. */
function start(results: string) {
  const args = [MAIN, '--smoke', '--no-build', '--only', 'iperf', '--results', results];
  const child = spawn(process.execPath, args, { env: { ...process.env, NODE_OPTIONS: '' } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  return { child, said: () => output };
}

const namespacesOf = (pid: number | undefined) =>
  readdirSync('/run/netns').filter((name) => name.startsWith(`tapfd-${pid}-`));

/** The QEMU processes that a process has started. */
function guestsOf(pid: number | undefined): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
}

/** A process that is dead and not buried yet does not run. */
function isRunning(pid: string): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

t.test('iperf over TAP and macvtap, a report, and nothing left behind', { skip: NEEDS }, async (t: Test) => {
  const results = t.testdir();
  const { child, said } = start(results);
  t.teardown(() => child.kill('SIGKILL'));
  const [status] = await once(child, 'close');
  t.equal(status, 0, said());
  t.same(namespacesOf(child.pid), []);
  const { rows, measurements } = JSON.parse(readFileSync(join(results, 'results.json'), 'utf8'));
  t.match(rows, [{ case: { name: 'iperf' }, tap: { runs: 1 }, macvtap: { runs: 1 } }]);
  t.equal(measurements.length, 2);
  for (const kind of ['tap', 'macvtap']) {
    t.ok(rows[0][kind].median > 0, `${kind} carries traffic`);
    t.ok(rows[0][kind].median < 100, `${kind}: no more than the wire takes`);
  }
  t.match(readFileSync(join(results, 'results.md'), 'utf8'), '| paper, TAP | 93.1 |');
  t.match(readFileSync(join(results, 'table.svg'), 'utf8'), /^<svg [\s\S]*<\/svg>\n$/);

  await t.test('started again, it measures nothing twice', async (t) => {
    const again = start(results);
    t.teardown(() => again.child.kill('SIGKILL'));
    const [status] = await once(again.child, 'close');
    t.equal(status, 0, again.said());
    t.match(again.said(), '2 of 2 are in ');
    t.notMatch(again.said(), '-- table:');
  });
});

t.test('Ctrl-C in the middle takes guests and namespaces with it', { skip: NEEDS }, async (t: Test) => {
  const { child, said } = start(t.testdir());
  t.teardown(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  // The second guest's process is there: both hosts are built, and nothing is measured yet.
  for (;;) {
    if (child.exitCode !== null) throw new Error(`it ended too early: ${said()}`);
    if (said().includes('-- table:') && guestsOf(child.pid).length >= 2) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  const guests = guestsOf(child.pid);
  t.equal(namespacesOf(child.pid).length, 2);
  child.kill('SIGINT');
  const [status] = await ended;
  t.equal(status, 130, said());
  t.same(namespacesOf(child.pid), []);
  // Killed, but the kernel takes its time to end them; one that stays makes this a time-out.
  while (guests.some(isRunning)) await new Promise((resolve) => setImmediate(resolve));
});
