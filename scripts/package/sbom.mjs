/** A CycloneDX list of what a release contains: the package, its run-time dependencies, what its prebuilds have inside. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../prepare.mjs';
import { capture, Trouble } from '../run-command.mjs';

/**
 * @typedef {object} Component
 * @property {string} name
 * @property {string} [version]
 * @property {string} [purl]
 * @property {string} [bom-ref]
 * @property {string} [type]
 * @property {string} [description]
 * @property {{license?: {id?: string}, expression?: string}[]} [licenses]
 * @property {{alg: string, content: string}[]} [hashes]
 */

/**
 * @typedef {object} Sbom
 * @property {string} bomFormat
 * @property {string} specVersion
 * @property {{component: Component}} metadata
 * @property {Component[]} components
 * @property {{ref: string, dependsOn: string[]}[]} dependencies
 */

/** Parts of the prebuilds that no package of npm brings: the C++ library of the compiler in scripts/prebuilds/compiler. */
const INSIDE_PREBUILDS = ['libc++', 'libc++abi', 'libunwind', 'compiler-rt'];
const LLVM_VERSION = '19.1.0';

/** Licences that a run-time dependency may have. */
const LICENSES = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0'];

/** @returns {Promise<Sbom>} */
export async function makeSbom() {
  // `--omit=dev` would also leave out what a development dependency needs, too.
  const args = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=library'];
  const { status, stdout, output } = await capture('npm', args, { cwd: ROOT });
  if (status !== 0) throw new Trouble(`npm sbom failed:\n${output}`);
  /** @type {Sbom} */
  const sbom = JSON.parse(stdout);
  const inside = INSIDE_PREBUILDS.map((name) => ({
    'bom-ref': `llvm/${name}@${LLVM_VERSION}`,
    type: 'library',
    name,
    version: LLVM_VERSION,
    description: 'linked into prebuilds/',
    licenses: [{ expression: 'Apache-2.0 WITH LLVM-exception' }],
    purl: `pkg:generic/llvm/${encodeURIComponent(name)}@${LLVM_VERSION}`,
  }));
  const own = sbom.metadata.component['bom-ref'] ?? '';
  const wanted = new Set(runTimePackages().map((one) => purlOf(one)));
  const components = [...sbom.components.filter(({ purl = '' }) => wanted.has(purl)), ...inside];
  const refs = new Set([own, ...components.map((one) => one['bom-ref'])]);
  return {
    ...sbom,
    components,
    dependencies: sbom.dependencies
      .filter(({ ref }) => refs.has(ref))
      .map(({ ref, dependsOn }) => ({
        ref,
        dependsOn: [...dependsOn, ...(ref === own ? inside.map((part) => part['bom-ref']) : [])].filter(
          (one) => refs.has(one),
        ),
      })),
  };
}

/**
 * The packages that users get with this one, from the lock file.
 *
 * @returns {{name: string, version: string, license: string, integrity: string}[]}
 */
export function runTimePackages() {
  /** @type {{packages: Record<string, {dev?: boolean, optional?: boolean, version: string, license?: string, integrity?: string}>}} */
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true)
    .map(([path, { version, integrity = '' }]) => {
      /** @type {{license?: string}} */
      const { license = 'none' } = JSON.parse(readFileSync(join(ROOT, path, 'package.json'), 'utf8'));
      return { name: path.replace(/^.*node_modules\//, ''), version, license, integrity };
    });
}

/** @param {{name: string, version: string}} one */
function purlOf({ name, version }) {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

/** The run-time dependencies whose licence nobody has agreed to, in words. */
export function licenseFaults(packages = runTimePackages()) {
  return packages
    .filter(({ license }) => !LICENSES.includes(license))
    .map(({ name, license }) => `${name} has the licence ${license}`);
}

/**
 * What is wrong with a list: it must name each run-time dependency, and no other, with version, licence and hash.
 *
 * @param {Sbom} sbom
 * @returns {string[]}
 */
export function sbomFaults(sbom) {
  /** @type {{version: string, name: string}} */
  const { name, version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  /** @type {string[]} */
  const faults = [];
  if (sbom.bomFormat !== 'CycloneDX' || !/^1\.\d$/.test(sbom.specVersion))
    faults.push('it is no CycloneDX list');
  const { component } = sbom.metadata;
  if (component.purl !== `pkg:npm/${name}@${version}`) faults.push(`it is of ${component.purl}`);
  const wanted = new Map(runTimePackages().map((one) => [purlOf(one), one]));
  const listed = new Map(sbom.components.map((one) => [one.purl ?? one.name, one]));
  for (const [purl, { integrity, license }] of wanted) {
    const one = listed.get(purl);
    const hash = Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex');
    if (one === undefined) faults.push(`it lacks ${purl}`);
    else if (!one.hashes?.some(({ alg, content }) => alg === 'SHA-512' && content === hash))
      faults.push(`${purl} has no hash`);
    else if (!one.licenses?.some((of) => of.license?.id === license))
      faults.push(`${purl} lacks the licence ${license}`);
  }
  for (const [purl] of listed) {
    if (purl.startsWith('pkg:npm/') && !wanted.has(purl))
      faults.push(`it has ${purl}, which is no run-time dependency`);
  }
  for (const part of INSIDE_PREBUILDS) {
    if (!sbom.components.some((one) => one.name === part)) faults.push(`it lacks ${part}`);
  }
  const refs = new Set([component['bom-ref'], ...sbom.components.map((one) => one['bom-ref'])]);
  const loose = sbom.dependencies
    .flatMap(({ ref, dependsOn }) => [ref, ...dependsOn])
    .filter((ref) => !refs.has(ref));
  if (loose.length > 0) faults.push(`its dependencies name ${loose.join(', ')}, which it does not list`);
  return faults;
}
