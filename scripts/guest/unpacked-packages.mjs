/** Debian packages whose files a guest gets: looked up and fetched by apt, unpacked, never installed. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { aptGet } from '../debian-packages.mjs';
import { capture, Trouble } from '../run-command.mjs';

/** @typedef {{name: string, version: string}} Package */

/**
 * The kernel that a metapackage depends on, and further packages, as far as apt knows them.
 *
 * @param {string} metapackage
 * @param {readonly string[]} [others]
 * @param {readonly string[]} [apt] options for another architecture
 * @returns {Promise<Package[]>} the kernel first
 */
export async function findKernelAnd(metapackage, others = [], apt = []) {
  const [meta = ''] = await descriptions([metapackage], apt);
  const kernel = /^Depends:.*?\b(linux-image-\d[\w.+-]*)/m.exec(meta)?.[1];
  if (kernel === undefined) return [];
  return (await descriptions([kernel, ...others], apt)).map((text) => ({
    name: String(/^Package: (\S+)$/m.exec(text)?.[1]),
    version: String(/^Version: (\S+)$/m.exec(text)?.[1]),
  }));
}

/**
 * One text for each package that apt knows.
 *
 * @param {readonly string[]} names
 * @param {readonly string[]} apt
 */
async function descriptions(names, apt) {
  const { stdout } = await capture('apt-cache', [...apt, '--no-all-versions', 'show', ...names]);
  return stdout.split(/\n\n+/).filter((text) => text.startsWith('Package: '));
}

/**
 * Fetches packages and takes what is wanted from their files.
 *
 * @param {readonly string[]} packages NAME=VERSION of each
 * @param {string} directory where there is room; only what `take` puts there remains
 * @param {(unpacked: string) => Promise<void>} take gets the directory that holds the files
 * @param {readonly string[]} [apt] options for another architecture
 */
export async function unpackPackages(packages, directory, take, apt = []) {
  const work = join(directory, 'packages');
  mkdirSync(work);
  await aptGet([...apt, 'download', ...packages], work);
  const unpacked = join(work, 'unpacked');
  const files = readdirSync(work).filter((name) => name.endsWith('.deb'));
  if (files.length === 0) throw new Trouble('apt-get download fetched no package');
  for (const file of files) {
    const { status, output } = await capture('dpkg-deb', ['-x', join(work, file), unpacked]);
    if (status !== 0) throw new Trouble(`cannot unpack ${file}: ${output}`);
  }
  await take(unpacked);
  rmSync(work, { recursive: true });
}
