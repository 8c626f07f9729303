/** Where this machine's apt gets Debian from. The guests and the sources come from there too. */
import { readFileSync } from 'node:fs';
import { capture, Trouble } from '../../../scripts/run-command.mjs';

/** The release that this machine runs. The guests get the same, as programs compiled here must run in them. */
export function debianRelease() {
  const facts = readFileSync('/etc/os-release', 'utf8');
  const value = (key) => new RegExp(`^${key}="?([^"\n]*)`, 'm').exec(facts)?.[1];
  const codename = value('VERSION_CODENAME');
  if (value('ID') === 'debian' && codename !== undefined) return codename;
  throw new Trouble(
    `the guests are built from Debian packages, and this is ${value('PRETTY_NAME') ?? 'not Debian'}`,
    'run it on Debian, or only npm run table1 -- --only iperf, which needs the small guest alone',
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
  if (lines.length === 0) throw new Trouble(`apt has no package list of ${release}`, 'apt-get update');
  return lines.map((line) => `${type} ${line}`);
}
