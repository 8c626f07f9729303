/** Bun and Deno: what `npm run test:runtimes` runs in full, in part. They come from npm, on demand. */
import t from 'tap';
import { runFile } from '#scripts/test/run-file.mjs';
import { installRuntimes, prepareTests, runtimes, subset } from '#scripts/test/runtimes.mjs';
import { needs } from '../kit/capabilities.js';
import { NODE } from '../kit/paths.js';

t.setTimeout(280_000);

t.test(
  'a part of the tests on both',
  { skip: needs('root', 'tun-device', 'netns', 'python3', 'ip') },
  async (t) => {
    await installRuntimes();
    prepareTests();
    for (const runtime of Object.values(runtimes())) {
      for (const path of subset()) {
        const { ok, output, report } = await runFile(path, { TAPFD_TEST_NODE: NODE }, runtime);
        t.ok(ok, `${runtime.name} ${path}: ${report.passed} passed`);
        if (!ok) t.comment(output);
      }
    }
  },
);
