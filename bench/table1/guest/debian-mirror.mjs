/** Where this machine's apt gets Debian from: the guests and the sources come from there too. */
import { readFileSync } from 'node:fs';
import { capture, Trouble } from '../../../scripts/run-command.mjs';

/** Packages are made for the release that this machine runs: a program compiled here must run in the guest. */
export function debianRelease() {
  const facts = readFileSync('/etc/os-release', 'utf8');
  const value = (key) => new RegExp(`^${key}="?([^"\n]*)`, 'm').exec(facts)?.[1];
  const codename = value('VERSION_CODENAME');
  if (value('ID') === 'debian' && codename !== undefined) return codename;
  throw new Trouble(
    `the guests are built of Debian packages, and this is ${value('PRETTY_NAME') ?? 'no Debian'}`,
    'run it on Debian; npm run table1 -- --only iperf needs only the small guest',
  );
}

/**
 * Lines for a `sources.list`.
 *
 * @param {'deb' | 'deb-src'} type
 * @returns {Promise<string[]>}
 */
export async function sourcesList(type) {
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT)';
  const { stdout } = await capture('apt-get', ['indextargets', '--format', format, 'Identifier: Packages']);
  const release = debianRelease();
  const lines = [...new Set(stdout.split('\n'))].filter((line) => line.includes(` ${release}`));
  if (lines.length === 0) throw new Trouble(`apt knows no packages of ${release}`, 'apt-get update');
  return lines.map((line) => `${type} ${line}`);
}
