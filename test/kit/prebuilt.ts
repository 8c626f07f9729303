/** Runs what `npm run prebuilds` made, and programs for the same systems. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compilerCaches, compilerFor, installCompiler } from '#scripts/prebuilds/compiler.mjs';
import type { Target } from '#scripts/prebuilds/targets.mjs';
import { inRepo } from './paths.js';

const execute = promisify(execFile);

/** Before a command: an emulator, for the processor of another machine. */
export function emulator({ arch }: Target): string[] {
  return arch === process.arch ? [] : ['qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu'];
}

/** Builds a program of C or C++ for a target. */
export async function buildFor(
  target: Target,
  directory: string,
  name: string,
  ...args: string[]
): Promise<string> {
  const own = join(directory, `${target.arch}-${target.libc}`);
  mkdirSync(own, { recursive: true });
  const { CC, CXX } = compilerFor(await installCompiler(), target, own);
  const output = join(own, name);
  const compiler = args.some((arg) => arg.endsWith('.cc'))
    ? [CXX, '-std=c++17', '-fno-exceptions', '-fno-rtti']
    : [CC];
  await execute(compiler[0] ?? CXX, [...compiler.slice(1), '-O1', '-pthread', '-s', ...args, '-o', output], {
    env: { ...process.env, ...compilerCaches(own) },
  });
  return output;
}

/** Runs a program for a target, with the emulator where it takes one. */
export async function runFor(target: Target, program: string, ...args: string[]): Promise<string> {
  const [command = program, ...rest] = [...emulator(target), program, ...args];
  return (await execute(command, rest, { encoding: 'utf8' })).stdout.trim();
}

/**
 * Builds a program for musl on this machine that loads an addon as node does, all its symbols at once, and says that it has
 * an entry. It has functions of the names that only node would have; none of them is called. zig links every program for musl
 * statically, and such a program loads nothing: so this is musl's own compiler.
 */
export async function buildMuslLoader(directory: string, symbols: readonly string[]): Promise<string> {
  const stubs = symbols.map((name) => `void ${name}(void) { __builtin_trap(); }`).join('\n');
  const source = join(directory, 'loader.c');
  writeFileSync(
    source,
    `#include <dlfcn.h>
#include <stdio.h>
${stubs}
int main(int count, char** args) {
  void* addon = dlopen(args[1], RTLD_NOW);
  if (addon == NULL) return printf("%s\\n", dlerror()), 1;
  puts(dlsym(addon, "napi_register_module_v1") == NULL ? "no entry" : "loads");
  return 0;
}
`,
  );
  const loader = join(directory, 'loader');
  await execute('musl-gcc', ['-rdynamic', source, '-o', loader]);
  return loader;
}

/** The sources of a native test program, and the parts of native/ that it drives. */
export function nativeProgram(name: string, parts: readonly string[]): string[] {
  const sources = [inRepo('test/native', `${name}.cc`), ...parts.map((part) => inRepo('native', part))];
  return [`-I${inRepo('native')}`, '-static', ...sources];
}
