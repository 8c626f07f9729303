/** Builds the C++ programs below `test/native/`, which drive parts of `native/` without Node. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { inRepo } from './paths.js';

const execute = promisify(execFile);
const SOURCES = inRepo('test/native/frames');
const NATIVE = inRepo('native');
const CACHE = inRepo('.cache');

/** The parts of the library that every driver is linked with. */
const PARTS = readdirSync(join(NATIVE, 'frames'))
  .filter((name) => name.endsWith('.cc'))
  .map((name) => join(NATIVE, 'frames', name));
/** The addon's own flags, and every warning an error. */
const FLAGS = ['-std=c++17', '-fno-exceptions', '-fno-rtti', '-Wall', '-Wextra', '-Werror', '-pthread'];
const SANITIZERS = [
  '-O1',
  '-g',
  '-fsanitize=address,undefined',
  '-fno-sanitize-recover=all',
  '-D_GLIBCXX_ASSERTIONS',
];

export interface DriverOptions {
  /** Under AddressSanitizer and UndefinedBehaviorSanitizer, which end the program at the first fault. Default true. */
  sanitize?: boolean;
  /** Macros to define. */
  defines?: string[];
}

/** Builds `test/native/frames/<name>.cc`, once for each version of the sources and flags, and returns the program's path. */
export async function buildDriver(
  name: string,
  { sanitize = true, defines = [] }: DriverOptions = {},
): Promise<string> {
  const flags = [
    ...FLAGS,
    ...(sanitize ? SANITIZERS : ['-O2']),
    ...defines.map((macro) => `-D${macro}`),
    `-I${NATIVE}`,
  ];
  // All at once, and each part for all drivers.
  const sources = [join(SOURCES, `${name}.cc`), ...PARTS];
  const objects = await Promise.all(sources.map((source) => made(source, '.o', [...flags, '-c', source])));
  return made(objects.join('\n'), '', [...flags, ...objects], name);
}

/** What the compiler makes of these arguments, once for each version of `source` and of the headers. */
async function made(
  source: string,
  extension: string,
  args: string[],
  name = basename(source),
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(args)).update(headers());
  hash.update(existsSync(source) ? readFileSync(source) : source);
  const output = join(CACHE, `${name}-${process.arch}-${hash.digest('hex').slice(0, 16)}${extension}`);
  if (existsSync(output)) return output;
  mkdirSync(CACHE, { recursive: true });
  // Another test may be making the same.
  const unfinished = `${output}.${process.pid}`;
  await execute(process.env.CXX ?? 'g++', [...args, '-o', unfinished]);
  renameSync(unfinished, output);
  return output;
}

/** Of everything that a source may include. */
function headers(): string {
  const hash = createHash('sha256');
  for (const directory of [SOURCES, join(SOURCES, '..'), NATIVE]) {
    for (const file of readdirSync(directory, { encoding: 'utf8', recursive: true }).sort()) {
      if (file.endsWith('.h')) hash.update(`${file}\n`).update(readFileSync(join(directory, file)));
    }
  }
  return hash.digest('hex');
}

/** Runs a program that {@link buildDriver} made. Throws, with what it said, when it finds something wrong. */
export async function runDriver(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(program, args, { encoding: 'utf8' });
  return stdout.trim();
}
