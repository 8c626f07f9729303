/**
 * `npm run prebuilds`: compiles the addon for this system and the tarball, to `prebuilds/linux-ARCH/tapfd.LIBC.node`, where
 * src/base/native.ts looks for it. Builds in a temporary directory, so that `build/` stays as it is.
 *
 *     node scripts/prebuilds.mjs            this system's prebuild
 *     node scripts/prebuilds.mjs --check    compiles nothing; fails if the tarball would lack one that it must have
 *
 * Node's headers are those beside node, or in npm's `nodedir`; where there are none, node-gyp fetches them.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { BUILD_COMMANDS, ensureCommands, installCommand } from './debian-packages.mjs';
import { checkSystem, headersBesideNode, installDependencies, ROOT } from './prepare.mjs';
import { runScript, say, step, Trouble } from './run-command.mjs';

/** What the README promises. The tarball may have more. */
const PROMISED = ['linux-x64/tapfd.glibc.node'];

/** What node-gyp needs to compile. */
const SOURCES = ['binding.gyp', 'package.json', 'native'];

/**
 * Links the C++ library in, with its symbols hidden: a system that is older than the one that compiles lacks its version
 * of it more often than that of the C library.
 */
const LINKER_FLAGS = '-static-libstdc++ -Wl,--exclude-libs,ALL -Wl,--gc-sections';

await runScript(async () => {
  if (process.argv.includes('--check')) return check();
  checkSystem();
  await installDependencies();
  const missing = await ensureCommands(BUILD_COMMANDS);
  if (missing.length > 0)
    throw new Trouble(`cannot build without ${missing.join(', ')}`, installCommand(missing));
  const directory = mkdtempSync(join(tmpdir(), 'tapfd-prebuild-'));
  try {
    for (const source of SOURCES) cpSync(join(ROOT, source), join(directory, source), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    await prebuild(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** @param {string} directory */
async function prebuild(directory) {
  // The addon uses Node-API 9 whatever version the headers have, so those of this node will do.
  const target = ['--target', process.versions.node];
  const options = ['--napi', '--strip', '--tag-libc', '--name', 'tapfd'];
  const places = ['--cwd', directory, '--out', ROOT];
  await step('compiling', join(ROOT, 'node_modules/.bin/prebuildify'), [...options, ...target, ...places], {
    env: { ...headersBesideNode(), LDFLAGS: LINKER_FLAGS, JOBS: 'max' },
    remedy: "see the compiler's output above; without a network, Node's headers must be beside node",
  });
  const { default: detectLibc } = await import('detect-libc');
  const file = join(ROOT, 'prebuilds', `linux-${process.arch}`, `tapfd.${await detectLibc.family()}.node`);
  if (!existsSync(file)) throw new Trouble(`prebuildify did not make ${relative(ROOT, file)}`);
  const needed = versionsIn(readFileSync(file, 'latin1'), /\0GLIBC_(\d+\.\d+)(?=\0)/g);
  say(`${relative(ROOT, file)}${needed === undefined ? '' : `, for glibc ${needed} and later`}`);
}

/**
 * The highest version of a library whose symbols a shared object needs.
 *
 * @param {string} strings
 * @param {RegExp} pattern
 */
function versionsIn(strings, pattern) {
  const versions = [...strings.matchAll(pattern)].map(([, version]) => version);
  return versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
}

function check() {
  const missing = PROMISED.filter((file) => !existsSync(join(ROOT, 'prebuilds', file)));
  if (missing.length > 0) {
    throw new Trouble(
      `the tarball would lack prebuilds/${missing.join(', prebuilds/')}, and npm compiles nothing at install`,
      'run npm run prebuilds on such a system',
    );
  }
}
