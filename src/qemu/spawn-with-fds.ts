import type {
  ChildProcess,
  ChildProcessWithoutNullStreams,
  SpawnOptions,
  SpawnOptionsWithoutStdio,
} from 'node:child_process';
import { checkObject, checkPath } from '../base/checks.js';
import type { FdSource } from '../base/fd-source.js';
import { startProcess } from '../base/start-process.js';
import { fillPlaceholders, openFds, standardStreams } from './nic/child-descriptors.js';

/**
 * Starts any program with descriptors of this process, and tells it their numbers.
 *
 * In each of `args`, `{fd:0}` becomes the number that `fds[0]` has in the child, `{fd:1}` that of `fds[1]`, anywhere
 * in the string and as often as wanted. The numbers start behind the standard streams: `fds[i]` is `3 + i`, or
 * `options.stdio.length + i` when the caller's own `stdio` list is longer than 3.
 *
 * The child gets duplicates; the parent's descriptors stay open, owned and close-on-exec as they are, so that no
 * other child inherits them. A device among `fds` keeps reading in this process too and takes frames from the child:
 * pass `device.handOff()` (and close that number afterwards) when the child is to have them all.
 * O_NONBLOCK belongs to the open file description and is shared: both sides see it, and either can change it.
 *
 * Needs no privilege. Descriptors pass by fork and exec (execve(2), libuv `uv_spawn`).
 *
 * @param command The program, as in `child_process.spawn`.
 * @param args Its arguments. `{fd:` may not stand in them for anything else.
 * @param fds Descriptors, or objects that have one in `fd`. One may be given twice.
 * @param options Those of `child_process.spawn`; its defaults hold.
 * @returns The child, once it runs: none of its events has been emitted yet but `'spawn'`.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`: a wrong type, or `{fd:` without the index of one of `fds`.
 * @throws TapfdError `EBADF`: one of `fds` is not open.
 * @throws TapfdError `ENOENT`, `EACCES`, `E2BIG`, `EAGAIN`, `EMFILE`, …: the system could not start it
 *   (`syscall: 'spawn'`). Nothing has changed then.
 * @throws The reason of `options.signal`, when it was aborted before the child ran. No child is left.
 */
export function spawnWithFds(
  command: string,
  args: readonly string[],
  fds: readonly FdSource[],
  options?: SpawnOptionsWithoutStdio,
): Promise<ChildProcessWithoutNullStreams>;
export function spawnWithFds(
  command: string,
  args: readonly string[],
  fds: readonly FdSource[],
  options: SpawnOptions,
): Promise<ChildProcess>;
export async function spawnWithFds(
  command: string,
  args: readonly string[],
  fds: readonly FdSource[],
  options: SpawnOptions = {},
): Promise<ChildProcess> {
  checkPath('command', command);
  checkObject('options', options);
  const stdio = standardStreams(options.stdio);
  const numbers = openFds('fds', fds);
  const filled = fillPlaceholders(args, numbers.length, stdio.length);
  return startProcess('spawnWithFds', command, filled, { ...options, stdio: [...stdio, ...numbers] });
}
