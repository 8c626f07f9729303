/** Names of unix sockets: paths and abstract names. */
import { isSystemText } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';

/** `sizeof sockaddr_un.sun_path` is 108; one byte is the NUL after a path or before an abstract name. */
const MAX_BYTES = 107;

/** True for an abstract name, which has no file. */
export function isAbstract(address: string): boolean {
  return address.startsWith('\0');
}

/** Checks a name. Returns it as the kernel takes it: a path, or NUL and an abstract name, which may be written `@name`. */
export function checkSocketAddress(argument: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidArgument(argument, EXPECTED, value);
  const address = value.startsWith('@') ? `\0${value.slice(1)}` : value;
  const name = isAbstract(address) ? address.slice(1) : address;
  if (name === '' || !isSystemText(name) || Buffer.byteLength(name) > MAX_BYTES) {
    throw invalidArgument(argument, EXPECTED, value);
  }
  return address;
}

const EXPECTED = `a path, or "@" (or NUL) and an abstract name: 1 to ${MAX_BYTES} bytes without NUL, "@" not counted`;
