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

/** A signal that is no instance of Node's class, as a test environment gives (jsdom has its own). */
export function foreignSignal(): { signal: AbortSignal; abort: (reason: Error) => void } {
  const signal = Object.assign(new EventTarget(), {
    aborted: false,
    reason: undefined as unknown,
    onabort: null,
    throwIfAborted: () => {
      if (signal.aborted) throw signal.reason;
    },
  });
  return {
    signal,
    abort: (reason) => {
      Object.assign(signal, { aborted: true, reason });
      signal.dispatchEvent(new Event('abort'));
    },
  };
}

/** What throws whatever is asked of it. */
export function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
