/**
 * Runs before `npm pack` and `npm publish`, which end if it fails: compiles the TypeScript anew, and refuses a tarball that
 * lacks a prebuild, has one of other sources, or holds anything but what contents.mjs lists.
 *
 * `TAPFD_PARTIAL_TARBALL=1` accepts missing prebuilds, for a tarball that is only to be tried here. Publishing never does.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { checkPrebuilds } from '../prebuilds/check.mjs';
import { ROOT } from '../prepare.mjs';
import { capture, runScript, Trouble } from '../run-command.mjs';
import { checkContents, isPartialWanted } from './contents.mjs';

await runScript(async () => {
  const partial = isPartialWanted();
  if (partial && process.env.npm_command === 'publish') {
    throw new Trouble(
      'TAPFD_PARTIAL_TARBALL is set, and a partial tarball is not published',
      'unset it, and run npm run prebuilds',
    );
  }
  // Standard output belongs to npm, which may print JSON there.
  process.stderr.write(`${checkPrebuilds({ partial }).join('\n')}\n`);
  rmSync(join(ROOT, 'lib'), { recursive: true, force: true });
  // For who reads it, the declarations have the comments.
  await compile('--removeComments', '--declaration', 'false');
  await compile('--emitDeclarationOnly');
  await checkContents({ partial });
});

/**
 * Without the record of what was compiled: the next build compiles all of it again, with maps.
 *
 * @param {...string} options
 */
async function compile(...options) {
  const whole = ['--incremental', 'false', '--tsBuildInfoFile', 'null', '--sourceMap', 'false'];
  const { status, output } = await capture(
    process.execPath,
    [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.json'), ...whole, ...options],
    { cwd: ROOT },
  );
  if (status !== 0) throw new Trouble(`the TypeScript does not compile:\n${output}`);
}
