/** Bytes that are not quite, or not where one expects them. */
import { runInNewContext } from 'node:vm';

/** A Uint8Array of another realm, as a test environment gives. */
export function foreignBytes(bytes: readonly number[]): Uint8Array {
  return runInNewContext(`new Uint8Array(${JSON.stringify(bytes)})`);
}

/** A Uint8Array whose memory has gone elsewhere. */
export function transferred(): Uint8Array {
  const bytes = new Uint8Array(20);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** What passes `instanceof Uint8Array`, but has no bytes that native code could read. */
export const LOOKS_LIKE_BYTES = (): unknown[] => [
  new Proxy(new Uint8Array(20), {}),
  Object.create(Uint8Array.prototype),
  Object.create(Buffer.prototype),
];
