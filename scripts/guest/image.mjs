/**
 * Builds the small Linux that tests and the demo boot under QEMU: Debian's cloud kernel, busybox and iperf3, 40 MB in
 * all, and keeps it in the user's cache. Prints the directory.
 *
 *     node scripts/guest/image.mjs
 *
 * Needs apt (to fetch the kernel's package; it is unpacked, never installed), busybox-static and iperf3; not root, where
 * apt's package lists are there.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  aptGet,
  installCommand,
  mayInstall,
  packageListsAreEmpty,
  updateLists,
} from '../debian-packages.mjs';
import { capture, findCommand, runScript, say, Trouble } from '../run-command.mjs';
import { NewcArchive } from './newc-archive.mjs';

/** Follows Debian's kernel of the day; cloud kernels have virtio-net and little else. */
const KERNEL_METAPACKAGE = 'linux-image-cloud-amd64';

/** In the order they are loaded: each needs those before it. What a kernel has built in is left out. */
const MODULES = [
  'virtio_ring',
  'virtio',
  'virtio_pci_modern_dev',
  'virtio_pci_legacy_dev',
  'virtio_pci',
  'failover',
  'net_failover',
  'virtio_net',
];

/** For guests that have a disk besides. The small guest does not load them. */
const DISK_MODULES = ['virtio_blk', 'squashfs', 'overlay'];

/** Raise it when what this script makes of the same inputs changes. */
const FORMAT = 2;

/** Marks what was unpacked with this list of modules. */
export const UNPACKED = createHash('sha256')
  .update(`${FORMAT} ${MODULES} ${DISK_MODULES}`)
  .digest('hex')
  .slice(0, 8);

/**
 * A guest to boot: `-kernel kernel -initrd initramfs`. With the contents of `diskModules` behind those of `initramfs`,
 * it can also mount a squashfs on a virtio disk.
 *
 * @typedef {object} GuestImage
 * @property {string} directory
 * @property {string} kernel
 * @property {string} initramfs
 * @property {string} diskModules
 */

/** Where images are kept: `$XDG_CACHE_HOME/tapfd`, or `~/.cache/tapfd`. */
export function cacheDirectory() {
  const base = process.env.XDG_CACHE_HOME;
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'tapfd');
}

/**
 * The image for this machine, built and kept if it is not there.
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
  // The newest is what `findGuestImage` takes: tests ask it, and must not rebuild.
  writeFileSync(`${cacheDirectory()}/current.${process.pid}`, basename(directory));
  renameSync(`${cacheDirectory()}/current.${process.pid}`, join(cacheDirectory(), 'current'));
  return imageIn(directory);
}

/**
 * The image that {@link buildGuestImage} made last, without building anything.
 *
 * @returns {GuestImage | undefined}
 */
