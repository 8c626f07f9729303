/** Builds the C++ programs of this directory, which drive parts of `native/` without Node. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const HERE = fileURLToPath(new URL('.', import.meta.url));
const NATIVE = fileURLToPath(new URL('../../native', import.meta.url));
const CACHE = fileURLToPath(new URL('../../.cache', import.meta.url));

/** What the drivers are made of, beside their own source. */
const PARTS = ['checksum.cc', 'coalesce.cc', 'frame_io.cc', 'segment.cc', 'segment_io.cc'];
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

/** Builds `test/native/<name>.cc`, once for each version of the sources and flags, and returns the program's path. */
export async function buildDriver(
  name: string,
  { sanitize = true, defines = [] }: DriverOptions = {},
): Promise<string> {
  const sources = [join(HERE, `${name}.cc`), ...PARTS.map((part) => join(NATIVE, part))];
  const flags = [
    ...FLAGS,
    ...(sanitize ? SANITIZERS : ['-O2']),
    ...defines.map((macro) => `-D${macro}`),
    `-I${NATIVE}`,
  ];
  const program = join(CACHE, `${name}-${process.arch}-${fingerprint(flags)}`);
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  await execute(process.env.CXX ?? 'g++', [...flags, '-o', unfinished, ...sources]);
  renameSync(unfinished, program);
  return program;
}

/** Of everything a driver may include. */
function fingerprint(flags: string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(flags.slice(0, -1)));
  for (const directory of [HERE, NATIVE]) {
    for (const file of readdirSync(directory).sort()) {
      const isSource = directory === HERE ? file.endsWith('.cc') : PARTS.includes(file);
      if (!isSource && !file.endsWith('.h')) continue;
      hash.update(`${basename(dirname(join(directory, file)))}/${file}\n`);
      hash.update(readFileSync(join(directory, file)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

/** Runs a program that {@link buildDriver} made. Throws, with what it said, when it finds something wrong. */
export async function runDriver(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(program, args, { encoding: 'utf8' });
  return stdout.trim();
}
