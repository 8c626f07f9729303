/**
 * The bench: everything against plain C, in the same run, in turn.
 *
 *     npm run bench                                        all of it, about 12 minutes
 *     npm run bench -- --only receive --quick              scenarios whose names begin with this, with less effort
 *     npm run bench -- --smoke                             shows only that everything runs; the figures mean nothing
 *     npm run bench -- --nice=-10                          with priority over what else the machine does
 *     npm run bench -- --results DIRECTORY                 default: bench/results
 *     npm run bench -- --record                            all of it into docs/bench, and into docs/performance.md
 *
 * Needs root, iperf3, iproute2 and a C compiler. Works in its own network namespaces.
 *
 * `scenarios/` is what is measured, `floor/` and `subjects/` the measured programs in C and in JavaScript; `rig/` runs them,
 * and `report/` writes the results, with `charts/` and `markdown/`, which `table1/` uses too.
 */
import { loadavg, setPriority } from 'node:os';
import { join } from 'node:path';
import { ensureCommands, installCommand } from '../scripts/debian-packages.mjs';
import { ROOT } from '../scripts/prepare.mjs';
import { runScript, say, Trouble } from '../scripts/run-command.mjs';
import { optionsOf } from './command-line.mjs';
import { FULL, QUICK, SMOKE } from './effort.mjs';
import { machineFacts } from './machine.mjs';
import { checkRecordsWholeRun, recordIn } from './recorded-run.mjs';
import { withRun } from './report/document.mjs';
import { markdownOf, targetTable } from './report/markdown.mjs';
import { plotsOf } from './report/plots.mjs';
import { writeResults } from './results-directory.mjs';
import { compileFloor } from './rig/compile-floor.mjs';
import { removeAllNamespaces } from './rig/namespaces.mjs';
import { forwarding, roundTrip } from './scenarios/forward.mjs';
import { idle } from './scenarios/idle.mjs';
import { receiveDrain, receiveFlood } from './scenarios/receive.mjs';
import { send } from './scenarios/send.mjs';
import { startUp } from './scenarios/start-up.mjs';
import { turn } from './scenarios/turn.mjs';

const SCENARIOS = [receiveDrain, receiveFlood, send, forwarding, roundTrip, turn, idle, startUp];
const COMMANDS = ['ip', 'iperf3'];

await runScript(async () => {
  const options = optionsOf(import.meta.url, {
    only: { type: 'string', multiple: true },
    quick: { type: 'boolean' },
    smoke: { type: 'boolean' },
    nice: { type: 'string' },
    record: { type: 'boolean', default: false },
    results: { type: 'string' },
  });
  checkRecordsWholeRun(options);
  const results = options.results ?? join(ROOT, options.record ? 'docs/bench' : 'bench/results');
  const effort = options.smoke ? SMOKE : options.quick ? QUICK : FULL;
  const chosen = SCENARIOS.filter(
    ({ name }) => options.only?.some((start) => name.startsWith(start)) ?? true,
  );
  if (chosen.length === 0) {
    throw new Trouble(`no scenario is named ${options.only}`, SCENARIOS.map(({ name }) => name).join(', '));
  }
  await prepare(options.nice);
  const machine = { ...machineFacts(), loadBefore: loadavg()[0] };
  const report = { machine, startedAt: new Date().toISOString(), effort, scenarios: [] };
  try {
    for (const scenario of chosen) {
      report.scenarios.push(await runScenario(scenario, effort));
      machine.loadAfter = loadavg()[0];
      // After each, so that one that fails does not cost the others.
      writeResults(results, {
        json: `${JSON.stringify(report, null, 1)}\n`,
        markdown: markdownOf(report),
        plots: plotsOf(report),
      });
    }
  } finally {
    removeAllNamespaces();
  }
  say(`\n${targetTable(report)}\nin ${results}`);
  if (options.record) {
    recordIn('docs/performance.md', (text) => withRun(text, report));
  }
  // Other packages leave handles open, and killed processes their pipes.
  process.exit(0);
});

async function prepare(nice) {
  if (process.platform !== 'linux') throw new Trouble('TUN and TAP exist on Linux only');
  if (process.getuid() !== 0) throw new Trouble('namespaces and devices need root', 'sudo npm run bench');
  if (nice !== undefined) setPriority(Number(nice));
  const missing = await ensureCommands(COMMANDS);
  if (missing.length > 0) throw new Trouble(`missing: ${missing.join(', ')}`, installCommand(missing));
  await compileFloor();
  try {
    await import('tapfd');
  } catch (error) {
    throw new Trouble(`cannot load tapfd: ${error.message}`, 'npm run build');
  }
}

async function runScenario({ name, title, unit, better = 'less', run }, effort) {
  say(`-- ${name}: ${title}`);
  const start = performance.now();
  const skipped = [];
  const rows = await run(effort, (one) => {
    skipped.push(one);
    say(`   without ${one.subject}: ${one.reason}`);
  });
  const seconds = (performance.now() - start) / 1000;
  say(`   done in ${seconds.toFixed(0)} s`);
  return {
    name,
    title,
    unit,
    better,
    seconds,
    skipped,
    rows: rows.map((row) => ({ scenario: name, unit, better, ...row })),
  };
}
