/**
 * src/fd-socket/: unix sockets that carry descriptors. On top of base.
 *
 * Here: a connected socket.
 */

import { constants } from 'node:os';
import { type AbortOptions, signalOf } from '../base/abort.js';
import { checkFd, refuseSurplus } from '../base/checks.js';
import { invalidState, TapfdError } from '../base/errors.js';
import { LoopShare } from '../base/loop-share.js';
import { native } from '../base/native.js';
import { fromNative } from '../base/native-call.js';
import type { NativeFdSocket } from '../base/native-fd-socket.js';
import { connectForFds } from './connect.js';
import { socketClosed, socketFailure } from './failure.js';
import type { FdSource } from './fd-source.js';
import { FdMessage } from './message.js';
import { ReadableWait } from './readable-wait.js';
import { checkMessage, FdSender } from './sender.js';
import { FdServer, type FdServerOptions } from './server.js';

const { EAGAIN } = constants.errno;

/** Maximum bytes of one receive. */
const RECEIVE_BYTES = 64 * 1024;

/** The buffer of every receive in this thread; the bytes are copied out immediately. */
let scratch: Buffer | undefined;

/** The process at the other end when the connection was made, as numbered in this process's namespaces. */
export interface PeerCredentials {
  /** 0: it is in a namespace that is not visible from here. */
  readonly pid: number;
  /** Its effective uid. */
  readonly uid: number;
  /** Its effective gid. */
  readonly gid: number;
}

/**
 * A connected unix stream socket that carries descriptors besides bytes (SCM_RIGHTS, unix(7)).
 *
 * It is a stream: the bytes of one `send()` may arrive in pieces, and those of several together. Descriptors keep their
 * position: see {@link FdMessage}.
 *
 * Data is only read on request, so a reader that stops stops the sender. A peer that never pauses does not hold up the
 * rest of the process: after some messages, either direction waits for the event loop to turn. No privilege is needed
 * beyond the permissions of the socket's file.
 *
 *     const socket = await FdSocket.connect('/run/frames.sock');
 *     for await (const message of socket) {
 *       for (const fd of message.takeFds()) console.log(message.data, await adoptFd(fd));
 *     }
 *
 * @example
 * ```ts
 * import { adoptFd, FdSocket } from 'tapfd';
 *
 * await using socket = await FdSocket.connect('/run/taps.sock');
 * for await (const message of socket) {
 *   for (const fd of message.takeFds()) console.log((await adoptFd(fd)).name);
 * }
 * ```
 */
