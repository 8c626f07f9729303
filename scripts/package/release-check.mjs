/**
 * `npm run release:check`: what must hold before a release is published, beyond what `npm pack` checks by itself. Writes
 * `tapfd-VERSION.cdx.json`, the CycloneDX list, to attach to the release.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installOnDemand } from '../on-demand.mjs';
import { checkSystem, installDependencies, ROOT } from '../prepare.mjs';
import { capture, runScript, say, step, Trouble } from '../run-command.mjs';
import { attwFaults, publintFaults } from './lint-tarball.mjs';
import { licenseFaults, makeSbom, sbomFaults } from './sbom.mjs';

await runScript(async () => {
  checkSystem();
  await installDependencies();
  const tools = await installOnDemand('test/package/matrix/tools');
  const directory = mkdtempSync(join(tmpdir(), 'tapfd-release-'));
  try {
    await step('packing, with all checks of the tarball', 'npm', ['pack', '--pack-destination', directory], { cwd: ROOT });
    const [name] = readdirSync(directory);
    const tarball = join(directory, name ?? '');
    refuse('publint', await publintFaults(tools, tarball));
    refuse('attw', await attwFaults(tools, tarball));
  } finally {
    rmSync(directory, { recursive: true });
  }
  refuse('licences', licenseFaults());
  await audit();
  const sbom = await makeSbom();
  refuse('the CycloneDX list', sbomFaults(sbom));
  /** @type {{version: string}} */
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  writeFileSync(join(ROOT, `tapfd-${version}.cdx.json`), `${JSON.stringify(sbom, undefined, 2)}\n`);
  say(`wrote tapfd-${version}.cdx.json`);
});

async function audit() {
  const { status, output } = await capture('npm', ['audit', '--omit=dev'], { cwd: ROOT });
  // A mirror may have no such service.
  if (/audit endpoint returned an error/.test(output)) {
    say('NOT CHECKED: the registry does not answer npm audit: repeat this where it does');
    return;
  }
  if (status !== 0) throw new Trouble(`npm audit:\n${output}`);
  say('npm audit: clean');
}

/**
 * @param {string} what
 * @param {readonly string[]} faults
 */
function refuse(what, faults) {
  if (faults.length > 0) throw new Trouble(`${what}:\n  ${faults.join('\n  ')}`);
  say(`${what}: clean`);
}
