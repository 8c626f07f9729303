/** The network namespaces of this machine, as far as this user sees them, each once. */
import { readdirSync, statSync } from 'node:fs';
import { type Link, links } from '../../index.js';
import { NETNS_DIRECTORY } from '../../links/namespace.js';
import { describeFailure } from '../terminal/failure.js';
import { attempt, commandOf, keyIn, keyOf, type NamespaceFile, type Processes } from './processes.js';

export interface Namespace extends NamespaceFile {
  /** That of `ip netns`, or what tells it apart. */
  label: string;
  /** It is that of this process. */
  own: boolean;
  links: readonly Link[];
  /** Why its links are not known. */
  problem?: string;
}

/**
 * Reads the links of all namespaces.
 *
 * @param all - All of them; otherwise only this process's own.
 * @returns This process's own first, then those of `ip netns`, then those of processes.
 */
export async function lookAtNamespaces(
  processes: Pick<Processes, 'namespaces'>,
  all = true,
): Promise<Namespace[]> {
  const found = new Map<string, { file: NamespaceFile; label: string; own: boolean }>();
  const named = new Map(namedNamespaces().map((one) => [one.key, one]));
  const ownKey = keyIn(statSync('/proc/self/ns/net'));
  const ownName = named.get(ownKey)?.name;
  const own = { key: ownKey, path: '/proc/self/ns/net' };
  found.set(ownKey, { file: own, label: ownName ?? 'this namespace', own: true });
  for (const one of named.values()) {
    if (!found.has(one.key)) found.set(one.key, { file: one, label: one.name, own: false });
  }
  for (const one of processes.namespaces) {
    if (found.has(one.key)) continue;
    found.set(one.key, { file: one, label: `of ${commandOf(one.pid)} (${one.pid})`, own: false });
  }
  const wanted = [...found.values()].filter((one) => all || one.own);
  const read = wanted.map(async ({ file: { key, path }, label, own }): Promise<Namespace> => {
    try {
      return { key, path, label, own, links: await links.list(own ? {} : { netns: path }) };
    } catch (error) {
      return { key, path, label, own, links: [], problem: describeFailure(error) };
    }
  });
  return Promise.all(read);
}

/** Those of `ip netns`, by name. */
export function namedNamespaces(directory = NETNS_DIRECTORY): (NamespaceFile & { name: string })[] {
  return (attempt(() => readdirSync(directory)) ?? []).sort().flatMap((name) => {
    const path = `${directory}/${name}`;
    const key = keyOf(path);
    return key === undefined ? [] : [{ key, path, name }];
  });
}
