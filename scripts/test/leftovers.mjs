/** What a test run leaves behind on the machine is a leak, in the library or in a test. */
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
 * What is there now and was not before. The name of a test namespace contains the process that made it: if that still runs,
 * the namespace belongs to another test run.
 *
 * @param {readonly string[]} before
 */
export function leftSince(before) {
  return namespacesAndLinks().filter((entry) => {
    const owner = /^namespace tapfd-(?:[a-z]+-)?(\d+)-/.exec(entry)?.[1];
    return !before.includes(entry) && (owner === undefined || !existsSync(`/proc/${owner}`));
  });
}
