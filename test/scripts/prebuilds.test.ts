/** What says whether a prebuild is fit for a release: compared with readelf, and each demand broken once. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { neededGlibc, readSharedObject, type SharedObject } from '#scripts/prebuilds/elf.mjs';
import { sourceHash } from '#scripts/prebuilds/source-hash.mjs';
import { faultsOf, TARGETS, type Target } from '#scripts/prebuilds/targets.mjs';
import { inRepo } from '../kit/paths.js';

const ADDON = inRepo('build/Release/tapfd.node');
const readelf = (...args: string[]) =>
  execFileSync('readelf', ['--wide', ...args, ADDON], { encoding: 'utf8' });

t.test('the reader sees what readelf sees', async (t) => {
  const object = readSharedObject(readFileSync(ADDON));
  t.equal(object.machine, process.arch);
  const dynamic = readelf('--dynamic');
  t.same(
    object.needed,
    [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name),
  );
  const symbols = [...readelf('--dyn-syms').matchAll(/^ *\d+: .* (\w+) +(\w+) +\w+ +(UND|\d+|ABS) (\S+)/gm)];
  const undefinedOnes = symbols.filter(([, , , place]) => place === 'UND').map(([, , , , name]) => name);
  const asReadelf = object.undefinedSymbols.map(({ name, version }) =>
    version ? `${name}@${version}` : name,
  );
  t.ok(undefinedOnes.length > 100);
  t.same(asReadelf.sort(), undefinedOnes.map((name) => name.replace('@@', '@')).sort());
  t.same(
    object.exportedSymbols.sort(),
    symbols
      .filter(([, , , place]) => place !== 'UND')
      .map(([, , , , name]) => name.replace(/@.*/, ''))
      .sort(),
  );
  const versions = [...readelf('--version-info').matchAll(/Name: GLIBC_([\d.]+)/g)].map(
    ([, version]) => version ?? '',
  );
  versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  t.equal(neededGlibc(object), versions.at(-1));
  t.match(object, {
    bindNow: true,
    relro: true,
    nodelete: true,
    executableStack: false,
    textRelocations: false,
  });
  t.match(object, { writableCode: false, searchPaths: [], sourceHash: undefined });
});

t.test('what is no addon, or only the beginning of one, is refused', async (t) => {
  const content = readFileSync(ADDON);
  t.throws(() => readSharedObject(Buffer.from('#!/bin/sh\n')), { message: 'no ELF file' });
  t.throws(() => readSharedObject(Buffer.alloc(0)), RangeError);
  for (const length of [20, 64, 5000, content.length - 100]) {
    t.throws(() => readSharedObject(content.subarray(0, length)), Error, `${length} bytes`);
  }
  const other = Buffer.from(content);
  other[4] = 1;
  t.throws(() => readSharedObject(other), { message: 'not 64-bit little-endian' });
  t.throws(() => readSharedObject(readFileSync(process.execPath).fill(2, 16, 17)), {
    message: 'no shared object',
  });
});

const FIT: SharedObject = {
  machine: 'x64',
  needed: ['libc.so.6', 'libpthread.so.0', 'ld-linux-x86-64.so.2'],
  undefinedSymbols: [
    { name: '__stack_chk_fail', version: 'GLIBC_2.4', weak: false },
    { name: '__memcpy_chk', version: 'GLIBC_2.3.4', weak: false },
    { name: 'fcntl64', version: 'GLIBC_2.28', weak: false },
    { name: 'napi_create_array', version: undefined, weak: false },
    { name: 'uv_poll_init', version: undefined, weak: false },
    { name: '__gmon_start__', version: undefined, weak: true },
  ],
  exportedSymbols: ['napi_register_module_v1', 'node_api_module_get_api_version_v1'],
  bindNow: true,
  relro: true,
  nodelete: true,
  executableStack: false,
  textRelocations: false,
  writableCode: false,
  searchPaths: [],
  stripped: true,
  sourceHash: 'abc',
};
const [GLIBC, MUSL]: Target[] = TARGETS;
const symbol = (name: string, version?: string, weak = false) => ({ name, version, weak });

