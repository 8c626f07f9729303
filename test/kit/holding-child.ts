/** A child that reports which of a test's files it holds open, and devices on those files. */
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type FakeDevice, fakeDevice } from './fake-device.js';
import { descriptorTargets } from './open-files.js';
import { NODE } from './paths.js';

export const directory = t.testdir({ a: 'first', b: 'second', c: 'third', 'no-program': '' });
export const path = (name: string): string => join(directory, name);

/** The child's program: reports its arguments, and which of the test's files it holds under which number. */
const TELL = `
  const { readdirSync, readlinkSync } = require('node:fs');
  const link = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } };
  const fds = readdirSync('/proc/self/fd').map((fd) => [fd, link(fd)]);
  const held = fds.filter(([, path]) => path.startsWith(process.env.DIRECTORY));
  const names = held.map(([fd, path]) => [fd, path.slice(path.lastIndexOf('/') + 1)]);
  console.log(JSON.stringify({ args: process.argv.slice(1), held: Object.fromEntries(names) }));
`;

export const program = NODE;
export const tell = (...args: string[]): string[] => ['-e', TELL, '--', ...args];
export const env = { ...process.env, NODE_OPTIONS: '', DIRECTORY: directory };

/** What a {@link TELL} child reported. */
export async function told(child: ChildProcess): Promise<{ args: string[]; held: Record<string, string> }> {
  if (child.stdout === null) throw new Error('the child has no stdout');
  return JSON.parse(await text(child.stdout));
}

/** Which of the test's files this process holds. */
export function heldHere(): string[] {
  return descriptorTargets()
    .filter((target) => target.startsWith(`${directory}/`))
    .map((target) => target.slice(directory.length + 1));
}

export function openFile(t: Test, name: string): number {
  const fd = openSync(path(name), 'r+');
  t.teardown(() => {
    if (heldHere().includes(name)) closeSync(fd);
  });
  return fd;
}

export function deviceOn(t: Test, name: string, facts = {}): FakeDevice {
  return fakeDevice({ fd: openFile(t, name), name, ...facts });
}

/** Waits until this process has closed its copy. */
export async function closedHere(name: string): Promise<void> {
  while (heldHere().includes(name)) await nextTurn();
}
