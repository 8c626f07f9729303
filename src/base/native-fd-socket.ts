/** What the addon offers for unix sockets that carry descriptors. */

/** Who was at the other end of a socket when the connection was made, as this process's namespaces number them. */
export interface NativePeer {
  pid: number;
  uid: number;
  gid: number;
}

/** Descriptors that this process owns and nobody has taken. The garbage collector closes them too. */
export interface NativeFdBundle {
  /** Empty after take() or close(). */
  readonly numbers: number[];
  /** The numbers, which nobody here closes any more. */
  take(): number[];
  /** Off the JavaScript thread. */
  close(): Promise<void>;
}

/** What came with one NativeFdSocket.receive(). */
export interface NativeReceived {
  bytes: number;
  /** Nothing will come any more. */
  end: boolean;
  /** The message has descriptors that this process cannot take now; none was kept, and the message stays. */
  truncated: boolean;
  fds?: NativeFdBundle;
}

/** A unix stream socket, connected or listening. Nothing waits; only what is awaited is polled. */
export interface NativeFdSocket {
  /** -1 after close(). */
  readonly fd: number;
  readonly peer: NativePeer;
  /** Fills the buffer from its beginning; a negative errno when nothing came. */
  receive(buffer: Uint8Array): NativeReceived | number;
  /** @returns Bytes taken; with them `fds` are sent, all of them. Or a negative errno. */
  send(data: Uint8Array, offset: number, fds: readonly number[]): number;
  /** A connection, or undefined where nobody waits. */
  accept(): NativeFdSocket | undefined;
  /** Nothing will be sent any more. */
  shutdown(): void;
  /** Calls back once. A second await takes the place of the first. */
  awaitReadable(callback: () => void): void;
  awaitWritable(callback: () => void): void;
  stopAwaitingReadable(): void;
  /** Whether what is awaited keeps the process alive; at first it does. */
  ref(): void;
  unref(): void;
  /** Stops polling at once, without calling back; closes off the JavaScript thread, and removes the socket file. */
  close(): Promise<void>;
}

export interface NativeListenSettings {
  /** A path, or NUL and an abstract name. */
  address: string;
  /** The absolute path; empty for an abstract name. */
  path: string;
  backlog: number;
  /** Of the socket file; absent: all permissions but the umask's. */
  mode?: number;
}
