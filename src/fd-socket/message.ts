/** The result of one receive: bytes, and descriptors that need an owner. */
import { invalidState, TapfdError } from '../base/errors.js';
import type { NativeFdBundle, NativeReceived } from '../base/native-fd-socket.js';

/**
 * Bytes received from a `FdSocket`, and the descriptors that were sent with them.
 *
 * Descriptors arrive with the first byte that they were sent with. The kernel may put earlier bytes in front of it, but
 * no later ones: the descriptors belong to the last of the sent messages that begin in `data`. If that message continues,
 * its other bytes are in the next `FdMessage`, without descriptors.
 *
 * The message owns the descriptors until {@link FdMessage.takeFds}. Those that were not taken are closed when the next
 * message is requested, when the socket is closed, and when both are garbage-collected.
 */
export class FdMessage implements AsyncDisposable {
  /** The bytes, in memory of their own: they may be kept. */
  readonly data: Buffer;
  readonly #bundle: NativeFdBundle | undefined;
  readonly #count: number;

  #closing: Promise<void> | undefined;

  private constructor(data: Buffer, bundle: NativeFdBundle | undefined) {
    this.data = data;
    this.#bundle = bundle;
    this.#count = this.fds.length;
  }

  /** @internal Copies what one receive has put into `memory`; undefined if the peer has ended its side. */
  static from(received: NativeReceived, memory: Buffer): FdMessage | undefined {
    const { bytes, end, truncated, lostFds, fds } = received;
    if (truncated) {
      throw new TapfdError(
        'ERR_TAPFD_FDS_TRUNCATED',
        'receive: this process cannot take the next descriptors, which remain in the socket. ' +
          'Close some (ulimit -n shows the limit), and receive again',
        { syscall: 'recvmsg', recoverable: true },
      );
    }
    if (lostFds) {
      throw new TapfdError(
        'ERR_TAPFD_FDS_LOST',
        `receive: ${bytes} bytes and their descriptors are lost, because another process reads from the same socket. ` +
          'Close its copy of the descriptor: a socket has one reader',
        { syscall: 'recvmsg', recoverable: true },
      );
    }
    if (end) return undefined;
    return new FdMessage(Buffer.from(memory.subarray(0, bytes)), fds);
  }

  /**
   * The numbers of the descriptors that the message still owns, to look at. They are close-on-exec. Empty if there were
   * none, and after they were taken or closed.
   */
  get fds(): readonly number[] {
    return this.#bundle?.numbers ?? [];
  }

  /**
   * Takes the descriptors: from now on the caller owns them, and closes them or passes them on (`adoptFd`).
   *
   * @returns Their numbers, in the order in which they were sent. Empty if there were none.
   * @throws TapfdError `ERR_TAPFD_INVALID_STATE`: they were taken before, or closed because the next message was
   * requested or the socket was closed.
   */
  takeFds(): number[] {
    const taken = this.#bundle?.take() ?? [];
    if (taken.length === this.#count) return taken;
    throw invalidState(
      'takeFds: the descriptors were taken before, or closed: take them before you request the next message',
    );
  }

  /** Closes the descriptors that were not taken. A second call waits for the first. */
  async close(): Promise<void> {
    if (this.fds.length > 0) this.#closing = this.#bundle?.close();
    await this.#closing;
  }

  /** As {@link FdMessage.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
