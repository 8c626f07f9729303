/** The tarball with test runners and bundlers. */
import { readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { attwFaults, publintFaults } from '#scripts/package/lint-tarball.mjs';
import { needs } from '../../kit/capabilities.js';
import {
  addFile,
  IMPORTING,
  linkTools,
  matrixTarball,
  READ_A_FRAME,
  runIn,
  toolFile,
} from '../../kit/matrix.js';
import { ownNamespace } from '../../kit/namespace.js';
import { inRepo } from '../../kit/paths.js';
import { installedProject } from '../../kit/release.js';

const READ = READ_A_FRAME.trim();
const NODE = process.execPath;

/** What a bundle without tapfd beside it, or with tapfd inside, says. */
const WHAT_IT_SAYS = `
  import { openTap, parseMac } from 'tapfd';
  console.log('a MAC has', parseMac('02:00:00:00:00:01').length, 'bytes');
  openTap().then(console.log, ({ code, message }) => console.log(code, message));
`;

interface Bundler {
  name: string;
  /** Writes `dist/<entry without ending>.<format>` from an entry file; tapfd stays outside if `external`. */
  command(entry: string, format: 'mjs' | 'cjs', external: boolean): string[];
}

const BUNDLERS: Bundler[] = [
  {
    name: 'esbuild',
    command: (entry, format, external) => [
      ...[toolFile('esbuild/bin/esbuild'), entry, '--bundle', '--platform=node', '--log-level=warning'],
      `--format=${format === 'mjs' ? 'esm' : 'cjs'}`,
      `--outfile=dist/esbuild.${format}`,
      ...(external
        ? ['--external:tapfd', '--external:tapfd/*']
        : ['--log-override:empty-import-meta=silent']),
    ],
  },
  {
    name: 'rollup',
    command: (entry, format, external) => [
      ...[NODE, toolFile('rollup/dist/bin/rollup'), entry, '--silent'],
      ...['--format', format === 'mjs' ? 'es' : 'cjs', '--file', `dist/rollup.${format}`],
      ...(external
        ? ['--external', 'tapfd,node:dgram']
        : [
            '--plugin',
            'node-resolve={preferBuiltins:true,exportConditions:["node"]}',
            '--plugin',
            'commonjs',
          ]),
    ],
  },
  {
    name: 'webpack',
    command: (entry, format, external) => [NODE, 'webpack.mjs', entry, format, String(external)],
  },
];

const WEBPACK = `
  import webpack from 'webpack';
  const [entry, format, external] = process.argv.slice(2);
  const isModule = format === 'mjs';
  webpack({
    mode: 'production',
    target: 'node20',
    entry,
    experiments: { outputModule: isModule },
    output: {
      path: import.meta.dirname + '/dist',
      filename: 'webpack.' + format,
      ...(isModule ? { module: true, chunkFormat: 'module', library: { type: 'module' } } : {}),
    },
    ...(external === 'true'
      ? {
          externalsPresets: { node: true },
          externals: isModule ? { tapfd: 'module tapfd' } : { tapfd: 'node-commonjs tapfd' },
        }
      : {}),
  }).run((error, stats) => {
    if (error ?? stats.hasErrors()) {
      console.log(error ?? stats.toString({ all: false, errors: true }));
      process.exitCode = 1;
    }
  });
`;

const skip = needs('root', 'tun-device', 'netns', 'ip', 'matrix-tools');
t.test('the tarball with tools', { skip }, async (t) => {
  const tarball = (await matrixTarball(t)).path;
  const project = await installedProject(t, tarball);
  const ns = await ownNamespace(t);
  const run = (...command: string[]) => runIn(ns, project, ...command);
  linkTools(project, 'vitest', 'jest', 'webpack');
  addFile(project, 'webpack.mjs', WEBPACK);

  t.test('node:test', async (t) => {
    const text = `import { test } from 'node:test'; import assert from 'node:assert';
      ${IMPORTING} test('reads', async () => assert.equal(await read(), '${READ}'));`;
    addFile(project, 'node.test.mjs', text);
    t.match(await run(NODE, '--test', 'node.test.mjs'), /pass 1\n.*fail 0/s);
  });

  t.test('Vitest', async (t) => {
    const text = `import { expect, test } from 'vitest';
      ${IMPORTING} test('reads', async () => expect(await read()).toBe('${READ}'));`;
    addFile(project, 'vitest/reads.test.ts', text);
    for (const pool of ['forks', 'threads']) {
      const output = await run(NODE, toolFile('vitest/vitest.mjs'), 'run', '--dir', 'vitest', '--pool', pool);
      t.match(output, /Tests +1 passed/, pool);
    }
  });

  t.test('Jest', async (t) => {
    const jest = (name: string, ...options: string[]) =>
      run(
        NODE,
        ...options,
        toolFile('jest/bin/jest.js'),
        '--rootDir',
        project,
        '--runTestsByPath',
        name,
        '--watchman=false',
      );
    addFile(project, 'jest.config.mjs', "export default { testMatch: ['**/jest/**'], transform: {} };");
    const body = `test('reads', async () => expect(await read()).toBe('${READ}'));`;
    addFile(project, 'jest/imports.mjs', `${IMPORTING} ${body}`);
    t.match(await jest('jest/imports.mjs', '--experimental-vm-modules'), /Tests: +1 passed/);
  });

  t.test('tap', async (t) => {
    const text = `import t from 'tap';
      ${IMPORTING} t.test('reads', async (t) => t.equal(await read(), '${READ}'));`;
    symlinkSync(inRepo('node_modules/tap'), join(project, 'node_modules/tap'));
    addFile(project, 'tap.test.mjs', text);
    t.match(await run(NODE, 'tap.test.mjs'), /^# \{ total: 1, pass: 1 \}|^ok 1 - reads/m);
  });

  const program = addFile(project, 'program.mjs', `${IMPORTING} read().then(console.log);`);
  const inside = addFile(project, 'inside.mjs', WHAT_IT_SAYS);
  for (const { name, command } of BUNDLERS) {
    for (const format of ['mjs', 'cjs'] as const) {
      t.test(`${name}, ${format}`, async (t: Test) => {
        const bundle = join(project, 'dist', `${name}.${format}`);
        await run(...command(program, format, true));
        t.equal(await run(NODE, '--disable-warning=ExperimentalWarning', bundle), READ_A_FRAME, 'external');
        await run(...command(inside, format, false));
        t.ok(readFileSync(bundle, 'utf8').length > 20_000, 'inside: it has tapfd');
        // webpack writes the path that the package had into the bundle: elsewhere, there is nothing at that path.
        const installed = join(project, 'node_modules/tapfd');
        renameSync(installed, `${installed}-elsewhere`);
        const said = await run(NODE, bundle).finally(() => renameSync(`${installed}-elsewhere`, installed));
        t.match(said, /^a MAC has 6 bytes\nERR_TAPFD_ADDON_NOT_FOUND there is no addon for linux-/);
        t.match(said, 'mark it as external, and install it beside (docs/bundlers.md)');
      });
    }
  }

  t.test('publint and attw', async (t) => {
    const tools = dirname(toolFile());
    t.same(await publintFaults(tools, tarball), []);
    t.same(await attwFaults(tools, tarball), []);
    // Both find what is wrong with a package that is.
    const manifest = join(project, 'node_modules/tapfd/package.json');
    const wrong = {
      ...JSON.parse(readFileSync(manifest, 'utf8')),
      exports: { '.': { default: './lib/index.js', types: './no.d.ts' } },
    };
    writeFileSync(manifest, JSON.stringify(wrong));
    const options = ['--pack-destination', project, '--ignore-scripts', '--json'];
    const [{ filename }]: [{ filename: string }] = JSON.parse(
      await run('env', '-C', join(project, 'node_modules/tapfd'), 'npm', 'pack', ...options),
    );
    t.not((await publintFaults(tools, join(project, filename))).length, 0);
  });
});
