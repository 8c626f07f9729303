/** The layout of src/ and native/: imports run one way, only native/node/ knows Node-API, nothing grows too large. */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import t from 'tap';
import {
  circlesIn,
  filesBelow,
  type Import,
  importsOfCpp,
  importsOfTypeScript,
  includesOf,
} from '#scripts/layout/imports.mjs';
import { pictureOf } from '#scripts/layout/picture.mjs';
import { FOLDERS, folderOf, mayImport, withTable } from '#scripts/layout/table.mjs';
import { inRepo } from '../kit/paths.js';

const MAX_FILES = 15;
const MAX_LINES = 350;
/** These belong to the folder that knows Node. */
const NODE_HEADERS = /^#include [<"](napi\.h|node_api\.h|js_native_api\.h|uv\.h)[>"]/gm;

function upward(imports: readonly Import[]): string[] {
  return imports
    .filter(({ from, to }) => !mayImport(folderOf(from).path).has(folderOf(to).path))
    .map(({ from, to }) => `${from} -> ${to}`);
}

t.test('imports run one way', async (t) => {
  const imports = [...(await importsOfTypeScript()), ...importsOfCpp()];
  t.ok(imports.length > 300, `${imports.length} imports were found`);
  t.same(circlesIn(imports), []);
  t.same(upward(imports), []);
  const wrong = { from: 'src/base/checks.ts', to: 'src/frames/stream.ts' };
  t.same(upward([wrong]), ['src/base/checks.ts -> src/frames/stream.ts'], 'an upward import is seen');
  const back = { from: 'src/frames/stream.ts', to: 'src/base/checks.ts' };
  t.same(circlesIn([wrong, back]), [[wrong.from, back.from, wrong.from]], 'a circle is seen');
});

t.test('only native/node/ knows Node-API and libuv', async (t) => {
  const knowing = filesBelow('native').filter((file) => includesOf(file, NODE_HEADERS).length > 0);
  t.ok(knowing.length > 5);
  t.same(
    knowing.filter((file) => folderOf(file).path !== 'native/node'),
    [],
  );
});

t.test('no folder and no file is too full', async (t) => {
  const files = ['src', 'native'].flatMap(filesBelow);
  const counts = new Map<string, number>();
  for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  t.same(
    [...counts].filter(([, count]) => count > MAX_FILES),
    [],
  );
  const lines = (file: string) => readFileSync(inRepo(file), 'utf8').split('\n').length - 1;
  t.same(
    files.filter((file) => lines(file) > MAX_LINES).map((file) => `${file}: ${lines(file)}`),
    [],
  );
});

t.test('each folder says what lives there', async (t) => {
  for (const { path, main, sentence } of FOLDERS) {
    const head = readFileSync(inRepo(path, main), 'utf8').slice(0, 1500);
    const words = head.replace(/^ *(\/\*\*|\*\/|\*|\/\/) ?/gm, '').replace(/\s+/g, ' ');
    t.ok(words.includes(`${path}/: ${sentence}`), `${path}/${main}: ${sentence}`);
  }
});

t.test('docs/development.md has its picture and its table', async (t) => {
  const document = readFileSync(inRepo('docs/development.md'), 'utf8');
  t.equal(withTable(document), document, 'npm run layout writes it');
  const picture = pictureOf([...(await importsOfTypeScript()), ...importsOfCpp()]);
  t.equal(readFileSync(inRepo('docs/pictures/layout.svg'), 'utf8'), picture, 'npm run layout draws it');
});
