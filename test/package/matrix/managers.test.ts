/** The tarball with other package managers. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { needs } from '../../kit/capabilities.js';
import {
  addFile,
  IMPORTING,
  matrixTarball,
  READ_A_FRAME,
  REQUIRING,
  runIn,
  toolFile,
} from '../../kit/matrix.js';
import { ownNamespace, run } from '../../kit/namespace.js';

const NODE = process.execPath;

interface Manager {
  name: string;
  files?: Record<string, string>;
  install: string[];
  /** Runs a program. Default: node itself. */
  node?: string[];
}

const berry = toolFile('@yarnpkg/cli-dist/bin/yarn.js');
const settings =
  'enableTelemetry: false\nenableGlobalCache: false\nenableScripts: false\nenableImmutableInstalls: false\n';

const MANAGERS: Manager[] = [
  {
    name: 'pnpm',
    install: [toolFile('pnpm/bin/pnpm.cjs'), 'install', '--ignore-scripts', '--store-dir', '.store'],
  },
  {
    name: 'yarn 1',
    install: [
      toolFile('yarn/bin/yarn.js'),
      'install',
      '--ignore-scripts',
      '--cache-folder',
      '.store',
      '--no-lockfile',
    ],
  },
  {
    name: 'yarn 4 with node_modules',
    files: { '.yarnrc.yml': `${settings}nodeLinker: node-modules\n` },
    install: [berry, 'install'],
  },
  {
    name: "yarn 4 with Plug'n'Play",
    files: { '.yarnrc.yml': `${settings}nodeLinker: pnp\n` },
    install: [berry, 'install'],
    node: [berry, 'node'],
  },
];

const skip = needs('root', 'tun-device', 'netns', 'ip', 'matrix-tools', 'registry');
t.test('the tarball with package managers', { skip }, async (t) => {
  const tarball = (await matrixTarball(t)).path;
  const registry = (await run('npm', 'config', 'get', 'registry')).trim();
  const ns = await ownNamespace(t);

  for (const { name, files = {}, install, node = [] } of MANAGERS) {
    t.test(name, async (t: Test) => {
      const project = mkdtempSync(join(tmpdir(), 'tapfd-manager-'));
      t.teardown(() => rmSync(project, { recursive: true }));
      const manifest = {
        name: 'project',
        version: '1.0.0',
        private: true,
        dependencies: { tapfd: `file:${tarball}` },
      };
      addFile(project, 'package.json', JSON.stringify(manifest));
      addFile(project, '.npmrc', `registry=${registry}\n`);
      for (const [file, text] of Object.entries(files)) addFile(project, file, text);
      if ('.yarnrc.yml' in files)
        addFile(project, '.yarnrc.yml', `${files['.yarnrc.yml']}npmRegistryServer: "${registry}"\n`);
      addFile(project, 'imports.mjs', `${IMPORTING} console.log(await read());`);
      addFile(project, 'requires.cjs', `${REQUIRING} read().then(console.log);`);

      // Outside the namespace, which has no network.
      await run('env', '-C', project, NODE, ...install);
      t.ok(readFileSync(join(project, 'package.json'), 'utf8').includes(tarball));
      for (const program of ['imports.mjs', 'requires.cjs']) {
        const quiet = ['--disable-warning=ExperimentalWarning'];
        const said = await runIn(ns, project, NODE, ...node, ...(node.length > 0 ? [] : quiet), program);
        t.match(said, READ_A_FRAME, program);
      }
    });
  }
});
