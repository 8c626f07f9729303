/**
 * The paper's table, TAP in a bridge against macvtap, and the patterns of traffic that the paper leaves open: two QEMU
 * guests on two hosts, measured by turns. From a fresh clone.
 *
 *     npm run table1                          all of it: 25 minutes, after the guests are built
 *     npm run table1 -- --quick               fewer rounds and smaller cases: 6 minutes
 *     npm run table1 -- --smoke               only that everything runs; its figures mean nothing
 *     npm run table1 -- --only iperf,frames   cases whose names begin so
 *     npm run table1 -- --results DIRECTORY   default: bench/results/table1-SIZE
 *     npm run table1 -- --no-build            with the library as it is built
 *     npm run table1 -- --record              a whole run into docs/table1, and its figures into docs/paper.md
 *
 * A run that was stopped goes on where it ended when it is started again; a new one wants `--again` or another
 * directory. Needs root. The packages for building the guests are installed where that is allowed, and named otherwise.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureCommands, installCommand } from '../../scripts/debian-packages.mjs';
import { build, checkSystem, installDependencies, ROOT } from '../../scripts/prepare.mjs';
import { runScript, say, step, Trouble } from '../../scripts/run-command.mjs';
import { lackOf } from '../../scripts/test/capabilities.mjs';
import { FULL, QUICK, SMOKE } from './sizes.mjs';

const COMMANDS = ['ip', 'iperf3', 'busybox', 'qemu-system-x86_64', 'g++'];
const CAPABILITIES = /** @type {const} */ ([
  'root',
  'tun-device',
  'netns',
  'bridge',
  'veth',
  'macvlan',
  'macvtap',
]);

await runScript(async () => {
  const { values: options } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      again: { type: 'boolean', default: false },
      'no-build': { type: 'boolean', default: false },
      only: { type: 'string' },
      record: { type: 'boolean', default: false },
      results: { type: 'string' },
    },
  });
  if (options.record && (options.quick || options.smoke || options.only !== undefined)) {
    throw new Trouble('--record wants a whole run', 'leave out --quick, --smoke and --only');
  }
  const size = options.smoke ? SMOKE : options.quick ? QUICK : FULL;
  const kept = options.record ? 'docs/table1' : `bench/results/table1-${size.name}`;
  const results = options.results ?? join(ROOT, kept);
  await prepare(!options['no-build']);
  const { measureTable } = await import('./measure.mjs');
  const report = await measureTable({
    size,
    results,
    only: options.only?.split(','),
    again: options.again,
    anewWhenWhole: options.record,
  });
  if (options.record) {
    const { withRun } = await import('./report/document.mjs');
    const path = join(ROOT, 'docs/paper.md');
    writeFileSync(path, withRun(readFileSync(path, 'utf8'), report));
    say('and its figures in docs/paper.md; what the text says of them is yours to check');
  }
});

/** @param {boolean} builds */
async function prepare(builds) {
  checkSystem();
  await ensureCommands(COMMANDS);
  for (const capability of CAPABILITIES) {
    const lack = lackOf(capability);
    if (lack !== undefined) throw new Trouble(`the table cannot be measured: ${lack.problem}`, lack.remedy);
  }
  const missing = await ensureCommands(COMMANDS);
  if (missing.length > 0) throw new Trouble(`there is no ${missing.join(', ')}`, installCommand(missing));
  if (builds) {
    await installDependencies();
    await build();
  }
  await step('compiling the examples', 'npm', ['run', 'build:examples'], { cwd: ROOT });
  say('');
}
