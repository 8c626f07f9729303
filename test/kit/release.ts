/** The tarball as a release makes it, and a project elsewhere on the disk that has installed it. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

/**
 * Runs the tree's `npm run prebuilds`. A program that copies the addon compiled for the tests replaces node-gyp: that
 * compiling works is proved by the addon's existence.
 */
export async function prebuild(tree: string): Promise<string> {
  const compiled = join(ROOT, 'build', 'Release', 'tapfd.node');
  const compiler = join(tree, 'copy-addon');
  writeFileSync(compiler, `#!/bin/sh\nmkdir -p build/Release && cp '${compiled}' build/Release/\n`, {
    mode: 0o755,
  });
  return run('env', `PREBUILD_NODE_GYP=${compiler}`, 'npm', '--prefix', tree, 'run', 'prebuilds');
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

/** `npm pack`. `lib/` is there already, so the script that would compile it is left out. */
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
