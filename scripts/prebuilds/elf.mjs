/** Reads what a shared object for a 64-bit little-endian Linux says of itself. The format: elf(5). */

const SHT_DYNAMIC = 6;
const SHT_NOTE = 7;
const SHT_DYNSYM = 11;
const SHT_GNU_VERNEED = 0x6ffffffe;
const SHT_GNU_VERSYM = 0x6fffffff;

/** Tags of the dynamic section. */
const DT = { needed: 1, rpath: 15, textrel: 22, flags: 30, runpath: 29, flags1: 0x6ffffffb };
const DF_TEXTREL = 4;
const DF_BIND_NOW = 8;
const DF_1_NOW = 1;
const DF_1_NODELETE = 8;

const PT_GNU_STACK = 0x6474e551;
const PT_GNU_RELRO = 0x6474e552;
const PF_X = 1;

const MACHINES = new Map([
  [62, 'x64'],
  [183, 'arm64'],
]);

/** @typedef {{name: string, version: string | undefined, weak: boolean}} UndefinedSymbol */

/**
 * @typedef {object} SharedObject
 * @property {string} machine as process.arch; `machine 243` for one that is not known here
 * @property {string[]} needed the libraries it loads
 * @property {UndefinedSymbol[]} undefinedSymbols what others must export for it
 * @property {string[]} exportedSymbols
 * @property {boolean} bindNow symbols are found when it is loaded
 * @property {boolean} relro and their addresses then write-protected
 * @property {boolean} nodelete stays loaded
 * @property {boolean} executableStack
 * @property {boolean} textRelocations code that the loader writes to
 * @property {boolean} writableCode a segment that may be written and executed
 * @property {string[]} searchPaths RPATH and RUNPATH
 * @property {boolean} stripped has no symbols but those of the loader, and nothing for debuggers
 * @property {string | undefined} sourceHash from native/node/prebuilt.cc
 */

/**
 * @param {Buffer} file
 * @returns {SharedObject}
 * @throws RangeError, Error if it is no such file, or cut off
 */
export function readSharedObject(file) {
  if (file.readUInt32BE(0) !== 0x7f454c46) throw new Error('no ELF file');
  if (file[4] !== 2 || file[5] !== 1) throw new Error('not 64-bit little-endian');
  if (file.readUInt16LE(16) !== 3) throw new Error('no shared object');
  const machine = file.readUInt16LE(18);
  const sections = sectionsOf(file);
  const segments = segmentsOf(file);
  const dynamic = dynamicOf(file, sections);
  const values = (/** @type {number} */ tag) =>
    dynamic.entries.filter(([of]) => of === tag).map(([, value]) => value);
  const [flags = 0] = values(DT.flags);
  const [flags1 = 0] = values(DT.flags1);
  const stack = segments.find(({ type }) => type === PT_GNU_STACK);
  const symbols = symbolsOf(file, sections);
  return {
    machine: MACHINES.get(machine) ?? `machine ${machine}`,
    needed: values(DT.needed).map(dynamic.text),
    undefinedSymbols: symbols
      .filter(({ defined }) => !defined)
      .map(({ name, version, weak }) => ({ name, version, weak })),
    exportedSymbols: symbols.filter(({ defined }) => defined).map(({ name }) => name),
    bindNow: (flags & DF_BIND_NOW) !== 0 || (flags1 & DF_1_NOW) !== 0,
    relro: segments.some(({ type }) => type === PT_GNU_RELRO),
    nodelete: (flags1 & DF_1_NODELETE) !== 0,
    // Without the header, the kernel gives an executable one.
    executableStack: stack === undefined || (stack.flags & PF_X) !== 0,
    textRelocations: values(DT.textrel).length > 0 || (flags & DF_TEXTREL) !== 0,
    writableCode: segments.some(({ type, flags: of }) => type === 1 && (of & 3) === 3),
    searchPaths: [...values(DT.rpath), ...values(DT.runpath)].map(dynamic.text),
    stripped: !sections.some(({ name }) => name === '.symtab' || name.startsWith('.debug_')),
    sourceHash: sourceHashOf(file, sections),
  };
}

/**
 * The highest version of the C library's symbols that it needs, as `2.28`; undefined if they have no versions (musl).
 *
 * @param {SharedObject} object
 * @returns {string | undefined}
 */
export function neededGlibc({ undefinedSymbols }) {
  return undefinedSymbols
    .flatMap(({ version }) => /^GLIBC_(\d+(?:\.\d+)+)$/.exec(version ?? '')?.[1] ?? [])
    .sort(compareVersions)
    .at(-1);
}

