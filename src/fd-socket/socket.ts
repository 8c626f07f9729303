/**
 * src/fd-socket/: unix sockets that carry descriptors. On top of base.
 *
 * Here: a connected socket.
 */

import { constants } from 'node:os';
import { type AbortOptions, signalOf } from '../base/abort.js';
import { checkFd, refuseSurplus } from '../base/checks.js';
import { invalidState, TapfdError } from '../base/errors.js';
import type { FdSource } from '../base/fd-source.js';
import { native } from '../base/native.js';
import { fromNative } from '../base/native-call.js';
import type { NativeFdSocket } from '../base/native-fd-socket.js';
import { connectForFds } from './connect.js';
import { socketClosed, socketFailure } from './failure.js';
import { FdMessage } from './message.js';
import { ReadableWait } from './readable-wait.js';
import { checkMessage, FdSender } from './sender.js';
import { FdServer, type FdServerOptions } from './server.js';

const { EAGAIN } = constants.errno;

/** Bytes of one receive at most. */
const RECEIVE_BYTES = 64 * 1024;

/** Where every receive of this thread reads to; what came is copied out at once. */
let scratch: Buffer | undefined;

/** The process at the other end, when the connection was made, as this process's namespaces number it. */
export interface PeerCredentials {
  /** 0: it is in a namespace that cannot be seen from here. */
  readonly pid: number;
  /** Its effective uid. */
  readonly uid: number;
  /** Its effective gid. */
  readonly gid: number;
}

/**
 * A connected unix stream socket that carries descriptors beside bytes (SCM_RIGHTS, unix(7)).
 *
 * It is a stream: what one `send()` sent may arrive in pieces, and what several sent together. But descriptors keep their
 * place: see {@link FdMessage}.
 *
 * Nothing is read that nobody asks for, so a reader that stops stops the sender. No privilege is needed, but what the
 * socket's file asks for.
 *
 *     const socket = await FdSocket.connect('/run/frames.sock');
 *     for await (const message of socket) {
 *       for (const fd of message.takeFds()) console.log(message.data, await adoptFd(fd));
 *     }
 */
