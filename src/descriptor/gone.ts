/** What a descriptor says of its own end. */
import { constants } from 'node:os';

/** tun.c: the interface was deleted. libuv has no name for it. */
const EBADFD = 77;
/** tap.c: the macvtap link was deleted. */
const ENOLINK = constants.errno.ENOLINK;

/** Whether a failed call on the descriptor means that its device was deleted. No other failure does. */
export function isGone(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && meansGone(error.errno);
}

/** {@link isGone}, of a negative errno. */
export function meansGone(errno: unknown): boolean {
  return errno === -EBADFD || errno === -ENOLINK;
}
