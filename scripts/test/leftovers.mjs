/** What a test run left behind on the machine: a leak in the library or in a test. */
import { existsSync, readdirSync } from 'node:fs';

/** Where named namespaces are, and where this namespace's links are. */
const PLACES = { namespace: '/run/netns', link: '/sys/class/net' };

/** @returns {string[]} `namespace NAME` and `link NAME` for each that there is now */
export function namespacesAndLinks() {
  return Object.entries(PLACES).flatMap(([what, directory]) =>
    existsSync(directory) ? readdirSync(directory).map((name) => `${what} ${name}`) : [],
  );
}

/**
 * What is there now and was not before. Test namespaces carry their process in the name: those of a process that still
 * runs are somebody else's.
 *
 * @param {readonly string[]} before
 */
export function leftSince(before) {
  return namespacesAndLinks().filter((entry) => {
    const owner = /^namespace tapfd-(?:[a-z]+-)?(\d+)-/.exec(entry)?.[1];
    return !before.includes(entry) && (owner === undefined || !existsSync(`/proc/${owner}`));
  });
}
