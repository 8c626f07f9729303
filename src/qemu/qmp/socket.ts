/** What arrives at once. */
export interface QmpBytes {
  /** Some bytes, cut anywhere. */
  readonly data: Uint8Array;
}

/**
 * What a `QmpClient` needs of its connection. `FdSocket` of `tapfd` is such a connection; its documentation says more.
 */
export interface QmpSocket extends AsyncIterable<QmpBytes> {
  /** Sends `data`, and copies of `fds` with its first byte. The numbers are the caller's again once it has returned. */
  send(data: string, fds?: readonly number[]): Promise<void>;
  /** Closes the connection; the iteration ends. */
  destroy(): unknown;
  /** Keeps the process alive. */
  ref(): unknown;
  /** Does not. */
  unref(): unknown;
}
