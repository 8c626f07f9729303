/** The example that plugs a card into a running guest. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import ts from 'typescript';
import { needs } from '../kit/capabilities.ts';
import { guestImage } from '../kit/guest-image.ts';
import { inRepo } from '../kit/paths.js';

const EXAMPLES = inRepo('examples');

t.setTimeout(240_000);

t.test(
  'a card in and out of a running guest',
  { skip: needs('root', 'tun-device', 'bridge', 'guest') },
  async (t) => {
    // Within the package, which the programs import by its name.
    const directory = t.testdir();
    for (const name of ['hot-plug', 'guest', 'guest-console', 'ethernet-host']) {
      const { outputText } = ts.transpileModule(readFileSync(join(EXAMPLES, `${name}.ts`), 'utf8'), {
        compilerOptions: {
          module: ts.ModuleKind.ESNext,
          target: ts.ScriptTarget.ES2022,
          rewriteRelativeImportExtensions: true,
        },
      });
      writeFileSync(join(directory, `${name}.js`), outputText);
    }
    const env = { ...process.env, NODE_V8_COVERAGE: undefined, NODE_OPTIONS: '' };
    const program = [join(directory, 'hot-plug.js'), dirname(guestImage().kernel)];
    const { stdout } = await promisify(execFile)(process.execPath, program, { env });
    t.match(stdout, /has one with 52:54:00:.* after [0-9.]+ s\nJavaScript answered 2 pings\n/);
    t.match(stdout, /the cable was pulled\nthe card is gone: lo is left in the guest\n$/);
    t.comment(stdout);
  },
);
