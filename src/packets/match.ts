/** Whether a packet is as a pattern says, and where it is not. */
import { ipBytes } from '../addresses/ip.js';
import { macBytes } from '../addresses/mac.js';
import { isUint8Array, verdict } from '../base/checks.js';
import { checkPacket, plain } from './fields.js';
import { Packet } from './packet.js';
import { checkPattern, type PacketPattern } from './pattern.js';

/** A field that is not as the pattern says. */
export interface Difference {
  /** As in {@link fieldsOf}: `ipv4.source`, `tcp.options[0].value`. */
  readonly path: string;
  /** The part of the pattern: a value, RegExp or function, or null. */
  readonly expected: unknown;
  /** What the packet has: undefined if it does not have the field. */
  readonly actual: unknown;
}

/**
 * Whether a packet is as the pattern says.
 *
 * @param packet - From {@link decodeFrame} or {@link decodePacket}.
 * @param pattern - The fields that matter: values, RegExps, functions, `null` for absent.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for a name that no packet has, or a value of a type that its field never
 * has (a port as text): it could not match. And what a function of the pattern throws.
 *
 * @example
 * ```ts
 * import { decodeFrame, matches } from 'tapfd/packets';
 *
 * function isDnsQuery(frame: Buffer): boolean {
 *   return matches(decodeFrame(frame), { ipv4: { source: /^10\.0\./ }, udp: { destinationPort: 53 } });
 * }
 * ```
 */
export function matches(packet: Packet, pattern: PacketPattern): boolean {
  return differences(packet, pattern).length === 0;
}

/**
 * Lists the fields of a packet that are not as the pattern says.
 *
 * @param packet - From {@link decodeFrame} or {@link decodePacket}.
 * @param pattern - As in {@link matches}.
 * @returns Empty if the packet matches.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` as {@link matches}.
 *
 * @example
 * ```ts
 * import { decodeFrame, differences } from 'tapfd/packets';
 *
 * function check(frame: Buffer): void {
 *   for (const { path, expected, actual } of differences(decodeFrame(frame), { ipv4: { ttl: 63 } })) {
 *     console.log(`${path}: ${actual} instead of ${expected}`);
 *   }
 * }
 * ```
 */
export function differences(packet: Packet, pattern: PacketPattern): Difference[] {
  checkPattern(pattern);
  const found: Difference[] = [];
  comparePacket(found, '', checkPacket(packet), pattern);
  return found;
}

function comparePacket(found: Difference[], prefix: string, packet: Packet, pattern: object): void {
  for (const [name, expected] of Object.entries(pattern)) {
    compare(found, `${prefix}${name}`, Reflect.get(packet, name), expected);
  }
}

function compare(found: Difference[], path: string, actual: unknown, expected: unknown): void {
  if (expected === undefined) return;
  if (Array.isArray(expected)) compareLists(found, path, actual, expected);
  else if (isObject(expected)) compareObjects(found, path, actual, expected);
  else if (!fits(actual, expected)) found.push({ path, expected, actual });
}

function isObject(expected: unknown): expected is object {
  return (
    typeof expected === 'object' &&
    expected !== null &&
    !(expected instanceof RegExp) &&
    !ArrayBuffer.isView(expected)
  );
}

function compareLists(found: Difference[], path: string, actual: unknown, expected: unknown[]): void {
  if (!Array.isArray(actual)) {
    found.push({ path, expected, actual });
    return;
  }
  if (actual.length !== expected.length) {
    found.push({ path: `${path}.length`, expected: expected.length, actual: actual.length });
  }
  for (const [place, member] of expected.entries())
    compare(found, `${path}[${place}]`, actual[place], member);
}

function compareObjects(found: Difference[], path: string, actual: unknown, expected: object): void {
  if (actual instanceof Packet) comparePacket(found, `${path}.`, actual, expected);
  else {
    const isThere = typeof actual === 'object' && actual !== null;
    const fields = isThere ? plain(actual) : {};
    const before = found.length;
    for (const [name, member] of Object.entries(expected)) {
      compare(found, `${path}.${name}`, Reflect.get(fields, name), member);
    }
    if (!isThere && found.length === before) found.push({ path, expected, actual });
  }
}

function fits(actual: unknown, expected: unknown): boolean {
  if (expected === null) return actual === undefined || (Buffer.isBuffer(actual) && actual.length === 0);
  if (typeof expected === 'function') return verdict('pattern', expected(actual));
  if (expected instanceof RegExp) return actual !== undefined && String(actual).search(expected) !== -1;
  if (isUint8Array(expected)) return Buffer.isBuffer(actual) && actual.equals(expected);
  if (typeof expected === 'string' && typeof actual === 'string') return isSameText(actual, expected);
  return actual === expected;
}

/** Addresses have several spellings: `FE80:0::1` is `fe80::1`. */
function isSameText(actual: string, expected: string): boolean {
  if (actual === expected) return true;
  const [left, right] = [addressBytes(actual), addressBytes(expected)];
  return left !== undefined && right !== undefined && left.equals(right);
}

function addressBytes(text: string): Buffer | undefined {
  return macBytes(text) ?? ipBytes(text);
}