/**
 * @param {string} a
 * @param {string} b
 */
export function compareVersions(a, b) {
  return a.localeCompare(b, 'en', { numeric: true });
}

/**
 * @typedef {{name: string, type: number, offset: number, size: number, link: number, info: number}} Section
 */

/**
 * @param {Buffer} file
 * @returns {Section[]}
 */
function sectionsOf(file) {
  const start = number(file, 40);
  const size = file.readUInt16LE(58);
  const count = file.readUInt16LE(60);
  const raw = Array.from({ length: count }, (_, i) => {
    const at = start + i * size;
    return {
      nameAt: file.readUInt32LE(at),
      type: file.readUInt32LE(at + 4),
      offset: number(file, at + 24),
      size: number(file, at + 32),
      link: file.readUInt32LE(at + 40),
      info: file.readUInt32LE(at + 44),
    };
  });
  const names = raw[file.readUInt16LE(62)];
  return raw.map(({ nameAt, ...rest }) => ({ name: text(file, (names?.offset ?? 0) + nameAt), ...rest }));
}

/** @param {Buffer} file */
function segmentsOf(file) {
  const start = number(file, 32);
  const size = file.readUInt16LE(54);
  return Array.from({ length: file.readUInt16LE(56) }, (_, i) => ({
    type: file.readUInt32LE(start + i * size),
    flags: file.readUInt32LE(start + i * size + 4),
  }));
}

/**
 * @param {Buffer} file
 * @param {Section[]} sections
 */
function dynamicOf(file, sections) {
  const section = sections.find(({ type }) => type === SHT_DYNAMIC);
  if (section === undefined) throw new Error('no dynamic section');
  const names = sections[section.link]?.offset ?? 0;
  const entries = Array.from({ length: section.size / 16 }, (_, i) => [
    number(file, section.offset + i * 16),
    number(file, section.offset + i * 16 + 8),
  ]);
  return { entries, text: (/** @type {number} */ at) => text(file, names + at) };
}

/**
 * @param {Buffer} file
 * @param {Section[]} sections
 */
function symbolsOf(file, sections) {
  const table = sections.find(({ type }) => type === SHT_DYNSYM);
  if (table === undefined) throw new Error('no dynamic symbols');
  const names = sections[table.link]?.offset ?? 0;
  const versions = versionsOf(file, sections);
  const versionOf = sections.find(({ type }) => type === SHT_GNU_VERSYM);
  // The first is none.
  return Array.from({ length: table.size / 24 - 1 }, (_, i) => {
    const at = table.offset + (i + 1) * 24;
    const version = versionOf && versions.get(file.readUInt16LE(versionOf.offset + (i + 1) * 2) & 0x7fff);
    return {
      name: text(file, names + file.readUInt32LE(at)),
      weak: (file[at + 4] ?? 0) >> 4 === 2,
      defined: file.readUInt16LE(at + 6) !== 0,
      version,
    };
  });
}

/**
 * The versions that symbols may need, by their number in the file.
 *
 * @param {Buffer} file
 * @param {Section[]} sections
 */
function versionsOf(file, sections) {
  /** @type {Map<number, string>} */
  const versions = new Map();
  const section = sections.find(({ type }) => type === SHT_GNU_VERNEED);
  if (section === undefined) return versions;
  const names = sections[section.link]?.offset ?? 0;
  let library = section.offset;
  for (let i = 0; i < section.info; i += 1) {
    let entry = library + file.readUInt32LE(library + 8);
    for (let j = file.readUInt16LE(library + 2); j > 0; j -= 1) {
      versions.set(file.readUInt16LE(entry + 6), text(file, names + file.readUInt32LE(entry + 8)));
      entry += file.readUInt32LE(entry + 12);
    }
    library += file.readUInt32LE(library + 12);
  }
  return versions;
}

/**
 * @param {Buffer} file
 * @param {Section[]} sections
 */
function sourceHashOf(file, sections) {
  const section = sections.find(({ type, name }) => type === SHT_NOTE && name === '.note.tapfd');
  if (section === undefined) return undefined;
  const size = file.readUInt32LE(section.offset + 4);
  const start = section.offset + 12 + 8;
  return file.toString('latin1', start, start + size);
}

/**
 * @param {Buffer} file
 * @param {number} at
 */
function number(file, at) {
  return Number(file.readBigUInt64LE(at));
}

/**
 * @param {Buffer} file
 * @param {number} at
 */
function text(file, at) {
  return file.toString('latin1', at, file.indexOf(0, at));
}
