/** Creating a network namespace. */
import { type AbortOptions, checkSignal } from '../base/abort.js';
import { checkObject, checkOptionNames, refuseSurplus } from '../base/checks.js';
import { native } from '../base/native.js';
import { nativeCall } from '../base/native-call.js';
import { checkNetnsName, NETNS_DIRECTORY } from './namespace.js';
import { Netns } from './netns.js';

/** Options of {@link createNetns}. */
export interface CreateNetnsOptions {
  /**
   * Ends the namespace's life: an abort closes it, as `close()` does. Processes in it are not ended, and it remains as long
   * as they do. An abort before it is made rejects with the signal's reason.
   */
  signal?: AbortSignal | undefined;
}

/**
 * Creates a network namespace. Its only link is `lo`, which is down at first: set it up with
 * `links.set('lo', { up: true, netns })`. The calling process stays in its own namespace.
 *
 * Without a name it has no file, and nothing can leave it behind: it is gone with the process, even if that is killed.
 * Other programs reach it by its {@link Netns.path}, `/proc/PID/fd/N`. With a name it is made as `ip netns add` does: a
 * file in `/run/netns`, which a process that is killed at once leaves there.
 *
 * Needs CAP_SYS_ADMIN, and with a name write access to `/run/netns`.
 *
 * @example
 * ```ts
 * import { createNetns, openTap } from 'tapfd';
 *
 * await using netns = await createNetns();
 * await using tap = await openTap({ netns: netns.path, addresses: ['10.0.0.1/24'] });
 * netns.spawn('ip', ['address'], { stdio: 'inherit' });
 * ```
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `EEXIST` if the name is in use, or its file was left behind;
 * `EPERM`, `EACCES`; `ENOSPC` if `user.max_net_namespaces` is reached; the reason of `signal`.
 */
export function createNetns(options?: CreateNetnsOptions): Promise<Netns>;
/**
 * Creates a network namespace with a name, or without one if it is undefined; else as `createNetns(options)`.
 *
 * @param name - 1 to 255 bytes without "/" or NUL, not "." or "..".
 * @throws TapfdError as `createNetns(options)`.
 */
export function createNetns(name: string | undefined, options?: CreateNetnsOptions): Promise<Netns>;
export async function createNetns(
  first?: string | CreateNetnsOptions,
  second?: CreateNetnsOptions,
): Promise<Netns> {
  const unnamed = typeof first === 'object' && first !== null;
  refuseSurplus('createNetns', arguments, unnamed ? 1 : 2);
  const name = unnamed || first === undefined ? undefined : checkNetnsName('name', first);
  const { signal } = checkOptions(unnamed ? first : second);
  signal?.throwIfAborted();
  const netns = name === undefined ? await createUnnamed(signal) : await createNamed(name, signal);
  if (!signal?.aborted) return netns;
  await netns.close();
  throw signal.reason;
}

function checkOptions(options: unknown = {}): AbortOptions {
  const given: { signal?: unknown } = checkObject('options', options);
  checkOptionNames('createNetns', given, ['signal']);
  return { signal: checkSignal(given.signal) };
}

async function createUnnamed(signal: AbortSignal | undefined): Promise<Netns> {
  const handle = await nativeCall({ operation: 'createNetns' }, () => native().createNamespace(undefined));
  const path = `/proc/${process.pid}/fd/${handle.fd}`;
  return new Netns({ name: undefined, path, handle, signal });
}

async function createNamed(name: string, signal: AbortSignal | undefined): Promise<Netns> {
  const path = `${NETNS_DIRECTORY}/${name}`;
  const handle = await nativeCall({ operation: 'createNetns', path }, () => native().createNamespace(path));
  return new Netns({ name, path, handle, signal });
}
