/** How a caller may specify a descriptor, and what becomes of its number. */
import { close, fstatSync, type Stats, statSync } from 'node:fs';
import { checkFd } from '../base/checks.js';
import { isRevoked } from '../base/errors.js';
import { native, runtimeName } from '../base/native.js';

/** A descriptor's number, or an object that holds a descriptor (`Tap`, `Tun`, `Macvtap`, a `FileHandle`). Borrowed in either case. */
export type FdSource =
  | number
  | {
      /** The descriptor's number. */
      readonly fd: number;
    };

/** Returns the number. The kernel reports whether it is open. */
export function checkFdSource(argument: string, value: unknown): number {
  return checkFd(
    argument,
    typeof value === 'object' && value !== null && !isRevoked(value) && 'fd' in value ? value.fd : value,
  );
}

/** What a descriptor is of. Deno's fstat() knows no numbers but those that Deno itself has opened. */
export function statOfFd(fd: number): Stats {
  return runtimeName() === 'deno' ? statSync(`/proc/self/fd/${fd}`) : fstatSync(fd);
}

/** Closes a descriptor, off this thread. A close that fails frees the number, too (close(2)). */
export async function closeFd(fd: number): Promise<void> {
  const error = await new Promise((resolve) => close(fd, resolve));
  // Deno closes only what it has opened, and only it may close that.
  if (error && runtimeName() === 'deno') await native().closeFd(fd);
}
