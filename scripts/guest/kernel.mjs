/** A guest's kernel and the modules that it loads, from an unpacked Debian package to the guest's first file system. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture, Trouble } from '../run-command.mjs';
import { NewcArchive } from './newc-archive.mjs';

/** In the order they are loaded: each needs those before it. Those that a kernel has built in are left out. */
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

/** For guests that also have a disk. The small guest does not load them. */
const DISK_MODULES = ['virtio_blk', 'squashfs', 'overlay'];

/** Raise it when the same package makes something else. */
const FORMAT = 2;

/** Names what {@link keepKernel} keeps with these lists of modules. */
export const KEPT = createHash('sha256')
  .update(`${FORMAT} ${MODULES} ${DISK_MODULES}`)
  .digest('hex')
  .slice(0, 8);

/**
 * Keeps `vmlinuz` and `modules/` of an unpacked kernel.
 *
 * @param {string} unpacked
 * @param {string} directory where they go
 */
export async function keepKernel(unpacked, directory) {
  const image = readdirSync(join(unpacked, 'boot')).find((name) => name.startsWith('vmlinuz-'));
  if (image === undefined) throw new Trouble("the kernel's package contains no kernel");
  renameSync(join(unpacked, 'boot', image), join(directory, 'vmlinuz'));
  const root = [join(unpacked, 'lib/modules'), join(unpacked, 'usr/lib/modules')].find(existsSync);
  if (root === undefined) throw new Trouble("the kernel's package contains no modules");
  await keepModules(join(root, image.slice('vmlinuz-'.length)), join(directory, 'modules'));
}

/**
 * Copies the modules of both lists, under the names that they have there.
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
      throw new Trouble(`the kernel's package contains no module ${module}`);
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
 * The guest's first root file system.
 *
 * @param {string} kernel the directory that {@link keepKernel} filled
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

/**
 * An archive to append to {@link initramfs}, for guests with a disk.
 *
 * @param {string} kernel
 */
export function diskModules(kernel) {
  const archive = new NewcArchive();
  addModules(archive, kernel, 'then-disk', DISK_MODULES);
  return archive.finish();
}

/**
 * The guest loads them in the order of their file names.
 *
 * @param {NewcArchive} archive
 * @param {string} kernel
 * @param {string} stage
 * @param {readonly string[]} modules
 */
function addModules(archive, kernel, stage, modules) {
  for (const [position, module] of modules.entries()) {
    const path = join(kernel, 'modules', module);
    // The kernel has the others built in.
    if (existsSync(path))
      archive.addFile(`modules/${stage}-${position}-${module}.ko`, readFileSync(path), 0o644);
  }
}
