/** The systems that have a prebuild, and what is required of each. */
import { compareVersions, neededGlibc } from './elf.mjs';

/** @typedef {'glibc' | 'musl'} Libc */

/**
 * @typedef {object} Target
 * @property {'x64' | 'arm64'} arch
 * @property {Libc} libc
 * @property {string} triple of the compiler; for glibc with the version to require
 * @property {string} file below the root, where src/base/native.ts looks for it
 */

/** Debian 10, RHEL 8 and Ubuntu 18.10 have it. Node 20 itself requires 2.28. */
export const MAX_GLIBC = '2.28';

/** What musl 1.2.3 (Alpine 3.16) lacks and zig's has. musl's symbols have no versions, so they are told by name. */
const LATER_IN_MUSL = /^(statx|preadv2|pwritev2)$/;

/** @type {Target[]} */
export const TARGETS = [
  target('x64', 'glibc', `x86_64-linux-gnu.${MAX_GLIBC}`),
  target('x64', 'musl', 'x86_64-linux-musl'),
  target('arm64', 'glibc', `aarch64-linux-gnu.${MAX_GLIBC}`),
  target('arm64', 'musl', 'aarch64-linux-musl'),
];

const MAX_BYTES = 1_000_000;

/** Parts of the C library only. musl has one file, and its loader takes any of its old names for it. */
const LIBRARIES = {
  glibc:
    /^(libc\.so\.6|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|librt\.so\.1|ld-linux-(x86-64\.so\.2|aarch64\.so\.1))$/,
  musl: /^(libc|libm|libpthread|libdl|librt)\.so$|^libc\.musl-(x86_64|aarch64)\.so\.1$/,
};

/** What node looks for in an addon: exports.map has them too. */
const ENTRIES = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
/** What node exports. */
const NODE_SYMBOL = /^(napi|node_api|uv)_\w+$/;
/** Weak ones that the start files of each compiler ask for, and nobody needs to have. */
const TOOLCHAIN_SYMBOL = /^(__gmon_start__|_ITM_\w+|__cxa_finalize|_DYNAMIC)$/;
/** Of the C++ library or of our own code: they must be inside. glibc's symbols have versions, which tell them apart; musl's have none. */
const CPP_SYMBOL = /^_Z|^__cxa_(?!finalize|atexit|thread_atexit_impl)|^__gxx_personality|^_Unwind_/;

/** What a function calls whose guard was overwritten: the C library's end, or that of native/node/prebuilt.cc. */
const GUARD_FAILURE = { x64: '__stack_chk_fail', arm64: 'psignal' };

/**
 * What is wrong with a prebuild: empty if it is fit for a release.
 *
 * @param {import('./elf.mjs').SharedObject} object
 * @param {number} bytes its size
 * @param {Target} target
 * @param {string} sourceHash of the sources as they are now
 * @param {ReadonlySet<string>} [muslSymbols] what musl exports, where a compiler for it is at hand
 * @returns {string[]}
 */
export function faultsOf(object, bytes, { arch, libc }, sourceHash, muslSymbols) {
  /** @type {string[]} */
  const faults = [];
  const require = (/** @type {boolean} */ holds, /** @type {string} */ fault) => {
    if (!holds) faults.push(fault);
  };
  require(object.machine === arch, `is for ${object.machine}`);
  require(bytes < MAX_BYTES, `has ${bytes} bytes`);
  const strange = object.needed.filter((name) => !LIBRARIES[libc].test(name));
  require(strange.length === 0, `needs ${strange.join(', ')}`);
  const glibc = neededGlibc(object);
  if (libc === 'musl') require(glibc === undefined, `needs glibc ${glibc}`);
  else {
    require(glibc !== undefined, "needs no version of glibc's symbols");
    require(compareVersions(glibc ?? '0', MAX_GLIBC) <= 0, `needs glibc ${glibc}`);
  }
  const isLibc = (/** @type {import('./elf.mjs').UndefinedSymbol} */ { name, version }) =>
    libc === 'glibc'
      ? version?.startsWith('GLIBC_') === true
      : !LATER_IN_MUSL.test(name) && (muslSymbols?.has(name) ?? !CPP_SYMBOL.test(name));
  const foreign = object.undefinedSymbols.filter((symbol) => !isLibc(symbol) && !isOfNodeOrNobody(symbol));
  require(foreign.length === 0, `needs the symbols ${foreign.map(({ name }) => name).join(', ')}`);
  const lacking = ENTRIES.filter((name) => !object.exportedSymbols.includes(name));
  require(lacking.length === 0, `has no ${lacking.join(', ')}`);
  const shown = object.exportedSymbols.filter((name) => !ENTRIES.includes(name));
  require(shown.length === 0, `exports ${shown.slice(0, 3).join(', ')}`);
  faults.push(...hardeningFaults(object, arch, libc));
  require(object.stripped, 'has symbols for debuggers');
  if (object.sourceHash === undefined)
    faults.push('was not made by npm run prebuilds: it has no hash of its sources');
  else require(object.sourceHash === sourceHash, 'was made from other sources than those in native/');
  return faults;
}

/**
 * @param {import('./elf.mjs').SharedObject} object
 * @param {'x64' | 'arm64'} arch
 * @param {Libc} libc
 */
function hardeningFaults(object, arch, libc) {
  const needed = object.undefinedSymbols.map(({ name }) => name);
  /** @type {[boolean, string][]} */
  const demands = [
    [object.bindNow, 'finds the addresses of functions only when they are called (no BIND_NOW)'],
    [object.relro, 'has addresses of functions that can be written over (no RELRO)'],
    [object.nodelete, 'would be unloaded (no NODELETE)'],
    [!object.executableStack, 'has an executable stack'],
    [!object.textRelocations, 'has code that the loader writes to'],
    [!object.writableCode, 'has code that can be written to'],
    [object.searchPaths.length === 0, `looks for libraries in ${object.searchPaths.join(':')}`],
    [needed.includes(GUARD_FAILURE[arch]), 'has no stack protector'],
    // musl has no checked functions.
    [
      libc === 'musl' || needed.some((name) => /^__(?!stack)\w+_chk$/.test(name)),
      "lacks the C library's checked functions",
    ],
  ];
  return demands.filter(([holds]) => !holds).map(([, fault]) => fault);
}

/** @param {import('./elf.mjs').UndefinedSymbol} symbol */
function isOfNodeOrNobody({ name, weak }) {
  return NODE_SYMBOL.test(name) || (weak && TOOLCHAIN_SYMBOL.test(name));
}

/**
 * @param {'x64' | 'arm64'} arch
 * @param {Libc} libc
 * @param {string} triple
 * @returns {Target}
 */
function target(arch, libc, triple) {
  return { arch, libc, triple, file: `prebuilds/linux-${arch}/tapfd.${libc}.node` };
}
