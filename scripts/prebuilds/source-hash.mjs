/** The hash of what a prebuild is compiled from. native/node/prebuilt.cc puts it into the binary. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../prepare.mjs';

/**
 * Of every file of `native/` with its name, and of the version of node-addon-api, whose headers become part of the addon.
 *
 * @param {string} [root]
 * @returns {string} 64 hexadecimal digits
 */
export function sourceHash(root = ROOT) {
  const hash = createHash('sha256');
  for (const file of nativeFiles(root)) {
    const text = readFileSync(join(root, file));
    hash.update(`${file} ${text.length}\n`).update(text);
  }
  const { version } = JSON.parse(
    readFileSync(join(root, 'node_modules/node-addon-api/package.json'), 'utf8'),
  );
  return hash.update(`node-addon-api ${version}\n`).digest('hex');
}

/**
 * The files of `native/`, without what compiling there has made.
 *
 * @param {string} root
 */
export function nativeFiles(root) {
  return readdirSync(join(root, 'native'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(root, '/').length))
    .filter((file) => !file.startsWith('native/build/'))
    .sort();
}
