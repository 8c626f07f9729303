/**
 * Builds the small Linux that tests and the demo boot under QEMU: Debian's cloud kernel, busybox and iperf3, 40 MB in
 * all. Keeps it in the user's cache and prints its directory.
 *
 *     node scripts/guest/image.mjs
 *
 * Needs busybox-static, iperf3, and apt to fetch the kernel's package, which is unpacked, never installed. Needs no root
 * where apt has package lists.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  installCommand,
  mayInstall,
  packageListsAreEmpty,
  retryWithNewLists,
  updateLists,
} from '../debian-packages.mjs';
import { capture, findCommand, runScript, say, Trouble } from '../run-command.mjs';
import { cacheDirectory, makeOnce, newestImage, noteNewestImage } from './cache.mjs';
import { diskModules, initramfs, KEPT, keepKernel } from './kernel.mjs';
import { findKernelAnd, unpackPackages } from './unpacked-packages.mjs';

/** Depends on Debian's current kernel; cloud kernels have virtio-net and few other drivers. */
const KERNEL_METAPACKAGE = 'linux-image-cloud-amd64';

/** Raise it when the same inputs make something else. */
const FORMAT = 2;

/** In the cache: the note of the newest image. */
const NEWEST = 'current';

/**
 * A guest to boot: `-kernel kernel -initrd initramfs`. With the contents of `diskModules` appended to those of
 * `initramfs`, it can also mount a squashfs on a virtio disk.
 *
 * @typedef {object} GuestImage
 * @property {string} directory
 * @property {string} kernel
 * @property {string} initramfs
 * @property {string} diskModules
 */

/**
 * The image for this machine; builds it where the cache does not have it.
 *
 * @returns {Promise<GuestImage>}
 */
export async function buildGuestImage() {
  if (process.arch !== 'x64') throw new Trouble(`the guest image is for x86-64; this is ${process.arch}`);
  const kernel = await kernelDirectory();
  const programs = await programFiles();
  const init = readFileSync(new URL('./init.sh', import.meta.url));

  const hash = createHash('sha256').update(`${FORMAT}\n${basename(kernel)}\n`);
  for (const [path, content] of [['init', init], ...programs]) hash.update(`${path}\n`).update(content);
  const directory = join(cacheDirectory(), `guest-${hash.digest('hex').slice(0, 16)}`);

  await makeOnce(directory, async (temporary) => {
    say(`   building the guest image in ${directory}`);
    writeFileSync(join(temporary, 'initramfs'), initramfs(kernel, init, programs));
    writeFileSync(join(temporary, 'disk-modules'), diskModules(kernel));
    writeFileSync(join(temporary, 'vmlinuz'), readFileSync(join(kernel, 'vmlinuz')));
  });
  noteNewestImage(NEWEST, directory);
  return imageIn(directory);
}

/**
 * The image that {@link buildGuestImage} made last, for tests: builds nothing.
 *
 * @returns {GuestImage | undefined}
 */
export function findGuestImage() {
  return newestImage(NEWEST, imageIn);
}

/**
 * @param {string} directory
 * @returns {GuestImage}
 */
function imageIn(directory) {
  return {
    directory,
    kernel: join(directory, 'vmlinuz'),
    initramfs: join(directory, 'initramfs'),
    diskModules: join(directory, 'disk-modules'),
  };
}

/** The kernel that was kept, in a directory named after package and version. */
async function kernelDirectory() {
  const found = await findKernel();
  if (found === undefined) {
    const kept = keptKernel();
    if (kept !== undefined) return kept;
    throw new Trouble(
      `apt knows no package ${KERNEL_METAPACKAGE}`,
      'on Debian, run apt-get update as root; on other systems guest tests cannot run',
    );
  }
  if (!mayInstall()) return keptOrFetched(found);
  let kernel = found;
  return retryWithNewLists(
    () => keptOrFetched(kernel),
    async () => {
      await updateLists();
      kernel = (await findKernel()) ?? kernel;
    },
  );
}

/** @param {import('./unpacked-packages.mjs').Package} kernel */
async function keptOrFetched({ name, version }) {
  const directory = join(cacheDirectory(), `kernel-${name}_${version}-${KEPT}`);
  await makeOnce(directory, async (temporary) => {
    say(`   fetching ${name} ${version} by apt (27 MB; unpacked, not installed)`);
    await unpackPackages([`${name}=${version}`], temporary, (unpacked) => keepKernel(unpacked, temporary));
  });
  return directory;
}

/** The newest kernel of earlier runs, for a machine without package lists. */
function keptKernel() {
  try {
    const kept = readdirSync(cacheDirectory())
      .filter((name) => name.startsWith('kernel-') && name.endsWith(`-${KEPT}`))
      .sort();
    const newest = kept.at(-1);
    return newest === undefined ? undefined : join(cacheDirectory(), newest);
  } catch {
    return undefined;
  }
}

/** The package that the metapackage depends on today. */
async function findKernel() {
  if (findCommand('apt-cache') === undefined) return undefined;
  if (packageListsAreEmpty() && mayInstall()) await updateLists();
  const [kernel] = await findKernelAnd(KERNEL_METAPACKAGE);
  return kernel;
}

/**
 * What the guest runs, from this machine: busybox, and iperf3 with its libraries.
 *
 * @returns {Promise<[string, Buffer][]>} paths without a leading slash, and contents
 */
async function programFiles() {
  const busybox = findCommand('busybox');
  const iperf3 = findCommand('iperf3');
  if (busybox === undefined || iperf3 === undefined) {
    const missing = [busybox ?? 'busybox', iperf3 ?? 'iperf3'].filter((name) => !name.includes('/'));
    throw new Trouble(`the guest image needs ${missing.join(' and ')}`, installCommand(missing));
  }
  if ((await libraries(busybox)).length > 0) {
    throw new Trouble(
      `${busybox} is not linked statically, so it would not start in the guest`,
      installCommand(['busybox']),
    );
  }
  /** @type {[string, Buffer][]} */
  const files = [
    ['bin/busybox', readFileSync(busybox)],
    ['usr/bin/iperf3', readFileSync(iperf3)],
  ];
  for (const library of await libraries(iperf3)) files.push([library.slice(1), readFileSync(library)]);
  return files;
}

/**
 * The shared libraries of a program and its loader, as absolute paths.
 *
 * @param {string} program
 */
async function libraries(program) {
  const { status, stdout } = await capture('ldd', [program]);
  // "not a dynamic executable" is status 1.
  if (status !== 0) return [];
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x[0-9a-f]+\)/g)].map((match) => String(match[1]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runScript(async () => {
    const { directory } = await buildGuestImage();
    say(directory);
  });
}
