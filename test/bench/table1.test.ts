/** The paper's table: comparing, planning, resuming, reporting. What is measured is in test/guest/table1.test.ts. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { intervalChart } from '#bench/charts/interval-chart.mjs';
import type { Case } from '#bench/table1/case.mjs';
import { planOf } from '#bench/table1/plan.mjs';
import { comparison, percent, signInterval, verdict } from '#bench/table1/report/comparison.mjs';
import { withRun } from '#bench/table1/report/document.mjs';
import { markdownOf } from '#bench/table1/report/markdown.mjs';
import { FAST_ETHERNET_GOODPUT_MBPS } from '#bench/table1/report/paper-figures.mjs';
import { plotsOf } from '#bench/table1/report/plots.mjs';
import { resultsOf } from '#bench/table1/report/results.mjs';
import { figure, paperTable } from '#bench/table1/report/tables.mjs';
import { differencesOf, ResultsFile } from '#bench/table1/results-file.mjs';
import { inRepo } from '../kit/paths.js';

const MAIN = inRepo('bench/table1/main.mjs');

const MACHINE = {
  tapfd: '1.0.0',
  node: '20.0.0',
  kernel: '6.1.0-x',
  qemu: '7.2',
  accelerator: 'tcg',
  processor: 'P',
  processors: 2,
  memoryGiB: 4,
};

/** A case that is never measured. */
function someCase(name: string, rest: Partial<Case> = {}): Case {
  return {
    name,
    phase: 'table',
    title: name,
    unit: 'Mbit/s',
    better: 'more',
    cards: ['tap', 'macvtap'],
    between: ['a', 'b'],
    shaped: true,
    computes: false,
    parameters: { seconds: 1 },
    measure: async () => ({ value: 1 }),
    ...rest,
  };
}

function measurement(one: Case, card: string, round: number, value: number) {
  return {
    case: one.name,
    card,
    round,
    parameters: one.parameters,
    figures: { value },
    load: round,
    at: '2026-01-01T00:00:00.000Z',
  };
}

t.test('the interval of the sign test', async (t) => {
  t.same(signInterval(5), { k: 1, confidence: 1 - 2 / 32 });
  t.same(signInterval(8), { k: 2, confidence: 1 - (2 * 9) / 256 });
  t.equal(signInterval(7).k, 1, 'the second from the ends would hold the median in 87.5 % only');
  t.equal(signInterval(1).confidence, 0);
});

t.test('pairs are compared by their ratios, and what they do not resolve is marked', async (t) => {
  // The machine slows down from pair to pair, and macvtap is always a tenth ahead.
  const ahead = comparison([10, 20, 30, 40, 50].map((tap) => [tap, tap * 1.1]));
  t.equal(ahead.resolved, true);
  t.equal(ahead.pairs, 5);
  t.match(verdict(ahead), /^macvtap 1[01] to 1[01] % more$/);
  t.equal(verdict({ ...ahead, ratio: 0.9, low: 0.85, high: 0.97 }), 'macvtap 3.0 to 15 % less');

  const mixed = comparison([
    [100, 101],
    [100, 99],
    [100, 100],
    [100, 102],
    [100, 98.5],
  ]);
  t.equal(mixed.resolved, false);
  t.equal(verdict(mixed), 'no difference resolved at ±2.0 %');
  t.equal(verdict({ ...mixed, low: 0.5, high: 12 }), 'no difference resolved (0.50 to 12.00 times)');
  t.equal(verdict(comparison([[1, 2]])), 'too few rounds to say (1)');
  const four = comparison([1, 1, 1, 1].map((one) => [one, 2]));
  t.equal(four.resolved, undefined, 'four pairs are all on one side once in eight times by chance');
});

t.test('bounds are rounded up', async (t) => {
  t.equal(percent(0.00111), '0.12');
  t.equal(percent(0.0311), '3.2');
  t.equal(percent(0.1201), '13');
  t.equal(percent(0), '0.00');
});

t.test('figures have the digits of the paper', async (t) => {
  t.same([93.12, 0.15678, 246.998, 12345].map(figure), ['93.12', '0.1568', '247.0', '12345']);
});

