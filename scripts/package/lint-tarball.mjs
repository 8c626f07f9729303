/** publint and attw: whether the package.json of a tarball leads every resolver to the right files and types. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { capture, Trouble } from '../run-command.mjs';

/**
 * What attw finds, and why it is accepted. `require('tapfd')` loads an ES module, which every Node version that the package
 * is for can do. Resolution as before Node 12 knows no `exports`: TypeScript does without types of `tapfd/qemu` there.
 */
const ACCEPTED = { kind: 'CJSResolvesToESM', resolution: 'node10' };

/**
 * @param {string} tools the directory of test/package/matrix/tools
 * @param {string} tarball
 * @returns {Promise<string[]>}
 */
export async function publintFaults(tools, tarball) {
  const main = join(tools, 'node_modules/publint/src/index-node.js');
  const { publint } = await import(pathToFileURL(main).href);
  const content = readFileSync(tarball);
  const buffer = content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
  const { messages } = await publint({ pack: { tarball: buffer }, strict: true });
  return messages.map((/** @type {object} */ message) => JSON.stringify(message));
}

/**
 * @param {string} tools
 * @param {string} tarball
 * @returns {Promise<string[]>}
 */
export async function attwFaults(tools, tarball) {
  const program = join(tools, 'node_modules/@arethetypeswrong/cli/dist/index.js');
  const { stdout, output } = await capture(process.execPath, [program, tarball, '--format', 'json']);
  /** @type {{analysis?: {entrypoints: object, types: unknown}, problems: Record<string, AttwProblem[]>}} */
  let report;
  try {
    report = JSON.parse(stdout);
  } catch {
    throw new Trouble(`attw failed:\n${output}`);
  }
  const entrypoints = Object.keys(report.analysis?.entrypoints ?? {});
  if (entrypoints.length < 5) throw new Trouble(`attw saw only ${entrypoints.join(', ')}`);
  return Object.values(report.problems)
    .flat()
    .filter(({ kind, resolutionKind }) => kind !== ACCEPTED.kind && resolutionKind !== ACCEPTED.resolution)
    .map((problem) => JSON.stringify(problem));
}

/** @typedef {{kind: string, resolutionKind?: string}} AttwProblem */
