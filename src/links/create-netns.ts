/** Creating a network namespace. */
import { checkSignal } from '../base/abort.js';
import { checkBoolean, checkObject, checkOptionNames, optional, refuseSurplus } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { native } from '../base/native.js';
import { nativeCall } from '../base/native-call.js';
import type { NamespaceHandle } from '../base/native-links.js';
import { checkNetnsName, NETNS_DIRECTORY } from './namespace.js';
import { isNetns, Netns, openHandle } from './netns.js';

/** Options of {@link createNetns}. */
export interface CreateNetnsOptions {
  /**
   * Ends the namespace's life: an abort closes it, as `close()` does. Processes in it are not ended, and it remains as long
   * as they do. An abort before it is made rejects with the signal's reason.
   */
  signal?: AbortSignal | undefined;
  /**
   * true: needs no privilege. The namespace belongs to a new user namespace, in which the caller is root, and so the caller
   * may do everything in it: open TUN, TAP and macvtap, create links, run programs. A {@link Netns}: in the user namespace
   * of that one, so that links can be created between the two. Only without a name. Default false.
   */
  userNamespace?: boolean | Netns | undefined;
}

/**
 * Creates a network namespace. Its only link is `lo`, which is down at first: set it up with
 * `links.set('lo', { up: true, netns })`. The calling process stays in its own namespace.
 *
 * Without a name it has no file, and nothing can leave it behind: it is gone with the process, even if that is killed.
 * Other programs reach it by its {@link Netns.path}, `/proc/PID/fd/N`. With a name it is made as `ip netns add` does: a
 * file in `/run/netns`, which a process that is killed at once leaves there.
 *
 * Needs CAP_SYS_ADMIN, and with a name write access to `/run/netns`; with `userNamespace` no privilege, where the system
 * lets users make user namespaces.
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
 * `EPERM`, `EACCES`; `ENOSPC` if `user.max_net_namespaces` or `user.max_user_namespaces` is reached; `ENOSYS` (`clone`) in an emulator that cannot share
 * memory between processes; the reason of `signal`.
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
  const { signal, owned } = checkOptions(unnamed ? first : second);
  if (name !== undefined && owned !== false) {
    throw invalidArgument('userNamespace', 'left out for a namespace with a name', owned);
  }
  signal?.throwIfAborted();
  const netns = name === undefined ? await createUnnamed(signal, owned) : await createNamed(name, signal);
  if (!signal?.aborted) return netns;
  await netns.close();
  throw signal.reason;
}

interface CheckedOptions {
  signal: AbortSignal | undefined;
  owned: NamespaceHandle | boolean;
}

function checkOptions(options: unknown = {}): CheckedOptions {
  const given: { signal?: unknown; userNamespace?: unknown } = checkObject('options', options);
  checkOptionNames('createNetns', given, ['signal', 'userNamespace']);
  const owned = optional(given.userNamespace, (value) =>
    isNetns(value) ? openHandle('userNamespace', value) : checkBoolean('userNamespace', value),
  );
  return { signal: checkSignal(given.signal), owned: owned ?? false };
}

async function createUnnamed(
  signal: AbortSignal | undefined,
  owned: NamespaceHandle | boolean,
): Promise<Netns> {
  const handle = await nativeCall({ operation: 'createNetns' }, () =>
    native().createNamespace(undefined, owned),
  );
  const path = `/proc/${process.pid}/fd/${handle.fd}`;
  return new Netns({ name: undefined, path, handle, signal, isUsers: owned !== false });
}

async function createNamed(name: string, signal: AbortSignal | undefined): Promise<Netns> {
  const path = `${NETNS_DIRECTORY}/${name}`;
  const handle = await nativeCall({ operation: 'createNetns', path }, () => native().createNamespace(path));
  return new Netns({ name, path, handle, signal, isUsers: false });
}
