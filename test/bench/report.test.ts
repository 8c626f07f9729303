/** What the bench makes of its measurements: figures, verdicts, plots, and the recorded run in the documents. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { barChart } from '#bench/charts/bar-chart.mjs';
import { percentileChart } from '#bench/charts/percentile-chart.mjs';
import { withRun } from '#bench/report/document.mjs';
import { markdownOf, verdict } from '#bench/report/markdown.mjs';
import { plotsOf } from '#bench/report/plots.mjs';
import { alternating } from '#bench/rig/alternating.mjs';
import { quantile, summary } from '#bench/statistics.mjs';
import { reaches, targetOf } from '#bench/targets.mjs';
import { SCENARIOS } from '../kit/bench-scenarios.js';
import { inRepo } from '../kit/paths.js';

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
  for (const part of [
    'Title',
    'subtitle',
    'ns, times C; logarithmic scale',
    '64 bytes',
    'plain C',
    'a &lt;b&gt;',
  ]) {
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

t.test(
  'a plot has a figure beside each bar, clear of everything drawn, and looks for the dark',
  async (t) => {
    const report = JSON.parse(readFileSync(inRepo('docs/bench/results.json'), 'utf8'));
    for (const [name, svg] of Object.entries(plotsOf(report))) {
      const figures = [...svg.matchAll(/<text x="([\d.]+)"[^>]*text-anchor="end"[^>]*>([\d.]+[ (,\d.)]*)</g)];
      t.ok(figures.length > 0, name);
      const widest = Math.max(...figures.map(([, , figure]) => (figure ?? '').length * 9));
      const drawn = [...svg.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g)].map(
        ([, x, width]) => Number(x) + Number(width),
      );
      const whiskers = [...svg.matchAll(/H([\d.]+)/g)].map(([, x]) => Number(x));
      t.ok(Math.max(...drawn, ...whiskers) < Number(figures[0]?.[1]) - widest, name);
      t.match(svg, 'prefers-color-scheme:dark');
    }
  },
);

t.test('percentiles share a line, in order, on an axis that says it is logarithmic', async (t) => {
  const svg = percentileChart({
    title: 'T',
    subtitle: '',
    axis: 'ms',
    marks: ['half', 'most'],
    groups: [{ title: 'g', rows: [{ label: 'a', own: true, values: [20, 200] }] }],
  });
  for (const part of ['half', 'most', 'ms; logarithmic scale', '20, 200', '20', '50', '100', '200'])
    t.match(svg, `>${part}</text>`);
  const [, from, to] = /d="M([\d.]+) [\d.]+H([\d.]+)"/.exec(svg)?.map(Number) ?? [];
  t.ok((from ?? 0) < (to ?? 0));
});
