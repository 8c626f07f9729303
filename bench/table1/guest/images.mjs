/**
 * What the guests of the table boot: the small guest of the tests with one program more, and for computing a Debian with
 * MPI, HPL, GROMACS and OpenFOAM on a disk that all guests share. Both are kept in the user's cache.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensurePackages } from '../../../scripts/debian-packages.mjs';
import { cacheDirectory, makeOnce } from '../../../scripts/guest/cache.mjs';
import { buildGuestImage } from '../../../scripts/guest/image.mjs';
import { NewcArchive } from '../../../scripts/guest/newc-archive.mjs';
import { capture, say, step, Trouble } from '../../../scripts/run-command.mjs';
import { quoted } from '../shell.mjs';
import { debianRelease, sourcesList } from './debian-mirror.mjs';
import { compileHpl, HPL_BUILD_PACKAGES } from './hpl.mjs';

const SOURCES = fileURLToPath(new URL('.', import.meta.url));

/** Raise it when the same inputs make something else. */
const FORMAT = 1;

/** In the guests' Debian; openfoam-examples is removed when the cases are made from it. */
const ROOT_PACKAGES = [
  'gromacs',
  'openfoam',
  'openfoam-examples',
  'openmpi-bin',
  'libopenmpi3',
  'libopenblas0-pthread',
  'dropbear-bin',
  'iproute2',
  'iperf3',
  'iputils-ping',
];

/** Not needed in a guest. */
const LEFT_OUT = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/javascript/*'];

const BUILD_PACKAGES = ['mmdebstrap', 'squashfs-tools', ...HPL_BUILD_PACKAGES];

/**
 * The small guest with what is added to it: `-kernel kernel -initrd initramfs`.
 *
 * @typedef {{kernel: string, initramfs: string, id: string}} SmallImage
 */

/** @returns {Promise<SmallImage>} */
export async function smallImage() {
  const { kernel, initramfs, diskModules, directory: base } = await buildGuestImage();
  const source = readFileSync(join(SOURCES, 'request_response.c'));
  const id = digest([base, source]);
  const directory = join(cacheDirectory(), `table1-small-${id}`);
  await makeOnce(directory, async (temporary) => {
    const program = join(temporary, 'request_response');
    // Static, as it runs in both kinds of guest and, for the container, on the host.
    const args = ['-O2', '-static', '-o', program, join(SOURCES, 'request_response.c')];
    await step('compiling request_response', 'cc', args);
    const archive = new NewcArchive();
    archive.addFile('usr/bin/request_response', readFileSync(program), 0o755);
    archive.addDirectory('disk');
    const parts = [readFileSync(initramfs), readFileSync(diskModules), archive.finish()];
    writeFileSync(join(temporary, 'initramfs'), Buffer.concat(parts));
  });
  return { kernel, initramfs: join(directory, 'initramfs'), id };
}

/** The compiled request_response, for the host. */
export const requestResponse = (/** @type {SmallImage} */ { initramfs }) =>
  join(initramfs, '..', 'request_response');

/**
 * The Debian for computing, as a squashfs.
 *
 * @returns {Promise<{disk: string, id: string}>}
 */
export async function rootImage() {
  const release = debianRelease();
  const sources = ['linpack.c', 'prepare-root.sh'].map((name) => readFileSync(join(SOURCES, name)));
  const id = digest([release, ...ROOT_PACKAGES, ...LEFT_OUT, ...sources]);
  const directory = join(cacheDirectory(), `table1-root-${id}`);
  const disk = join(directory, 'root.sqfs');
  if (existsSync(disk)) return { disk, id };
  const missing = await ensurePackages(BUILD_PACKAGES, 'needed to build the guests of the table');
  if (missing.length > 0) {
    throw new Trouble(
      `the guests cannot be built without ${missing.join(', ')}`,
      `sudo apt-get install --no-install-recommends ${missing.join(' ')}`,
    );
  }
  await makeOnce(directory, async (temporary) => {
    const work = join(temporary, 'work');
    mkdirSync(work);
    await compileHpl(join(temporary, 'linpack'), work);
    await buildRoot(temporary, release);
  });
  return { disk, id };
}

/** @param {string} directory @param {string} release */
async function buildRoot(directory, release) {
  const hooks = [
    'mkdir -p "$1/opt/table1"',
    `cp ${quoted(join(directory, 'linpack'))} "$1/opt/table1/"`,
    `sh ${quoted(join(SOURCES, 'prepare-root.sh'))} "$1"`,
  ];
  const tar = join(directory, 'root.tar');
  say('-- building the root of the guests, a Debian of 800 MB, with mmdebstrap: one to five minutes');
  const { status, output } = await capture('mmdebstrap', [
    ...['--mode=root', '--variant=minbase', `--include=${ROOT_PACKAGES.join(',')}`],
    '--aptopt=Apt::Install-Recommends "false"',
    ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`),
    '--dpkgopt=path-include=/usr/share/doc/openfoam-examples/*',
    ...hooks.map((hook) => `--customize-hook=${hook}`),
    ...[release, tar, ...(await sourcesList('deb'))],
  ]);
  if (status !== 0) throw new Trouble(`mmdebstrap ended with status ${status}: ${output}`);
  const disk = join(directory, 'root.sqfs');
  const pack = `exec mksquashfs - "$1" -tar -comp lz4 -no-progress <"$2"`;
  await step('packing the root', 'sh', ['-c', pack, 'sh', disk, tar]);
  await step('removing what was packed', 'rm', ['-rf', tar, join(directory, 'work')]);
}

/** @param {readonly (string | Buffer)[]} parts */
function digest(parts) {
  const hash = createHash('sha256').update(String(FORMAT));
  for (const part of parts) hash.update('\n').update(part);
  return hash.digest('hex').slice(0, 16);
}
