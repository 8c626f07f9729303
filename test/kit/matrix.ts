/** Programs that use the installed tarball, for every version of Node and every tool that it is tried with. */
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { onDemandDirectory } from '#scripts/on-demand.mjs';
import { readSharedObject } from '#scripts/prebuilds/elf.mjs';
import { sourceHash } from '#scripts/prebuilds/source-hash.mjs';
import { faultsOf, TARGETS } from '#scripts/prebuilds/targets.mjs';
import type { TestNamespace } from './namespace.js';
import { inRepo } from './paths.js';
import { type Packed, pack, prebuild, workingTree } from './release.js';

/** What a program prints after it has read a frame. */
export const READ_A_FRAME = 'read a frame: who has 10.9.0.2?\n';

/**
 * The body of an async function that opens a TAP in the namespace of its process, has the kernel ask for an address, and
 * returns what it says when it has read the question. Uses `openTap` and `createSocket`.
 */
export const READING = `
  const tap = await openTap({ addresses: ['10.9.0.1/24'] });
  const socket = createSocket('udp4').unref();
  socket.send('x', 9, '10.9.0.2');
  try {
    for await (const frame of tap) {
      const isArp = frame.readUInt16BE(12) === 0x0806;
      if (isArp && frame.subarray(38, 42).join('.') === '10.9.0.2') return 'read a frame: who has 10.9.0.2?';
    }
  } finally {
    tap.destroy();
    socket.close();
  }`;

export const IMPORTING = `
  import { createSocket } from 'node:dgram';
  import { openTap } from 'tapfd';
  const read = async () => {${READING}};
`;
export const REQUIRING = `
  const { createSocket } = require('node:dgram');
  const { openTap } = require('tapfd');
  const read = async () => {${READING}};
`;

const runtimes = `test/package/matrix/runtimes-${process.arch}`;
const tools = 'test/package/matrix/tools';

/** The versions of Node, as `node20`, and where they are. */
export function nodeVersions(): { name: string; major: number; path: string }[] {
  const manifest: { dependencies: Record<string, string> } = JSON.parse(
    readFileSync(inRepo(runtimes, 'package.json'), 'utf8'),
  );
  return Object.keys(manifest.dependencies).map((name) => ({
    name,
    major: Number(name.replace('node', '')),
    path: join(onDemandDirectory(runtimes), 'node_modules', name, 'bin/node'),
  }));
}

/** A file of a tool. */
export function toolFile(...parts: string[]): string {
  return join(onDemandDirectory(tools), 'node_modules', ...parts);
}

/** Makes tools importable in a project. */
export function linkTools(project: string, ...names: string[]): void {
  for (const name of names) {
    const place = join(project, 'node_modules', name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(toolFile(name), place);
  }
}

/** The tarball: with all prebuilds if the repository has those of its sources, else with that of this system. */
export async function matrixTarball(t: Test): Promise<Packed> {
  const tree = workingTree(t);
  const hash = sourceHash(tree);
  const isFit = (target: (typeof TARGETS)[number]) => {
    if (!existsSync(inRepo(target.file))) return false;
    const content = readFileSync(inRepo(target.file));
    return faultsOf(readSharedObject(content), content.length, target, hash).length === 0;
  };
  if (TARGETS.every(isFit)) cpSync(inRepo('prebuilds'), join(tree, 'prebuilds'), { recursive: true });
  else await prebuild(tree);
  t.comment(`with ${readdirSync(join(tree, 'prebuilds'), { recursive: true }).join(' ')}`);
  return pack(tree);
}

/** Runs a program in a namespace, in a directory. Throws with its output when it fails. */
export async function runIn(ns: TestNamespace, cwd: string, ...command: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)('ip', ['netns', 'exec', ns.name, ...command], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', CI: '1' },
  });
  return `${stdout}${stderr}`;
}

/** Writes a file of a project. */
export function addFile(project: string, name: string, text: string): string {
  const path = join(project, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}
