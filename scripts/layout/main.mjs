/** `npm run layout`: draws the folders and writes their table, after something has moved. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../prepare.mjs';
import { runScript, say } from '../run-command.mjs';
import { importsOfCpp, importsOfTypeScript } from './imports.mjs';
import { pictureOf } from './picture.mjs';
import { withTable } from './table.mjs';

await runScript(async () => {
  const imports = [...(await importsOfTypeScript()), ...importsOfCpp()];
  writeFileSync(join(ROOT, 'docs/pictures/layout.svg'), pictureOf(imports));
  const document = join(ROOT, 'docs/development.md');
  writeFileSync(document, withTable(readFileSync(document, 'utf8')));
  say('docs/pictures/layout.svg, and the table in docs/development.md');
});
