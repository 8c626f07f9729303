/** The network namespaces that options name, and opening them. */
import { checkFd, checkPath, isSystemText } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { native } from '../base/native.js';
import { nativeCall } from '../base/native-call.js';
import type { NamespaceHandle } from '../base/native-links.js';
import { isNetns, type Netns, openHandle } from './netns.js';

/** Where `ip netns` and this library keep named namespaces. */
export const NETNS_DIRECTORY = '/run/netns';

/**
 * A network namespace in an option: one made by {@link createNetns}, a name under `/run/netns`, a path (anything with a
 * `/`, such as `/proc/1234/ns/net`), or an open file descriptor, which remains the caller's.
 */
export type NetnsLike = Netns | string | number;

/** The namespace in which a function of {@link links} works. */
export interface NetnsOption {
  /** Default: the namespace of the calling thread. Entering another one needs CAP_SYS_ADMIN. */
  netns?: NetnsLike | undefined;
}

const MAX_NAME_BYTES = 255;

/** The name of a file in {@link NETNS_DIRECTORY}, which cannot lead out of it. */
export function checkNetnsName(argument: string, value: unknown): string {
  if (
    !isSystemText(value) ||
    value === '' ||
    value === '.' ||
    value === '..' ||
    value.includes('/') ||
    Buffer.byteLength(value) > MAX_NAME_BYTES
  ) {
    throw invalidArgument(
      argument,
      `the name of a namespace: 1 to ${MAX_NAME_BYTES} bytes without "/" or NUL, not "." or ".."`,
      value,
    );
  }
  return value;
}

/** Checks the option without opening anything. Returns a namespace, a path, a descriptor's number, or `undefined`. */
export function checkNetns(argument: string, value: unknown): NetnsLike | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number') return checkFd(argument, value);
  if (isNetns(value)) {
    openHandle(argument, value);
    return value;
  }
  if (typeof value !== 'string') {
    throw invalidArgument(argument, 'a namespace: a Netns, its name, a path, or a file descriptor', value);
  }
  if (value.includes('/')) return checkPath(argument, value);
  return `${NETNS_DIRECTORY}/${checkNetnsName(argument, value)}`;
}

/**
 * Opens the namespace that the option `argument` names; `undefined` is that of the calling thread.
 *
 * Needs no privilege; working in another namespace than the caller's needs CAP_SYS_ADMIN (setns(2)).
 *
 * @returns A handle that the caller closes.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ERR_TAPFD_CLOSED` for a {@link Netns} after its `close()`;
 * `ERR_TAPFD_NOT_A_NAMESPACE` if it is something else;
 * `ENOENT` if it is missing; `EBADF` if the descriptor is closed; `EACCES`.
 */
export async function openNetns(argument: string, netns: NetnsLike | undefined): Promise<NamespaceHandle> {
  const checked = checkNetns(argument, netns);
  const wanted = typeof checked === 'object' ? openHandle(argument, checked) : checked;
  return nativeCall({ operation: argument }, () => native().openNamespace(wanted));
}
