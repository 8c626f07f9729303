/** What a tarball may hold, of a repository that is made up. */
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { uncommittedFaults } from '#scripts/package/contents.mjs';
import { findCommand } from '#scripts/run-command.mjs';
import { run } from '../kit/namespace.js';

const skip = findCommand('git') === undefined && 'there is no git';

t.test('a file that nobody has committed is not packed', { skip }, async (t) => {
  const root = realpathSync(
    t.testdir({
      'README.md': '',
      docs: { 'a.md': '', 'draft.md': '' },
      lib: { 'a.js': '', 'a.d.ts': '', 'stray.js': '' },
      src: { 'a.ts': '', 'stray.ts': '' },
    }),
  );
  const files = ['README.md', 'docs/a.md', 'docs/draft.md', 'lib/a.js', 'lib/a.d.ts', 'lib/stray.js'];
  t.same(
    await uncommittedFaults([...files, 'prebuilds/x.node'], join(root, 'docs')),
    [],
    'no checkout of its own',
  );
  await run('git', '-C', root, 'init', '--quiet');
  await run('git', '-C', root, 'add', 'README.md', 'docs/a.md', 'src/a.ts');
  t.same(await uncommittedFaults([...files, 'prebuilds/x.node'], root), [
    'docs/draft.md is not in git',
    'src/stray.ts is not in git',
  ]);
  t.same(await uncommittedFaults(files, join(root, 'docs')), []);
});
