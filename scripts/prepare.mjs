/** What `npm test` and `npm run demo` do first, possibly in a fresh clone. Each step runs only if needed. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUILD_COMMANDS, ensureCommands, installCommand } from './debian-packages.mjs';
import { say, step, Trouble } from './run-command.mjs';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Checks the version of Node.js and the system. */
export function checkSystem() {
  const { engines } = readJson(join(ROOT, 'package.json'));
  const wanted = String(engines.node).replace('>=', '');
  if (compareVersions(process.versions.node, wanted) < 0) {
    throw new Trouble(
      `this is Node ${process.versions.node}`,
      `install Node ${wanted} or later: https://nodejs.org`,
    );
  }
  if (process.platform !== 'linux') {
    throw new Trouble(
      `this is ${process.platform}: TUN, TAP and macvtap are Linux interfaces`,
      'use a Linux machine or a virtual one',
    );
  }
}

/**
 * `npm ci`, if node_modules is not what package-lock.json says.
 *
 * @param {string} [root] of the package
 */
export async function installDependencies(root = ROOT) {
  const reason = whyDependenciesAreStale(root);
  if (reason === undefined) return;
  say(`-- ${reason}`);
  await step('installing the dependencies', 'npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: root,
    remedy: 'npm says above what is wrong; without a network, copy node_modules from another clone',
  });
}

/**
 * Compares npm's record of what it installed with the lock file.
 *
 * @param {string} root
 * @returns {string | undefined} why the dependencies must be installed
 */
export function whyDependenciesAreStale(root) {
  const notes = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(notes)) return 'node_modules is missing';
  const wanted = readJson(join(root, 'package-lock.json')).packages;
  const present = readJson(notes).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const found = present[path];
    // Optional ones are for other systems.
    if (found === undefined && entry.optional === true) continue;
    if (found?.version !== entry.version)
      return `${path} is ${found?.version ?? 'missing'}, not ${entry.version}`;
  }
  return undefined;
}

/** Compiles the addon and the TypeScript in parallel. Both compile only what has changed. */
export async function build() {
  const missing = await ensureCommands(BUILD_COMMANDS);
  if (missing.length > 0) {
    throw new Trouble(`cannot build without ${missing.join(', ')}`, installCommand(missing));
  }
  await Promise.all([
    step('compiling the addon', 'npm', ['run', 'build:native'], { cwd: ROOT, env: headersBesideNode() }),
    step('compiling the TypeScript', 'npm', ['run', 'build:ts'], { cwd: ROOT }),
  ]);
}

/** Compiles all tests and examples in one go, into .cache/compiled: compiling in each test process takes minutes. */
export async function compileTests() {
  rmSync(join(ROOT, '.cache/compiled'), { recursive: true, force: true });
  await step('compiling the tests', 'npm', ['run', 'build:tests'], { cwd: ROOT });
}

/**
 * For node-gyp's environment: Node's headers, if they are installed next to node, so that it does not download them.
 *
 * @returns {Record<string, string>}
 */
export function headersBesideNode() {
  const prefix = dirname(dirname(process.execPath));
  const header = join(prefix, 'include/node/node_version.h');
  if (process.env.npm_config_nodedir !== undefined || !existsSync(header)) return {};
  const text = readFileSync(header, 'utf8');
  const version = ['MAJOR', 'MINOR', 'PATCH'].map(
    (part) => new RegExp(`#define NODE_${part}_VERSION (\\d+)`).exec(text)?.[1],
  );
  return version.join('.') === process.versions.node ? { npm_config_nodedir: prefix } : {};
}

/**
 * @param {string} left
 * @param {string} right
 */
function compareVersions(left, right) {
  const [a, b] = [left, right].map((version) => version.split('.').map(Number));
  for (let part = 0; part < 3; part += 1) {
    const difference = (a?.[part] ?? 0) - (b?.[part] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** @param {string} path */
function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}
