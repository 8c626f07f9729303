/**
 * Gathers what the PC emulator v86 boots: Debian's i386 kernel with busybox, and Debian's SeaBIOS, 10 MB in all. Keeps it
 * in the user's cache and prints its directory.
 *
 *     node scripts/guest/v86-image.mjs
 *
 * Needs apt but no root: it uses separate package lists for the other architecture, and leaves the system's as they are.
 * Installs nothing.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { aptGet, aptOptions, retryWithNewLists } from '../debian-packages.mjs';
import { ROOT } from '../prepare.mjs';
import { findCommand, runScript, say, Trouble } from '../run-command.mjs';
import { cacheDirectory, makeOnce, newestImage, noteNewestImage } from './cache.mjs';
import { initramfs, KEPT, keepKernel } from './kernel.mjs';
import { findKernelAnd, unpackPackages } from './unpacked-packages.mjs';

/** Depends on Debian's current kernel for any 32-bit PC, without PAE. */
const KERNEL_METAPACKAGE = 'linux-image-686';

/** `busybox-static` for i386, as it runs in the guest; `seabios` is the same for every architecture. */
const OTHER_PACKAGES = ['busybox-static', 'seabios'];

/** In the cache: the note of the newest image. */
const NEWEST = 'current-v86';

/** In the cache: the packages that the lists named when they were last fetched. */
const NOTED_PACKAGES = 'apt-i386/packages.json';

/** Raise it when the same packages make something else. */
const FORMAT = 1;

/** The two files of SeaBIOS's package that a PC with a plain graphics card needs. */
const FIRMWARE = { bios: 'usr/share/seabios/bios.bin', vgaBios: 'usr/share/seabios/vgabios-stdvga.bin' };

/**
 * A machine for v86. `state` need not exist: it is a file for the machine's state after the boot, which is valid for this
 * version of the emulator and these files only.
 *
 * @typedef {object} V86Image
 * @property {string} directory
 * @property {string} bios
 * @property {string} vgaBios
 * @property {string} kernel
 * @property {string} initramfs
 * @property {string} state
 */

/**
 * The image; gathers it where the cache does not have it.
 *
 * @returns {Promise<V86Image>}
 */
export async function buildV86Image() {
  const packages = await packageDirectory();
  const init = readFileSync(new URL('./init.sh', import.meta.url));
  const hash = createHash('sha256').update(`${FORMAT}\n${basename(packages)}\n${emulatorVersion()}\n`);
  const directory = join(cacheDirectory(), `v86-${hash.update(init).digest('hex').slice(0, 16)}`);
  await makeOnce(directory, async (temporary) => {
    const busybox = readFileSync(join(packages, 'busybox'));
    writeFileSync(join(temporary, 'initramfs'), initramfs(packages, init, [['bin/busybox', busybox]]));
    for (const file of ['vmlinuz', ...Object.keys(FIRMWARE)]) {
      writeFileSync(join(temporary, file), readFileSync(join(packages, file)));
    }
  });
  noteNewestImage(NEWEST, directory);
  return imageIn(directory);
}

/**
 * The image that {@link buildV86Image} made last, for tests: builds nothing.
 *
 * @returns {V86Image | undefined}
 */
export function findV86Image() {
  return newestImage(NEWEST, imageIn);
}

/**
 * @param {string} directory
 * @returns {V86Image}
 */
function imageIn(directory) {
  return {
    directory,
    bios: join(directory, 'bios'),
    vgaBios: join(directory, 'vgaBios'),
    kernel: join(directory, 'vmlinuz'),
    initramfs: join(directory, 'initramfs'),
    state: join(directory, 'state'),
  };
}

/** A saved state is valid only for the version of the emulator that saved it. */
function emulatorVersion() {
  const manifest = join(ROOT, 'node_modules/v86/package.json');
  if (!existsSync(manifest)) throw new Trouble('v86 is not installed', 'npm ci');
  return JSON.parse(readFileSync(manifest, 'utf8')).version;
}

