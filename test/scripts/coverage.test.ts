/** Which files of `src/` have lines that count. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { typesOnly } from '#scripts/test/coverage.mjs';
import { inRepo } from '../kit/paths.js';

t.test('files that hold types alone do not count', async (t) => {
  const compiled = t.testdir({
    'types.js': '/** Types. */\nexport {};\n//# sourceMappingURL=types.js.map',
    folder: { 'more.js': '/**\n * More.\n */\n/* c8 ignore start */ // and why\nexport {};\n' },
    'value.js': 'export const one = 1;\n',
    // It only imports types, exports nothing, and does something.
    'program.js': 'console.log(1);\nexport {};\n',
    'imports.js': "import './value.js';\n",
    'types.d.ts': 'export {};\n',
  });
  t.same(typesOnly(compiled).sort(), ['src/folder/more.ts', 'src/types.ts']);
});

t.test('those of the library have no function, class or constant', async (t) => {
  const files = typesOnly();
  t.ok(files.includes('src/links/options.ts'));
  for (const file of files) {
    t.notMatch(
      readFileSync(inRepo(file), 'utf8'),
      /^(export )?(async )?(function|class|const|let|enum)\b/m,
      file,
    );
  }
});
