/** Checks of arguments, before any system call. Each returns the checked value with its type. */
import { invalidArgument, isRevoked } from './errors.js';

/** `(uid_t)-1` means "no one" to the kernel. */
const MAX_ID = 0xffff_fffe;
/** `net/if.h` IFNAMSIZ: 16 with the terminating NUL. */
const MAX_INTERFACE_NAME_BYTES = 15;
/** `linux/if.h` ALTIFNAMSIZ: 128 with the terminating NUL. */
const MAX_ALTERNATIVE_NAME_BYTES = 127;

/** A caller's promise may be of another realm, or not one of JavaScript's own. */
export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/**
 * What a caller's function decides: whatever counts as true is. A promise would, even one of false: it is refused.
 *
 * @param argument - The function's name.
 */
export function verdict(argument: string, value: unknown): boolean {
  if (!isThenable(value)) return Boolean(value);
  value.then(undefined, () => {}); // what is not waited for is nobody's unhandled rejection
  throw invalidArgument(argument, 'a function that decides at once', value);
}

/** `undefined` counts as left out; any other value must pass the check. */
export function optional<T>(value: unknown, check: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : check(value);
}

export function checkBoolean(argument: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidArgument(argument, 'a boolean', value);
  return value;
}

/**
 * Refuses options that `call` does not have: one that is misspelt, or belongs to another call, would silently have no
 * effect. `undefined` counts as left out. `within` is the name of the option that holds `options`: `peer`.
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
 * Refuses arguments after the `max` that `call` takes: options in the wrong place would silently have no effect.
 * `undefined` counts as left out, and numbers and arrays pass, as `map()` adds the index and the array. The check is given
 * `arguments`, because a rest parameter would be part of the public signature.
 */
export function refuseSurplus(call: string, given: IArguments, max: number): void {
  for (let place = max; place < given.length; place++) {
    const value: unknown = given[place];
    if (value === undefined || typeof value === 'number' || Array.isArray(value)) continue;
    throw invalidArgument(`argument ${place + 1}`, `left out: ${call} takes ${max}`, value);
  }
}

export function checkInteger(argument: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw invalidArgument(argument, `an integer from ${min} to ${max}`, value);
  }
  return value;
}

export function checkOneOf<T extends string>(argument: string, value: unknown, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw invalidArgument(argument, `one of ${choices.join(', ')}`, value);
  return found;
}

/**
 * Checks a list, each member by `check`, which is given its name (`addresses[0]`). Holes count as members, though `map()`
 * skips them; and the list is the caller's no more, who may change his.
 */
export function checkList<T>(
  argument: string,
  value: unknown,
  expected: string,
  check: (argument: string, value: unknown) => T,
): T[] {
  if (!isList(value)) throw invalidArgument(argument, expected, value);
  return Array.from(value, (member: unknown, place) => check(`${argument}[${place}]`, member));
}

/** As `Array.isArray()`, which throws for a Proxy that was revoked. */
export function isList(value: unknown): value is unknown[] {
  return !isRevoked(value) && Array.isArray(value);
}

export function checkObject(argument: string, value: unknown): object {
  if (typeof value !== 'object' || value === null || isRevoked(value) || Array.isArray(value)) {
    throw invalidArgument(argument, 'an object', value);
  }
  return value;
}

/**
 * Text that reaches the system as it is: NUL would end it there, and half of a surrogate pair become U+FFFD, which is the
 * name of something else.
 */
export function isSystemText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0') && !/\p{Surrogate}/u.test(value);
}

/**
 * An interface name that the kernel accepts unchanged (`net/core/dev.c` dev_valid_name): it silently truncates longer ones.
 */
export function checkInterfaceName(argument: string, value: unknown): string {
  if (
    !isSystemText(value) ||
    value === '' ||
    value === '.' ||
    value === '..' ||
    !isPlainName(value) ||
    Buffer.byteLength(value) > MAX_INTERFACE_NAME_BYTES
  ) {
    throw invalidArgument(
      argument,
      `an interface name: 1 to ${MAX_INTERFACE_NAME_BYTES} bytes without "/", ":", "%", white space or NUL`,
      value,
    );
  }
  return value;
}

