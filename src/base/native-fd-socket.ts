/** The addon's types for unix sockets that carry descriptors. */

/** The process at the other end of a socket when the connection was made, as numbered in this process's namespaces. */
export interface NativePeer {
  pid: number;
  uid: number;
  gid: number;
}

/** Descriptors that this process owns and that were not taken yet. The garbage collector closes them, too. */
export interface NativeFdBundle {
  /** Empty after take() or close(). */
  readonly numbers: number[];
  /** Returns the numbers, which the addon will not close. */
  take(): number[];
  /** Off the JavaScript thread. */
  close(): Promise<void>;
}

/** What came with one NativeFdSocket.receive(). */
export interface NativeReceived {
  bytes: number;
  /** The peer has ended its side. */
  end: boolean;
  /** The message has descriptors that this process cannot take now. None was kept, and the message remains. */
  truncated: boolean;
  /** The bytes came with descriptors, which are lost. */
  lostFds: boolean;
  fds?: NativeFdBundle;
}

/** A unix stream socket, connected or listening. No call blocks; it is polled only for what is awaited. */
export interface NativeFdSocket {
  /** -1 after close(). */
  readonly fd: number;
  readonly peer: NativePeer;
  /** Fills the buffer from its beginning; a negative errno if nothing was received. */
  receive(buffer: Uint8Array): NativeReceived | number;
  /** @returns How many bytes were sent, and all `fds` with them; or a negative errno. */
  send(data: Uint8Array, offset: number, fds: readonly number[]): number;
  /** A connection, or undefined if none is pending. */
  accept(): NativeFdSocket | undefined;
  /** Ends the sending side. */
  shutdown(): void;
  /** Calls back once. A second await replaces the first. */
  awaitReadable(callback: () => void): void;
  awaitWritable(callback: () => void): void;
  stopAwaitingReadable(): void;
  /** Whether waiting keeps the process alive. It does at first. */
  ref(): void;
  unref(): void;
  /** Stops polling before it returns, without calling back. Closes off the JavaScript thread, and removes the socket file. */
  close(): Promise<void>;
}

export interface NativeListenSettings {
  /** A path, or NUL and an abstract name. */
  address: string;
  /** The absolute path; empty for an abstract name. */
  path: string;
  backlog: number;
  /** Of the socket file; absent: all permissions that the umask allows. */
  mode?: number;
}
