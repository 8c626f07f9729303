/** What the tarball holds: everything here, and nothing else. */
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { TARGETS } from '../prebuilds/targets.mjs';
import { ROOT } from '../prepare.mjs';
import { capture, Trouble } from '../run-command.mjs';

export const MAX_PACKED_BYTES = 2_000_000;

/** Always there, one each. */
const SINGLE = [
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'LICENSE',
  'README.md',
  'SECURITY.md',
  'native/addon.gypi',
  'native/binding.gyp',
  'package.json',
];

/** Kinds of files; of each there is at least one. What the compiler makes of src/ is not here: it is checked by name. */
const KINDS = [
  /^docs\/[a-z0-9-]+\.md$/,
  /^docs\/(bench|pictures|table1)\/[a-z0-9-]+\.svg$/,
  /^native\/(?:[a-z-]+\/|fd_socket\/)+[a-z0-9_]+\.(cc|h)$/,
];

/** Of each file of `src/` in `lib/`. The sources and their maps are as large again, and say what the compiled files say. */
const COMPILED = ['.js', '.d.ts'];

/**
 * What is wrong with the list of files in a tarball, in words; empty if nothing is.
 *
 * @param {readonly string[]} files
 * @param {{partial?: boolean}} [options] `partial`: prebuilds may be missing
 * @returns {string[]}
 */
export function contentFaults(files, { partial = false } = {}) {
  const prebuilds = TARGETS.map(({ file }) => file);
  const compiled = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => COMPILED.map((ending) => `lib/${file.replace(/\.ts$/, ending)}`));
  const wanted = [...SINGLE, ...compiled, ...(partial ? [] : prebuilds)];
  const allowed = new Set([...wanted, ...prebuilds]);
  const there = new Set(files);
  return [
    ...wanted.filter((file) => !there.has(file)).map((file) => `${file} is missing`),
    ...KINDS.filter((kind) => !files.some((file) => kind.test(file))).map(
      (kind) => `nothing is like ${kind}`,
    ),
    ...files
      .filter((file) => !allowed.has(file) && !KINDS.some((kind) => kind.test(file)))
      .map((file) => `${file} does not belong there`),
  ];
}

/**
 * Compiled files that name a map, which is not in the tarball.
 *
 * @param {readonly string[]} files
 * @param {string} root where they are
 * @returns {string[]}
 */
export function mapFaults(files, root) {
  return files
    .filter((file) => file.startsWith('lib/') && file.endsWith('.js'))
    .filter((file) => readFileSync(join(root, file), 'utf8').includes('//# sourceMappingURL='))
    .map((file) => `${file} names a map, which is missing`);
}

/**
 * What `npm pack` would pack as the tree is now.
 *
 * @returns {Promise<{files: string[], bytes: number}>} `bytes`: of the tarball
 */
export async function wouldPack() {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  // npm hands the options of a run down to its scripts: those of the pack that started this one are not for it.
  const inherited = Object.keys(process.env).filter((name) =>
    /^npm_config_(dry_run|json|pack_destination)$/.test(name),
  );
  const env = Object.fromEntries(inherited.map((name) => [name, undefined]));
  const { status, stdout, output } = await capture('npm', args, { cwd: ROOT, env });
  if (status !== 0) throw new Trouble(`npm pack --dry-run failed:\n${output}`);
  /** @type {{size: number, files: {path: string}[]}[]} */
  const [packed] = JSON.parse(stdout);
  if (packed === undefined) throw new Trouble('npm pack --dry-run lists nothing');
  return { files: packed.files.map(({ path }) => path), bytes: packed.size };
}

/** What is made here, and so is in no commit. */
const MADE = /^(lib|prebuilds)\//;

/**
 * The files that would be packed although nobody has committed them, such as a draft in docs/, or a source in src/ that was
 * compiled. Nothing, where the tree is no checkout of its own.
 *
 * @param {readonly string[]} files
 * @param {string} root
 * @returns {Promise<string[]>}
 */
export async function uncommittedFaults(files, root) {
  const git = (/** @type {string[]} */ ...args) => capture('git', ['-C', root, ...args]);
  const top = await git('rev-parse', '--show-toplevel').catch(() => undefined);
  if (top?.status !== 0 || top.stdout.trim() !== realpathSync(root)) return [];
  const { stdout } = await git('ls-files', '-z');
  const committed = new Set(stdout.split('\0'));
  const sources = files.flatMap((file) =>
    file.startsWith('lib/') && file.endsWith('.js')
      ? [file.replace(/^lib\/(.*)\.js$/, 'src/$1.ts')]
      : MADE.test(file)
        ? []
        : [file],
  );
  return sources.filter((file) => !committed.has(file)).map((file) => `${file} is not in git`);
}

/** Whether `TAPFD_PARTIAL_TARBALL` asks for a tarball that lacks prebuilds. */
export function isPartialWanted() {
  return !['', '0', undefined].includes(process.env.TAPFD_PARTIAL_TARBALL);
}

/**
 * @param {{partial: boolean}} options
 * @throws Trouble with everything that is wrong
 */
export async function checkContents({ partial }) {
  const { files, bytes } = await wouldPack();
  const faults = [
    ...contentFaults(files, { partial }),
    ...mapFaults(files, ROOT),
    ...(partial ? [] : await uncommittedFaults(files, ROOT)),
  ];
  if (bytes >= MAX_PACKED_BYTES) faults.push(`it has ${bytes} bytes`);
  if (faults.length === 0) return;
  throw new Trouble(
    `the tarball would not be what it should be:\n  ${faults.join('\n  ')}`,
    'what belongs there is listed in scripts/package/contents.mjs, what npm takes in "files" of package.json',
  );
}
