/** Which network namespace an option means, and opening it. */
import { checkFd, checkPath } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { native } from '../base/native.js';
import { nativeCall } from '../base/native-call.js';
import type { NamespaceHandle } from '../base/native-links.js';

/** Where `ip netns` and this library keep named namespaces. */
export const NETNS_DIRECTORY = '/run/netns';

/**
 * A network namespace in an option: a name under `/run/netns`, a path (anything with a `/`, such as
 * `/proc/1234/ns/net`), or an open file descriptor, which stays the caller's.
 */
export type NetnsLike = string | number;

/** Where a function of {@link links} works. */
export interface NetnsOption {
  /** Default: the namespace of the calling thread. Another needs CAP_SYS_ADMIN to enter it. */
  netns?: NetnsLike;
}

const MOST_NAME_BYTES = 255;

/** A name that is one file below {@link NETNS_DIRECTORY}, and no way out of it. */
export function checkNetnsName(argument: string, value: unknown): string {
  if (
    typeof value !== 'string' ||
    value === '' ||
    value === '.' ||
    value === '..' ||
    value.includes('/') ||
    value.includes('\0') ||
    Buffer.byteLength(value) > MOST_NAME_BYTES
  ) {
    throw invalidArgument(
      argument,
      `the name of a namespace: 1 to ${MOST_NAME_BYTES} bytes without "/" or NUL, not "." or ".."`,
      value,
    );
  }
  return value;
}

/** Checks the option without opening anything: a path, a descriptor's number, or `undefined` as it came. */
export function checkNetns(argument: string, value: unknown): string | number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number') return checkFd(argument, value);
  if (typeof value !== 'string') {
    throw invalidArgument(argument, 'a namespace: its name, a path, or a file descriptor', value);
  }
  if (value.includes('/')) return checkPath(argument, value);
  return `${NETNS_DIRECTORY}/${checkNetnsName(argument, value)}`;
}

/**
 * Opens the namespace that the option `argument` names; `undefined` is the one the calling thread is in.
 *
 * Needs no privilege; to work in another namespace than one's own needs CAP_SYS_ADMIN (setns(2)).
 *
 * @returns A handle that the caller closes.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ERR_TAPFD_NOT_A_NAMESPACE` when it is something else;
 * `ENOENT` when it is missing; `EBADF` when the descriptor is closed; `EACCES`.
 */
export async function openNetns(argument: string, netns: NetnsLike | undefined): Promise<NamespaceHandle> {
  const wanted = checkNetns(argument, netns);
  return nativeCall({ operation: argument }, () => native().openNamespace(wanted));
}
