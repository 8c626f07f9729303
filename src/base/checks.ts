/** Checks of what a caller gives, before any system call. Each returns the value it found right, typed. */
import { invalidArgument } from './errors.js';

/** `(uid_t)-1` means "no one" to the kernel. */
const LARGEST_ID = 0xffff_fffe;
/** `net/if.h` IFNAMSIZ: 16 with the closing NUL, so 15 bytes are left. */
const INTERFACE_NAME_BYTES = 15;

/** `undefined` counts as left out; anything else must pass. */
export function optional<T>(value: unknown, check: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : check(value);
}

export function checkBoolean(argument: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidArgument(argument, 'a boolean', value);
  return value;
}

/**
 * Refuses an option that `call` does not know: a misspelt one, or one of another call, would silently have no effect.
 * `undefined` counts as left out. `within` is the option that `options` itself is: `peer`.
 */
export function checkOptionNames(
  call: string,
  options: object,
  names: readonly string[],
  within?: string,
): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || names.includes(name)) continue;
    const argument = within === undefined ? name : `${within}.${name}`;
    throw invalidArgument(argument, `left out: ${call} has no such option`, value);
  }
}

/**
 * Refuses an argument behind the `most` that `call` takes, as options in the wrong place would silently have no effect.
 * `undefined` counts as left out. It takes `arguments`, as a rest parameter would stand in the public signature.
 */
export function refuseSurplus(call: string, given: IArguments, most: number): void {
  for (let place = most; place < given.length; place++) {
    const value: unknown = given[place];
    if (value === undefined) continue;
    throw invalidArgument(`argument ${place + 1}`, `left out: ${call} takes ${most}`, value);
  }
}

export function checkInteger(argument: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw invalidArgument(argument, `an integer from ${least} to ${most}`, value);
  }
  return value;
}

export function checkOneOf<T extends string>(argument: string, value: unknown, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw invalidArgument(argument, `one of ${choices.join(', ')}`, value);
  return found;
}

export function checkObject(argument: string, value: unknown): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument(argument, 'an object', value);
  }
  return value;
}

/**
 * An interface name the kernel accepts whole (`net/core/dev.c` dev_valid_name): it would cut a longer one silently.
 */
export function checkInterfaceName(argument: string, value: unknown): string {
  if (
    typeof value !== 'string' ||
    value === '' ||
    value === '.' ||
    value === '..' ||
    /[/:\s\0%]/.test(value) ||
    Buffer.byteLength(value) > INTERFACE_NAME_BYTES
  ) {
    throw invalidArgument(
      argument,
      `an interface name: 1 to ${INTERFACE_NAME_BYTES} bytes without "/", ":", "%", white space or NUL`,
      value,
    );
  }
  return value;
}

/** As {@link checkInterfaceName}, but one `%d` may stand where the kernel is to put the lowest free number. */
export function checkInterfaceTemplate(argument: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidArgument(argument, 'an interface name', value);
  const position = value.indexOf('%d');
  if (position === -1) return checkInterfaceName(argument, value);
  const rest = value.slice(0, position) + value.slice(position + 2);
  if (rest.includes('%') || Buffer.byteLength(value) > INTERFACE_NAME_BYTES) {
    throw invalidArgument(argument, `a name of at most ${INTERFACE_NAME_BYTES} bytes with one "%d"`, value);
  }
  if (rest !== '') checkInterfaceName(argument, rest);
  return value;
}

/** A file path: not empty, no NUL. */
export function checkPath(argument: string, value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    throw invalidArgument(argument, 'a path without NUL', value);
  }
  return value;
}

/** A file descriptor's number. Whether it is open, the kernel says. */
export function checkFd(argument: string, value: unknown): number {
  return checkInteger(argument, value, 0, 0x7fff_ffff);
}

/** A uid or gid. */
export function checkId(argument: string, value: unknown): number {
  return checkInteger(argument, value, 0, LARGEST_ID);
}