t.test('the plan goes round by round, and the interfaces by turns', async (t) => {
  const cases = [someCase('x'), someCase('y', { phase: 'patterns' }), someCase('z')];
  const plan = planOf(cases, { tableRounds: 2, patternRounds: 1 });
  t.same(
    plan.map(({ case: one, card, round }) => `${round} ${one.name} ${card}`),
    [
      ...['1 x tap', '1 x macvtap', '1 z tap', '1 z macvtap'],
      ...['2 x macvtap', '2 x tap', '2 z macvtap', '2 z tap'],
      ...['1 y tap', '1 y macvtap'],
    ],
  );
});

t.test('a run that is started again resumes where its file ends', async (t) => {
  const path = join(t.testdir(), 'deep', 'measurements.jsonl');
  const one = someCase('x');
  const step = { case: one, card: 'tap' as const, round: 1 };
  const file = new ResultsFile(path);
  t.notOk(file.has(step));
  file.addStart({ machine: MACHINE });
  file.add(measurement(one, 'tap', 1, 5));
  t.ok(file.has(step), 'known at once');

  appendFileSync(path, '{"case":"x","card":"macv'); // written half when the machine went down
  const again = new ResultsFile(path);
  t.ok(again.has(step));
  t.notOk(again.has({ ...step, round: 2 }));
  t.notOk(again.has({ ...step, card: 'macvtap' }));
  t.notOk(again.has({ ...step, case: someCase('x', { parameters: { seconds: 2 } }) }), 'other parameters');
  again.add(measurement(one, 'macvtap', 1, 6));
  const third = new ResultsFile(path);
  t.same(
    third.measurements.map(({ card, figures }) => [card, figures.value]),
    [
      ['tap', 5],
      ['macvtap', 6],
    ],
  );
  t.same(third.starts, [{ machine: MACHINE }]);
});

t.test('a run is not resumed on another machine', async (t) => {
  const later = { ...MACHINE, startedAt: 'later' };
  t.same(differencesOf({ ...MACHINE, startedAt: 'before' }, later), []);
  t.same(differencesOf({ ...MACHINE, qemu: '7.1' }, later), ['qemu 7.1, now 7.2']);
});

