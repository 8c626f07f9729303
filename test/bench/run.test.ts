/** That the bench runs and writes what it promises. Its figures at this effort mean nothing and are not checked. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { SCENARIOS } from '../kit/bench-scenarios.js';
import { needs } from '../kit/capabilities.js';
import { inRepo } from '../kit/paths.js';

const MAIN = inRepo('bench/main.mjs');
/** The scenarios in the order of a whole run; here as many runs at once, for most of each is starting programs. */
const RUNS = [
  { scenarios: ['receive-drain', 'receive-flood', 'send'], plots: ['receive-drain'] },
  { scenarios: ['forward', 'round-trip'], plots: ['forward', 'forward-cpu'] },
  { scenarios: ['turn', 'idle', 'start-up'], plots: ['idle-memory', 'start-up'] },
];
/** Without a ratio to C. */
const ABSOLUTE = ['turn', 'idle', 'start-up'];

interface Row {
  subject: string;
  unit: string;
  value: { median: number; runs: number };
  ratio?: { median: number };
}

async function run(t: Test, ...args: string[]) {
  const results = t.testdir();
  const child = spawn(process.execPath, [MAIN, '--smoke', '--results', results, ...args], {
    // The subjects load the library as users do.
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const [status] = await once(child, 'close');
  return { results, output, status, left: namespacesOf(child) };
}

function namespacesOf({ pid }: ChildProcess) {
  return readdirSync('/run/netns').filter((name) => name.startsWith(`tapfd-bench-${pid}-`));
}

/** Waits for something that the bench does without saying so. */
async function until(bench: ChildProcess, isSo: () => boolean) {
  while (!isSo()) {
    if (bench.exitCode !== null) throw new Error('the bench ended too early');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

t.same(
  RUNS.flatMap(({ scenarios }) => scenarios),
  SCENARIOS,
);
t.jobs = RUNS.length;
for (const { scenarios, plots } of RUNS) {
  t.test(
    `${scenarios.join(', ')}: leaves JSON, a table and plots`,
    { skip: needs('root', 'tun-device', 'iperf3'), buffered: true },
    async (t) => {
      const only = scenarios.flatMap((name) => ['--only', name]);
      const { results, output, status, left } = await run(t, ...only);
      t.equal(status, 0, output);
      t.same(left, [], 'no namespace remains');
      const report = JSON.parse(readFileSync(join(results, 'results.json'), 'utf8'));
      t.same(
        report.scenarios.map(({ name }: { name: string }) => name),
        scenarios,
      );
      for (const { name, rows } of report.scenarios as { name: string; rows: Row[] }[]) {
        t.ok(rows.length > 0, name);
        for (const { subject, value, ratio } of rows) {
          const what = `${name}, ${subject}`;
          t.ok(Number.isFinite(value.median) && value.runs > 0, what);
          if (subject !== 'floor' && !ABSOLUTE.includes(name))
            t.ok(ratio && ratio.median > 0, `${what}: x C`);
        }
      }
      const table = readFileSync(join(results, 'results.md'), 'utf8');
      if (scenarios.includes('receive-drain')) {
        t.match(table, '| receive, drain, up to 512 B, 64 B | tapfd batches | at most 1.3 x C |');
      }
      for (const name of plots) {
        t.match(readFileSync(join(results, `${name}.svg`), 'utf8'), /^<svg [\s\S]*<\/svg>\n$/, name);
      }
    },
  );
}

t.test(
  'it cleans up when it is stopped in the middle',
  {
    skip: needs('root', 'tun-device', 'iperf3'),
  },
  async (t) => {
    const directory = t.testdir({ results: {}, temporary: {} });
    const temporary = join(directory, 'temporary');
    // At full effort it runs far longer than this test needs.
    const args = [MAIN, '--only', 'turn', '--results', join(directory, 'results')];
    const child = spawn(process.execPath, args, { env: { ...process.env, TMPDIR: temporary } });
    await until(child, () => namespacesOf(child).length > 0 && readdirSync(temporary).length > 0);
    child.kill('SIGTERM');
    await once(child, 'exit');
    t.same(namespacesOf(child), []);
    t.same(readdirSync(temporary), []);
  },
);

t.test(
  'it ends the programs that it has started',
  { skip: needs('root', 'tun-device', 'iperf3') },
  async (t) => {
    const child = spawn(process.execPath, [MAIN, '--only', 'forward', '--results', t.testdir()]);
    const programs = () =>
      readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
    const nameOf = (pid: string) => {
      try {
        return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
      } catch {
        return '';
      }
    };
    const isIperf = (pid: string) => nameOf(pid) === 'iperf3';
    // A server and a client.
    await until(child, () => programs().filter(isIperf).length >= 2);
    const theirs = programs();
    child.kill('SIGTERM');
    await once(child, 'exit');
    // They are killed, but may take a moment to end; one that stays makes this a time-out.
    while (theirs.some((pid) => nameOf(pid) !== '')) await new Promise((resolve) => setTimeout(resolve, 10));
    t.ok(theirs.length >= 5);
  },
);

t.test('an unknown scenario is refused with the list', { skip: needs('root') }, async (t) => {
  const { status, output } = await run(t, '--only', 'flying');
  t.equal(status, 1);
  t.match(output, SCENARIOS.join(', '));
});

t.test('--help explains the options, and an unknown one is refused', async (t) => {
  const help = await run(t, '--help');
  t.equal(help.status, 0);
  t.match(help.output, /^The bench: [\s\S]*\n {4}npm run bench -- --smoke /);
  const unknown = await run(t, '--fast');
  t.equal(unknown.status, 1);
  t.match(unknown.output, "error: Unknown option '--fast'\nremedy: use --help to see the options");
});

t.test('a recorded run is a whole one', { skip: needs('root') }, async (t) => {
  const { status, output } = await run(t, '--record');
  t.equal(status, 1);
  t.match(output, '--record needs a whole run');
});
