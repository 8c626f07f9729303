/** The tarball in an empty folder, with every version of Node: imported, required, in a worker, under permissions. */
import t from 'tap';
import { needs } from '../../kit/capabilities.js';
import {
  addFile,
  IMPORTING,
  matrixTarball,
  nodeVersions,
  READ_A_FRAME,
  REQUIRING,
  runIn,
} from '../../kit/matrix.js';
import { ownNamespace } from '../../kit/namespace.js';
import { installedProject } from '../../kit/release.js';

const IN_A_WORKER = `
  import { Worker, isMainThread, parentPort } from 'node:worker_threads';
  ${IMPORTING}
  if (isMainThread) new Worker(new URL(import.meta.url)).on('message', console.log);
  else parentPort.postMessage(await read());
`;

/** Prints the code, and whether the message names the option. */
const REFUSED = `
  import { openTap } from 'tapfd';
  await openTap().then(console.log, ({ code, message }) => console.log(code, /--allow-addons/.test(message)));
`;

const skip = needs('root', 'tun-device', 'netns', 'ip', 'matrix-runtimes');
t.test('the tarball in each Node', { skip }, async (t) => {
  const project = await installedProject(t, (await matrixTarball(t)).path);
  addFile(project, 'imports.mjs', `${IMPORTING} console.log(await read());`);
  addFile(project, 'requires.cjs', `${REQUIRING} read().then(console.log);`);
  addFile(project, 'worker.mjs', IN_A_WORKER);
  addFile(project, 'refused.mjs', REFUSED);
  const ns = await ownNamespace(t);

  for (const { name, major, path } of nodeVersions()) {
    t.test(name, async (t) => {
      const version = await runIn(ns, project, path, '--version');
      t.match(version, `v${major}.`, 'it is that version');
      // require() of a module is an experiment, of which older versions warn.
      const quiet = ['--disable-warning=ExperimentalWarning'];
      const node = (...args: string[]) => runIn(ns, project, path, ...quiet, ...args);
      t.equal(await node('imports.mjs'), READ_A_FRAME, 'import');
      t.equal(await node('requires.cjs'), READ_A_FRAME, 'require');
      t.equal(await node('worker.mjs'), READ_A_FRAME, 'worker');

      const permission = [major === 20 ? '--experimental-permission' : '--permission', '--allow-fs-read=*'];
      const warnings = ['--disable-warning=SecurityWarning'];
      const restricted = (...args: string[]) => node(...permission, ...warnings, ...args);
      t.equal(
        await restricted('refused.mjs'),
        'ERR_TAPFD_ADDON_NOT_LOADED true\n',
        'what permission it lacks',
      );
      // Since 25, sockets are a permission too: that of this program, to make the kernel send something.
      const net = major >= 25 ? ['--allow-net'] : [];
      t.equal(await restricted('--allow-addons', ...net, 'imports.mjs'), READ_A_FRAME, 'with the permission');
      const worker = ['--allow-addons', '--allow-worker', ...net, 'worker.mjs'];
      t.equal(await restricted(...worker), READ_A_FRAME, 'a worker with the permission');
    });
  }
});
