/** The library where every user can read it. */
import { execFile } from 'node:child_process';
import { chmod, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TAP, Test } from 'tap';
import { inRepo } from './paths.js';

const run = promisify(execFile);

/** Copies what is needed to import the library: the repository may be in a place that other users cannot read. */
export async function readableCopy(t: TAP | Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tapfd-'));
  t.teardown(() => rm(directory, { recursive: true }));
  await chmod(directory, 0o755);
  const needed = ['package.json', 'lib', 'build/Release/tapfd.node'];
  const modules = ['bindings', 'file-uri-to-path', 'detect-libc'].map((name) => `node_modules/${name}`);
  for (const path of [...needed, ...modules]) {
    await cp(inRepo(path), join(directory, path), { recursive: true });
  }
  await run('chmod', ['-R', 'a+rX', directory]);
  return directory;
}
