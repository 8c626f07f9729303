/** Runs other programs and reports it, for every script. Imports only Node's modules, as it runs before `npm ci`. */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where `ip`, `tcpdump` and `bridge` are; an ordinary user often lacks these directories in PATH. */
const SYSTEM_DIRECTORIES = ['/usr/sbin', '/sbin'];

/** What stops a script, in words for its user: what is wrong, and what to do about it. */
export class Trouble extends Error {
  /**
   * @param {string} message
   * @param {string} [remedy]
   */
  constructor(message, remedy) {
    super(message);
    this.name = 'Trouble';
    this.remedy = remedy;
  }
}

/** @param {string} text */
export function say(text) {
  process.stdout.write(`${text}\n`);
}

/**
 * The path of a command, or undefined where there is none.
 *
 * @param {string} command
 * @returns {string | undefined}
 */
export function findCommand(command) {
  const directories = (process.env.PATH ?? '').split(delimiter).filter((directory) => directory !== '');
  for (const directory of [...directories, ...SYSTEM_DIRECTORIES]) {
    const path = join(directory, command);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not here
    }
  }
  return undefined;
}

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd]
 * @property {Record<string, string | undefined>} [env] added to this process's own
 * @property {string} [input] given on standard input
 */

/**
 * Runs a command to its end without showing its output.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<{status: number, stdout: string, output: string}>} `output`: standard output and error as they came
 */
export function capture(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: 'pipe',
    });
    let stdout = '';
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    // A program that ends without reading its input is reported by its status, not by EPIPE.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    child.on('error', (error) => reject(new Trouble(`cannot run ${command}: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (signal !== null) output += `\n${command} was ended by ${signal}`;
      resolve({ status: code ?? 1, stdout, output });
    });
  });
}

/**
 * One step of a script: says what it runs, runs it, says how long it took. Shows its output only if it fails.
 *
 * @param {string} title
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions & {remedy?: string}} [options]
 * @returns {Promise<{stdout: string, output: string}>}
 */
export async function step(title, command, args, options = {}) {
  say(`-- ${title}: ${[command, ...args].join(' ')}`);
  const start = process.hrtime.bigint();
  const { status, stdout, output } = await capture(command, args, options);
  if (status !== 0) {
    process.stdout.write(output);
    throw new Trouble(`${title} failed: ${command} ended with status ${status}`, options.remedy);
  }
  say(`   ${title}: done in ${(Number(process.hrtime.bigint() - start) / 1e9).toFixed(1)} s`);
  return { stdout, output };
}

/**
 * Runs the `main` of a script; prints what stops it, with the remedy, and sets a failing exit status.
 *
 * @param {() => Promise<void>} main
 */
export async function runScript(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    process.stderr.write(`\nerror: ${error.message}\n`);
    if (error.remedy !== undefined) process.stderr.write(`remedy: ${error.remedy}\n`);
    process.exitCode = 1;
  }
}
