/**
 * `npm test`: from a fresh clone to the result. Installs, builds, prepares a guest, runs every test this machine can run,
 * and says which ones it could not run and why. The last line is `N passed, N failed`, counting assertions.
 *
 *     npm test                                      everything but test/deep, with the coverage gate
 *     npm test -- test/kernel/links test/unit       only these files or folders, without the gate
 *     npm run test:deep                             tests that are long by nature, at full length
 *     npm run test:deep -- --bounded                the same files, each only briefly
 *
 * With CI=true a test that is skipped although this machine can run it fails the run, and a file that fails is run again
 * alone: if it passes then, it counts as passed and is reported as flaky.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { COMMANDS, ensureCommands, LINT_COMMANDS, mayInstall } from '../debian-packages.mjs';
import { buildGuestImage } from '../guest/image.mjs';
import { buildV86Image } from '../guest/v86-image.mjs';
import { installOnDemand } from '../on-demand.mjs';
import { build, checkSystem, compileTests, installDependencies, ROOT } from '../prepare.mjs';
import { runScript, say, Trouble } from '../run-command.mjs';
import {
  ARM64_RUNTIMES,
  canCover,
  handDown,
  MATRIX_RUNTIMES,
  MATRIX_TOOLS,
  missingCapabilities,
} from './capabilities.mjs';
import { startCoverage, uncovered } from './coverage.mjs';
import { LAST, laneOf, PLACES, testFiles } from './files.mjs';
import { inLanes } from './lanes.mjs';
import { leftSince, namespacesAndLinks, sweepNamespaces } from './leftovers.mjs';
import { runFile } from './run-file.mjs';
import { Totals } from './totals.mjs';

const inCi = !['', 'false', '0'].includes(process.env.CI ?? '');
const SLOWEST = 10;

await runScript(async () => {
  const { values, positionals } = parseArgs({
    options: { deep: { type: 'boolean', default: false }, bounded: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  try {
    checkSystem();
    const files = testFiles({ deep: values.deep, wanted: positionals });
    await prepare(files);
    const isWhole = !values.deep && positionals.length === 0;
    const depth = values.deep ? (values.bounded ? 'bounded' : 'deep') : 'brief';
    const totals = await runFiles(files, { isWhole, depth });
    process.exitCode = totals.failures.length === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    process.stderr.write(`\nerror: ${error.message}\n`);
    if (error.remedy !== undefined) process.stderr.write(`remedy: ${error.remedy}\n`);
    say('0 passed, 1 failed');
    process.exitCode = 1;
  }
});

/** Compiling keeps the processors busy; fetching mostly waits for the network. */
/** @param {readonly string[]} files to be run */
async function prepare(files) {
  await installDependencies();
  await Promise.all([build().then(compileTests), prepareTools(files)]);
}

/**
 * The programs that tests run, and the guests. If one is unavailable, its tests are skipped; in CI that is a failure, except
 * for packages from npm's registry.
 *
 * @param {readonly string[]} files
 */
async function prepareTools(files) {
  const commands = Object.keys(COMMANDS).filter((command) => !LINT_COMMANDS.includes(command));
  await ensureCommands(commands);
  await prepareDirectory('guest image', buildGuestImage);
  await prepareDirectory('machine for v86', buildV86Image);
  if (files.some((file) => file.startsWith('test/package/matrix/'))) {
    await preparePackages(MATRIX_RUNTIMES, MATRIX_TOOLS);
  }
  if (files.includes('test/deep/prebuilds.test.ts')) await preparePackages(ARM64_RUNTIMES);
  if (files.includes('test/package/site.test.ts')) {
    await prepareDirectory('tools of the site', async () => {
      const directory = join(ROOT, 'docs/site');
      await installDependencies(directory);
      return { directory };
    });
  }
}

/**
 * Large ones that only the tests of the tarball use.
 *
 * @param {...string} sets
 */
async function preparePackages(...sets) {
  for (const set of sets) {
    try {
      say(`-- preparing the packages of ${set}`);
      await installOnDemand(set);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      say(`   none: ${error.message}${error.remedy === undefined ? '' : ` (${error.remedy})`}`);
    }
  }
}

/**
 * @param {string} what
 * @param {() => Promise<{directory: string}>} build
 */
async function prepareDirectory(what, build) {
  say(`-- preparing the ${what}`);
  try {
    const { directory } = await build();
    say(`   ${what}: ${directory}`);
  } catch (error) {
    if (!(error instanceof Trouble) || (inCi && mayInstall())) throw error;
    say(`   no ${what}: ${error.message}${error.remedy === undefined ? '' : ` (${error.remedy})`}`);
  }
}

/**
 * @param {readonly string[]} files
 * @param {{isWhole: boolean, depth: 'brief' | 'bounded' | 'deep'}} how
 */
async function runFiles(files, { isWhole, depth }) {
  const missing = missingCapabilities();
  // The kernel tests are what covers most of src/: where they cannot run, neither can the gate.
  const hasGate = isWhole && canCover(missing);
  const env = { ...handDown(missing), TAPFD_TEST_DEPTH: depth, ...(hasGate ? startCoverage() : {}) };
  say(`-- running ${files.length} files`);

  sweepNamespaces();
  const start = Date.now();
  const before = namespacesAndLinks();
  const totals = new Totals({ inCi, missing });
  for (const places of [PLACES, LAST]) {
    await inLanes(files, laneOf, places, async (path) => {
      const result = await runFile(path, env);
      say(result.output);
      totals.add(result);
    });
  }
  if (inCi) await totals.runFailedAgain((path) => runFile(path, env), say);

  say(`\nran for ${((Date.now() - start) / 1000).toFixed(0)} s; the slowest files:`);
  for (const { path, seconds } of totals.slowest(SLOWEST))
    say(`  ${seconds.toFixed(1).padStart(6)} s  ${path}`);
  const holes = hasGate ? await uncovered() : undefined;
  if (holes !== undefined) totals.addFailure(`coverage of src/ is below 100 %:\n${holes}`);
  for (const entry of leftSince(before)) totals.addFailure(`left behind: ${entry}`);
  totals.tell(say);
  return totals;
}
