/** The descriptors of processes, to check that none leaks or gets lost. */
import { closeSync, mkdtempSync, openSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Test } from 'tap';
import { inRepo } from './paths.js';

/** A directory with a path short enough for a socket, whose path the kernel limits to 107 bytes. */
export function socketDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tapfd-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Whatever another thread closes is closed by then; what remains open is a leak. */
const SETTLE_MS = 10_000;
/** How long a runtime may take to close what it had of a child that has ended: Node has by then. */
export const CHILD_SETTLE_MS =
  process.versions.bun === undefined && process.versions.deno === undefined ? 0 : SETTLE_MS;

export interface Descriptor {
  fd: string;
  /** What it is of: a path, `socket:[12]`, `net:[34]`. */
  target: string;
}

/** The descriptors of a process, this one by default. */
export function descriptorsOf(pid: number | 'self' | undefined = 'self'): Descriptor[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [{ fd, target: readlinkSync(`/proc/${pid}/fd/${fd}`) }];
    } catch {
      return []; // the one that lists the directory
    }
  });
}

/** What the descriptors of a process are of, in the order of their numbers as text. */
export function descriptorTargets(pid: number | 'self' | undefined = 'self'): string[] {
  return descriptorsOf(pid).map(({ target }) => target);
}

/** The descriptors of this process that are not among `before`, once what other threads close is closed. */
export async function leftDescriptors(
  before: readonly Descriptor[],
  settleMs = SETTLE_MS,
): Promise<Descriptor[]> {
  const giveUp = Date.now() + settleMs;
  for (;;) {
    const left = descriptorsOf().filter(
      ({ fd, target }) => !before.some((one) => one.fd === fd && one.target === target),
    );
    if (left.length === 0 || Date.now() >= giveUp) return left;
    await wait(2);
  }
}

/** How many descriptors this process has; the one that lists them included. */
export function openFiles(): number {
  if (process.versions.bun === undefined && process.versions.deno === undefined)
    return readdirSync('/proc/self/fd').length;
  // Bun and Deno open some of their own when they need them; Bun keeps duplicates of what a child inherited.
  const all = descriptorsOf();
  const inherited = all.filter(({ fd }) => Number(fd) <= 2).map(({ target }) => target);
  const others = all.filter(({ fd, target }) => Number(fd) > 2 && !inherited.includes(target));
  return others.filter(({ target }) => !/^(anon_inode|pipe|\/dev\/(null|urandom))/.test(target)).length + 1;
}

/** Waits until there are `wanted` of them; returns how many there are in the end. */
export async function settledFiles(wanted: number): Promise<number> {
  const giveUp = Date.now() + SETTLE_MS;
  while (openFiles() !== wanted && Date.now() < giveUp) await wait(2);
  return openFiles();
}

/** What the descriptors of this process are, to see which one leaks: `socket`, `/dev/net/tun`, a file's path. */
export function fileKinds(): string[] {
  return descriptorTargets()
    .map((target) => target.replace(/:\[\d+\]$/, ''))
    .sort();
}

/** Waits until there are as many as `wanted`; returns what there is in the end. */
export async function settledFileKinds(wanted: readonly string[]): Promise<string[]> {
  const giveUp = Date.now() + SETTLE_MS;
  while (fileKinds().length !== wanted.length && Date.now() < giveUp) await wait(2);
  return fileKinds();
}

/** True if both numbers refer to the same file. */
export function isSameFile(fd: number, other: number): boolean {
  // Not fstat(2): Deno's knows only what Deno has opened.
  const [a, b] = [statSync(`/proc/self/fd/${fd}`), statSync(`/proc/self/fd/${other}`)];
  return a.ino === b.ino && a.dev === b.dev;
}

/** What {@link withFile} opens. */
export const SOME_FILE = inRepo('package.json');

/** A descriptor of {@link SOME_FILE}, for `use`; closed afterwards. */
export async function withFile<T>(use: (fd: number) => Promise<T>, path = SOME_FILE): Promise<T> {
  const fd = openSync(path, 'r');
  try {
    return await use(fd);
  } finally {
    closeSync(fd);
  }
}
