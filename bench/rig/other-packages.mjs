/** The npm packages that tapfd is compared with: kept in a cache, apart from its own dependencies. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { headersBesideNode } from '../../scripts/prepare.mjs';
import { capture } from '../../scripts/run-command.mjs';

const CACHE = fileURLToPath(new URL('../../.cache/bench-packages', import.meta.url));
/** Exact, so that two runs measure the same code. */
const VERSIONS = {
  'appium-ios-tuntap': '2.0.5',
  '@xiaobaidadada/node-tuntap2-wintun': '3.0.2',
};

/**
 * Installs packages.
 *
 * @param {readonly (keyof typeof VERSIONS)[]} packages
 * @param {(skipped: {subject: string, reason: string}) => void} skip
 * @returns {Promise<string[]>} the subjects that stand for those that could be installed
 */
export async function installable(packages, skip) {
  const subjects = [];
  for (const name of packages) {
    const subject = name.split('/').at(-1);
    const reason = await install(name);
    if (reason === undefined) subjects.push(subject);
    else skip({ subject, reason });
  }
  return subjects;
}

/**
 * Installs a package, with its addon.
 *
 * @param {keyof typeof VERSIONS} name
 * @returns {Promise<string | undefined>} why it failed, if it did
 */
async function install(name) {
  mkdirSync(CACHE, { recursive: true });
  const manifest = join(CACHE, 'package.json');
  if (!existsSync(manifest)) writeFileSync(manifest, '{ "private": true }\n');
  // Subjects resolve the packages from here.
  process.env.TAPFD_BENCH_PACKAGES = manifest;
  if (await loads(name)) return undefined;
  const args = ['install', '--no-audit', '--no-fund', '--no-package-lock', `${name}@${VERSIONS[name]}`];
  const { status, output } = await capture('npm', args, { cwd: CACHE, env: headersBesideNode() });
  if (status !== 0) return `npm install ended with status ${status}: ${output.trim().split('\n').at(-1)}`;
  return (await loads(name)) ? undefined : 'its addon does not load';
}

async function loads(name) {
  const script = `require('node:module').createRequire(process.argv[1])(process.argv[2])`;
  const { status } = await capture(process.execPath, ['-e', script, join(CACHE, 'package.json'), name]);
  return status === 0;
}
