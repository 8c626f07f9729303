/** Whether the prebuilds of the tree are fit for a release: all there, made of these sources, and as targets.mjs demands. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../prepare.mjs';
import { Trouble } from '../run-command.mjs';
import { neededGlibc, readSharedObject } from './elf.mjs';
import { sourceHash } from './source-hash.mjs';
import { faultsOf, TARGETS } from './targets.mjs';

const REMEDY = 'npm run prebuilds; or, for a tarball that is only to be tried here, TAPFD_PARTIAL_TARBALL=1';

/**
 * @typedef {object} CheckOptions
 * @property {boolean} [partial] accepts that some are missing, and what this system's own compiler made; none may be stale
 */

/**
 * @param {CheckOptions} [options]
 * @returns {string[]} what each of them is, in words
 * @throws Trouble with everything that is wrong
 */
export function checkPrebuilds({ partial = false } = {}) {
  const hash = sourceHash();
  /** @type {string[]} */
  const faults = [];
  /** @type {string[]} */
  const missing = [];
  /** @type {string[]} */
  const fit = [];
  for (const target of TARGETS) {
    const path = join(ROOT, target.file);
    if (!existsSync(path)) {
      missing.push(target.file);
      continue;
    }
    const content = readFileSync(path);
    const [object, unreadable] = read(content);
    if (object === undefined) faults.push(`${target.file} cannot be read: ${unreadable}`);
    else {
      const found =
        partial && object.sourceHash === hash ? [] : faultsOf(object, content.length, target, hash);
      if (found.length > 0) faults.push(`${target.file} ${found.join('; ')}`);
      else fit.push(`${target.file}: ${describe(object, content.length)}`);
    }
  }
  if (partial && fit.length > 0)
    fit.push(`PARTIAL, not to be published. Missing: ${missing.join(', ') || 'none'}`);
  else if (missing.length > 0) faults.push(`there is no ${missing.join(', no ')}`);
  if (faults.length > 0)
    throw new Trouble(`the tarball would have bad prebuilds:\n  ${faults.join('\n  ')}`, REMEDY);
  return fit;
}

/**
 * @param {import('./elf.mjs').SharedObject} object
 * @param {number} bytes
 */
export function describe(object, bytes) {
  const glibc = neededGlibc(object);
  return `${bytes} bytes${glibc === undefined ? '' : `, for glibc ${glibc} and later`}`;
}

/**
 * @param {Buffer} content
 * @returns {[object: import('./elf.mjs').SharedObject | undefined, reason?: string]}
 */
function read(content) {
  try {
    return [readSharedObject(content)];
  } catch (error) {
    return [undefined, error instanceof Error ? error.message : String(error)];
  }
}
