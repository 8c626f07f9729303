/**
 * src/addresses/: MAC and IP addresses as text and as bytes. On top of base.
 *
 * This file: MACs.
 */
import { invalidArgument } from '../base/errors.js';

export const MAC_BYTES = 6;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** The bytes of `aa:bb:…` or `aa-bb-…` if there are `min` to `max` of them. */
export function macBytes(text: unknown, min = MAC_BYTES, max = MAC_BYTES): Buffer | undefined {
  if (typeof text !== 'string') return undefined;
  const separator = text.includes('-') ? '-' : ':';
  const parts = text.split(separator);
  if (parts.length < min || parts.length > max) return undefined;
  if (!parts.every((part) => /^[0-9a-f]{2}$/i.test(part))) return undefined;
  return Buffer.from(parts.join(''), 'hex');
}

/** Checks a MAC in the option `argument`. Returns its 6 bytes. */
export function checkMac(argument: string, value: unknown): Buffer {
  const bytes = macBytes(value);
  if (bytes === undefined) throw invalidArgument(argument, 'a MAC such as "02:00:00:00:00:01"', value);
  return bytes;
}

/** The text of the MAC that begins at `at`, if there are 6 bytes. */
export function macText(bytes: Uint8Array, at = 0): string {
  const pair = (place: number) => HEX[bytes[at + place]];
  return `${pair(0)}:${pair(1)}:${pair(2)}:${pair(3)}:${pair(4)}:${pair(5)}`;
}
