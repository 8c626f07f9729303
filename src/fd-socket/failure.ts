/** The errors of sockets that carry descriptors. */
import { getSystemErrorMap } from 'node:util';
import { errnoName, isError, TapfdError } from '../base/errors.js';
import { fromNative } from '../base/native-call.js';

/** The public error of a call that returned a negative errno. */
export function socketFailure(operation: string, syscall: string, errno: number): Error {
  /* c8 ignore next -- libuv has a text for every errno of a socket call */
  const text = getSystemErrorMap().get(errno)?.[1] ?? `errno ${-errno}`;
  const failure = Object.assign(new Error(`${syscall}: ${text}`), { errno, syscall });
  const error = fromNative(failure, { operation });
  /* c8 ignore next -- what has an errno becomes a TapfdError; only the type allows another */
  return isError(error) ? error : new TapfdError(errnoName(errno), operation);
}

/** The error of calls on a socket that is closed, or is closed while they wait. */
export function socketClosed(operation: string): TapfdError {
  return new TapfdError('ERR_TAPFD_CLOSED', `${operation}: the socket is closed`);
}
