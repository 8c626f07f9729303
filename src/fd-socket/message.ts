/** What one receive brought: bytes, and descriptors that somebody has to own. */
import { invalidState, TapfdError } from '../base/errors.js';
import type { NativeFdBundle, NativeReceived } from '../base/native-fd-socket.js';

/**
 * Bytes received from a `FdSocket`, and the descriptors that were sent with them.
 *
 * Descriptors arrive with the first byte that they were sent with. The kernel may put bytes that were sent before in
 * front of it, but none that were sent after: of the messages that begin in `data`, the last is the one that they were
 * sent with. If its bytes go on, they do so in the next `FdMessage`, without descriptors.
 *
 * The descriptors are the message's until {@link FdMessage.takeFds} gives them away: when the next message is asked for,
 * when the socket is closed, and when both are garbage, those that nobody took are closed.
 */
export class FdMessage implements AsyncDisposable {
  /** The bytes. Memory of its own, to keep. */
  readonly data: Buffer;
  readonly #bundle: NativeFdBundle | undefined;
  readonly #count: number;

  private constructor(data: Buffer, bundle: NativeFdBundle | undefined) {
    this.data = data;
    this.#bundle = bundle;
    this.#count = this.fds.length;
  }

  /** @internal What one receive has put into `memory`; undefined when the peer has ended its side. */
  static from(received: NativeReceived, memory: Buffer): FdMessage | undefined {
    const { bytes, end, truncated, fds } = received;
    if (truncated) {
      throw new TapfdError(
        'ERR_TAPFD_FDS_TRUNCATED',
        'receive: this process cannot take the descriptors that come next; they stay in the socket. ' +
          'Close some (ulimit -n tells how many it may have), and receive again',
        { syscall: 'recvmsg', recoverable: true },
      );
    }
    if (end) return undefined;
    return new FdMessage(Buffer.from(memory.subarray(0, bytes)), fds);
  }

  /**
   * The numbers of the descriptors that are the message's still, to look at; close-on-exec. Empty when there were none,
   * and after they were taken or closed.
   */
  get fds(): readonly number[] {
    return this.#bundle?.numbers ?? [];
  }

  /**
   * Takes the descriptors: they are the caller's from now on, to close or to hand to who does (`adoptFd`).
   *
   * @returns Their numbers, in the order in which they were sent. Empty when there were none.
   * @throws TapfdError `ERR_TAPFD_INVALID_STATE`: they were taken before, or closed because the next message was asked
   * for or the socket closed.
   */
  takeFds(): number[] {
    const taken = this.#bundle?.take() ?? [];
    if (taken.length === this.#count) return taken;
    throw invalidState(
      'takeFds: the descriptors were taken before, or closed: take them before the next message is asked for',
    );
  }

  /** Closes the descriptors that nobody has taken. A second call does nothing. */
  async close(): Promise<void> {
    if (this.fds.length > 0) await this.#bundle?.close();
  }

  /** As {@link FdMessage.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
