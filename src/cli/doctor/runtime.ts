/** What tapfd itself needs: Node, and its addon. */
import { native } from '../../base/native.js';
import { describeFailure } from '../terminal/failure.js';
import { type Answer, good, lacks, type Machine, readText } from './finding.js';

/** Of package.json `engines`. */
const MIN_NODE = [20, 19] as const;

export async function checkNode(version = process.versions.node): Promise<Answer> {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [minMajor, minMinor] = MIN_NODE;
  return major > minMajor || (major === minMajor && minor >= minMinor)
    ? good(`Node ${version}`)
    : lacks('error', `Node ${version} is too old`, `install Node ${minMajor}.${minMinor} or later`);
}

/** @param load - Loads the addon. */
export async function checkAddon(machine: Machine, load: () => unknown = native): Promise<Answer> {
  const { familySync, versionSync } = await import('detect-libc');
  const libc = `${familySync()} ${versionSync()}`;
  try {
    load();
    const maps = readText(machine, '/proc/self/maps') ?? '';
    const path = /\s(\/.*tapfd[^/]*\.node)$/m.exec(maps)?.[1];
    return good(`loaded${path === undefined ? '' : ` from ${path}`} (${process.arch}, ${libc})`);
  } catch (error) {
    return lacks(
      'error',
      `it does not load on ${process.arch} with ${libc}: ${describeFailure(error)}`,
      'npx node-gyp rebuild --directory=node_modules/tapfd/native',
    );
  }
}
