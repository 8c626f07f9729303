/** The npm packages that are compared with: kept apart from this package's own dependencies, in a cache. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { headersBesideNode } from '../../scripts/prepare.mjs';
import { capture } from '../../scripts/run-command.mjs';

const CACHE = fileURLToPath(new URL('../../.cache/bench-packages', import.meta.url));
/** Exact, so that figures of two runs are of the same code. */
const VERSIONS = {
  'appium-ios-tuntap': '2.0.5',
  '@xiaobaidadada/node-tuntap2-wintun': '3.0.2',
};

/**
 * Installs a package, with its addon.
 *
 * @param {keyof typeof VERSIONS} name
 * @returns {Promise<string | undefined>} why it cannot be had, if it cannot
 */
export async function installOther(name) {
  mkdirSync(CACHE, { recursive: true });
  const manifest = join(CACHE, 'package.json');
  if (!existsSync(manifest)) writeFileSync(manifest, '{ "private": true }\n');
  // Subjects resolve the packages from there.
  process.env.TAPFD_BENCH_PACKAGES = manifest;
  if (await loads(name)) return undefined;
  const args = ['install', '--no-audit', '--no-fund', '--no-package-lock', `${name}@${VERSIONS[name]}`];
  const { status, output } = await capture('npm', args, { cwd: CACHE, env: headersBesideNode() });
  if (status !== 0) return `npm install ends with ${status}: ${output.trim().split('\n').at(-1)}`;
  return (await loads(name)) ? undefined : 'its addon does not load';
}

export function versionOf(name) {
  return VERSIONS[name];
}

async function loads(name) {
  const script = `require('node:module').createRequire(process.argv[1])(process.argv[2])`;
  const { status } = await capture(process.execPath, ['-e', script, join(CACHE, 'package.json'), name]);
  return status === 0;
}
