/** How a caller may specify a descriptor. */
import { checkFd } from '../base/checks.js';
import { isRevoked } from '../base/errors.js';

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