/** What is kept of the packages, in a directory named after their versions. */
async function packageDirectory() {
  for (const command of ['apt-get', 'apt-cache', 'dpkg-deb']) {
    if (findCommand(command) === undefined) {
      throw new Trouble(`${command} is missing`, 'the machine for v86 is made from Debian packages');
    }
  }
  const noted = notedPackages();
  if (noted === undefined) return keptOrFetched(await updatedPackages());
  let packages = noted;
  return retryWithNewLists(
    () => keptOrFetched(packages),
    async () => {
      packages = await updatedPackages();
    },
  );
}

/**
 * What apt's lists named when they were last fetched. Asking apt takes seconds, and the lists change only by an update.
 *
 * @returns {string[] | undefined}
 */
function notedPackages() {
  try {
    return JSON.parse(readFileSync(join(cacheDirectory(), NOTED_PACKAGES), 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * apt's options for the other architecture, with lists and a cache in our own directory, and with no package installed.
 */
function privateApt() {
  const root = join(cacheDirectory(), 'apt-i386');
  mkdirSync(join(root, 'state/lists/partial'), { recursive: true });
  mkdirSync(join(root, 'cache/archives/partial'), { recursive: true });
  writeFileSync(join(root, 'state/status'), '');
  return aptOptions({
    'APT::Architecture': 'i386',
    'APT::Architectures': 'i386',
    'Acquire::Languages': 'none',
    'Dir::State': join(root, 'state'),
    'Dir::State::status': join(root, 'state/status'),
    'Dir::Cache': join(root, 'cache'),
  });
}

/** @returns {Promise<string[]>} NAME=VERSION of each package, from new lists */
async function updatedPackages() {
  const apt = privateApt();
  say('   apt-get update, for i386, in a separate directory');
  try {
    await aptGet([...apt, 'update']);
  } catch (error) {
    // A source without i386, or a mirror that is being updated, does no harm if the others have the packages.
    if (!(error instanceof Trouble)) throw error;
  }
  const found = await findKernelAnd(KERNEL_METAPACKAGE, OTHER_PACKAGES, apt);
  const packages = found.map(({ name, version }) => `${name}=${version}`);
  if (packages.length !== OTHER_PACKAGES.length + 1) {
    throw new Trouble(
      `apt does not find ${[KERNEL_METAPACKAGE, ...OTHER_PACKAGES].join(', ')} for i386`,
      'on Debian, see the output of apt above; on other systems v86 has no machine to boot',
    );
  }
  writeFileSync(join(cacheDirectory(), NOTED_PACKAGES), JSON.stringify(packages));
  return packages;
}

/** @param {readonly string[]} packages */
async function keptOrFetched(packages) {
  const versions = createHash('sha256')
    .update(`${FORMAT} ${KEPT}\n${packages.join('\n')}`)
    .digest('hex')
    .slice(0, 16);
  const directory = join(cacheDirectory(), `v86-packages-${versions}`);
  await makeOnce(directory, async (temporary) => {
    say(`   fetching ${packages.join(' ')} for i386 by apt (54 MB; unpacked, not installed)`);
    const take = (/** @type {string} */ unpacked) => keepFiles(unpacked, temporary);
    await unpackPackages(packages, temporary, take, privateApt());
  });
  return directory;
}

/**
 * @param {string} unpacked
 * @param {string} directory
 */
async function keepFiles(unpacked, directory) {
  await keepKernel(unpacked, directory);
  const busybox = [join(unpacked, 'bin/busybox'), join(unpacked, 'usr/bin/busybox')].find(existsSync);
  if (busybox === undefined) throw new Trouble('busybox-static contains no busybox');
  renameSync(busybox, join(directory, 'busybox'));
  for (const [name, path] of Object.entries(FIRMWARE)) {
    renameSync(join(unpacked, path), join(directory, name));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runScript(async () => {
    const { directory } = await buildV86Image();
    say(directory);
  });
}
