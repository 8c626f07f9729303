/** Waiting until a socket is readable. An abort or closing the socket ends the wait. */

import { onAbort } from '../base/abort.js';
import { fromNative } from '../base/native-call.js';
import type { NativeFdSocket } from '../base/native-fd-socket.js';

export class ReadableWait {
  readonly #socket: NativeFdSocket;
  #fail: ((reason: unknown) => void) | undefined;

  constructor(socket: NativeFdSocket) {
    this.#socket = socket;
  }

  /** Resolves when the socket may be readable. One wait at a time. */
  start(operation: string, signal: AbortSignal | undefined): Promise<void> {
    // A signal that was aborted since the caller looked calls no listener.
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const stopListening = onAbort(signal, () => this.fail(signal?.reason));
      const settle = (): void => {
        this.#fail = undefined;
        stopListening();
      };
      this.#fail = (reason) => {
        settle();
        reject(reason);
      };
      try {
        this.#socket.awaitReadable(() => {
          settle();
          resolve();
        });
      } catch (error) {
        this.fail(fromNative(error, { operation }));
      }
    });
  }

  /** Rejects the wait, if there is one. */
  fail(reason: unknown): void {
    this.#socket.stopAwaitingReadable();
    this.#fail?.(reason);
  }
}
