/** Where what takes long to make is kept: `$XDG_CACHE_HOME/tapfd`, or `~/.cache/tapfd`. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';

export function cacheDirectory() {
  const base = process.env.XDG_CACHE_HOME;
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'tapfd');
}

/**
 * Makes a directory completely or not at all, however many processes make it at once.
 *
 * @param {string} directory
 * @param {(temporary: string) => Promise<void>} fill
 */
export async function makeOnce(directory, fill) {
  if (existsSync(directory)) return;
  mkdirSync(cacheDirectory(), { recursive: true });
  const temporary = mkdtempSync(`${directory}.making-`);
  const discard = () => rmSync(temporary, { recursive: true, force: true });
  process.once('exit', discard);
  try {
    await fill(temporary);
    renameSync(temporary, directory);
  } catch (error) {
    // ENOTEMPTY, EEXIST: another process was faster, and what it made is as good.
    if (!existsSync(directory)) throw error;
  } finally {
    process.off('exit', discard);
    discard();
  }
}

/**
 * Notes which image is the newest of its kind, for {@link newestImage}.
 *
 * @param {string} kind
 * @param {string} directory in the cache
 */
export function noteNewestImage(kind, directory) {
  const note = join(cacheDirectory(), kind);
  writeFileSync(`${note}.${process.pid}`, basename(directory));
  renameSync(`${note}.${process.pid}`, note);
}

/**
 * The newest image of a kind, if its files are there.
 *
 * @template {{kernel: string, initramfs: string}} Image
 * @param {string} kind
 * @param {(directory: string) => Image} imageIn
 * @returns {Image | undefined}
 */
export function newestImage(kind, imageIn) {
  const note = join(cacheDirectory(), kind);
  if (!existsSync(note)) return undefined;
  const image = imageIn(join(cacheDirectory(), readFileSync(note, 'utf8').trim()));
  return existsSync(image.kernel) && existsSync(image.initramfs) ? image : undefined;
}
