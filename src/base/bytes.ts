/** Bytes that a caller gives, as native code will find them. */
import { types } from 'node:util';
import { invalidArgument } from './errors.js';

/**
 * Returns a view of the same memory with nothing that a subclass may override. Takes a Buffer or Uint8Array of any realm
 * (`vm`, a test environment); refuses what only looks like one (a Proxy, an object made on the prototype), which native
 * code cannot read, and one whose memory was transferred away.
 */
export function checkBytes(argument: string, value: unknown, expected = 'a Buffer or Uint8Array'): Buffer {
  try {
    if (types.isUint8Array(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  } catch {
    throw invalidArgument(argument, `${expected} with memory of its own: its buffer was transferred`, value);
  }
  throw invalidArgument(argument, expected, value);
}
