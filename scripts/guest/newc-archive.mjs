/**
 * Writes the archive that Linux unpacks as its first root file system: cpio's "newc" format, as described in the kernel's
 * `Documentation/driver-api/early-userspace/buffer-format.rst`. This needs no cpio, and no root for the device node.
 */

const DIRECTORY = 0o040000;
const REGULAR = 0o100000;
const CHARACTER_DEVICE = 0o020000;
const SYMBOLIC_LINK = 0o120000;

export class NewcArchive {
  /** @type {Buffer[]} */
  #parts = [];
  #inode = 0;
  /** @type {Set<string>} */
  #directories = new Set();

  /**
   * @param {string} path without a leading slash; the directories above it are added with it
   * @param {Uint8Array} content
   * @param {number} mode
   */
  addFile(path, content, mode) {
    this.#addDirectoriesAbove(path);
    this.#add(path, REGULAR | mode, content);
  }

  /** @param {string} path */
  addDirectory(path) {
    if (path === '' || path === '.' || this.#directories.has(path)) return;
    this.#addDirectoriesAbove(path);
    this.#directories.add(path);
    this.#add(path, DIRECTORY | 0o755, Buffer.alloc(0));
  }

  /**
   * @param {string} path
   * @param {string} target
   */
  addSymbolicLink(path, target) {
    this.#addDirectoriesAbove(path);
    this.#add(path, SYMBOLIC_LINK | 0o777, Buffer.from(target));
  }

  /**
   * @param {string} path
   * @param {number} major
   * @param {number} minor
   */
  addCharacterDevice(path, major, minor) {
    this.#addDirectoriesAbove(path);
    this.#add(path, CHARACTER_DEVICE | 0o600, Buffer.alloc(0), major, minor);
  }

  /** @returns {Buffer} the complete archive */
  finish() {
    this.#add('TRAILER!!!', 0, Buffer.alloc(0));
    return Buffer.concat(this.#parts);
  }

  /** @param {string} path */
  #addDirectoriesAbove(path) {
    const end = path.lastIndexOf('/');
    if (end > 0) this.addDirectory(path.slice(0, end));
  }

  /**
   * @param {string} name
   * @param {number} mode
   * @param {Uint8Array} content
   * @param {number} [major]
   * @param {number} [minor]
   */
  #add(name, mode, content, major = 0, minor = 0) {
    const nameBytes = Buffer.from(`${name}\0`);
    this.#inode += 1;
    const links = (mode & 0o170000) === DIRECTORY ? 2 : 1;
    const fields = [
      this.#inode,
      mode,
      0, // uid
      0, // gid
      links,
      0, // mtime, so that the same input makes the same archive
      content.length,
      0, // device of the archive's own file
      0,
      major,
      minor,
      nameBytes.length,
      0, // checksum, unused in this variant
    ];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    this.#addPadded(Buffer.concat([Buffer.from(header, 'latin1'), nameBytes]));
    this.#addPadded(content);
  }

  /** Header with name, and content: each is padded to a multiple of four bytes. @param {Uint8Array} bytes */
  #addPadded(bytes) {
    this.#parts.push(Buffer.from(bytes), Buffer.alloc((4 - (bytes.length % 4)) % 4));
  }
}
