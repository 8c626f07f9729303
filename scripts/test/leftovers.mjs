/** What a test run leaves behind on the machine is a leak, in the library or in a test. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';

/** Where named namespaces and this namespace's links show. */
const PLACES = { namespace: '/run/netns', link: '/sys/class/net' };

/** @returns {string[]} `namespace NAME` and `link NAME` for each that there is now */
export function namespacesAndLinks() {
  return Object.entries(PLACES).flatMap(([what, directory]) =>
    existsSync(directory) ? readdirSync(directory).map((name) => `${what} ${name}`) : [],
  );
}

/**
 * What is there now and was not before, but for what belongs to another test run.
 *
 * @param {readonly string[]} before
 */
export function leftSince(before) {
  return namespacesAndLinks().filter((entry) => {
    const maker = makerOf(entry.replace('namespace ', ''));
    return !before.includes(entry) && (maker === undefined || !runs(maker));
  });
}

/** Removes the test namespaces of processes that have ended: what a run that was killed with SIGKILL could not. */
export function sweepNamespaces() {
  removeNamespaces((maker) => !runs(maker));
}

/**
 * @param {number} pid
 */
export function removeNamespacesOf(pid) {
  removeNamespaces((maker) => maker === pid);
}

/** @param {(maker: number) => boolean} isWanted */
function removeNamespaces(isWanted) {
  if (!existsSync(PLACES.namespace)) return;
  for (const name of readdirSync(PLACES.namespace)) {
    const maker = makerOf(name);
    if (maker !== undefined && isWanted(maker)) spawnSync('ip', ['netns', 'delete', name]);
  }
}

/**
 * The name of a test namespace contains the process that made it.
 *
 * @param {string} name
 */
function makerOf(name) {
  const pid = /^tapfd-(?:[a-z]+-)?(\d+)-/.exec(name)?.[1];
  return pid === undefined ? undefined : Number(pid);
}

/** @param {number} pid */
function runs(pid) {
  return existsSync(`/proc/${pid}`);
}