/** The kernel's white space (`lib/ctype.c`). Its names are bytes: "à" is 0xc3 0xa0, of which the second is one. */
const WHITE_SPACE = [0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0xa0];

function isPlainName(name: string): boolean {
  return !/[/:%\0]/.test(name) && !Buffer.from(name).some((byte) => WHITE_SPACE.includes(byte));
}

/** The name of a link that exists: its own, or an alternative one, which may have any bytes (`linux/if.h` ALTIFNAMSIZ). */
export function checkLinkName(argument: string, value: unknown): string {
  if (!isSystemText(value) || value === '' || Buffer.byteLength(value) > MAX_ALTERNATIVE_NAME_BYTES) {
    throw invalidArgument(
      argument,
      `the name of a link: 1 to ${MAX_ALTERNATIVE_NAME_BYTES} bytes without NUL`,
      value,
    );
  }
  return value;
}

/** As {@link checkInterfaceName}, but with at most one `%d`, which the kernel replaces by the lowest free number. */
export function checkInterfaceTemplate(argument: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidArgument(argument, 'an interface name', value);
  const position = value.indexOf('%d');
  if (position === -1) return checkInterfaceName(argument, value);
  const rest = value.slice(0, position) + value.slice(position + 2);
  if (rest.includes('%') || Buffer.byteLength(value) > MAX_INTERFACE_NAME_BYTES) {
    throw invalidArgument(
      argument,
      `a name of at most ${MAX_INTERFACE_NAME_BYTES} bytes with one "%d"`,
      value,
    );
  }
  if (rest !== '') checkInterfaceName(argument, rest);
  return value;
}

/**
 * Returns a view of the same memory with nothing that a subclass may override. Takes a Buffer or Uint8Array of any realm
 * (`vm`, a test environment); refuses what only looks like one (a Proxy, an object made on the prototype), which native
 * code cannot read, and one whose memory was transferred away.
 */
export function checkBytes(argument: string, value: unknown, expected = 'a Buffer or Uint8Array'): Buffer {
  try {
    if (isUint8Array(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  } catch {
    throw invalidArgument(argument, `${expected} with memory of its own: its buffer was transferred`, value);
  }
  throw invalidArgument(argument, expected, value);
}

/** A file path: not empty, no NUL. */
export function checkPath(argument: string, value: unknown): string {
  if (!isSystemText(value) || value === '') {
    throw invalidArgument(argument, 'a path without NUL', value);
  }
  return value;
}

/** A file descriptor's number. The kernel reports whether it is open. */
export function checkFd(argument: string, value: unknown): number {
  return checkInteger(argument, value, 0, 0x7fff_ffff);
}

/** A uid or gid. */
export function checkId(argument: string, value: unknown): number {
  return checkInteger(argument, value, 0, MAX_ID);
}

/** What native code reads, which an own or inherited `length` may hide. */
const { get: trueLength } = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  'length',
) as { get: (this: Uint8Array) => number };

const { get: trueName } = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
) as { get: (this: unknown) => string | undefined };

/** As `types.isUint8Array()` of `node:util`, which `tapfd/packets` has not where it runs in a browser. */
export function isUint8Array(value: unknown): value is Uint8Array {
  return trueName.call(value) === 'Uint8Array';
}

/**
 * A frame is what native code can read, of whatever realm it is; `instanceof` would believe a Proxy and an object made
 * on the prototype. Its `length` is true: what else counts or copies by it would lie, or send memory that is not its own.
 */
export function checkFrame(argument: string, frame: unknown): Uint8Array {
  if (!isUint8Array(frame)) throw invalidArgument(argument, 'a Buffer or Uint8Array', frame);
  if (frame.length === trueLength.call(frame)) return frame;
  throw invalidArgument(argument, 'a Buffer or Uint8Array with its true length', frame);
}
