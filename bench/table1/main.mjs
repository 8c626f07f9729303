/**
 * The paper's table, TAP in a bridge against macvtap, and traffic patterns that the paper leaves out: two QEMU guests on
 * two hosts, measured in turn. Works from a fresh clone.
 *
 *     npm run table1                          all of it: 25 minutes, after the guests are built
 *     npm run table1 -- --quick               fewer rounds and smaller cases: 6 minutes
 *     npm run table1 -- --smoke               shows only that everything runs; the figures mean nothing
 *     npm run table1 -- --only iperf,frames   cases whose names begin with these
 *     npm run table1 -- --results DIRECTORY   default: bench/results/table1-SIZE
 *     npm run table1 -- --no-build            with the library as it is
 *     npm run table1 -- --record              a whole run into docs/table1, and its figures into docs/paper.md
 *
 * A run that was stopped resumes when it is started again; `--again`, or another directory, starts a new one. Needs root.
 * Installs the packages that building the guests needs where that is allowed, and names them otherwise.
 *
 * `cases/` is what is measured, in the guests of `guest/` and on the hosts of `testbed/`; `report/` writes the results.
 */
import { join } from 'node:path';
import { ensureCommands, installCommand } from '../../scripts/debian-packages.mjs';
import { build, checkSystem, installDependencies, ROOT } from '../../scripts/prepare.mjs';
import { runScript, say, step, Trouble } from '../../scripts/run-command.mjs';
import { lackOf } from '../../scripts/test/capabilities.mjs';
import { optionsOf } from '../command-line.mjs';
import { checkRecordsWholeRun, recordIn } from '../recorded-run.mjs';
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
  const options = optionsOf(import.meta.url, {
    quick: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    again: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
    only: { type: 'string' },
    record: { type: 'boolean', default: false },
    results: { type: 'string' },
  });
  checkRecordsWholeRun(options);
  const size = options.smoke ? SMOKE : options.quick ? QUICK : FULL;
  const usual = options.record ? 'docs/table1' : `bench/results/table1-${size.name}`;
  const results = options.results ?? join(ROOT, usual);
  await prepare(!options['no-build']);
  const { measureTable } = await import('./measure.mjs');
  const report = await measureTable({
    size,
    results,
    only: options.only?.split(','),
    again: options.again,
    restartIfComplete: options.record,
  });
  if (options.record) {
    const { withRun } = await import('./report/document.mjs');
    recordIn('docs/paper.md', (text) => withRun(text, report));
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
  if (missing.length > 0) throw new Trouble(`missing: ${missing.join(', ')}`, installCommand(missing));
  if (builds) {
    await installDependencies();
    await build();
  }
  await step('compiling the examples', 'npm', ['run', 'build:examples'], { cwd: ROOT });
  say('');
}
