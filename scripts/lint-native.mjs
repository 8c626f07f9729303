/**
 * Checks the C and C++ for format, with clang-format, and for likely bugs, with clang-tidy. `--write` formats it instead.
 *
 *     node scripts/lint-native.mjs [--write]
 */
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { ensureCommands, installCommand } from './debian-packages.mjs';
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

  const waiting = [...files];
  let failed = 0;
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const args = ['--quiet', '-p', 'build/Release', file];
      const { status, output } = await capture('clang-tidy', args, { cwd: ROOT });
      if (status === 0) continue;
      failed += 1;
      process.stdout.write(output);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  if (failed > 0) throw new Trouble(`clang-tidy reports problems in ${failed} of ${files.length} files`);
  say(`clang-tidy: ${files.length} files pass`);
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
