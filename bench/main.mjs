/**
 * The bench: everything against plain C, in the same run, by turns.
 *
 *     npm run bench                                        all of it, about 12 minutes
 *     npm run bench -- --only receive --quick              scenarios whose name begins so, in a hurry
 *     npm run bench -- --nice=-10                          ahead of whatever else the machine does
 *     npm run bench -- --results DIRECTORY                 default: bench/results
 *     npm run bench -- --record                            all of it into docs/bench, and into docs/performance.md
 *
 * Needs root (or CAP_NET_ADMIN and CAP_SYS_ADMIN), iperf3, iproute2, a C compiler. Works in network namespaces of its own.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureCommands, installCommand } from '../scripts/debian-packages.mjs';
import { runScript, say, Trouble } from '../scripts/run-command.mjs';
import { FULL, QUICK, SMOKE } from './effort.mjs';
import { withRun } from './report/document.mjs';
import { targetTable, writeResults } from './report/markdown.mjs';
import { compileFloor } from './rig/compile-floor.mjs';
import { removeAllNamespaces } from './rig/namespaces.mjs';
import { forwarding, roundTrip } from './scenarios/forward.mjs';
import { idle } from './scenarios/idle.mjs';
import { receiveDrain, receiveFlood } from './scenarios/receive.mjs';
import { send } from './scenarios/send.mjs';
import { startUp } from './scenarios/start-up.mjs';
import { turn } from './scenarios/turn.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SCENARIOS = [receiveDrain, receiveFlood, send, forwarding, roundTrip, turn, idle, startUp];
const COMMANDS = ['ip', 'iperf3'];

await runScript(async () => {
  const { values: options } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      quick: { type: 'boolean' },
      smoke: { type: 'boolean' },
      nice: { type: 'string' },
      record: { type: 'boolean', default: false },
      results: { type: 'string' },
    },
  });
  if (options.record && (options.quick || options.smoke || options.only !== undefined)) {
    throw new Trouble('--record wants a whole run', 'leave out --quick, --smoke and --only');
  }
  const results = options.results ?? join(ROOT, options.record ? 'docs/bench' : 'bench/results');
  const effort = options.smoke ? SMOKE : options.quick ? QUICK : FULL;
  const chosen = SCENARIOS.filter(
    ({ name }) => options.only?.some((start) => name.startsWith(start)) ?? true,
  );
  if (chosen.length === 0) {
    throw new Trouble(`no scenario is called ${options.only}`, SCENARIOS.map(({ name }) => name).join(', '));
  }
  await prepare(options.nice);
  const report = { machine: machine(), startedAt: new Date().toISOString(), effort, scenarios: [] };
  try {
    for (const scenario of chosen) {
      report.scenarios.push(await runScenario(scenario, effort));
      report.machine.loadAfter = loadavg()[0];
      // After each: one that fails does not cost the others.
      writeResults(report, results);
    }
  } finally {
    removeAllNamespaces();
  }
  say(`\n${targetTable(report)}\nin ${results}`);
  if (options.record) {
    const path = join(ROOT, 'docs/performance.md');
    writeFileSync(path, withRun(readFileSync(path, 'utf8'), report));
    say('and its figures in docs/performance.md; what the text says of them is yours to check');
  }
  // Packages under comparison leave handles behind, and processes that were killed their pipes.
  process.exit(0);
});

async function prepare(nice) {
  if (process.platform !== 'linux') throw new Trouble('TUN and TAP are Linux interfaces');
  if (process.getuid() !== 0) throw new Trouble('namespaces and devices need root', 'sudo npm run bench');
  if (nice !== undefined) setPriority(Number(nice));
  const missing = await ensureCommands(COMMANDS);
  if (missing.length > 0) throw new Trouble(`there is no ${missing.join(', ')}`, installCommand(missing));
  await compileFloor();
  try {
    await import('tapfd');
  } catch (error) {
    throw new Trouble(`tapfd does not load: ${error.message}`, 'npm run build');
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

function machine() {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  return {
    tapfd: version,
    node: process.versions.node,
    kernel: release(),
    processor: cpus()[0]?.model.trim(),
    processors: availableParallelism(),
    loadBefore: loadavg()[0],
  };
}
