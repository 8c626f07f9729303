/** The tarball as a release makes it, and a project elsewhere on the disk that has installed it. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { run } from './namespace.js';
import { ROOT } from './paths.js';

interface Manifest {
  name: string;
  version: string;
  scripts: Record<string, string>;
  gypfile?: boolean;
  dependencies?: Record<string, string>;
}

export function readManifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
}

/** A directory outside the tree, from which the repository's node_modules cannot be found. */
function ownDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tapfd-package-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return directory;
}

/**
 * A working tree of the repository that is the test's own, with what such trees hold beside the package: builds,
 * caches, tests. Its addon is the one that `npm run build` has compiled.
 */
export function workingTree(t: Test): string {
  const tree = ownDirectory(t);
  for (const part of [
    'package.json',
    'package-lock.json',
    'binding.gyp',
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'tsconfig.json',
  ]) {
    cpSync(join(ROOT, part), join(tree, part));
  }
  for (const part of ['lib', 'native', 'src', 'docs', 'scripts', 'examples']) {
    cpSync(join(ROOT, part), join(tree, part), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
  for (const stray of ['build/Release', 'test', '.cache', '.tap', '.ci', 'docs/api']) {
    mkdirSync(join(tree, stray), { recursive: true });
    writeFileSync(join(tree, stray, 'stray.md'), 'not for the tarball');
  }
  return tree;
}

/** Links the addon anew from the objects compiled for the tests, with the hash of the tree's sources inside. */
const LINK_AGAIN = `#!/bin/sh
set -e
mkdir -p build/Release
g++ $CXXFLAGS -std=c++17 -fPIC -O2 -c native/node/prebuilt.cc -o prebuilt.o
objects=$(find "$TAPFD_OBJECTS" -name '*.o' ! -name prebuilt.o)
g++ -shared -pthread -Wl,-z,nodelete -Wl,-z,relro,-z,now $LDFLAGS $objects prebuilt.o -o build/Release/tapfd.node
`;

/**
 * Runs the tree's `npm run prebuilds -- --own`, which makes the prebuild of this system. A program that only links replaces
 * node-gyp: that compiling works is proved by the objects' existence.
 */
export async function prebuild(tree: string): Promise<string> {
  const compiler = join(tree, 'link-again');
  writeFileSync(compiler, LINK_AGAIN, { mode: 0o755 });
  const env = [`PREBUILD_NODE_GYP=${compiler}`, `TAPFD_OBJECTS=${join(ROOT, 'build/Release/obj.target')}`];
  return run('env', ...env, 'npm', '--prefix', tree, 'run', 'prebuilds', '--', '--own');
}

/** Whether the tree's `prepublishOnly` allows publishing, and what it says. */
export async function publishable(tree: string): Promise<string> {
  return run('npm', '--prefix', tree, 'run', 'prepublishOnly').then(
    (output) => `yes: ${output}`,
    (error: { stdout: string; stderr: string }) => `no: ${error.stdout}${error.stderr}`,
  );
}

export interface Packed {
  /** The tarball. */
  path: string;
  /** What is in it. */
  files: string[];
  bytes: number;
}

/**
 * Runs `npm pack` somewhere, with the scripts. Returns whether they allow it, and what is said.
 *
 * @param command environment variables may come first, as `NAME=value`
 */
export async function packWithScripts(cwd: string, ...command: string[]): Promise<string> {
  return promisify(execFile)('env', ['-C', cwd, ...command], { encoding: 'utf8' }).then(
    ({ stdout, stderr }) => `yes: ${stdout}${stderr}`,
    (error: { stdout: string; stderr: string }) => `no: ${error.stdout}${error.stderr}`,
  );
}

/**
 * `npm pack`. `lib/` is there already, so the script that would compile it is left out, and with it the check of the
 * prebuilds.
 */
export async function pack(tree: string): Promise<Packed> {
  const output = await run('npm', 'pack', tree, '--pack-destination', tree, '--json', '--ignore-scripts');
  const [{ filename, files, size }]: [{ filename: string; files: { path: string }[]; size: number }] =
    JSON.parse(output);
  return { path: join(tree, filename), files: files.map(({ path }) => path), bytes: size };
}

/** An empty project in which the tarball has been installed without scripts and without a network. */
export async function installedProject(t: Test, tarball: string): Promise<string> {
  const project = ownDirectory(t);
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'project', private: true, type: 'module' }),
  );
  // The dependencies that npm has fetched for the tree, so that the registry is not needed again.
  for (const name of dependenciesOf(ROOT)) {
    cpSync(join(ROOT, 'node_modules', name), join(project, 'node_modules', name), { recursive: true });
  }
  await run(
    'npm',
    ...['install', tarball, '--prefix', project, '--offline', '--ignore-scripts', '--no-audit', '--no-fund'],
  );
  return project;
}

/** The names of all dependencies of a package, direct and indirect. */
function dependenciesOf(directory: string): string[] {
  const direct = Object.keys(readManifest(directory).dependencies ?? {});
  return [...direct, ...direct.flatMap((name) => dependenciesOf(join(ROOT, 'node_modules', name)))];
}
