/** That the bench runs and writes what it promises. Its figures at this effort mean nothing and are not checked. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { barChart } from '#bench/charts/bar-chart.mjs';
import { withRun } from '#bench/report/document.mjs';
import { markdownOf, verdict } from '#bench/report/markdown.mjs';
import { plotsOf } from '#bench/report/plots.mjs';
import { alternating } from '#bench/rig/alternating.mjs';
import { quantile, summary } from '#bench/statistics.mjs';
import { reaches, targetOf } from '#bench/targets.mjs';
import { needs } from '../kit/capabilities.js';
import { inRepo } from '../kit/paths.js';

const MAIN = inRepo('bench/main.mjs');
const SCENARIOS = [
  'receive-drain',
  'receive-flood',
  'send',
  'forward',
  'round-trip',
  'turn',
  'idle',
  'start-up',
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

t.test(
  'every scenario runs, and leaves JSON, a table and plots',
  {
    skip: needs('root', 'tun-device', 'iperf3'),
  },
  async (t) => {
    const { results, output, status, left } = await run(t);
    t.equal(status, 0, output);
    t.same(left, [], 'no namespace remains');
    const report = JSON.parse(readFileSync(join(results, 'results.json'), 'utf8'));
    t.same(
      report.scenarios.map(({ name }: { name: string }) => name),
      SCENARIOS,
    );
    for (const { name, rows } of report.scenarios as { name: string; rows: Row[] }[]) {
      t.ok(rows.length > 0, name);
      for (const { subject, value, ratio } of rows) {
        const what = `${name}, ${subject}`;
        t.ok(Number.isFinite(value.median) && value.runs > 0, what);
        if (subject !== 'floor' && !ABSOLUTE.includes(name)) t.ok(ratio && ratio.median > 0, `${what}: x C`);
      }
    }
    const table = readFileSync(join(results, 'results.md'), 'utf8');
    t.match(table, '| receive, drain, up to 512 B, 64 B | tapfd batches | at most 1.3 x C |');
    for (const name of ['receive-drain', 'forward', 'forward-cpu', 'idle-memory', 'start-up']) {
      t.match(readFileSync(join(results, `${name}.svg`), 'utf8'), /^<svg [\s\S]*<\/svg>\n$/, name);
    }
  },
);

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
  t.match(output, 'receive-drain, receive-flood, send');
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

t.test('docs/performance.md shows the recorded run', async (t) => {
  const docs = (path: string) => readFileSync(inRepo('docs', path), 'utf8');
  const page = docs('performance.md');
  const report = JSON.parse(docs('bench/results.json'));
  t.equal(report.effort.repeats, 7);
  t.same(
    report.scenarios.map(({ name }: { name: string }) => name),
    SCENARIOS,
  );
  t.equal(withRun(page, report), page);
  t.equal(docs('bench/results.md'), markdownOf(report));
  for (const [name, svg] of Object.entries(plotsOf(report))) {
    t.equal(docs(`bench/${name}.svg`), svg, `the plot of ${name} is of this run`);
    t.match(page, `(bench/${name}.svg)`);
  }
});

t.test('a target is reached by the median; quartiles on both sides leave it open', async (t) => {
  const figure = (...values: number[]) => summary(values);
  const atMost = { work: '', row: { scenario: '' }, atMost: 2 };
  t.equal(verdict(atMost, figure(1, 1.5, 1.6)), 'yes');
  t.equal(verdict(atMost, figure(1, 1.5, 4)), 'yes, within the spread');
  t.equal(verdict(atMost, figure(1, 2.5, 2.6)), '**no**, within the spread');
  t.equal(verdict({ ...atMost, atMost: undefined, atLeast: 2 }, figure(1, 1.5, 1.6)), '**no**');
});

t.test('floor and subjects run by turns, and each is compared with the floors beside it', async (t) => {
  const order: string[] = [];
  let floor = 10;
  const measure = async (subject: string) => {
    order.push(subject);
    // The machine slows down all the time; the ratios do not change.
    if (subject === 'floor') floor *= 2;
    return { cost: subject === 'floor' ? floor : floor * 3, speed: 1 };
  };
  const begin = async () => void order.push('begin');
  const rows = await alternating({ measure, subjects: ['a', 'b'], repeats: 2, begin });
  const [first, second] = [
    ['floor', 'a', 'floor', 'b', 'floor'],
    ['floor', 'b', 'floor', 'a', 'floor'],
  ];
  t.same(order, ['begin', ...first, 'begin', ...second]);
  const cost = rows.find(({ subject, figure }) => subject === 'a' && figure === 'cost');
  t.equal(cost?.ratio?.median, 2, '3 to the mean of 1 and 2');
  t.equal(cost?.ratio?.least, 2);
  t.equal(rows.find(({ subject, figure }) => subject === 'b' && figure === 'speed')?.value.median, 1);
  t.equal(rows.find(({ subject }) => subject === 'floor')?.ratio, undefined);
});

t.test('medians and quartiles', async (t) => {
  t.equal(quantile([3, 1, 2], 0.5), 2);
  t.equal(quantile([4, 1, 2, 3], 0.5), 2.5);
  t.same(summary([5, 1, 3, 2, 4]), {
    median: 3,
    lowerQuartile: 2,
    upperQuartile: 4,
    least: 1,
    most: 5,
    runs: 5,
  });
});

t.test('targets find their rows', async (t) => {
  const target = (row: object) => targetOf(row as Parameters<typeof targetOf>[0]);
  const small = target({ scenario: 'receive-drain', subject: 'data', size: 64 });
  t.equal(small?.atMost, 1.9);
  t.equal(target({ scenario: 'receive-drain', subject: 'data', size: 1500 })?.atMost, 2);
  t.equal(target({ scenario: 'receive-drain', subject: 'fs-read', size: 64 }), undefined);
  t.equal(
    target({ scenario: 'receive-drain', subject: 'data', size: 64294, variant: 'super-frames' }),
    undefined,
  );
  const forward = target({ scenario: 'forward', subject: 'pipe', variant: 'plain' });
  t.ok(small && reaches(small, 1.9) && !reaches(small, 1.91));
  t.ok(forward && reaches(forward, 0.75) && !reaches(forward, 0.74));
});

t.test('a plot has its title, unit, floor line, whiskers and targets', async (t) => {
  const bar = { label: 'a <b>', value: 2, low: 1.5, high: 3, text: '2.00', own: true, target: 2.5 };
  const ratios = barChart({
    title: 'Title',
    subtitle: 'subtitle',
    axis: 'ns, times C',
    groups: [{ title: '64 bytes', bars: [bar, { ...bar, value: 0.5, target: undefined }] }],
    baseline: 1,
    baselineName: 'plain C',
  });
  for (const part of ['Title', 'subtitle', 'ns, times C', '64 bytes', 'plain C', 'a &lt;b&gt;']) {
    t.match(ratios, `>${part}</text>`);
  }
  const x = (tag: RegExp) => Number(tag.exec(ratios)?.[1]);
  const line = x(/<line x1="([\d.]+)"[^>]*stroke-width="2"/);
  const bars = [...ratios.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g)].map((m) =>
    m.slice(1).map(Number),
  );
  t.same(bars[0]?.[0], line, 'more than the floor: to the right of its line');
  t.equal(Number(bars[1]?.[0]) + Number(bars[1]?.[1]), line, 'less: to the left');
  t.match(ratios, 'stroke-dasharray', 'the target');
  const amounts = barChart({ title: 'T', subtitle: '', axis: 'ms', groups: [{ title: 'g', bars: [bar] }] });
  t.match(amounts, '>0</text>', 'amounts begin at 0');
});