t.test('each demand is one', async (t) => {
  t.same(faultsOf(FIT, 999_999, GLIBC, 'abc'), []);
  const more = (...symbols: SharedObject['undefinedSymbols']) => ({
    undefinedSymbols: [...FIT.undefinedSymbols, ...symbols],
  });
  const without = (name: string) => ({
    undefinedSymbols: FIT.undefinedSymbols.filter((one) => one.name !== name),
  });
  const breaks: [Partial<SharedObject>, string][] = [
    [{ machine: 'arm64' }, 'is for arm64'],
    [{ needed: ['libc.so.6', 'libstdc++.so.6'] }, 'needs libstdc++.so.6'],
    [more(symbol('arc4random', 'GLIBC_2.36')), 'needs glibc 2.36'],
    [more(symbol('_Znwm', 'GLIBCXX_3.4')), 'needs the symbols _Znwm'],
    [more(symbol('_ZN2v87Isolate10GetCurrentEv')), 'needs the symbols _ZN2v87Isolate10GetCurrentEv'],
    [more(symbol('__gmon_start__')), 'needs the symbols __gmon_start__'],
    [{ exportedSymbols: FIT.exportedSymbols.slice(1) }, 'has no napi_register_module_v1'],
    [{ exportedSymbols: [...FIT.exportedSymbols, '_Znam'] }, 'exports _Znam'],
    [{ bindNow: false }, 'finds the addresses of functions only when they are called (no BIND_NOW)'],
    [{ relro: false }, 'has addresses of functions that can be written over (no RELRO)'],
    [{ nodelete: false }, 'would be unloaded (no NODELETE)'],
    [{ executableStack: true }, 'has an executable stack'],
    [{ textRelocations: true }, 'has code that the loader writes to'],
    [{ writableCode: true }, 'has code that can be written to'],
    [{ searchPaths: ['/tmp'] }, 'looks for libraries in /tmp'],
    [without('__stack_chk_fail'), 'has no stack protector'],
    [without('__memcpy_chk'), "lacks the C library's checked functions"],
    [{ stripped: false }, 'has symbols for debuggers'],
    [{ sourceHash: 'abd' }, 'was made from other sources than those in native/'],
    [{ sourceHash: undefined }, 'was not made by npm run prebuilds: it has no hash of its sources'],
  ];
  for (const [broken, fault] of breaks) t.same(faultsOf({ ...FIT, ...broken }, 1, GLIBC, 'abc'), [fault]);
  t.same(faultsOf(FIT, 1_000_000, GLIBC, 'abc'), ['has 1000000 bytes']);
});

t.test('with musl, symbols have no versions: they are those of its list', async (t) => {
  const libc = FIT.undefinedSymbols
    .map(({ name, weak }) => symbol(name, undefined, weak))
    .filter(({ name }) => name !== '__memcpy_chk');
  const object = { ...FIT, needed: ['libc.so'], undefinedSymbols: libc };
  const exported = new Set(['__stack_chk_fail', 'fcntl64']);
  t.same(faultsOf(object, 1, MUSL, 'abc', exported), []);
  t.same(faultsOf(object, 1, MUSL, 'abc', new Set(['fcntl64'])), ['needs the symbols __stack_chk_fail']);
  t.same(faultsOf(object, 1, MUSL, 'abc'), [], 'without a list, they are not C++');
  const foreign = { ...object, undefinedSymbols: [...libc, symbol('_Znwm')] };
  t.same(faultsOf(foreign, 1, MUSL, 'abc'), ['needs the symbols _Znwm']);
  const recent = { ...object, undefinedSymbols: [...libc, symbol('statx')] };
  const inZig = new Set([...exported, 'statx']);
  for (const symbols of [inZig, undefined]) {
    t.same(faultsOf(recent, 1, MUSL, 'abc', symbols), ['needs the symbols statx'], 'musl 1.2.3 lacks it');
  }
  t.same(faultsOf({ ...object, undefinedSymbols: FIT.undefinedSymbols }, 1, MUSL, 'abc').slice(0, 1), [
    'needs glibc 2.28',
  ]);
});

t.test('the hash is of all sources, and their names', async (t) => {
  const tree = (files: Record<string, string>) =>
    t.testdir({
      native: files,
      node_modules: { 'node-addon-api': { 'package.json': JSON.stringify({ version: '8.0.0' }) } },
    });
  const hashes = [
    sourceHash(tree({ 'a.cc': '1', 'b.h': '2' })),
    sourceHash(tree({ 'a.cc': '1', 'b.h': '3' })),
    sourceHash(tree({ 'a.cc': '1', 'c.h': '2' })),
    sourceHash(tree({ 'a.cc': '12', 'b.h': '' })),
  ];
  t.equal(new Set(hashes).size, 4);
  t.match(hashes[0], /^[0-9a-f]{64}$/);
  t.equal(sourceHash(tree({ 'a.cc': '1', 'b.h': '2' })), hashes[0]);
});
