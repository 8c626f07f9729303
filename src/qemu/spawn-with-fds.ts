import type {
  ChildProcess,
  ChildProcessWithoutNullStreams,
  SpawnOptions,
  SpawnOptionsWithoutStdio,
} from 'node:child_process';
import { checkObject, checkPath, refuseSurplus } from '../base/checks.js';
import { type StartedProcess, startProcess } from '../base/start-process.js';
import type { FdSource } from '../fd-socket/fd-source.js';
import { copySpawnOptions, fillPlaceholders, openFds, standardStreams } from './nic/child-descriptors.js';

/**
 * Starts any program with descriptors of this process, and passes it their numbers.
 *
 * In each of `args`, `{fd:0}` becomes the number of `fds[0]` in the child, `{fd:1}` that of `fds[1]`, anywhere in the
 * string and any number of times. The numbers follow the standard streams: `fds[i]` is `3 + i`, or
 * `options.stdio.length + i` if the caller's own `stdio` list is longer than 3.
 *
 * The child gets duplicates. The parent's descriptors stay open, owned and close-on-exec, so that no other child
 * inherits them. A device among `fds` is still read in this process, too, which takes frames from the child: if the
 * child must get them all, pass `device.handOff()` and close that number afterwards.
 * O_NONBLOCK belongs to the open file description and is shared: both sides see it, and either can change it.
 *
 * Needs no privilege. Descriptors are passed by fork and exec (execve(2), libuv `uv_spawn`).
 *
 * @example
 * ```ts
 * import { openTap } from 'tapfd';
 * import { spawnWithFds } from 'tapfd/qemu';
 *
 * const tap = await openTap({ addresses: ['10.0.0.1/24'] });
 * const card = 'vec0:transport=fd,fd={fd:0},vec=0';
 * await spawnWithFds('linux.uml', ['mem=192M', card], [tap], { stdio: 'inherit' });
 * ```
 *
 * @param command The program, as in `child_process.spawn`.
 * @param args Its arguments. `{fd:` must not occur in them with another meaning.
 * @param fds Descriptors, or objects that have one in `fd`. The same one may occur twice.
 * @param options Those of `child_process.spawn`, with its defaults.
 * @returns The running child, of whose events only `'spawn'` has been emitted. Listen to it, and read its output, before
 *   you await anything else: as after `child_process.spawn`, what nobody reads by the time it exits is discarded.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`: a wrong type, an unknown option, or `{fd:` without the index of one of `fds`.
 * @throws TapfdError `EBADF`: one of `fds` is not open.
 * @throws TapfdError `ENOENT`, `EACCES`, `E2BIG`, `EAGAIN`, `EMFILE`, …: the system could not start it
 *   (`syscall: 'spawn'`). Nothing has changed then.
 * @throws The reason of `options.signal`, if it was aborted before the child ran. No child is left.
 */
export function spawnWithFds(
  command: string,
  args: readonly string[],
  fds: readonly FdSource[],
  options?: SpawnOptionsWithoutStdio,
): Promise<
  ChildProcessWithoutNullStreams & {
    /** The process id. */
    readonly pid: number;
  }
>;
export function spawnWithFds(
  command: string,
  args: readonly string[],
  fds: readonly FdSource[],
  options: SpawnOptions,
): Promise<
  ChildProcess & {
    /** The process id. */
    readonly pid: number;
  }
>;
export async function spawnWithFds(
  command: string,
  args: readonly string[],
  fds: readonly FdSource[],
  options: SpawnOptions = {},
): Promise<StartedProcess> {
  refuseSurplus('spawnWithFds', arguments, 4);
  checkPath('command', command);
  checkObject('options', options);
  const spawnOptions = copySpawnOptions('spawnWithFds', options);
  const stdio = standardStreams(options.stdio);
  const numbers = openFds('fds', fds);
  const filled = fillPlaceholders(args, numbers.length, stdio.length);
  return startProcess('spawnWithFds', command, filled, { ...spawnOptions, stdio: [...stdio, ...numbers] });
}
