/**
 * Gathers what the PC emulator v86 boots: Debian's i386 kernel with busybox, and Debian's SeaBIOS, 10 MB in all, kept in
 * the user's cache. Prints the directory.
 *
 *     node scripts/guest/v86-image.mjs
 *
 * Needs apt, and no root: the packages of the other architecture are looked up and fetched with lists of their own, so
 * that the system's stay as they are. Nothing is installed.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { aptGet } from '../debian-packages.mjs';
import { ROOT } from '../prepare.mjs';
import { capture, findCommand, runScript, say, Trouble } from '../run-command.mjs';
import { cacheDirectory, initramfs, makeOnce, UNPACKED, unpackKernel, unpackPackages } from './image.mjs';

/** Follows Debian's kernel for any 32-bit PC, without PAE. */
const KERNEL_METAPACKAGE = 'linux-image-686';

/** `seabios` is for every architecture; what runs in the guest must be i386. */
const OTHER_PACKAGES = ['busybox-static', 'seabios'];

/** In the cache: the packages that the lists named when they were last fetched. */
const NOTED_PACKAGES = 'apt-i386/packages.json';

/** Raise it when what this script makes of the same packages changes. */
const FORMAT = 1;

/** Where SeaBIOS's package puts the two that a PC with a plain graphics card needs. */
const FIRMWARE = { bios: 'usr/share/seabios/bios.bin', vgaBios: 'usr/share/seabios/vgabios-stdvga.bin' };

/**
 * A machine for v86. `state` need not be there: it is where who boots the machine may keep it as it is after the boot,
 * for this very emulator and these very files.
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
 * The image, gathered and kept if it is not there.
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
  // The newest is what `findV86Image` takes: tests ask it, and must not rebuild.
  writeFileSync(`${cacheDirectory()}/current-v86.${process.pid}`, basename(directory));
  renameSync(`${cacheDirectory()}/current-v86.${process.pid}`, join(cacheDirectory(), 'current-v86'));
  return imageIn(directory);
}

/**
 * The image that {@link buildV86Image} made last, without building anything.
 *
 * @returns {V86Image | undefined}
 */
export function findV86Image() {
  try {
    const name = readFileSync(join(cacheDirectory(), 'current-v86'), 'utf8').trim();
    const image = imageIn(join(cacheDirectory(), name));
    return existsSync(image.kernel) && existsSync(image.initramfs) ? image : undefined;
  } catch {
    return undefined;
  }
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

/** A saved machine is of use to the emulator that saved it only. */
function emulatorVersion() {
  const manifest = join(ROOT, 'node_modules/v86/package.json');
  if (!existsSync(manifest)) throw new Trouble('there is no v86', 'npm ci');
  return JSON.parse(readFileSync(manifest, 'utf8')).version;
}

/** The unpacked files of the packages, in a directory named for their versions. */
async function packageDirectory() {
  for (const command of ['apt-get', 'apt-cache', 'dpkg-deb']) {
    if (findCommand(command) === undefined) {
      throw new Trouble(`there is no ${command}`, 'the machine for v86 is made from Debian packages');
    }
  }
  const before = notedPackages();
  try {
    return await packagesOf(before ?? (await updatedPackages()));
  } catch (error) {
    // Old lists name files that the mirror no longer has: once more with new ones, and what they name then.
    if (!(error instanceof Trouble) || before === undefined) throw error;
    return await packagesOf(await updatedPackages());
  }
}

/**
 * What apt's lists said when they were last fetched: asking them takes seconds, and they change with an update only.
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
 * apt's options for the other architecture, with lists and a cache in our own directory. It knows nothing of what is
 * installed here, as nothing is to be installed.
 */
function privateApt() {
  const root = join(cacheDirectory(), 'apt-i386');
  mkdirSync(join(root, 'state/lists/partial'), { recursive: true });
  mkdirSync(join(root, 'cache/archives/partial'), { recursive: true });
  writeFileSync(join(root, 'state/status'), '');
  return [
    'APT::Architecture=i386',
    'APT::Architectures=i386',
    'Acquire::Languages=none',
    `Dir::State=${join(root, 'state')}`,
    `Dir::State::status=${join(root, 'state/status')}`,
    `Dir::Cache=${join(root, 'cache')}`,
  ].flatMap((option) => ['-o', option]);
}

/** @returns {Promise<string[]>} NAME=VERSION of each package, by new lists */
async function updatedPackages() {
  const apt = privateApt();
  say('   apt-get update, for i386 and in a directory of its own');
  try {
    await aptGet([...apt, 'update']);
  } catch (error) {
    // A source without i386, or a mirror in the middle of a change, is no harm where the others have the packages.
    if (!(error instanceof Trouble)) throw error;
  }
  const [meta = ''] = await shown(apt, [KERNEL_METAPACKAGE]);
  const kernel = /^Depends:.*?\b(linux-image-\d[\w.+-]*)/m.exec(meta)?.[1];
  const found = kernel === undefined ? [] : await shown(apt, [kernel, ...OTHER_PACKAGES]);
  const packages = found.map(
    (text) => `${/^Package: (\S+)$/m.exec(text)?.[1]}=${/^Version: (\S+)$/m.exec(text)?.[1]}`,
  );
  if (packages.length !== OTHER_PACKAGES.length + 1) {
    throw new Trouble(
      `apt does not find ${[KERNEL_METAPACKAGE, ...OTHER_PACKAGES].join(', ')} for i386`,
      'on Debian, see what apt says above; on other systems v86 has no machine to boot',
    );
  }
  writeFileSync(join(cacheDirectory(), NOTED_PACKAGES), JSON.stringify(packages));
  return packages;
}

/**
 * What apt knows of packages, one text for each that it knows.
 *
 * @param {readonly string[]} apt
 * @param {readonly string[]} names
 */
async function shown(apt, names) {
  const { stdout } = await capture('apt-cache', [...apt, '--no-all-versions', 'show', ...names]);
  return stdout.split(/\n\n+/).filter((text) => text.startsWith('Package: '));
}

/** @param {readonly string[]} packages */
async function packagesOf(packages) {
  const versions = createHash('sha256')
    .update(`${FORMAT} ${UNPACKED}\n${packages.join('\n')}`)
    .digest('hex')
    .slice(0, 16);
  const directory = join(cacheDirectory(), `v86-packages-${versions}`);
  await makeOnce(directory, async (temporary) => {
    say(`   fetching ${packages.join(' ')} for i386 by apt (54 MB; unpacked, not installed)`);
    const work = join(temporary, 'packages');
    mkdirSync(work);
    await aptGet([...privateApt(), 'download', ...packages], work);
    const unpacked = await unpackPackages(work);
    await unpackKernel(unpacked, temporary);
    const busybox = [join(unpacked, 'bin/busybox'), join(unpacked, 'usr/bin/busybox')].find(existsSync);
    if (busybox === undefined) throw new Trouble('busybox-static holds no busybox');
    renameSync(busybox, join(temporary, 'busybox'));
    for (const [name, path] of Object.entries(FIRMWARE)) {
      renameSync(join(unpacked, path), join(temporary, name));
    }
    rmSync(work, { recursive: true });
  });
  return directory;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runScript(async () => {
    const { directory } = await buildV86Image();
    say(directory);
  });
}
