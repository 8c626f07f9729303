/** Files below .cache that are made once for all test processes, which may want them at the same time. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { inRepo } from './paths.js';

const POLL_MS = 20;

/**
 * Returns the path of `.cache/<name>`, after `make` has written it where it is not there yet. The name must change with
 * what the file is made from. Where another process is making it, this one waits.
 */
export async function madeOnce(name: string, make: (path: string) => Promise<unknown>): Promise<string> {
  const path = inRepo('.cache', name);
  const lock = `${path}.lock`;
  mkdirSync(inRepo('.cache'), { recursive: true });
  while (!existsSync(path)) {
    if (!taken(lock)) {
      await wait(POLL_MS);
      continue;
    }
    try {
      const unfinished = `${path}.${process.pid}`;
      await make(unfinished);
      renameSync(unfinished, path);
    } finally {
      rmSync(lock, { force: true });
    }
  }
  return path;
}

/** Takes the lock unless a living process has it. */
function taken(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    if (!isHeld(lock)) rmSync(lock, { force: true });
    return false;
  }
}

function isHeld(lock: string): boolean {
  try {
    const pid = readFileSync(lock, 'utf8');
    // Empty: taken this very moment.
    return pid === '' || existsSync(`/proc/${pid}`);
  } catch {
    return false; // released meanwhile
  }
}
