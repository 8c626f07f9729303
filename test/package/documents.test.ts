/** The documents are true: their code compiles, their links lead somewhere, their lists match the source. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import t from 'tap';
import ts from 'typescript';
import {
  anchors,
  codeBlocks,
  type Document,
  documents,
  linkTargets,
  readDocument,
  tableRows,
} from '../kit/markdown.js';
import { inRepo, ROOT } from '../kit/paths.js';

/** All text of the files below a directory. */
function source(directory: string): string {
  return readdirSync(inRepo(directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n');
}

t.test('every program in them, and every example of the reference, compiles', async (t) => {
  const directory = t.testdir();
  const blocks = [...documents(), ...sourceComments()]
    .flatMap(codeBlocks)
    .filter(({ language }) => ['js', 'ts'].includes(language));
  t.ok(blocks.length > 40);
  const places = new Map(
    blocks.map(({ code, place }, i) => {
      const file = join(directory, `block-${i}.ts`);
      writeFileSync(file, code);
      return [file, place];
    }),
  );
  const program = ts.createProgram([...places.keys()], {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ['node'],
  });
  const wrong = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    const place = places.get(file?.fileName ?? '') ?? file?.fileName;
    return `${place}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
  t.same(wrong, []);
});

/** The examples in the comments of the library's source, as documents. */
function sourceComments(): Document[] {
  return readdirSync(inRepo('src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({
      path: `src/${name}`,
      text: readFileSync(inRepo('src', name), 'utf8').replace(/^ *\* ?/gm, ''),
    }));
}

t.test('every main call has an example', async (t) => {
  const entries = ['index', 'qemu/index'].map((name) => inRepo('src', `${name}.ts`));
  const settings = ts.getParsedCommandLineOfConfigFile(
    inRepo('tsconfig.json'),
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: () => undefined,
    },
  );
  const program = ts.createProgram(entries, settings?.options ?? {});
  const checker = program.getTypeChecker();
  const calls = entries.flatMap((entry) => {
    const file = program.getSourceFile(entry);
    const module = file && checker.getSymbolAtLocation(file);
    return module === undefined ? [] : checker.getExportsOfModule(module);
  });
  const functions = calls
    .map((symbol) =>
      (symbol.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(symbol) : symbol,
    )
    .filter((symbol) => (symbol.flags & ts.SymbolFlags.Function) !== 0);
  t.ok(functions.length > 15);
  for (const symbol of functions) {
    const tags = symbol.getJsDocTags(checker).map(({ name }) => name);
    t.ok(tags.includes('example'), symbol.name);
  }
});

t.test('every link leads somewhere', async (t) => {
  const all = new Map(documents().map((document) => [document.path, document]));
  for (const document of all.values()) {
    for (const target of linkTargets(document)) {
      if (/^https?:/.test(target)) continue;
      const [file, anchor] = target.split('#');
      const path = file === '' ? document.path : normalize(join(dirname(document.path), file));
      t.ok(existsSync(inRepo(path)), `${document.path}: ${target}`);
      if (anchor === undefined) continue;
      const found = all.get(path);
      t.ok(found !== undefined && anchors(found).includes(anchor), `${document.path}: ${target}`);
    }
  }
});

t.test('every code of the library is in docs/errors.md, and no other', async (t) => {
  const codes = (text: string) => [...new Set(text.match(/ERR_TAPFD_[A-Z_]*[A-Z]/g))].sort();
  const explained = tableRows(readDocument('docs/errors.md')).flatMap(([code]) => codes(code));
  t.same(explained.sort(), codes(`${source('src')}\n${source('native')}`));
});

t.test('every failure with a remedy is in docs/errors.md, and no other', async (t) => {
  const remedies = readFileSync(inRepo('src/base/remedies.ts'), 'utf8');
  const table = remedies.slice(remedies.indexOf('REMEDIES'), remedies.indexOf('\n};'));
  const keys = [...table.matchAll(/^ {2}'?([A-Za-z0-9_ ]*[A-Z0-9])'?:/gm)].map(([, key]) => key);
  t.ok(keys.includes('rtnetlink ENODEV') && keys.includes('EPERM'));
  const tunSetIff = readFileSync(inRepo('src/devices/tunsetiff-remedy.ts'), 'utf8');
  for (const [, code] of tunSetIff.matchAll(/case '([A-Z0-9]+)':/g)) keys.push(`ioctl TUNSETIFF ${code}`);
  const explained = tableRows(readDocument('docs/errors.md'))
    .flatMap(([cell]) => [...cell.matchAll(/`([^`]+)`/g)].map(([, key]) => key))
    .filter((key) => !key.startsWith('ERR_'));
  t.same(explained.sort(), keys.sort());
});

t.test('every finding of diagnose() is in docs/diagnosis.md, and no other', async (t) => {
  const finding = readFileSync(inRepo('src/diagnose/finding.ts'), 'utf8');
  const codes = [...finding.slice(finding.indexOf('type FindingCode')).matchAll(/^ {2}\| '([a-z-]+)'/gm)];
  const explained = tableRows(readDocument('docs/diagnosis.md')).flatMap(([code]) => [
    ...code.matchAll(/`([^`]+)`/g),
  ]);
  t.ok(codes.length > 10);
  t.same(explained.map(([, code]) => code).sort(), codes.map(([, code]) => code).sort());
});

t.test('every fact in docs/kernel.md has its test', async (t) => {
  const facts = tableRows(readDocument('docs/kernel.md')).filter(([, shown]) => shown.includes('`test/'));
  t.ok(facts.length > 40);
  for (const [fact, shown] of facts) {
    const [, file, title] = /^`(test\/[^`]+)`: (.+)$/.exec(shown) ?? [];
    t.ok(file !== undefined && existsSync(inRepo(file)), `${fact}: ${shown}`);
    const text = readFileSync(inRepo(file), 'utf8').replaceAll("\\'", "'");
    const name = title.replace(/^tap: |^macvtap: /, '');
    t.ok(
      [`'${title}'`, `"${title}"`, `\`\${kind}: ${name}\``].some((literal) => text.includes(literal)),
      `${file}: ${title}`,
    );
  }
});

t.test('every export is documented, and every link in the reference leads somewhere', async (t) => {
  const typedoc = inRepo('node_modules/typedoc/bin/typedoc');
  const { status, stdout, stderr } = spawnSync(process.execPath, [typedoc, '--emit', 'none'], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, NODE_V8_COVERAGE: undefined },
  });
  t.equal(status, 0, `${stdout}${stderr}`);
});
