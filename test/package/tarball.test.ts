/** What npm users get: the tarball, installed without scripts in a project elsewhere, and its prebuild. */
import { execFile } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { familySync } from 'detect-libc';
import t, { type Test } from 'tap';
import { contentFaults, MAX_PACKED_BYTES, mapFaults } from '#scripts/package/contents.mjs';
import { needs } from '../kit/capabilities.js';
import { runChild } from '../kit/child.js';
import { linkTargets, readDocument } from '../kit/markdown.js';
import { ownNamespace } from '../kit/namespace.js';
import { inRepo } from '../kit/paths.js';
import {
  installedProject,
  pack,
  packWithScripts,
  prebuild,
  publishable,
  readManifest,
  workingTree,
} from '../kit/release.js';

/** Where src/base/native.ts looks. */
const PREBUILD = `prebuilds/linux-${process.arch}/tapfd.${familySync()}.node`;

/** Opens devices in the namespace given, and prints their names and where the addon comes from. */
const OPEN = `
  const netns = process.argv[2];
  const devices = [await openTap({ netns }), await openTun({ netns })];
  const addons = new Set(readFileSync('/proc/self/maps', 'utf8').match(/\\S+tapfd\\S*\\.node/g));
  console.log(JSON.stringify({ names: devices.map(({ name }) => name), addons: [...addons], qemu: typeof spawnQemu }));
  for (const device of devices) device.destroy();
`;

/** Calls everything that needs the addon, after `prelude` has changed the environment, and prints how it is refused. */
const elsewhere = (prelude: string) => `
  ${prelude}
  const { openTap, openTun, openMacvtap, adoptFd, links, createNetns, parseMac } = await import('tapfd');
  await import('tapfd/qemu');
  const calls = [
    () => openTap(), () => openTun(), () => openMacvtap({ lower: 'eth0' }), () => adoptFd(0), () => links.list(),
    () => links.watch().next(), () => createNetns(),
  ];
  for (const call of calls) await call().then(() => console.log('done'), ({ code, message }) => console.log(code, message));
  console.log('a MAC has', parseMac('02:00:00:00:00:01').length, 'bytes');
`;
const CALLS = 7;

const ON_ANOTHER_SYSTEM = elsewhere("Object.defineProperty(process, 'platform', { value: 'darwin' });");
const ON_ANOTHER_MACHINE = elsewhere("Object.defineProperty(process, 'arch', { value: 'riscv64' });");
const WITH_AN_OLDER_LIBRARY = elsewhere(
  "process.dlopen = () => { throw new Error('libc.so.6: version GLIBC_9.9 not found'); };",
);

const IN_BUN = elsewhere("process.versions.bun = '1.2.3';");
const IN_DENO = elsewhere("process.versions.deno = '2.3.4';");

/** Checks that each call was refused like this, and that what needs no device works. */
function isRefused(t: Test, output: string, refusal: RegExp): void {
  t.equal(output.match(new RegExp(refusal, 'gm'))?.length, CALLS, 'each call is refused', { output });
  t.notMatch(output, /^done/m);
  t.match(output, 'a MAC has 6 bytes');
}

t.test('on another system it loads, and opening is refused', async (t) => {
  const { code, output, errors } = await runChild(ON_ANOTHER_SYSTEM);
  t.match({ code, errors }, { code: 0, errors: '' });
  isRefused(t, output, /^ERR_TAPFD_UNSUPPORTED_PLATFORM .*this is darwin$/);
});

t.test('an addon that does not load here says why', async (t) => {
  const { code, output, errors } = await runChild(WITH_AN_OLDER_LIBRARY);
  t.match({ code, errors }, { code: 0, errors: '' });
  isRefused(t, output, /^ERR_TAPFD_ADDON_NOT_LOADED .*GLIBC_9.9 not found/);
});

t.test(
  'in an old version of another runtime it loads, and opening is refused before the addon could crash it',
  async (t) => {
    for (const [program, runtime] of [
      [IN_BUN, 'bun 1.2.3'],
      [IN_DENO, 'deno 2.3.4'],
    ] as const) {
      const { code, output, errors } = await runChild(program);
      t.match({ code, errors }, { code: 0, errors: '' });
      isRefused(t, output, new RegExp(`^ERR_TAPFD_UNSUPPORTED_RUNTIME this is ${runtime}, .*or later$`));
    }
  },
);

