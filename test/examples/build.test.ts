/** `npm run build:examples`: that each example compiles under its own settings, with its types. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { promisify } from 'node:util';
import t from 'tap';
import { inRepo } from '../kit/paths.js';

t.test('every example compiles', async (t) => {
  const directory = t.testdir();
  const tsc = [inRepo('node_modules/typescript/bin/tsc'), '-p', inRepo('examples/tsconfig.json')];
  await promisify(execFile)(process.execPath, [...tsc, '--outDir', directory]);
  const names = (directory: string, extension: string) =>
    readdirSync(directory)
      .filter((name) => name.endsWith(extension))
      .map((name) => name.slice(0, -extension.length));
  t.strictSame(names(directory, '.js'), names(inRepo('examples'), '.ts'));
});
