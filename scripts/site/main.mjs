/**
 * `npm run docs`: the site, into docs/site/dist: guides, examples and the API reference. Installs its tools into docs/site
 * when they are missing.
 *
 *     npm run docs                 builds it, and checks every link
 *     npm run docs:dev             serves it on this machine, and shows changes of the documents at once
 *     npm run docs -- --serve      builds it, and serves the result on this machine
 *
 * TAPFD_SITE_BASE is the path it will be served below: `/tapfd/`. Default: `/`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installDependencies, ROOT } from '../prepare.mjs';
import { runScript, say, step, Trouble } from '../run-command.mjs';
import { faultsOf } from './check.mjs';
import { buildReference } from './reference.mjs';
import { SITE, stagePages } from './stage.mjs';

const vitepress = join(SITE, 'node_modules/vitepress/bin/vitepress.js');
/** Directories whose files become pages. */
const WATCHED = ['.', 'docs', 'docs/site', 'examples'];

await runScript(async () => {
  const { values } = parseArgs({ options: { dev: { type: 'boolean' }, serve: { type: 'boolean' } } });
  await installDependencies();
  await installDependencies(SITE);
  await buildReference();
  stagePages();
  if (values.dev) {
    await showChanges();
    return;
  }
  await step('the site', process.execPath, [vitepress, 'build', SITE], { cwd: SITE });
  const faults = faultsOf(join(SITE, 'dist'), process.env.TAPFD_SITE_BASE ?? '/');
  if (faults.length > 0) throw new Trouble(`links that lead nowhere:\n${faults.join('\n')}`);
  say('the site is in docs/site/dist');
  if (values.serve) await serve('preview');
});

/** Serves the pages, and writes them anew when a document changes. The reference stays as it is. */
async function showChanges() {
  /** @type {NodeJS.Timeout | undefined} */
  let soon;
  const watchers = WATCHED.map((directory) =>
    watch(join(ROOT, directory), (_event, name) => {
      if (name === null || !/\.(md|ts|html|svg)$/.test(name)) return;
      clearTimeout(soon);
      soon = setTimeout(stagePages, 100);
    }),
  );
  await serve('dev');
  clearTimeout(soon);
  for (const watcher of watchers) watcher.close();
}

/** @param {'dev' | 'preview'} command */
async function serve(command) {
  const server = spawn(process.execPath, [vitepress, command, SITE], { cwd: SITE, stdio: 'inherit' });
  await once(server, 'exit');
}
