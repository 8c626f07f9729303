/**
 * HPL, the LINPACK that the paper ran, as a program of its own: Debian packages it only in the HPC Challenge suite
 * (`hpcc`), which always runs everything. This compiles HPL from that package's source, with a `main` for it.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { aptGet, aptOptions } from '../../../scripts/debian-packages.mjs';
import { capture, say, step, Trouble } from '../../../scripts/run-command.mjs';
import { sourcesList } from './debian-mirror.mjs';

const MAIN = fileURLToPath(new URL('./linpack.c', import.meta.url));

/** The C interface of BLAS, and no MPI datatypes, as MPI 3 has removed the calls that HPL makes for them. */
const DEFINES = ['-DHPL_CALL_CBLAS', '-DHPL_NO_MPI_DATATYPE'];

/** What compiling it needs besides a C compiler. */
export const HPL_BUILD_PACKAGES = ['libopenmpi-dev', 'libopenblas-pthread-dev', 'dpkg-dev'];

/**
 * Compiles it to `program`.
 *
 * @param {string} program
 * @param {string} work an empty directory
 */
export async function compileHpl(program, work) {
  const hpl = join(await fetchSource(work), 'hpl');
  const sources = ['src', 'testing'].flatMap((directory) =>
    readdirSync(join(hpl, directory), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.c'))
      .map((name) => join(hpl, directory, name)),
  );
  const include = ['-I', join(hpl, 'include'), '-I', '/usr/include/x86_64-linux-gnu/openblas-pthread'];
  const args = ['-O2', '-w', ...DEFINES, ...include, ...sources, MAIN, '-o', program, '-lopenblas', '-lm'];
  say(`-- compiling HPL with mpicc, ${sources.length} files`);
  const { status, output } = await capture('mpicc', args);
  if (status !== 0) throw new Trouble(`HPL does not compile: ${output}`);
}

/** With separate package lists, as apt often has none of sources. */
async function fetchSource(work) {
  const lists = join(work, 'lists');
  mkdirSync(join(lists, 'partial'), { recursive: true });
  writeFileSync(join(work, 'sources.list'), `${(await sourcesList('deb-src')).join('\n')}\n`);
  const own = aptOptions({
    'Dir::Etc::sourcelist': join(work, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::lists': lists,
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
  });
  say('-- fetching the source of hpcc by apt');
  await aptGet([...own, 'update'], work);
  // Only the upstream archive is needed, and its hash is in the signed list.
  await aptGet([...own, 'source', '--tar-only', '--download-only', 'hpcc'], work);
  const archive = readdirSync(work).find((name) => /^hpcc_.*\.orig\.tar\./.test(name));
  if (archive === undefined) throw new Trouble('apt-get source fetched no archive of hpcc');
  await step('unpacking HPL', 'tar', ['-xf', archive], { cwd: work });
  const directory = readdirSync(work).find((name) => /^hpcc-[\d.]+$/.test(name));
  if (directory === undefined) throw new Trouble(`${archive} holds no hpcc`);
  return join(work, directory);
}
