/** A descriptor as callers may give it. */
import { checkFd } from './checks.js';

/** A descriptor's number, or what holds one (`Tap`, `Tun`, `Macvtap`, a `FileHandle`). Borrowed either way. */
export type FdSource =
  | number
  | {
      /** The descriptor's number. */
      readonly fd: number;
    };

/** The number. Whether it is open, the kernel says. */
export function checkFdSource(argument: string, value: unknown): number {
  return checkFd(argument, typeof value === 'object' && value !== null && 'fd' in value ? value.fd : value);
}
