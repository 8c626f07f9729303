/** What arrives together. */
export interface QmpBytes {
  /** Some bytes, cut anywhere. */
  readonly data: Uint8Array;
}

/**
 * What a `QmpClient` needs of its connection. `FdSocket` of `tapfd` is such a connection, and documents the members.
 */
export interface QmpSocket extends AsyncIterable<QmpBytes> {
  /** Sends `data`, and copies of `fds` with its first byte. The caller may close `fds` once this has returned. */
  send(data: string, fds?: readonly number[]): Promise<void>;
  /** Closes the connection, which ends the iteration. */
  close(): Promise<unknown>;
  /** Keeps the process alive. */
  ref(): unknown;
  /** Undoes `ref()`. */
  unref(): unknown;
}
