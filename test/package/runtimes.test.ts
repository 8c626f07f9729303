/** Bun and Deno: what `npm run test:runtimes` runs in full, in part. They come from npm, on demand. */
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { runFile } from '#scripts/test/run-file.mjs';
import { chosenFiles, installRuntimes, prepareTests, runnable, runtimes } from '#scripts/test/runtimes.mjs';
import { needs } from '../kit/capabilities.js';
import { inRepo, NODE } from '../kit/paths.js';

t.setTimeout(590_000);

const { subset, kernel, leftOut } = chosenFiles();
const TITLES: Record<string, string> = { bun: 'Bun', deno: 'Deno' };

t.test('what is left out is in the table of the guide, by name and with its cause', (t) => {
  const guide = readFileSync(inRepo('docs/runtimes.md'), 'utf8');
  const rows = leftOut.map(
    ({ path, runtimes, cause }) =>
      `| \`${path}\` | ${runtimes.map((name) => TITLES[name]).join(', ')} | ${cause} |`,
  );
  const table = guide.split('\n').filter((line) => line.startsWith('| `test/'));
  t.same(table, rows);
  for (const path of [...subset, ...kernel, ...leftOut.map(({ path }) => path)]) {
    t.ok(existsSync(inRepo(path)), path);
  }
  t.end();
});

t.test(
  'a part of the tests on both',
  { skip: needs('root', 'tun-device', 'netns', 'python3', 'ip') },
  async (t) => {
    await installRuntimes();
    prepareTests();
    for (const runtime of Object.values(runtimes())) {
      for (const path of runnable(runtime.name, subset)) {
        const { ok, output, report } = await runFile(path, { TAPFD_TEST_NODE: NODE }, runtime);
        t.ok(ok, `${runtime.name} ${path}: ${report.passed} passed`);
        if (!ok) t.comment(output);
      }
    }
  },
);
