/**
 * `npm run prebuilds`: compiles the addon for the tarball, for every system of targets.mjs on this one machine, to
 * `prebuilds/linux-ARCH/tapfd.LIBC.node`, where src/base/native.ts looks for it. Each is inspected before it gets there.
 * Builds in a temporary directory, so that `build/` stays as it is.
 *
 *     npm run prebuilds                             all of them
 *     npm run prebuilds -- linux-arm64-musl ...     only these
 *     npm run prebuilds -- --own                    this system's, with its own compiler: to try a tarball, not to release
 *     node scripts/prebuilds/main.mjs --check       compiles nothing: fails unless all are there and fit for a release
 *
 * Node's headers are those beside node, or in npm's `nodedir`; where there are none, node-gyp fetches them.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { BUILD_COMMANDS, ensureCommands, installCommand } from '../debian-packages.mjs';
import { checkSystem, headersBesideNode, installDependencies, ROOT } from '../prepare.mjs';
import { runScript, say, step, Trouble } from '../run-command.mjs';
import { checkPrebuilds, describe } from './check.mjs';
import { compilerFor, compilerSettings, installCompiler, muslSymbols } from './compiler.mjs';
import { readSharedObject } from './elf.mjs';
import { sourceHash } from './source-hash.mjs';
import { faultsOf, TARGETS } from './targets.mjs';

/** What node-gyp needs to compile. */
const SOURCES = ['binding.gyp', 'package.json', 'native'];

/** GNU's linker: the C++ library inside, with its symbols hidden. */
const OWN_LINKER_FLAGS = '-s -static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL -Wl,--gc-sections';

await runScript(async () => {
  const { values, positionals } = parseArgs({
    options: { check: { type: 'boolean' }, own: { type: 'boolean' } },
    allowPositionals: true,
  });
  if (values.check) return say(checkPrebuilds().join('\n'));
  const targets = chosen(positionals);
  checkSystem();
  await installDependencies();
  const missing = await ensureCommands(BUILD_COMMANDS);
  if (missing.length > 0)
    throw new Trouble(`cannot build without ${missing.join(', ')}`, installCommand(missing));
  const directory = mkdtempSync(join(tmpdir(), 'tapfd-prebuild-'));
  try {
    for (const source of SOURCES) {
      const wanted = (/** @type {string} */ path) => path !== join(ROOT, 'native/build');
      cpSync(join(ROOT, source), join(directory, source), { recursive: true, filter: wanted });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    await (values.own ? buildOwn(directory) : buildAll(directory, targets));
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** @param {string[]} names */
function chosen(names) {
  const known = new Map(TARGETS.map((target) => [`linux-${target.arch}-${target.libc}`, target]));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0)
    throw new Trouble(`there is no ${unknown.join(', ')}`, `choose of ${[...known.keys()].join(', ')}`);
  return names.length === 0
    ? TARGETS
    : [...known].filter(([name]) => names.includes(name)).map(([, target]) => target);
}

/**
 * @param {string} directory
 * @param {import('./targets.mjs').Target[]} targets
 */
async function buildAll(directory, targets) {
  const zig = await installCompiler();
  const hash = sourceHash(directory);
  const symbols = muslSymbols(zig);
  for (const target of targets) {
    const compiler = compilerFor(zig, target, directory);
    const env = { ...compiler, LINK: compiler.CXX, ...compilerSettings(hash, directory) };
    const file = await prebuild(directory, target, env);
    const content = readFileSync(file);
    const object = readSharedObject(content);
    const faults = faultsOf(object, content.length, target, hash, symbols);
    if (faults.length > 0) throw new Trouble(`the prebuild ${target.file} ${faults.join('; ')}`);
    moveIntoPlace(file, target.file);
    say(`   ${target.file}: ${describe(object, content.length)}`);
  }
}

/** @param {string} directory */
async function buildOwn(directory) {
  const { default: detectLibc } = await import('detect-libc');
  const libc = await detectLibc.family();
  const target = TARGETS.find((one) => one.arch === process.arch && one.libc === libc);
  if (target === undefined) throw new Trouble(`no prebuild is meant for ${process.arch} with ${libc}`);
  const env = { CXXFLAGS: `-DTAPFD_SOURCE_HASH=${sourceHash(directory)}`, LDFLAGS: OWN_LINKER_FLAGS };
  const file = await prebuild(directory, target, env);
  const content = readFileSync(file);
  moveIntoPlace(file, target.file);
  say(`   ${target.file}: ${describe(readSharedObject(content), content.length)}`);
  say(
    '   by the compiler of this system: to try a tarball (TAPFD_PARTIAL_TARBALL=1 npm pack), not to release one',
  );
}

/**
 * @param {string} directory with the sources
 * @param {import('./targets.mjs').Target} target
 * @param {Record<string, string>} env
 * @returns {Promise<string>} the file
 */
async function prebuild(directory, { arch, libc, file }, env) {
  // The addon uses Node-API 9 whatever version the headers have, so those of this node will do.
  const options = [
    '--napi',
    '--tag-libc',
    '--name',
    'tapfd',
    '--arch',
    arch,
    '--target',
    process.versions.node,
  ];
  const places = ['--cwd', directory, '--out', directory];
  const command = join(ROOT, 'node_modules/.bin/prebuildify');
  await step(`compiling for ${arch} with ${libc}`, command, [...options, ...places], {
    env: { ...headersBesideNode(), PREBUILD_LIBC: libc, JOBS: 'max', ...env },
    remedy: "see the compiler's output above; without a network, Node's headers must be beside node",
  });
  const made = join(directory, file);
  if (!existsSync(made)) throw new Trouble(`prebuildify did not make ${file}`);
  return made;
}

/**
 * @param {string} made
 * @param {string} file below the root
 */
function moveIntoPlace(made, file) {
  const place = join(ROOT, file);
  mkdirSync(dirname(place), { recursive: true });
  // In the same directory first: a rename there replaces the old one at once, also under a program that has it loaded.
  cpSync(made, `${place}.new`);
  renameSync(`${place}.new`, place);
}