export function findGuestImage() {
  try {
    const image = imageIn(
      join(cacheDirectory(), readFileSync(join(cacheDirectory(), 'current'), 'utf8').trim()),
    );
    return existsSync(image.kernel) && existsSync(image.initramfs) ? image : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {string} directory
 * @returns {GuestImage}
 */
function imageIn(directory) {
  const [kernel, initramfs, modules] = ['vmlinuz', 'initramfs', 'disk-modules'].map((name) =>
    join(directory, name),
  );
  return { directory, kernel, initramfs, diskModules: modules };
}

/**
 * Makes a directory whole or not at all, however many processes make it at once.
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

/** The unpacked kernel: `vmlinuz` and `modules/`, in a directory named for package and version. */
async function kernelDirectory() {
  const kernel = await resolveKernel();
  if (kernel === undefined) {
    const kept = keptKernel();
    if (kept !== undefined) return kept;
    throw new Trouble(
      `apt knows no package ${KERNEL_METAPACKAGE}`,
      'on Debian, as root: apt-get update; on other systems guest tests cannot run',
    );
  }
  try {
    return await kernelOf(kernel);
  } catch (error) {
    // Old lists name files that the mirror no longer has: once more with new ones, and what they name then.
    if (!(error instanceof Trouble) || !mayInstall()) throw error;
    await updateLists();
    return await kernelOf((await resolveKernel()) ?? kernel);
  }
}

/** @param {{name: string, version: string}} kernel */
async function kernelOf(kernel) {
  const directory = join(cacheDirectory(), `kernel-${kernel.name}_${kernel.version}-${UNPACKED}`);
  await makeOnce(directory, (temporary) => fetchKernel(kernel, temporary));
  return directory;
}

/** Without package lists, a kernel that an earlier run kept does. */
function keptKernel() {
  try {
    const kept = readdirSync(cacheDirectory())
      .filter((name) => name.startsWith('kernel-') && name.endsWith(`-${UNPACKED}`))
      .sort();
    const newest = kept.at(-1);
    return newest === undefined ? undefined : join(cacheDirectory(), newest);
  } catch {
    return undefined;
  }
}

/** @returns {Promise<{name: string, version: string} | undefined>} the package that the metapackage stands for today */
async function resolveKernel() {
  if (findCommand('apt-cache') === undefined) return undefined;
  if (packageListsAreEmpty() && mayInstall()) await updateLists();
  const meta = await showPackage(KERNEL_METAPACKAGE);
  const name = meta?.match(/^Depends:.*?\b(linux-image-\d[\w.+-]*)/m)?.[1];
  if (name === undefined) return undefined;
  const version = (await showPackage(name))?.match(/^Version: (\S+)$/m)?.[1];
  return version === undefined ? undefined : { name, version };
}

/** @param {string} name */
async function showPackage(name) {
  const { status, stdout } = await capture('apt-cache', ['--no-all-versions', 'show', name]);
  return status === 0 ? stdout : undefined;
}

/**
 * @param {{name: string, version: string}} kernel
 * @param {string} directory
 */
async function fetchKernel(kernel, directory) {
  say(`   fetching ${kernel.name} ${kernel.version} by apt (27 MB; unpacked, not installed)`);
  const work = join(directory, 'package');
  mkdirSync(work);
  await aptGet(['download', `${kernel.name}=${kernel.version}`], work);
  await unpackKernel(await unpackPackages(work), directory);
  rmSync(work, { recursive: true });
}

/**
 * Unpacks what apt has fetched.
 *
 * @param {string} directory where the packages lie
 * @returns {Promise<string>} the directory that holds their files
 */
export async function unpackPackages(directory) {
  const unpacked = join(directory, 'unpacked');
  const files = readdirSync(directory).filter((name) => name.endsWith('.deb'));
  if (files.length === 0) throw new Trouble('apt-get download left no package');
  for (const file of files) {
    const { status, output } = await capture('dpkg-deb', ['-x', join(directory, file), unpacked]);
    if (status !== 0) throw new Trouble(`cannot unpack ${file}: ${output}`);
  }
  return unpacked;
}

/**
 * Keeps `vmlinuz` and `modules/` of an unpacked kernel.
 *
 * @param {string} unpacked
 * @param {string} directory where they go
 */
export async function unpackKernel(unpacked, directory) {
  const image = readdirSync(join(unpacked, 'boot')).find((name) => name.startsWith('vmlinuz-'));
  if (image === undefined) throw new Trouble(`the kernel's package holds no kernel`);
  renameSync(join(unpacked, 'boot', image), join(directory, 'vmlinuz'));
  const root = [join(unpacked, 'lib/modules'), join(unpacked, 'usr/lib/modules')].find(existsSync);
  if (root === undefined) throw new Trouble(`the kernel's package holds no modules`);
  await keepModules(join(root, image.slice('vmlinuz-'.length)), join(directory, 'modules'));
}

/**
 * Copies the modules of both lists, by their names there.
 *
 * @param {string} source
 * @param {string} target
 */
async function keepModules(source, target) {
  mkdirSync(target);
  const builtIn = readFileSync(join(source, 'modules.builtin'), 'utf8');
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' });
  for (const module of [...MODULES, ...DISK_MODULES]) {
    // A module's file may have "-" where its name has "_".
    const pattern = new RegExp(`(^|/)${module.replaceAll('_', '[-_]')}\\.ko(\\.xz)?$`, 'm');
    const file = files.find((name) => pattern.test(name));
    if (file === undefined) {
      if (pattern.test(builtIn)) continue;
      throw new Trouble(`the kernel's package has no module ${module}`);
    }
    writeFileSync(join(target, module), await moduleContent(join(source, file)));
  }
}

/** @param {string} path */
async function moduleContent(path) {
  if (!path.endsWith('.xz')) return readFileSync(path);
  const plain = path.slice(0, -'.xz'.length);
  const { status, output } = await capture('xz', ['--decompress', '--keep', path]);
  if (status !== 0) throw new Trouble(`cannot unpack ${path}: ${output}`, 'install xz-utils');
  return readFileSync(plain);
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
      `${busybox} is not linked statically: it would not start in the guest`,
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

/**
 * The guest's first root file system.
 *
 * @param {string} kernel the directory that {@link unpackKernel} filled
 * @param {Buffer} init
 * @param {[string, Buffer][]} programs paths without a leading slash, and contents
 */
export function initramfs(kernel, init, programs) {
  const archive = new NewcArchive();
  for (const directory of ['dev', 'proc', 'sys', 'tmp']) archive.addDirectory(directory);
  // The kernel opens it for the first process, before anything is mounted.
  archive.addCharacterDevice('dev/console', 5, 1);
  archive.addFile('init', init, 0o755);
  for (const [path, content] of programs) archive.addFile(path, content, 0o755);
  addModules(archive, kernel, 'net', MODULES);
  return archive.finish();
}

/** @param {string} kernel */
function diskModules(kernel) {
  const archive = new NewcArchive();
  addModules(archive, kernel, 'then-disk', DISK_MODULES);
  return archive.finish();
}

/**
 * The guest loads them in the order of their names.
 *
 * @param {NewcArchive} archive
 * @param {string} kernel
 * @param {string} stage
 * @param {readonly string[]} modules
 */
function addModules(archive, kernel, stage, modules) {
  for (const [position, module] of modules.entries()) {
    const path = join(kernel, 'modules', module);
    // What is not here, the kernel has built in.
    if (existsSync(path))
      archive.addFile(`modules/${stage}-${position}-${module}.ko`, readFileSync(path), 0o644);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runScript(async () => {
    const { directory } = await buildGuestImage();
    say(directory);
  });
}
