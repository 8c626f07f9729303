/** The fields that a caller gives for one header: names and values checked as they are taken. */
import { ipv4Bytes, ipv6Bytes } from '../../addresses/ip.js';
import { checkMac } from '../../addresses/mac.js';
import {
  checkBoolean,
  checkBytes,
  checkInteger,
  checkList,
  checkObject,
  checkOptionNames,
} from '../../base/checks.js';
import { invalidArgument } from '../../base/errors.js';

const NOTHING = Buffer.alloc(0);

/** The names of a field's values, by number. */
export type NamesByNumber<Name extends string> = Readonly<Partial<Record<number, Name>>>;

export class Given {
  readonly #path: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  /** `kind` is what the caller knows the header as; without `names`, they are to be checked by {@link refuseOthers}. */
  constructor(path: string, value: unknown, names?: readonly string[], kind?: string) {
    this.#path = path;
    this.#fields = { ...checkObject(path, value) };
    if (names) this.refuseOthers(names, kind);
  }

  refuseOthers(names: readonly string[], kind = this.#path): void {
    checkOptionNames(kind, this.#fields, names, this.#path);
  }

  value(name: string): unknown {
    return this.#fields[name];
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined;
  }

  argument(name: string): string {
    return `${this.#path}.${name}`;
  }

  integer(name: string, max: number, fallback?: number): number {
    return checkInteger(this.argument(name), this.#fields[name] ?? fallback, 0, max);
  }

  flag(name: string, fallback = false): boolean {
    return checkBoolean(this.argument(name), this.#fields[name] ?? fallback);
  }

  /** The bit to set if the flag is given as true. */
  bit(name: string, bit: number, fallback = false): number {
    return this.flag(name, fallback) ? bit : 0;
  }

  mac(name: string, fallback?: unknown): Buffer {
    return checkMac(this.argument(name), this.#fields[name] ?? fallback);
  }

  ipv4(name: string, fallback?: string): Buffer {
    return checkIpv4(this.argument(name), this.#fields[name] ?? fallback);
  }

  ipv6(name: string, fallback?: string): Buffer {
    return checkIpv6(this.argument(name), this.#fields[name] ?? fallback);
  }

  /** Default: none. */
  bytes(name: string): Buffer {
    return this.has(name) ? checkBytes(this.argument(name), this.#fields[name]) : NOTHING;
  }

  /** Default: empty. */
  list(name: string, encode: (argument: string, member: unknown) => Buffer): Buffer {
    if (!this.has(name)) return NOTHING;
    return Buffer.concat(checkList(this.argument(name), this.#fields[name], 'a list', encode));
  }

  text(name: string, fallback = ''): string {
    const value = this.#fields[name] ?? fallback;
    // Of the other characters `latin1` keeps one byte only.
    if (typeof value === 'string' && !/[^\p{ASCII}\u0080-\u00ff]/u.test(value)) return value;
    throw invalidArgument(this.argument(name), 'text of characters up to U+00FF', value);
  }

  /** A number, or the name of one. */
  named(name: string, names: NamesByNumber<string>, max: number, fallback?: string | number): number {
    return checkNamed(this.argument(name), this.#fields[name] ?? fallback, names, max);
  }
}

export function checkNamed(
  argument: string,
  value: unknown,
  names: NamesByNumber<string>,
  max: number,
): number {
  if (typeof value === 'number') return checkInteger(argument, value, 0, max);
  const found = Object.entries(names).find(([, name]) => name === value);
  if (found) return Number(found[0]);
  throw invalidArgument(
    argument,
    `a number up to ${max}, or one of ${Object.values(names).join(', ')}`,
    value,
  );
}

export function checkIpv4(argument: string, value: unknown): Buffer {
  const bytes = typeof value === 'string' ? ipv4Bytes(value) : undefined;
  if (bytes === undefined) throw invalidArgument(argument, 'an IPv4 address', value);
  return bytes;
}

export function checkIpv6(argument: string, value: unknown): Buffer {
  const bytes = typeof value === 'string' ? ipv6Bytes(value) : undefined;
  if (bytes === undefined) throw invalidArgument(argument, 'an IPv6 address without a zone', value);
  return bytes;
}

/** `bytes` and zeros up to a multiple of `unit`. */
export function padded(bytes: Buffer, unit: number): Buffer {
  const missing = (unit - (bytes.length % unit)) % unit;
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)]);
}
