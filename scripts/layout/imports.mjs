/** Which file of `src/` and `native/` imports which: types included in TypeScript, `#include "…"` in C++. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cruise } from 'dependency-cruiser';
import { ROOT } from '../prepare.mjs';

/** @typedef {{from: string, to: string}} Import paths from the root */

/** @returns {Promise<Import[]>} */
export async function importsOfTypeScript() {
  const { output } = await cruise(['src'], {
    baseDir: ROOT,
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
  });
  if (typeof output === 'string') throw new Error('dependency-cruiser has answered with a text');
  return output.modules.flatMap(({ source, dependencies }) =>
    dependencies
      .filter(({ resolved }) => resolved.startsWith('src/'))
      .map(({ resolved }) => ({ from: source, to: resolved })),
  );
}

/** @returns {Import[]} */
export function importsOfCpp() {
  return filesBelow('native').flatMap((from) =>
    includesOf(from, /^#include "(.+)"/gm).map((included) => {
      const to = `native/${included}`;
      if (!existsSync(join(ROOT, to)))
        throw new Error(`${from} includes "${included}": write it from native/`);
      return { from, to };
    }),
  );
}

/** Of one C++ file, the headers that `pattern` finds. @param {string} file @param {RegExp} pattern */
export function includesOf(file, pattern) {
  return [...readFileSync(join(ROOT, file), 'utf8').matchAll(pattern)].map((match) => `${match[1]}`);
}

/** @param {string} folder @returns {string[]} paths from the root */
export function filesBelow(folder) {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length))
    .sort();
}

/**
 * The circles: each as the files on it, the first once more at its end.
 *
 * @param {readonly Import[]} imports
 * @returns {string[][]}
 */
export function circlesIn(imports) {
  /** @type {Map<string, string[]>} */
  const next = new Map();
  for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to]);
  /** @type {string[][]} */
  const circles = [];
  const done = new Set();
  /** @param {string} file @param {string[]} way */
  const follow = (file, way) => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file]);
    if (done.has(file) || way.includes(file)) return;
    for (const other of next.get(file) ?? []) follow(other, [...way, file]);
    done.add(file);
  };
  for (const file of next.keys()) follow(file, []);
  return circles;
}
