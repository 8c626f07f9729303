/** A unix socket that accepts connections. */

import { resolve as absolutePath } from 'node:path';
import { type AbortOptions, signalOf } from '../base/abort.js';
import { checkInteger, refuseSurplus } from '../base/checks.js';
import { invalidState, TapfdError } from '../base/errors.js';
import { LoopShare } from '../base/loop-share.js';
import { native } from '../base/native.js';
import { fromNative, nativeCall } from '../base/native-call.js';
import type { NativeFdSocket } from '../base/native-fd-socket.js';
import { checkSocketAddress, isAbstract } from './address.js';
import { socketClosed } from './failure.js';
import { ReadableWait } from './readable-wait.js';

/** Options of `FdSocket.listen`. */
export interface FdServerOptions {
  /**
   * Permissions of the socket's file, which never has more than these. A process needs write permission to connect.
   * Default: 0o777 less the umask. Has no effect for an abstract name, to which every process of the network namespace
   * may connect.
   */
  mode?: number | undefined;
  /** How many connections may wait to be accepted: at most `net.core.somaxconn`. Default 128. */
  backlog?: number | undefined;
  /** Aborts the call: the promise rejects with the signal's reason, and no socket or file remains. */
  signal?: AbortSignal | undefined;
}

const DEFAULT_BACKLOG = 128;
const MAX_BACKLOG = 0x7fff_ffff;
const ALL_PERMISSIONS = 0o777;

/**
 * A unix socket that accepts connections, made by `FdSocket.listen`: an async iterable of connections. The kernel holds
 * those that were not accepted yet.
 */
export class FdServer<T> implements AsyncIterable<T>, AsyncDisposable {
  /** The path or abstract name, as given to `FdSocket.listen`. */
  readonly address: string;
  readonly #socket: NativeFdSocket;
  readonly #wrap: (socket: NativeFdSocket) => T;
  readonly #wait: ReadableWait;
  readonly #share = new LoopShare();
  #accepting = false;
  #closing: Promise<void> | undefined;

  private constructor(address: string, socket: NativeFdSocket, wrap: (socket: NativeFdSocket) => T) {
    this.address = address;
    this.#socket = socket;
    this.#wrap = wrap;
    this.#wait = new ReadableWait(socket);
  }

  /** @internal Opens the socket; `wrap` makes the public object of each connection. */
  static async listen<T>(
    address: string,
    options: FdServerOptions,
    wrap: (socket: NativeFdSocket) => T,
  ): Promise<FdServer<T>> {
    const checked = checkSocketAddress('address', address);
    const signal = signalOf('FdSocket.listen', options, ['mode', 'backlog']);
    const settings = {
      address: checked,
      path: isAbstract(checked) ? '' : absolutePath(checked),
      ...(options.mode !== undefined && { mode: checkInteger('mode', options.mode, 0, ALL_PERMISSIONS) }),
      backlog: checkInteger('backlog', options.backlog ?? DEFAULT_BACKLOG, 0, MAX_BACKLOG),
    };
    signal?.throwIfAborted();
    const socket = await nativeCall({ operation: 'listen', path: address }, () =>
      native().listenUnix(settings),
    );
    if (signal?.aborted) await socket.close();
    signal?.throwIfAborted();
    return new FdServer(address, socket, wrap);
  }

  /**
   * Returns the next connection.
   *
   * @throws TapfdError `EMFILE`, `ENFILE`: too many descriptors are open. The connection remains pending.
   * `ERR_TAPFD_INVALID_STATE`: another accept() is under way. `ERR_TAPFD_CLOSED`: the server was closed.
   */
  async accept(options: AbortOptions = {}): Promise<T> {
    refuseSurplus('accept', arguments, 1);
    const signal = signalOf('accept', options);
    signal?.throwIfAborted();
    if (this.#accepting)
      throw invalidState('accept: another accept() or iteration of this server is waiting');
    this.#accepting = true;
    try {
      for (;;) {
        if (this.#closing) throw socketClosed('accept');
        const socket = this.#share.take() ? this.#tryAccept() : undefined;
        if (socket !== undefined) return this.#wrap(socket);
        await this.#wait.start('accept', signal);
        this.#share.renew();
      }
    } finally {
      this.#accepting = false;
    }
  }

  /** Iterates over the connections until the server is closed. Leaving the loop does not close it. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      let socket: T;
      try {
        socket = await this.accept();
      } catch (error) {
        if (this.#closing && error instanceof TapfdError && error.code === 'ERR_TAPFD_CLOSED') return;
        throw error;
      }
      yield socket;
    }
  }

  /** Closes the server and removes its file, unless another has its name. Accepted connections stay open. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Keeps the process alive while waiting for a connection. This is the default. */
  ref(): this {
    this.#socket.ref();
    return this;
  }

  /** Lets the process end while waiting for a connection. */
  unref(): this {
    this.#socket.unref();
    return this;
  }

  /** As {@link FdServer.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #close(): Promise<void> {
    const closed = this.#socket.close();
    this.#wait.fail(socketClosed('accept'));
    return closed;
  }

  #tryAccept(): NativeFdSocket | undefined {
    try {
      return this.#socket.accept();
    } catch (error) {
      throw fromNative(error, { operation: 'accept', path: this.address });
    }
  }
}
