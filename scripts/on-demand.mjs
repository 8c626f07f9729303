/**
 * Packages that only single scripts and tests need, each set with a package.json and a lock file of its own: `npm ci` in
 * the repository stays light. They are installed into the cache when somebody asks for them.
 *
 *     node scripts/on-demand.mjs test/package/matrix/tools
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory, makeOnce } from './guest/cache.mjs';
import { ROOT } from './prepare.mjs';
import { runScript, say, step } from './run-command.mjs';

const FILES = ['package.json', 'package-lock.json'];

/**
 * Where the packages of a set are, or would be: each version of its lock file has a directory of its own.
 *
 * @param {string} set a directory with package.json and package-lock.json, relative to the repository
 */
export function onDemandDirectory(set) {
  const hash = createHash('sha256');
  for (const file of FILES) hash.update(readFileSync(join(ROOT, set, file)));
  const name = set.replaceAll('/', '-');
  return join(cacheDirectory(), `packages-${name}-${process.arch}-${hash.digest('hex').slice(0, 16)}`);
}

/**
 * Whether they are installed.
 *
 * @param {string} set
 */
export function isOnDemandInstalled(set) {
  return existsSync(onDemandDirectory(set));
}

/**
 * Installs the packages of a set, without their scripts, if they are not there yet.
 *
 * @param {string} set
 * @returns {Promise<string>} the directory that has them in `node_modules`
 */
export async function installOnDemand(set) {
  const directory = onDemandDirectory(set);
  await makeOnce(directory, async (temporary) => {
    for (const file of FILES) cpSync(join(ROOT, set, file), join(temporary, file));
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
    await step(`installing the packages of ${set}`, 'npm', ['ci', ...options], {
      cwd: temporary,
      remedy: `npm says above what is wrong; without the registry, copy ${directory} from another machine`,
    });
  });
  return directory;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runScript(async () => {
    for (const set of process.argv.slice(2)) say(await installOnDemand(set));
  });
}