export class FdSocket implements AsyncIterable<FdMessage>, AsyncDisposable {
  /** The process at the other end, when the connection was made (SO_PEERCRED). */
  readonly peer: PeerCredentials;
  readonly #socket: NativeFdSocket;
  readonly #sender: FdSender;
  readonly #wait: ReadableWait;
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
   * Connects to a server's socket. Where as many wait to be accepted as the server allows, it tries again until `signal`
   * says otherwise.
   *
   * @param address - A path, or `@name` (or `'\0name'`) for an abstract name. At most 107 bytes, `@` or NUL not counted.
   * A path that begins with `@` is written `./@…`.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ENOENT`: there is no such file; `ECONNREFUSED`: nobody listens;
   * `EACCES`: no write permission on it; `EPROTOTYPE`: a socket of another type.
   */
  static async connect(address: string, options: AbortOptions = {}): Promise<FdSocket> {
    refuseSurplus('FdSocket.connect', arguments, 2);
    return new FdSocket(await connectForFds(address, options));
  }

  /**
   * Makes a server's socket. Its file is removed when the server is closed, and with the process or worker, except after
   * a signal that kills at once.
   *
   * A file that such an end has left is replaced, when the kernel tells that no socket is behind it any more. Anything
   * else that has the name is left as it is.
   *
   * @param address - As for {@link FdSocket.connect}.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `EADDRINUSE`: another server listens there, or a file of another
   * kind has the name; `EACCES`, `ENOENT`: of the directory.
   */
  static async listen(address: string, options: FdServerOptions = {}): Promise<FdServer<FdSocket>> {
    refuseSurplus('FdSocket.listen', arguments, 2);
    return FdServer.listen(address, options, (socket) => new FdSocket(socket));
  }

  /**
   * Two sockets that are connected to each other. To give one to a child process, put its `fd` in the child's `stdio`
   * and close it here once the child runs; until it has been used here it is in blocking mode, as most programs expect.
   *
   * @throws TapfdError `EMFILE`, `ENFILE`: there are too many descriptors.
   */
  static pair(): [FdSocket, FdSocket] {
    const [one, other] = attempt('pair', () => native().unixPair());
    return [new FdSocket(one), new FdSocket(other)];
  }

  /**
   * Takes over a socket that someone else opened, such as one inherited from a parent process. Made close-on-exec. The
   * descriptor is the caller's still when this throws.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `EBADF` (`fstat`): not an open descriptor;
   * `ERR_TAPFD_NOT_A_UNIX_SOCKET`: something else than a connected unix stream socket; `ERR_TAPFD_INVALID_STATE`: it is
   * an FdSocket of this thread already.
   */
  static adopt(fd: number): FdSocket {
    checkFd('fd', fd);
    return new FdSocket(attempt('adopt', () => native().adoptUnix(fd)));
  }

  /** The socket's own descriptor, borrowed; -1 after the end. */
  get fd(): number {
    return this.#socket.fd;
  }

  /** True after {@link FdSocket.close}. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Sends bytes, and descriptors with the first of them. What is sent first arrives first.
   *
   * The descriptors stay the caller's, and may be closed as soon as this returns its promise. The bytes must not change
   * until it is settled.
   *
   * @param data - Bytes, or text that is sent as UTF-8. At least one byte where there are descriptors.
   * @param fds - At most 253.
   * @returns A promise that is fulfilled when the kernel has all of it: when the peer does not read, it waits.
   * @throws TapfdError
   * - `ERR_TAPFD_INVALID_ARGUMENT`, before any system call.
   * - `EBADF`: one of `fds` is not open. Nothing was sent, and the socket lives on.
   * - `EMFILE`, `ETOOMANYREFS`: too many descriptors of this user are open, or on their way. Likewise.
   * - `EPIPE`, `ECONNRESET`: the peer has closed its end. What it had sent can still be received.
   * - `ERR_TAPFD_INVALID_STATE`: after `end()`. `ERR_TAPFD_CLOSED`: the socket was closed.
   */
  async send(data: Uint8Array | string, fds: readonly FdSource[] = []): Promise<void> {
    const message = checkMessage(data, fds);
    this.#assertOpen('send');
    if (this.#ending) throw invalidState('send: end() was called');
    await this.#sender.send(message.bytes, message.fds);
  }

  /**
   * The next message: what is there, up to 64 KiB. Descriptors of the message before that nobody took are closed.
   *
   * @returns undefined when the peer has closed or ended its side, and everything was received.
   * @throws TapfdError
   * - `ERR_TAPFD_FDS_TRUNCATED`: this process cannot take the descriptors that come next (mostly because it has as many
   *   as it may: `ulimit -n`). Those it could were closed. Nothing is lost: the message stays, for another receive().
   * - `ECONNRESET`: the peer has closed without having received everything.
   * - `ERR_TAPFD_INVALID_STATE`: another receive() is under way. `ERR_TAPFD_CLOSED`: the socket was closed.
   */
  async receive(options: AbortOptions = {}): Promise<FdMessage | undefined> {
    refuseSurplus('receive', arguments, 1);
    const signal = signalOf(options);
    signal?.throwIfAborted();
    this.#assertOpen('receive');
    if (this.#receiving) throw invalidState('receive: another receive() or iteration of this socket waits');
    this.#receiving = true;
    try {
      await this.#last?.close();
      return await this.#next(signal);
    } finally {
      this.#receiving = false;
    }
  }

  /**
   * The messages until the peer ends, or the socket is closed here. Leaving the loop closes what nobody took of the
   * last message, and leaves the socket as it is. Errors as for {@link FdSocket.receive}.
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
   * Says that nothing more will be sent, once all was: the peer's reading comes to its end. Receiving goes on.
   *
   * @throws TapfdError `ERR_TAPFD_CLOSED`: the socket was closed.
   */
  async end(): Promise<void> {
    this.#assertOpen('end');
    // Behind everything that waits; it takes no byte.
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

  /** Keeps the process alive while something is waited for, which is the default. */
  ref(): this {
    this.#socket.ref();
    return this;
  }

  /** Lets the process end although something is waited for. */
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
      const received = this.#socket.receive(scratch);
      if (typeof received === 'object') {
        // At once: a close() in the very next moment has to find it.
        this.#last = FdMessage.from(received, scratch);
        return this.#last;
      }
      if (received !== -EAGAIN) throw socketFailure('receive', 'recvmsg', received);
      await this.#wait.start('receive', signal);
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
