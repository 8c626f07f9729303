/**
 * Runs compiled tests on Bun and Deno, which come from npm (test/runtimes/) when they are needed.
 *
 *     npm run test:runtimes                                 the unit suite and a part of the kernel tests, on both
 *     npm run test:runtimes -- --only bun test/kernel/frames
 *     npm run test:runtimes -- --left-out test/kernel       what is left out, too
 *
 * What a runtime cannot run is in test/runtimes/files.json, by name and with its cause (docs/runtimes.md has the table).
 *
 * tap loads in neither of them, so test/kit/stand-in-tap.ts stands in its place. The last line is `N passed, N failed`.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installOnDemand, onDemandDirectory } from '../on-demand.mjs';
import { build, compileTests, installDependencies, ROOT } from '../prepare.mjs';
import { runScript, say, Trouble } from '../run-command.mjs';
import { handDown, missingCapabilities } from './capabilities.mjs';
import { PLACES, testFiles } from './files.mjs';
import { inLanes } from './lanes.mjs';
import { leftSince, namespacesAndLinks, sweepNamespaces } from './leftovers.mjs';
import { COMPILED, runFile } from './run-file.mjs';
import { Totals } from './totals.mjs';

/** @typedef {import('./run-file.mjs').Runtime} Runtime */

/** A set of packages: scripts/on-demand.mjs. */
const RUNTIMES = 'test/runtimes';
/** As deep as the other, so that the tests find the same from there. */
const COMPILED_HERE = join(ROOT, '.cache/compiled-runtimes');
/** A file that hangs is a failure; a slow machine is none. */
const TIMEOUT_S = 600;
const inCi = !['', 'false', '0'].includes(process.env.CI ?? '');
const SLOWEST = 10;
/** npm's names of processors, by Node's. */
const BUN_PROCESSORS = { x64: 'x64', arm64: 'aarch64' };

/** The binaries, in their packages. @returns {{bun: string, deno: string}} */
function binaries() {
  const processor = /** @type {'x64' | 'arm64'} */ (process.arch);
  const packages = join(onDemandDirectory(RUNTIMES), 'node_modules');
  return {
    bun: join(packages, `@oven/bun-linux-${BUN_PROCESSORS[processor]}/bin/bun`),
    deno: join(packages, `@deno/linux-${processor}-glibc/deno`),
  };
}

/**
 * Installs both runtimes unless they are there.
 *
 * @throws Trouble if npm has them not for this machine.
 */
export async function installRuntimes() {
  await installOnDemand(RUNTIMES);
  const missing = Object.values(binaries()).filter((path) => !existsSync(path));
  if (missing.length > 0) throw new Trouble(`npm has no ${missing.join(', ')} for this machine`);
}

/** The compiled tests again, with the stand-in for tap among them, and the runtimes. */
export function prepareTests() {
  rmSync(COMPILED_HERE, { recursive: true, force: true });
  cpSync(COMPILED, COMPILED_HERE, { recursive: true });
  // Tests run them as other users, who may not look into the cache.
  for (const [name, path] of Object.entries(binaries())) cpSync(path, binary(name));
  const tap = join(COMPILED_HERE, 'node_modules/tap');
  mkdirSync(tap, { recursive: true });
  const manifest = { name: 'tap', type: 'module', exports: './stand-in-tap.js' };
  writeFileSync(join(tap, 'package.json'), JSON.stringify(manifest));
  // A copy: what a package imports outside of itself, Deno does not load.
  cpSync(join(COMPILED_HERE, 'test/kit/stand-in-tap.js'), join(tap, 'stand-in-tap.js'));
}

/** @param {string} name */
const binary = (name) => join(COMPILED_HERE, 'bin', name);

/** @returns {Record<'bun' | 'deno', Runtime>} */
export function runtimes() {
  const [bun, deno] = [binary('bun'), binary('deno')];
  return {
    bun: { name: 'bun', directory: COMPILED_HERE, command: (script) => [bun, script], timeout: TIMEOUT_S },
    deno: {
      name: 'deno',
      directory: COMPILED_HERE,
      command: (script) => [deno, 'run', '-A', script],
      timeout: TIMEOUT_S,
    },
  };
}

async function main() {
  const { values, positionals } = parseArgs({
    options: { only: { type: 'string' }, 'left-out': { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  await installDependencies();
  await build().then(compileTests);
  await installRuntimes();
  prepareTests();
  const missing = missingCapabilities();
  const env = { ...handDown(missing), TAPFD_TEST_DEPTH: 'brief', TAPFD_TEST_NODE: process.execPath };
  const { subset, kernel } = chosenFiles();
  const wanted = positionals.length > 0 ? positionals : ['test/unit', ...subset, ...kernel];
  const chosen = Object.values(runtimes()).filter(
    ({ name }) => values.only === undefined || name === values.only,
  );
  const files = testFiles({ deep: false, wanted });
  /** By its name. @type {Map<string, () => ReturnType<typeof runFile>>} */
  const jobs = new Map();
  for (const runtime of chosen) {
    for (const path of values['left-out'] ? files : runnable(runtime.name, files)) {
      jobs.set(`${runtime.name} ${path}`, () => runFile(path, env, runtime));
    }
  }
  const totals = new Totals({ inCi: false, missing });
  sweepNamespaces();
  const before = namespacesAndLinks();
  const start = Date.now();
  await inLanes(
    [...jobs.values()],
    () => 'other',
    PLACES,
    async (run) => {
      const result = await run();
      say(result.output);
      totals.add(result);
    },
  );
  if (inCi) await totals.runFailedAgain((name) => jobs.get(name)?.() ?? Promise.reject(new Error(name)), say);
  say(`\nran for ${((Date.now() - start) / 1000).toFixed(0)} s; the slowest files:`);
  for (const { path, seconds } of totals.slowest(SLOWEST))
    say(`  ${seconds.toFixed(1).padStart(6)} s  ${path}`);
  for (const entry of leftSince(before)) totals.addFailure(`left behind: ${entry}`);
  totals.tell(say);
  process.exitCode = totals.failures.length === 0 ? 0 : 1;
}

/**
 * @typedef {object} Files
 * @property {string[]} subset what `npm test` runs on both
 * @property {string[]} kernel what `npm run test:runtimes` runs besides, and besides the unit tests
 * @property {{path: string, runtimes: string[], cause: string}[]} leftOut files and folders that a runtime cannot run
 */

/** @returns {Files} */
export function chosenFiles() {
  return JSON.parse(readFileSync(join(ROOT, RUNTIMES, 'files.json'), 'utf8'));
}

/**
 * Without what is left out there, which is said.
 *
 * @param {string} runtime
 * @param {readonly string[]} files
 */
export function runnable(runtime, files) {
  const entries = chosenFiles().leftOut.filter(({ runtimes }) => runtimes.includes(runtime));
  return files.filter((file) => {
    const entry = entries.find(({ path }) => file === path || file.startsWith(`${path}/`));
    if (entry !== undefined) say(`left out: ${runtime} ${file}: ${entry.cause}`);
    return entry === undefined;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await runScript(main);
