/**
 * `npm test`: from a fresh clone to the result. Installs, builds, prepares a guest, runs every test this machine can run,
 * and says which it could not and why. The last line is `N passed, N failed`, counting assertions.
 *
 *     npm test                              everything, with the coverage gate
 *     npm test -- test/kernel/x.test.ts     only these files, without the gate
 *
 * With CI=true a test that is skipped although this machine can run it fails the run.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { COMMANDS, ensureCommands, LINT_COMMANDS, mayInstall } from '../debian-packages.mjs';
import { buildGuestImage } from '../guest/image.mjs';
import { buildV86Image } from '../guest/v86-image.mjs';
import { build, checkSystem, installDependencies, ROOT } from '../prepare.mjs';
import { runScript, say, Trouble } from '../run-command.mjs';
import { capabilityInReason, handDown, missingCapabilities } from './capabilities.mjs';
import { leftSince, namespacesAndLinks } from './leftovers.mjs';
import { TapReport } from './tap-report.mjs';

const inCi = !['', 'false', '0'].includes(process.env.CI ?? '');

await runScript(async () => {
  const files = process.argv.slice(2);
  try {
    checkSystem();
    await installDependencies();
    await build();
    await prepareTools();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    process.stderr.write(`\nerror: ${error.message}\n`);
    if (error.remedy !== undefined) process.stderr.write(`remedy: ${error.remedy}\n`);
    say('0 passed, 1 failed');
    process.exitCode = 1;
    return;
  }
  const missing = missingCapabilities();
  const report = await runTap(files, missing);
  process.exitCode = report.failed === 0 ? 0 : 1;
});

/** The programs that tests run, and the guest. What cannot be had is told, and its tests are skipped, or fail in CI. */
async function prepareTools() {
  const commands = Object.keys(COMMANDS).filter((command) => !LINT_COMMANDS.includes(command));
  await ensureCommands(commands);
  await prepareImage('guest image', buildGuestImage);
  await prepareImage('machine for v86', buildV86Image);
}

/**
 * @param {string} what
 * @param {() => Promise<{directory: string}>} build
 */
async function prepareImage(what, build) {
  say(`-- preparing the ${what}`);
  try {
    const { directory } = await build();
    say(`   ${directory}`);
  } catch (error) {
    if (!(error instanceof Trouble) || (inCi && mayInstall())) throw error;
    say(`   no ${what}: ${error.message}${error.remedy === undefined ? '' : ` (${error.remedy})`}`);
  }
}

/**
 * @param {string[]} files none: all
 * @param {Record<string, import('./capabilities.mjs').Lack>} missing
 */
async function runTap(files, missing) {
  const args = ['run', '--reporter=tap', '--no-color'];
  const gate = files.length === 0 && Object.keys(missing).length === 0;
  if (files.length > 0) args.push('--disable-coverage', ...files);
  // The kernel tests are what covers most of src/: where they cannot run, neither can the gate.
  else if (!gate) args.push('--allow-incomplete-coverage');

  say(`-- running the tests: tap ${args.join(' ')}`);
  const start = Date.now();
  const before = namespacesAndLinks();
  const report = new TapReport(say);
  const child = spawn(join(ROOT, 'node_modules/.bin/tap'), args, {
    cwd: ROOT,
    env: { ...process.env, ...handDown(missing), TAP: undefined },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve(signal ?? code)));
  for await (const line of createInterface({ input: child.stdout })) report.addLine(line);
  const status = await ended;

  say(`\nran for ${((Date.now() - start) / 1000).toFixed(0)} s`);
  if (status !== 0 && report.failed === 0) {
    report.addFailure(
      gate
        ? 'coverage of src/ is below 100 %: the table above names the lines'
        : `tap ended with ${status}, though no test failed`,
    );
  }
  if (report.passed + report.failed + report.skipped.length === 0) report.addFailure('no test ran');
  for (const entry of leftSince(before)) report.addFailure(`left behind: ${entry}`);
  tellSkipped(report, missing);
  if (report.failures.length > 0) say(['failed:', ...report.failures].join('\n  '));
  if (report.skipped.length > 0) say(`${report.skipped.length} skipped`);
  say(`${report.passed} passed, ${report.failed} failed`);
  return report;
}

/**
 * @param {TapReport} report
 * @param {Record<string, import('./capabilities.mjs').Lack>} missing
 */
function tellSkipped(report, missing) {
  for (const [capability, { problem, remedy }] of Object.entries(missing)) {
    say(`not to be had here: ${capability}: ${problem}; remedy: ${remedy}`);
  }
  /** @type {Map<string, string[]>} */
  const byReason = new Map();
  for (const { name, reason } of report.skipped) {
    byReason.set(reason, [...(byReason.get(reason) ?? []), name]);
  }
  for (const [reason, names] of byReason) {
    say(`skipped, ${reason === '' ? 'no reason given' : reason}:`);
    for (const name of names) say(`  ${name}`);
    const capability = capabilityInReason(reason);
    if (inCi && (capability === undefined || !(capability in missing))) {
      say('  nothing that this machine lacks: in CI that counts as failed');
      for (const name of names) report.addFailure(`skipped: ${name}`);
      report.skipped = report.skipped.filter((skipped) => skipped.reason !== reason);
    }
  }
}