/** A program that uses the types, with some lines that must not compile. */
const TYPED = `
  const changed: LinkFact[] = [];
  const tap: Tap = await openTap({ name: 'tap%d', addresses: ['10.0.0.1/24'] });
  tap.on('link', (change) => changed.push(...change.changed));
  tap.on('drop', ({ direction, reason, count }) => direction === 'receive' && reason === 'kernel' && count.toFixed());
  tap.once('close', () => undefined).on('error', (error: Error) => error.message);
  for await (const frame of tap) frame.readUInt16BE(12);
  const macvtap = await openMacvtap({ lower: 'eth0', guestMac: randomMac() });
  const child = await spawnQemu('qemu-system-x86_64', [], { nics: [{ device: tap }, { device: macvtap }] });
  child.stdout.setEncoding('utf8');
  // @ts-expect-error misspelt
  await openTap({ nam: 'tap0' });
  // @ts-expect-error neither name nor lower
  await openMacvtap();
  // @ts-expect-error no such fact
  tap.on('link', (change) => change.colour);
  // @ts-expect-error a TUN has no MAC to set
  (await openTun()).setMac('02:00:00:00:00:01');
  // @ts-expect-error made by opening, and by nothing else
  new Tap();
  // @ts-expect-error internal
  tap.device;
`;
/** Options that may be undefined, where the compiler tells them from those left out. */
const EXACT = `
  const signal: AbortSignal | undefined = undefined;
  const mtu = process.argv[2] === undefined ? undefined : 1400;
  await openTap({ signal, mtu, name: undefined, mac: undefined, addresses: undefined, netns: undefined });
  await openMacvtap({ lower: 'eth0', mode: undefined, guestMac: undefined, signal });
  await links.create({ kind: 'bridge', name: undefined, mtu, vlanFiltering: undefined, netns: undefined });
  await links.set('lo', { mtu, up: undefined });
  for await (const change of links.watch({ signal, existing: undefined })) console.log(change);
  await FdSocket.listen('/run/x.sock', { mode: undefined, backlog: undefined, signal });
  await forward(tap, tap, { signal, maxFrames: undefined, transform: undefined });
  randomMac({ prefix: undefined });
  encodeVnetHeader({ segmentation: 'none', needsChecksum: undefined });
  new TapfdError('X', 'x', { errno: undefined, path: undefined });
`;
/** CommonJS where the compiler lets no ES module be required. */
const DYNAMIC = `
  export const main = async () => {
    const { openTap } = await import('tapfd');
    const tap = await openTap({ name: 'tap%d' });
    for await (const frame of tap) frame.readUInt16BE(12);
    // @ts-expect-error misspelt
    await openTap({ nam: 'tap0' });
  };
`;
/** Everything that the package exports, as namespaces, so that an entry that exports nothing yet is one too. */
const ENTRIES = ['tapfd', 'tapfd/qemu', 'tapfd/packets', 'tapfd/capture', 'tapfd/testing']
  .map((entry, i) => `import * as entry${i} from '${entry}';\nexport const all${i}: object = entry${i};\n`)
  .join('');
const IMPORTS = `
  import { type LinkFact, openMacvtap, openTap, openTun, randomMac, Tap } from 'tapfd';
  import { encodeVnetHeader, FdSocket, forward, links, TapfdError } from 'tapfd';
  import { spawnQemu } from 'tapfd/qemu';
`;

