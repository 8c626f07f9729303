/**
 * Checks the C and C++ for format, with clang-format, and for likely bugs, with clang-tidy. `--write` formats it instead.
 *
 *     node scripts/lint-native.mjs [--write]
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { ensureCommands, installCommand } from './debian-packages.mjs';
import { cacheDirectory } from './guest/cache.mjs';
import { headersBesideNode, ROOT } from './prepare.mjs';
import { capture, runScript, say, Trouble } from './run-command.mjs';

const DIRECTORIES = ['native', 'test', 'bench', 'examples'];

await runScript(async () => {
  const write = process.argv.includes('--write');
  const files = DIRECTORIES.flatMap(sourcesIn);
  if (files.length === 0) throw new Trouble('found no C or C++');
  await checkFormat(files, write);
  // Only the addon's sources are in the compiler's database; headers are checked with the sources that include them.
  if (!write) await checkForBugs(files.filter((file) => /^native\/.*\.cc$/.test(file)));
});

/**
 * @param {string[]} files
 * @param {boolean} write
 */
async function checkFormat(files, write) {
  await needCommand('clang-format');
  const mode = write ? ['-i'] : ['--dry-run', '-Werror'];
  const { status, output } = await capture('clang-format', [...mode, ...files], { cwd: ROOT });
  if (status !== 0) {
    const wrong = new Set(output.match(/^\S+?:\d+(?=:\d+: error)/gm));
    say(wrong.size > 0 ? [...wrong].join('\n') : output);
    throw new Trouble('clang-format would format these lines differently', 'npm run format');
  }
  const { stdout } = await capture('clang-format', ['--version']);
  say(`clang-format: ${files.length} files ${write ? 'formatted' : 'pass'} (${stdout.trim()})`);
}

/** @param {string[]} files */
async function checkForBugs(files) {
  await needCommand('clang-tidy');
  // The compiler's own flags, from binding.gyp.
  const database = await capture('npx', ['node-gyp', 'configure', '--', '-f', 'compile_commands_json'], {
    cwd: ROOT,
    env: headersBesideNode(),
  });
  if (database.status !== 0) throw new Trouble(`node-gyp configure failed:\n${database.output}`);

  const { stdout: version } = await capture('clang-tidy', ['--version']);
  const passed = join(cacheDirectory(), 'clang-tidy');
  mkdirSync(passed, { recursive: true });
  const waiting = [...files];
  let failed = 0;
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const stamp = join(passed, fingerprint(file, version));
      if (existsSync(stamp)) continue;
      const args = ['--quiet', '-p', 'build/Release', file];
      const { status, output } = await capture('clang-tidy', args, { cwd: ROOT });
      if (status === 0) {
        writeFileSync(stamp, '');
        continue;
      }
      failed += 1;
      process.stdout.write(output);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  if (failed > 0) throw new Trouble(`clang-tidy reports problems in ${failed} of ${files.length} files`);
  say(`clang-tidy: ${files.length} files pass`);
}

/**
 * Everything of ours that decides what clang-tidy says of a file: it takes long, and few files change between two checks.
 *
 * @param {string} file
 * @param {string} version
 */
function fingerprint(file, version) {
  const hash = createHash('sha256').update(version);
  for (const path of ['.clang-tidy', 'binding.gyp', ...withIncludes(file)]) {
    hash.update(path).update(readFileSync(join(ROOT, path)));
  }
  return hash.digest('hex');
}

/**
 * A source and what it includes of ours, directly or not.
 *
 * @param {string} file
 * @param {Set<string>} seen
 */
function withIncludes(file, seen = new Set()) {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, path] of readFileSync(join(ROOT, file), 'utf8').matchAll(/^#include "(.+)"$/gm)) {
    withIncludes(`native/${path}`, seen);
  }
  return seen;
}

/** @param {string} command */
async function needCommand(command) {
  const missing = await ensureCommands([command]);
  if (missing.length > 0) {
    throw new Trouble(`cannot check the C++ without ${command}`, installCommand(missing));
  }
}

/** @param {string} directory */
function sourcesIn(directory) {
  try {
    return readdirSync(join(ROOT, directory), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(c|cc|h)$/.test(entry.name))
      .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
      .sort();
  } catch {
    return []; // there is no such directory
  }
}
