/** Builds the C++ programs below `test/native/`, which drive parts of `native/` without Node. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { madeOnce } from './made-once.js';
import { inRepo } from './paths.js';

const execute = promisify(execFile);
const DRIVERS = inRepo('test/native');
const NATIVE = inRepo('native');

const FRAMES = readdirSync(join(NATIVE, 'frames'))
  .filter((name) => name.endsWith('.cc'))
  .map((name) => `frames/${name}`);
/** The addon's own flags, and every warning an error. */
const FLAGS = ['-std=c++17', '-fno-exceptions', '-fno-rtti', '-Wall', '-Wextra', '-Werror', '-pthread'];
const SANITIZERS = {
  address: ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-D_GLIBCXX_ASSERTIONS'],
  thread: ['-g', '-fsanitize=thread', '-fno-sanitize-recover=all', '-D_GLIBCXX_ASSERTIONS'],
};

/** What `links/rtnl_message_test` is linked with. */
export const RTNL_PARTS = [
  ...['links/rtnl/message.cc', 'links/link.cc', 'links/link_from_message.cc', 'links/link_request.cc'],
  ...['links/rtnl/socket.cc', 'sys/net_namespace.cc', 'sys/inside/user_namespace.cc', 'sys/looked_at.cc'],
];

export interface DriverOptions {
  /** Under AddressSanitizer and UndefinedBehaviorSanitizer, which end the program at the first fault. Default true. */
  sanitize?: boolean;
  /** Which: default `address`, with undefined behaviour; `thread` is ThreadSanitizer. */
  sanitizer?: 'address' | 'thread';
  /** Default: `-O1` under the sanitizers, else `-O2`. `-O0` compiles sooner, for what hardly runs. */
  optimize?: '-O0' | '-O1' | '-O2';
  /** Macros to define. */
  defines?: string[];
  /** The sources below `native/` that it is linked with. Default: all of `frames/`. */
  parts?: string[];
}

/** Builds `test/native/<name>.cc`, once for each version of the sources and flags, and returns the program's path. */
export async function buildDriver(
  name: string,
  {
    sanitize = true,
    sanitizer = 'address',
    optimize = sanitize ? '-O1' : '-O2',
    defines = [],
    parts = FRAMES,
  }: DriverOptions = {},
): Promise<string> {
  const flags = [
    ...FLAGS,
    optimize,
    ...(sanitize ? SANITIZERS[sanitizer] : []),
    ...defines.map((macro) => `-D${macro}`),
    `-I${NATIVE}`,
  ];
  // All at once, and each part for all drivers.
  const sources = [join(DRIVERS, `${name}.cc`), ...parts.map((part) => join(NATIVE, part))];
  const objects = await Promise.all(
    sources.map((source) =>
      compiled(`${basename(source)}.o`, [...flags, '-c', source], readFileSync(source), headers()),
    ),
  );
  return compiled(basename(name), [...flags, ...objects]);
}

/** What the compiler makes of these arguments; `inputs` is what else it depends on. */
function compiled(name: string, args: string[], ...inputs: (string | Buffer)[]): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(args));
  for (const input of inputs) hash.update(input);
  return madeOnce(`${process.arch}-${hash.digest('hex').slice(0, 16)}-${name}`, (output) =>
    execute(process.env.CXX ?? 'g++', [...args, '-o', output]),
  );
}

/** Of everything that a source may include. */
function headers(): string {
  const hash = createHash('sha256');
  for (const directory of [DRIVERS, NATIVE]) {
    for (const file of readdirSync(directory, { encoding: 'utf8', recursive: true }).sort()) {
      if (file.endsWith('.h')) hash.update(`${file}\n`).update(readFileSync(join(directory, file)));
    }
  }
  return hash.digest('hex');
}

/** Runs a program that {@link buildDriver} made. Throws with its output when it finds an error. */
export async function runDriver(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(program, args, { encoding: 'utf8' });
  return stdout.trim();
}