t.test('a release', async (t) => {
  const tree = workingTree(t);
  t.match(
    await publishable(tree),
    /^no: .*prebuilds\/linux-arm64\/tapfd\.musl\.node/s,
    'not without prebuilds',
  );
  t.match(await prebuild(tree), PREBUILD);
  t.ok(existsSync(join(tree, PREBUILD)), 'the prebuild is where the loader looks for it');
  t.match(await publishable(tree), /^no/, 'nor with that of one system');

  await t.test('npm pack refuses it too, wherever it is started', async (t) => {
    const refusal =
      /^no: [\s\S]*bad prebuilds:[\s\S]*there is no prebuilds\/linux-[\s\S]*remedy: npm run prebuilds; or,/;
    const starts: [string, string[]][] = [
      [tree, ['npm', 'pack']],
      [join(tree, 'docs'), ['npm', 'pack', '..', '--json']],
      [tmpdir(), ['npm', 'pack', tree]],
      [tree, ['TAPFD_PARTIAL_TARBALL=0', 'npm', 'pack']],
    ];
    for (const [cwd, command] of starts) {
      t.match(await packWithScripts(cwd, ...command), refusal, command.join(' '));
    }
    const publishing = ['TAPFD_PARTIAL_TARBALL=1', 'npm', 'publish', '--dry-run'];
    t.match(await packWithScripts(tree, ...publishing), /^no: [\s\S]*there is no prebuilds/, 'publish');
    t.equal(readdirSync(tree).filter((name) => name.endsWith('.tgz')).length, 0);
    t.ok(existsSync(join(tree, 'lib/index.js')), 'lib/ is as it was');
  });

  await t.test('made of other sources, not even a partial one', async (t) => {
    const source = join(tree, 'native/sys/fd.h');
    const before = readFileSync(source);
    appendFileSync(source, '// changed\n');
    const partial = ['TAPFD_PARTIAL_TARBALL=1', 'npm', 'pack'];
    const stale = /^no: [\s\S]*was made from other sources than those in native/;
    t.match(await packWithScripts(tree, ...partial), stale);
    writeFileSync(source, before);
    const output = await packWithScripts(
      tree,
      ...partial,
      '--json',
      '--pack-destination',
      join(tree, '.cache'),
    );
    t.match(output, /^yes: [\s\S]*PARTIAL, not to be published. Missing: prebuilds\/linux-/);
    t.match(output, /"filename": "tapfd-/);
    mkdirSync(join(tree, 'docs/guide'));
    writeFileSync(join(tree, 'docs/guide/stray.svg'), '<svg/>');
    t.match(
      await packWithScripts(tree, ...partial),
      /^no: [\s\S]*docs\/guide\/stray\.svg does not belong there/,
    );
    rmSync(join(tree, 'docs/guide'), { recursive: true });
  });

  const packed = await pack(tree);
  const project = await installedProject(t, packed.path);
  const installed = join(project, 'node_modules', 'tapfd');

  /** Runs a program in the project; its output. */
  async function runProgram(name: string, text: string, ...args: string[]): Promise<string> {
    const file = join(project, name);
    writeFileSync(file, text);
    return (await promisify(execFile)(process.execPath, [file, ...args], { cwd: project })).stdout;
  }

  t.test('the tarball holds the package and nothing else', async (t) => {
    t.same(contentFaults(packed.files, { partial: true }), []);
    t.same(mapFaults(packed.files, tree), [], 'no compiled file names a map');
    t.notMatch(
      readFileSync(join(tree, 'lib/index.js'), 'utf8'),
      /\/\*\*/,
      'comments are in the declarations',
    );
    t.match(readFileSync(join(tree, 'lib/index.d.ts'), 'utf8'), /@module tapfd/);
    t.match(readFileSync(join(tree, 'lib/cli/main.js'), 'utf8'), /^#!/);
    t.ok(packed.files.includes(PREBUILD));
    // The compiler of this prebuild makes larger ones than that of the four.
    const beside = packed.bytes - gzipSync(readFileSync(join(tree, PREBUILD)), { level: 9 }).length;
    t.ok(beside < 0.35 * MAX_PACKED_BYTES, `${beside} bytes beside prebuilds, which take 62 % of the limit`);
  });

  t.test('the list of what it holds refuses anything else, and misses what is not there', async (t) => {
    const strays = [
      ...['lib/.tsbuildinfo', 'lib/stray.js', 'lib/index.js.map', 'src/index.ts', 'test/unit/a.test.ts'],
      ...[
        'native/build/Release/tapfd.node',
        'native/sys/fd.o',
        'prebuilds/linux-x64/tapfd.node',
        'binding.gyp',
      ],
      ...[
        'docs/api/index.html',
        'docs/pictures/a.png',
        'examples/tsconfig.json',
        '.npmrc',
        'scripts/demo.mjs',
      ],
    ];
    for (const file of strays) {
      t.same(contentFaults([...packed.files, file], { partial: true }), [`${file} does not belong there`]);
    }
    for (const file of [
      'lib/index.js',
      'lib/qemu/index.d.ts',
      'lib/base/native.js',
      'LICENSE',
      'native/addon.gypi',
    ]) {
      const without = packed.files.filter((other) => other !== file);
      t.same(contentFaults(without, { partial: true }), [`${file} is missing`]);
    }
    t.same(contentFaults(packed.files).length, 3, 'in a release, all four prebuilds are there');
    const withMap = join(tree, 'lib/base/native.js');
    const before = readFileSync(withMap);
    appendFileSync(withMap, '//# sourceMappingURL=native.js.map\n');
    t.same(mapFaults(packed.files, tree), ['lib/base/native.js names a map, which is missing']);
    writeFileSync(withMap, before);
  });

  t.test('its documents link to nothing that it lacks', async (t) => {
    const all = packed.files.filter((file) => file.endsWith('.md')).map(readDocument);
    t.ok(all.length > 15);
    for (const document of all) {
      for (const target of linkTargets(document)) {
        if (/^https?:|^#/.test(target)) continue;
        const path = normalize(join(dirname(document.path), target.replace(/#.*/, '')));
        t.ok(packed.files.includes(path), `${document.path}: ${target}`);
      }
    }
  });

  t.test('nothing runs when it is installed', async (t) => {
    const { scripts, gypfile } = readManifest(installed);
    // npm compiles, or warns that it does not, wherever it sees a binding.gyp at the top, whatever `gypfile` says.
    t.notOk(existsSync(join(installed, 'binding.gyp')));
    t.equal(gypfile, false);
    // Without --ignore-scripts, npm itself says what it would run.
    const { stdout, stderr } = await promisify(execFile)(
      'npm',
      ['install', packed.path, '--prefix', project, '--offline', '--no-audit', '--no-fund'],
      { cwd: project },
    );
    t.notMatch(stdout + stderr, /node-gyp|install script/);
    for (const script of ['preinstall', 'install', 'postinstall', 'prepare'])
      t.notOk(script in scripts, script);
    t.notOk(existsSync(join(installed, 'build')), 'nothing was compiled');
  });

  t.test(
    'it opens devices from its prebuild',
    { skip: needs('root', 'tun-device', 'netns', 'ip') },
    async (t) => {
      const ns = await ownNamespace(t);
      const wanted = { names: ['tap0', 'tun0'], addons: [join(installed, PREBUILD)], qemu: 'function' };
      const imported = await runProgram(
        'imports.mjs',
        `import { readFileSync } from 'node:fs';
    import { openTap, openTun } from 'tapfd';
    import { spawnQemu } from 'tapfd/qemu';
    ${OPEN}`,
        ns.name,
      );
      t.same(JSON.parse(imported), wanted, 'by import');
      const required = await runProgram(
        'requires.cjs',
        `const { readFileSync } = require('node:fs');
    const { openTap, openTun } = require('tapfd');
    const { spawnQemu } = require('tapfd/qemu');
    (async () => {${OPEN}})();`,
        ns.name,
      );
      t.same(JSON.parse(required), wanted, 'by require');
    },
  );

  t.test('on another system it loads, and opening is refused', async (t) => {
    const output = await runProgram('another-system.mjs', ON_ANOTHER_SYSTEM);
    isRefused(t, output, /^ERR_TAPFD_UNSUPPORTED_PLATFORM .*this is darwin$/);
  });

  t.test('without an addon for the machine, it says how to compile one', async (t) => {
    const output = await runProgram('another-machine.mjs', ON_ANOTHER_MACHINE);
    isRefused(t, output, /^ERR_TAPFD_ADDON_NOT_FOUND there is no addon for linux-riscv64 /);
    t.match(output, `npx node-gyp rebuild --directory=${installed}/native`);
    t.match(output, `${installed}/prebuilds/linux-riscv64/`, 'where it looked');
  });

  t.test('its types are found and right', async (t) => {
    mkdirSync(join(project, 'node_modules', '@types'), { recursive: true });
    symlinkSync(inRepo('node_modules/@types/node'), join(project, 'node_modules/@types/node'));
    writeFileSync(join(project, 'module.mts'), `${IMPORTS}${TYPED}`);
    writeFileSync(join(project, 'script.cts'), `${IMPORTS}export const main = async () => {${TYPED}};`);
    writeFileSync(join(project, 'dynamic.cts'), DYNAMIC);
    writeFileSync(join(project, 'bundled.ts'), `${IMPORTS}${TYPED}`);
    writeFileSync(join(project, 'entries.mts'), ENTRIES);
    writeFileSync(join(project, 'exact.mts'), `${IMPORTS}${TYPED}${EXACT}`);
    const check = async (file: string, moduleKind: string, resolution: string, ...more: string[]) => {
      const options = ['--noEmit', '--strict', '--target', 'es2022', '--types', 'node'];
      const kind = ['--module', moduleKind, '--moduleResolution', resolution];
      const tsc = inRepo('node_modules/typescript/bin/tsc');
      const run = promisify(execFile)(process.execPath, [tsc, ...options, ...kind, ...more, file], {
        cwd: project,
      });
      return (await run.catch((error: { stdout: string }) => error)).stdout;
    };
    const complaints = await Promise.all([
      check('module.mts', 'nodenext', 'nodenext', 'script.cts'),
      check('module.mts', 'node20', 'node16', 'script.cts'),
      check('module.mts', 'node16', 'node16', 'dynamic.cts'),
      check('bundled.ts', 'preserve', 'bundler'),
      check('entries.mts', 'node16', 'node16', '--exactOptionalPropertyTypes'),
      check('entries.mts', 'nodenext', 'nodenext'),
      check('entries.mts', 'preserve', 'bundler'),
      check('exact.mts', 'nodenext', 'nodenext', '--exactOptionalPropertyTypes'),
    ]);
    t.strictSame(complaints, Array(complaints.length).fill(''));
  });
});
