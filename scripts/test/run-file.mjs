/** Runs one test file in its own process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../prepare.mjs';
import { removeNamespacesOf } from './leftovers.mjs';
import { TapReport } from './tap-report.mjs';

/** Where test/tsconfig.compiled.json puts the tests. */
export const COMPILED = join(ROOT, '.cache/compiled');
/** After this time tap itself ends a file and names the test it was in. */
const TIMEOUT_S = 600;
const DEEP_TIMEOUT_S = 3600;
/** For a process that does not end even then. */
const GRACE_S = 30;
/** A file that is skipped as a whole says so in its plan. */
const SKIPPED_FILE = /^1\.\.0 # (?:SKIP )?(needs .*)$/i;
/** `t.mockImport()` needs a loader, whose thread costs a tenth of a second, and some of V8's coverage, in every process. */
const MOCK_LOADER = '--import=@tapjs/mock/import';
const SHOWN_ERROR_LINES = 40;

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
let isInterrupted = false;

// Each file is a process group of its own, with what it has started: a signal to the runner alone would leave it behind.
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.once(signal, async () => {
    isInterrupted = true;
    const pids = [...running].flatMap(({ pid }) => pid ?? []);
    const ends = [...running].map((child) => once(child, 'exit'));
    for (const pid of pids) process.kill(-pid, signal);
    await withinSeconds(10, Promise.all(ends));
    // A test that a signal ends does not come to its teardown.
    for (const pid of pids) removeNamespacesOf(pid);
    process.kill(process.pid, signal);
  });
}

/**
 * @typedef {object} FileResult
 * @property {string} path
 * @property {boolean} ok
 * @property {number} seconds
 * @property {TapReport} report
 * @property {string} output to print
 */

/**
 * What runs a compiled test file.
 *
 * @typedef {object} Runtime
 * @property {string} name begins the file's name in the report
 * @property {string} directory of the compiled tests
 * @property {(script: string) => [command: string, ...args: string[]]} command
 * @property {number} [timeout] in seconds, where tap does not end the file
 */

/** @type {Runtime} */
const NODE = {
  name: '',
  directory: COMPILED,
  command: (script) => {
    const loader = readFileSync(script, 'utf8').includes('mockImport(') ? [MOCK_LOADER] : [];
    return [process.execPath, '--enable-source-maps', ...loader, script];
  },
};

/**
 * @param {string} path `test/unit/x.test.ts`
 * @param {Record<string, string>} env added to this process's own
 * @param {Runtime} [runtime]
 * @returns {Promise<FileResult>}
 */
export async function runFile(path, env, runtime = NODE) {
  if (isInterrupted) await new Promise(() => {}); // the process is about to end
  const start = Date.now();
  const timeout = env.TAPFD_TEST_DEPTH === 'deep' ? DEEP_TIMEOUT_S : TIMEOUT_S;
  /** @type {string[]} */
  const printed = [];
  /** @type {string[]} */
  const errors = [];
  let skipReason = '';
  const report = new TapReport((line) => printed.push(line));
  const name = `${runtime.name} ${path}`.trim();
  report.addLine(`# Subtest: ${name}`);
  const [command, ...args] = runtime.command(join(runtime.directory, path.replace(/\.ts$/, '.js')));
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...env, TAP: undefined, TAP_TIMEOUT: String(timeout) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  const timer = setTimeout(() => child.kill('SIGKILL'), (runtime.timeout ?? timeout + GRACE_S) * 1000);
  const ended = new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(signal ?? code));
  });
  const reading = eachLine(child.stdout, (line) => {
    skipReason ||= SKIPPED_FILE.exec(line)?.[1] ?? '';
    report.addLine(`    ${line}`);
  });
  const complaining = eachLine(child.stderr, (line) => errors.push(line));
  const status = await ended;
  running.delete(child);
  clearTimeout(timer);
  // Processes that the file started may outlive it and keep its pipes open.
  await withinSeconds(5, Promise.all([reading, complaining]));
  child.stdout.destroy();
  child.stderr.destroy();

  const milliseconds = Date.now() - start;
  const isEmpty = report.passed + report.failed + report.skipped.length === 0 && skipReason === '';
  const ok = status === 0 && report.failed === 0 && !isEmpty;
  const closing = ok || report.failed > 0 ? name : status === 0 ? 'no test ran' : `ended with ${status}`;
  const directive = ok && skipReason !== '' ? `SKIP ${skipReason}` : `time=${milliseconds}ms`;
  report.addLine(`${ok ? 'ok' : 'not ok'} 1 - ${closing} # ${directive}`);
  if (!ok) printed.push(...errors.slice(-SHOWN_ERROR_LINES).map((line) => `  | ${line}`));
  return { path: name, ok, seconds: milliseconds / 1000, report, output: printed.join('\n') };
}

/**
 * @param {NodeJS.ReadableStream} stream
 * @param {(line: string) => void} take
 */
async function eachLine(stream, take) {
  for await (const line of createInterface({ input: stream })) take(line);
}

/**
 * @param {number} seconds
 * @param {Promise<unknown>} promise
 */
async function withinSeconds(seconds, promise) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, seconds * 1000);
  });
  await Promise.race([promise.catch(() => {}), late]);
  clearTimeout(timer);
}
