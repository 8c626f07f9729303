/** Names of unix sockets: paths and abstract names. */
import { invalidArgument } from '../base/errors.js';

/** `sizeof sockaddr_un.sun_path` is 108, of which one byte is the NUL behind a path or before an abstract name. */
const MOST_BYTES = 107;

/** True for a name that no file stands for. */
export function isAbstract(address: string): boolean {
  return address.startsWith('\0');
}

/** The name as the kernel takes it: a path, or NUL and an abstract name. `@name` is another way to write `\0name`. */
export function checkSocketAddress(argument: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidArgument(argument, EXPECTED, value);
  const address = value.startsWith('@') ? `\0${value.slice(1)}` : value;
  const name = isAbstract(address) ? address.slice(1) : address;
  if (name === '' || name.includes('\0') || Buffer.byteLength(name) > MOST_BYTES) {
    throw invalidArgument(argument, EXPECTED, value);
  }
  return address;
}

const EXPECTED = `a path, or "@" (or NUL) and an abstract name: 1 to ${MOST_BYTES} bytes without NUL, "@" not counted`;
