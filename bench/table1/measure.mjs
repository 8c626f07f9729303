/** A run: measures what the results file does not have yet, and writes the report from all it has then. */
import { rmSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { say, Trouble } from '../../scripts/run-command.mjs';
import { writeResults } from '../results-directory.mjs';
import { tableCases } from './cases/paper-table.mjs';
import { patternCases } from './cases/patterns.mjs';
import { requestResponse, rootImage, smallImage } from './guest/images.mjs';
import { guestMachineFacts } from './machine.mjs';
import { planOf } from './plan.mjs';
import { jsonOf } from './report/json.mjs';
import { markdownOf } from './report/markdown.mjs';
import { plotsOf } from './report/plots.mjs';
import { resultsOf } from './report/results.mjs';
import { paperTable } from './report/tables.mjs';
import { differencesOf, ResultsFile } from './results-file.mjs';
import { SMOKE } from './sizes.mjs';
import { Site } from './testbed/site.mjs';

// Ctrl-C is an orderly end: guests, namespaces and links are removed with the process, and what was measured is kept.
for (const [signal, number] of Object.entries({ SIGINT: 2, SIGTERM: 15, SIGHUP: 1 })) {
  process.once(signal, () => {
    say('\nstopped; start it again to resume from here');
    process.exit(128 + number);
  });
}

/**
 * @param {object} options
 * @param {import('./sizes.mjs').Size} options.size
 * @param {string} options.results
 * @param {string[]} [options.only]
 * @param {boolean} options.again
 * @param {boolean} [options.restartIfComplete] a run that is complete is made again; one that was stopped is resumed
 */
export async function measureTable({ size, results, only, again, restartIfComplete = false }) {
  const all = [...tableCases(size), ...patternCases(size)];
  const cases = all.filter(({ name }) => only?.some((start) => name.startsWith(start)) ?? true);
  if (cases.length === 0) {
    throw new Trouble(`no case is named ${only}`, all.map(({ name }) => name).join(', '));
  }
  const path = join(results, 'measurements.jsonl');
  if (again) rmSync(path, { force: true });
  const plan = planOf(cases, size);
  const isComplete = (/** @type {ResultsFile} */ one) => plan.every((step) => one.has(step));
  if (restartIfComplete && isComplete(new ResultsFile(path))) rmSync(path, { force: true });
  const file = new ResultsFile(path);
  const open = plan.filter((one) => !file.has(one));
  if (open.length < plan.length) say(`${plan.length - open.length} of ${plan.length} are in ${path} already`);
  if (open.length > 0) await measureAll({ plan, open, file });
  const { starts, measurements } = file;
  const report = resultsOf({ size: size.name, cases, starts, measurements });
  writeResults(results, {
    json: jsonOf(report),
    markdown: markdownOf(report),
    plots: plotsOf(report),
  });
  say(`\n${paperTable(report.rows)}`);
  say(`in ${results}`);
  return report;
}

/** @param {{plan: import('./plan.mjs').Step[], open: import('./plan.mjs').Step[], file: ResultsFile}} run */
async function measureAll({ plan, open, file }) {
  const machine = guestMachineFacts();
  const last = file.starts.at(-1);
  const differences = last === undefined ? [] : differencesOf(last.machine, machine);
  if (differences.length > 0) {
    throw new Trouble(
      `the run was started under other conditions: ${differences.join('; ')}`,
      'start it again (--again), or in another directory (--results DIRECTORY)',
    );
  }
  const small = await smallImage();
  const tableComputes = open.some(({ case: { computes } }) => computes);
  const root = tableComputes ? await rootImage() : undefined;
  file.addStart({ machine });
  for (const phase of ['table', 'patterns']) {
    const steps = open.filter(({ case: one }) => one.phase === phase);
    if (steps.length === 0) continue;
    const disk = phase === 'table' ? root?.disk : undefined;
    const site = new Site({ small, requestResponse: requestResponse(small), disk });
    try {
      say(
        `-- ${phase}: ${steps.length} measurements, ${disk === undefined ? 'small guests' : 'guests with a Debian'}`,
      );
      if (disk !== undefined) await warmUp(site, steps);
      for (const one of steps)
        await measureStep(site, one, { position: plan.indexOf(one) + 1, of: plan.length, file });
    } finally {
      await site.remove();
    }
  }
}

/**
 * Runs the programs once at their smallest and drops the figures: the first run also reads them from the disk.
 *
 * @param {Site} site
 * @param {import('./plan.mjs').Step[]} steps
 */
async function warmUp(site, steps) {
  say('   warming up');
  for (const one of tableCases(SMOKE)) {
    if (steps.some(({ case: { name } }) => name === one.name)) await site.measure(one, 'tap');
  }
}

/** @param {Site} site @param {import('./plan.mjs').Step} step @param {{position: number, of: number, file: ResultsFile}} run */
async function measureStep(site, { case: one, card, round }, { position, of, file }) {
  const load = loadavg()[0];
  const start = performance.now();
  const figures = await site.measure(one, card);
  const { name, parameters } = one;
  file.add({ case: name, card, round, parameters, figures, load, at: new Date().toISOString() });
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  const figure = `${Number(figures.value.toPrecision(4))} ${one.unit}`;
  say(
    `   ${String(position).padStart(3)}/${of}  round ${round}  ${one.name.padEnd(18)} ${card.padEnd(13)} ${figure.padEnd(18)} ` +
      `(${seconds} s, load ${load.toFixed(1)})`,
  );
}
