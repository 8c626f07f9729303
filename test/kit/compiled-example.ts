/** An example as a program of its own, for tests that run it from outside: what `npm run build:examples` makes of it. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import ts from 'typescript';
import { inRepo } from './paths.js';

const EXAMPLES = inRepo('examples');

/** Compiles all examples without checking their types, in the test's own directory, and returns the path of `name`. */
export function compiledExample(t: Test, name: string): string {
  const directory = t.testdir({});
  for (const file of readdirSync(EXAMPLES).filter((entry) => entry.endsWith('.ts'))) {
    const { outputText } = ts.transpileModule(readFileSync(join(EXAMPLES, file), 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
      },
    });
    writeFileSync(join(directory, file.replace(/\.ts$/, '.js')), outputText);
  }
  return join(directory, `${name}.js`);
}
