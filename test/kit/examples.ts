/** The examples as programs: compiled as `npm run build:examples` does, and run in processes of their own. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import ts from 'typescript';
import { inRepo } from './paths.js';
import { outsideEnvironment, type StartedProgram, startProgram } from './started-program.js';

/**
 * The directory of the compiled examples, made once for each version of them. Their types are checked elsewhere
 * (test/examples/build.test.ts).
 */
export function compiledExamples(): string {
  const names = readdirSync(inRepo('examples')).filter((entry) => entry.endsWith('.ts'));
  const sources = names.map((name) => readFileSync(inRepo('examples', name), 'utf8'));
  const hash = createHash('sha256').update(JSON.stringify([ts.version, names, sources]));
  const directory = inRepo('.cache', `examples-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(directory)) return directory;
  const unfinished = `${directory}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  for (const [i, name] of names.entries()) {
    writeFileSync(join(unfinished, name.replace(/\.ts$/, '.js')), compiled(sources[i]));
  }
  try {
    renameSync(unfinished, directory);
  } catch (error) {
    // Another test has made the same in the meantime.
    rmSync(unfinished, { recursive: true });
    if (!existsSync(directory)) throw error;
  }
  return directory;
}

function compiled(source: string): string {
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      rewriteRelativeImportExtensions: true,
    },
  });
  return outputText;
}

/** Starts an example. `place` is a command line to run Node with: `['ip', 'netns', 'exec', 'NAME']`. */
export function startExample(
  t: Pick<Test, 'teardown'>,
  name: string,
  args: readonly string[] = [],
  place: readonly string[] = [],
): StartedProgram {
  const [command = '', ...rest] = [
    ...place,
    process.execPath,
    join(compiledExamples(), `${name}.js`),
    ...args,
  ];
  const program = startProgram(command, rest, { env: outsideEnvironment() });
  t.teardown(async () => {
    program.kill('SIGTERM');
    await program.ended;
  });
  return program;
}

/** Runs an example, which must succeed, and returns what it printed. */
export async function runExample(
  t: Pick<Test, 'teardown'>,
  name: string,
  args: readonly string[] = [],
): Promise<string> {
  const { code, printed } = await startExample(t, name, args).ended;
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${printed}`);
  return printed;
}
