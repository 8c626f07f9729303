/** What a descriptor says of its own end. */

import { constants } from 'node:os';
import type { TapfdError } from '../base/errors.js';
import { isError } from '../base/errors.js';

/** tun.c: the interface was deleted. libuv has no name for it. */
const EBADFD = 77;
/** tap.c: the macvtap link was deleted. */
const ENOLINK = constants.errno.ENOLINK;

/** Whether a failed call on the descriptor means that its device was deleted. No other failure does. */
export function isGone(error: unknown): boolean {
  return isError(error) && 'errno' in error && meansGone(error.errno);
}

/** What a failed call on the descriptor of `device` is to be called: its end, or the failure itself. */
export function failureOf<E>(device: { goneError(): TapfdError }, error: E): E | TapfdError {
  return isGone(error) ? device.goneError() : error;
}

/** {@link isGone}, of a negative errno. */
export function meansGone(errno: unknown): boolean {
  return errno === -EBADFD || errno === -ENOLINK;
}