t.test('a recorded run is a whole one', async (t) => {
  for (const less of ['--quick', '--smoke', '--only=iperf']) {
    const { status, stderr } = spawnSync(process.execPath, [MAIN, '--record', '--no-build', less], {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    t.equal(status, 1, less);
    t.match(stderr, '--record needs a whole run');
  }
});

t.test('table and plots say what was measured', async (t) => {
  const cases = [
    someCase('iperf', { title: 'iperf' }),
    someCase('gromacs', { title: 'GROMACS', unit: 's', better: 'less' }),
    someCase('frames-64', { phase: 'patterns', title: 'UDP frames of 64 bytes', unit: 'frames/s' }),
    someCase('flows-1', { phase: 'patterns', title: '1 TCP flow' }),
    someCase('no-vnet-header', { phase: 'patterns', cards: ['tap-plain', 'macvtap-plain'] }),
    someCase('never-measured'),
  ];
  const [iperf, gromacs, frames, flow, plain] = cases;
  const measurements = [1, 2, 3, 4, 5].flatMap((round) => [
    measurement(iperf, 'tap', round, 94 + round / 100),
    measurement(iperf, 'macvtap', round, 94.06 - round / 100),
    measurement(gromacs, 'tap', round, 20),
    measurement(gromacs, 'macvtap', round, 10 + round),
    measurement(frames, 'tap', round, 10_000),
    measurement(frames, 'macvtap', round, 12_000),
    measurement(flow, 'tap', round, 1000),
    measurement(flow, 'macvtap', round, 2000),
    measurement(plain, 'tap-plain', round, 500),
    measurement(plain, 'macvtap-plain', round, 500),
  ]);
  // Of another size: no part of this run.
  measurements.push({ ...measurement(iperf, 'tap', 6, 1), parameters: { seconds: 9 } });
  const results = resultsOf({ size: 'full', cases, starts: [{ machine: MACHINE }], measurements });

  const markdown = markdownOf(results);
  t.match(markdown, '|  | iperf, Mbit/s | GROMACS, s |');
  t.match(markdown, '| paper, macvtap | 93.1 | 246.545 |');
  t.match(markdown, '| here, TAP | 94.03 (94.01 to 94.05) | 20.00 (20.00 to 20.00) |');
  t.match(
    markdown,
    /\| here, by pairs \| no difference resolved at ±0\.0\d % \| macvtap 25 to 4\d % less \|/,
  );
  t.match(markdown, 'off by -0.07 % on TAP and -0.07 % on macvtap');
  t.match(
    markdown,
    '| UDP frames of 64 bytes | frames/s | 10000 (10000 to 10000) | 12000 (12000 to 12000) |',
  );
  t.match(
    markdown,
    'macvtap: 1 TCP flow with a vnet header against one without: 4.00 times as fast (4.00 to 4.00)',
  );
  t.notMatch(markdown, 'never-measured');
  t.match(markdown, 'Load average before a measurement: median 3.0, 1.0 to 5.0');

  const plots = plotsOf(results);
  t.same(Object.keys(plots).sort(), ['frame-sizes', 'table', 'throughput']);
  for (const svg of Object.values(plots)) t.match(svg, /^<svg [\s\S]*<\/svg>\n$/);
  t.match(plots.table, '94 % interval');
  t.match(plots.table, '2 processors, emulation (TCG), QEMU 7.2, Linux 6.1.0, load 3.0.');
  t.match(plots['frame-sizes'], '>12.00</text>', 'thousands');
});

t.test('an interval plot has its zero in the middle of what it shows', async (t) => {
  const svg = intervalChart({
    title: 'T <1>',
    subtitle: ['a', 'b'],
    axis: 'difference, %',
    markName: 'the paper',
    rows: [{ label: 'x', value: 1, low: -1, high: 3, text: 'words', mark: -0.5 }],
  });
  for (const part of ['T &lt;1&gt;', 'a', 'b', 'difference, %', 'the paper', 'x', 'words', '0', '+3', '-3']) {
    t.ok(svg.includes(`>${part}</text>`), part);
  }
  const zero = Number(/<line x1="([\d.]+)"[^>]*stroke-width="2"/.exec(svg)?.[1]);
  const [, from, to] = /d="M([\d.]+) [\d.]+H([\d.]+)M/.exec(svg)?.map(Number) ?? [];
  const dot = Number(/<circle cx="([\d.]+)"/.exec(svg)?.[1]);
  t.ok(from < zero && zero < dot && dot < to);
  t.ok(Math.abs(to - zero - 3 * (zero - from)) < 0.5, 'to scale');
});

t.test('docs/paper.md shows the recorded run, figure by figure', async (t) => {
  const docs = (path: string) => readFileSync(inRepo('docs', path), 'utf8');
  const paper = docs('paper.md');
  const results = JSON.parse(docs('table1/results.json'));
  const { rows } = results;
  const { tap, macvtap } = rows.find(({ case: { name } }: { case: Case }) => name === 'iperf');
  for (const { median } of [tap, macvtap]) {
    t.ok(Math.abs(median / FAST_ETHERNET_GOODPUT_MBPS - 1) < 0.02, 'the wire is full on either interface');
  }
  t.equal(withRun(paper, results), paper);
  t.throws(() => withRun('no place in it', results), { message: /no place for "facts"/ });
  t.match(withRun(paper.replace(paperTable(rows), 'other figures'), results), paperTable(rows));
  for (const [name, svg] of Object.entries(plotsOf(results))) {
    t.equal(docs(`table1/${name}.svg`), svg, `the plot of ${name} is of this run`);
    t.match(paper, `(table1/${name}.svg)`);
  }
  const cases = rows.map(({ case: one }: { case: Case }) => one);
  t.same(
    JSON.parse(JSON.stringify(resultsOf({ ...results, cases, starts: [] }))).rows,
    rows,
    'and its rows of its measurements',
  );
});