export class FdSocket implements AsyncIterable<FdMessage>, AsyncDisposable {
  /** The process at the other end, when the connection was made (SO_PEERCRED). */
  readonly peer: PeerCredentials;
  readonly #socket: NativeFdSocket;
  readonly #sender: FdSender;
  readonly #wait: ReadableWait;
  readonly #share = new LoopShare();
  #receiving = false;
  #last: FdMessage | undefined;
  #ending: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(socket: NativeFdSocket) {
    this.#socket = socket;
    this.peer = socket.peer;
    this.#sender = new FdSender(socket);
    this.#wait = new ReadableWait(socket);
  }

  /**
   * Connects to a server's socket. If the server's backlog is full, it tries again until `signal` is aborted.
   *
   * @param address - A path, or `@name` (or `'\0name'`) for an abstract name. At most 107 bytes, `@` or NUL not counted.
   * A path that begins with `@` must be written `./@…`.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ENOENT`: there is no such file; `ECONNREFUSED`: no server listens;
   * `EACCES`: no write permission on it; `EPROTOTYPE`: a socket of another type.
   */
  static async connect(address: string, options: AbortOptions = {}): Promise<FdSocket> {
    refuseSurplus('FdSocket.connect', arguments, 2);
    return new FdSocket(await connectForFds(address, options));
  }

  /**
   * Opens a server's socket. Its file is removed when the server is closed, and when the process or worker ends, except by
   * a signal that kills at once.
   *
   * A file left behind like that is replaced if the kernel reports that it has no socket any more. Anything else with the
   * name is left as it is.
   *
   * @example
   * ```ts
   * import { FdSocket, openTap } from 'tapfd';
   *
   * for await (const socket of await FdSocket.listen('/run/taps.sock', { mode: 0o660 })) {
   *   await using tap = await openTap({ bridge: 'br0' });
   *   await socket.send(tap.name, [tap]);
   * }
   * ```
   *
   * @param address - As for {@link FdSocket.connect}.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `EADDRINUSE`: another server listens there, or a file of another
   * kind has the name; `EACCES`, `ENOENT`: the directory.
   */
  static async listen(address: string, options: FdServerOptions = {}): Promise<FdServer<FdSocket>> {
    refuseSurplus('FdSocket.listen', arguments, 2);
    return FdServer.listen(address, options, (socket) => new FdSocket(socket));
  }

  /**
   * Returns two connected sockets. To pass one to a child process, put its `fd` in the child's `stdio`, and close it here
   * once the child runs. Until it is used here it is in blocking mode, as most programs expect.
   *
   * @throws TapfdError `EMFILE`, `ENFILE`: too many descriptors are open.
   */
  static pair(): [FdSocket, FdSocket] {
    refuseSurplus('FdSocket.pair', arguments, 0);
    const [one, other] = attempt('pair', () => native().unixPair());
    return [new FdSocket(one), new FdSocket(other)];
  }

  /**
   * Takes ownership of an open socket, such as one inherited from a parent process, and makes it close-on-exec. If this
   * throws, the descriptor remains the caller's.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `EBADF` (`fstat`): not an open descriptor;
   * `ERR_TAPFD_NOT_A_UNIX_SOCKET`: not a connected unix stream socket; `ERR_TAPFD_INVALID_STATE`: it already is an FdSocket
   * of this thread.
   */
  static adopt(fd: number): FdSocket {
    refuseSurplus('FdSocket.adopt', arguments, 1);
    checkFd('fd', fd);
    return new FdSocket(attempt('adopt', () => native().adoptUnix(fd)));
  }

  /** The socket's own descriptor, borrowed; -1 after {@link FdSocket.close}. */
  get fd(): number {
    return this.#socket.fd;
  }

  /** True after {@link FdSocket.close}. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Sends bytes, and descriptors with the first byte. Messages arrive in the order in which they are sent.
   *
   * The descriptors remain the caller's, and may be closed as soon as this has returned its promise. So may the bytes
   * change: what has to wait is copied.
   *
   * @param data - Bytes, or text to send as UTF-8. Descriptors need at least one byte.
   * @param fds - At most 253.
   * @returns A promise that is fulfilled when the kernel has accepted everything: it waits for a peer that does not read.
   * @throws TapfdError
   * - `ERR_TAPFD_INVALID_ARGUMENT`, before any system call.
   * - `EBADF`: one of `fds` is not open. Nothing was sent, and the socket still works.
   * - `EMFILE`, `ETOOMANYREFS`: too many descriptors of this user are open, or sent and not received. Likewise.
   * - `EPIPE`, `ECONNRESET`: the peer has closed its end. Data that it had sent can still be received.
   * - `ERR_TAPFD_INVALID_STATE`: after `end()`. `ERR_TAPFD_CLOSED`: the socket was closed.
   */
  async send(data: Uint8Array | string, fds: readonly FdSource[] = []): Promise<void> {
    refuseSurplus('send', arguments, 2);
    const message = checkMessage(data, fds);
    this.#assertOpen('send');
    if (this.#ending) throw invalidState('send: end() was called');
    await this.#sender.send(message.bytes, message.fds);
  }

  /**
   * Returns the next message: what has arrived, up to 64 KiB. Closes the previous message's descriptors that were not
   * taken.
   *
   * @returns undefined if the peer has closed or ended its side, and everything was received.
   * @throws TapfdError
   * - `ERR_TAPFD_FDS_TRUNCATED`: this process cannot take the next descriptors, usually because it has reached its limit
   *   (`ulimit -n`). Nothing is lost: the message remains for another receive().
   * - `ERR_TAPFD_FDS_LOST`: another process reads from the same socket, and what it took was expected here.
   * - `ECONNRESET`: the peer has closed before it received everything.
   * - `ERR_TAPFD_INVALID_STATE`: another receive() is under way. `ERR_TAPFD_CLOSED`: the socket was closed.
   */
  async receive(options: AbortOptions = {}): Promise<FdMessage | undefined> {
    refuseSurplus('receive', arguments, 1);
    const signal = signalOf('receive', options);
    signal?.throwIfAborted();
    this.#assertOpen('receive');
    if (this.#receiving)
      throw invalidState('receive: another receive() or iteration of this socket is waiting');
    this.#receiving = true;
    try {
      await this.#last?.close();
      return await this.#next(signal);
    } finally {
      this.#receiving = false;
    }
  }

  /**
   * Iterates over the messages until the peer ends its side or the socket is closed here. Leaving the loop closes the last
   * message's descriptors that were not taken, but not the socket. Errors as for {@link FdSocket.receive}.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<FdMessage, void, undefined> {
    try {
      for (;;) {
        const message = await this.#receiveUnlessClosed();
        if (message === undefined) return;
        yield message;
      }
    } finally {
      await this.#last?.close();
    }
  }

  /**
   * Ends the sending side once everything was sent: the peer reads to the end. Receiving still works.
   *
   * @throws TapfdError `ERR_TAPFD_CLOSED`: the socket was closed.
   */
  async end(): Promise<void> {
    this.#assertOpen('end');
    // An empty message, to wait for those before it.
    this.#ending ??= this.#sender.send(new Uint8Array(0), []).then(() => {
      attempt('end', () => this.#socket.shutdown());
    });
    await this.#ending;
  }

  /**
   * Closes at once: data not yet sent is lost, pending promises reject with `ERR_TAPFD_CLOSED`, and descriptors that were
   * not taken are closed. A second call returns the same promise.
   *
   * @returns A promise that is fulfilled when the descriptor is closed.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Keeps the process alive while waiting. This is the default. */
  ref(): this {
    this.#socket.ref();
    return this;
  }

  /** Lets the process end while waiting. */
  unref(): this {
    this.#socket.unref();
    return this;
  }

  /** As {@link FdSocket.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const error = socketClosed('close');
    this.#wait.fail(error);
    this.#sender.fail(error);
    await Promise.all([this.#last?.close(), this.#socket.close()]);
  }

  #assertOpen(operation: string): void {
    if (this.#closing) throw socketClosed(operation);
  }

  async #receiveUnlessClosed(): Promise<FdMessage | undefined> {
    try {
      return await this.receive();
    } catch (error) {
      if (this.#closing && error instanceof TapfdError && error.code === 'ERR_TAPFD_CLOSED') return undefined;
      throw error;
    }
  }

  async #next(signal: AbortSignal | undefined): Promise<FdMessage | undefined> {
    scratch ??= Buffer.allocUnsafeSlow(RECEIVE_BYTES);
    for (;;) {
      this.#assertOpen('receive');
      if (this.#share.take()) {
        const received = this.#socket.receive(scratch);
        if (typeof received === 'object') {
          // Before anything else can run: close() must find it.
          this.#last = FdMessage.from(received, scratch);
          return this.#last;
        }
        if (received !== -EAGAIN) throw socketFailure('receive', 'recvmsg', received);
      }
      await this.#wait.start('receive', signal);
      this.#share.renew();
    }
  }
}

function attempt<T>(operation: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromNative(error, { operation });
  }
}
