/** Sends messages in order, as the kernel accepts them, and guarantees that the descriptors are the ones that were given. */
import { constants } from 'node:os';
import { setImmediate } from 'node:timers';
import { checkBytes, checkList } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { LoopShare } from '../base/loop-share.js';
import { native } from '../base/native.js';
import { fromNative } from '../base/native-call.js';
import type { NativeFdBundle, NativeFdSocket } from '../base/native-fd-socket.js';
import { socketFailure } from './failure.js';
import { checkFdSource } from './fd-source.js';

const { EAGAIN } = constants.errno;

/** `net/scm.h` SCM_MAX_FD. */
const MAX_FDS = 253;

/** A message that waits until the kernel accepts more. */
interface PendingSend {
  /** The rest to send when it began to wait, copied: the caller may change or transfer its memory meanwhile. */
  data: Uint8Array;
  /** Bytes of it sent so far. */
  offset: number;
  /** Something of the message was sent before it began to wait. */
  begun: boolean;
  /**
   * Duplicates: the caller may close a number meanwhile, which then may be that of another file. undefined if there are
   * none, and if they are sent: they go with the first byte.
   */
  bundle: NativeFdBundle | undefined;
  resolve: () => void;
  reject: (error: unknown) => void;
}

export class FdSender {
  readonly #socket: NativeFdSocket;
  #queue: PendingSend[] = [];
  /** A message was cut off: the peer would take anything sent after it for its remainder. */
  #broken: Error | undefined;
  /** A peer that takes everything at once could keep this side sending for ever. */
  readonly #share = new LoopShare();

  constructor(socket: NativeFdSocket) {
    this.#socket = socket;
  }

  /** Resolves when the kernel has accepted this and all earlier messages. */
  async send(data: Uint8Array, fds: readonly number[]): Promise<void> {
    if (this.#broken) throw this.#broken;
    let sent = 0;
    if (this.#queue.length === 0) {
      sent = this.#push(data, 0, false, fds);
      if (sent === data.length) return;
    }
    const bundle = fds.length > 0 && sent === 0 ? duplicate(fds) : undefined;
    const rest = Buffer.from(data.subarray(sent));
    await new Promise<void>((resolve, reject) => {
      this.#queue.push({ data: rest, offset: 0, begun: sent > 0, bundle, resolve, reject });
      if (this.#queue.length === 1) this.#await();
    });
  }

  /** Fails all waiting messages. */
  fail(error: unknown): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const { bundle, reject } of queue) {
      void bundle?.close();
      reject(error);
    }
  }

  /** Until the kernel accepts more; or only for a turn of the loop, if it would already. */
  #await(): void {
    if (this.#share.isSpent) {
      setImmediate(() => this.#resume());
      return;
    }
    try {
      this.#socket.awaitWritable(() => this.#resume());
    } catch (error) {
      this.fail(fromNative(error, { operation: 'send' }));
    }
  }

  #resume(): void {
    this.#share.renew();
    while (this.#queue.length > 0 && this.#attempt(this.#queue[0])) this.#queue.shift();
    if (this.#queue.length > 0) this.#await();
  }

  /** Continues with a message; false if it has to wait again. */
  #attempt(send: PendingSend): boolean {
    try {
      if (this.#broken) throw this.#broken;
      send.offset = this.#push(send.data, send.offset, send.begun, send.bundle?.numbers ?? []);
      if (send.offset < send.data.length) return false;
      send.resolve();
    } catch (error) {
      send.reject(error);
    }
    void send.bundle?.close();
    return true;
  }

  /** Sends as much as the kernel accepts now, and as this turn of the loop allows. Returns the new offset. */
  #push(data: Uint8Array, offset: number, begun: boolean, fds: readonly number[]): number {
    let next = offset;
    while (next < data.length && this.#share.take()) {
      const sent = this.#socket.send(data, next, next === 0 ? fds : []);
      if (sent === -EAGAIN) return next;
      if (sent < 0) throw this.#failure(sent, begun || next > 0);
      next += sent;
    }
    return next;
  }

  #failure(errno: number, begun: boolean): Error {
    const error = socketFailure('send', 'sendmsg', errno);
    if (begun) this.#broken = error;
    return error;
  }
}

function duplicate(fds: readonly number[]): NativeFdBundle {
  try {
    return native().duplicateFds(fds);
  } catch (error) {
    throw fromNative(error, { operation: 'send' });
  }
}

const EXPECTED_DATA = 'a Buffer, a Uint8Array or a string';

/** Checks the arguments of `send()`. */
export function checkMessage(data: unknown, fds: unknown): { bytes: Uint8Array; fds: number[] } {
  const bytes = checkData(data);
  const numbers = checkFds(fds);
  if (numbers.length > 0 && bytes.length === 0) {
    throw invalidArgument('data', 'at least one byte, which descriptors need to go with', data);
  }
  return { bytes, fds: numbers };
}

function checkData(data: unknown): Buffer {
  return typeof data === 'string' ? Buffer.from(data) : checkBytes('data', data, EXPECTED_DATA);
}

function checkFds(fds: unknown): number[] {
  if (Array.isArray(fds) && fds.length > MAX_FDS) {
    throw invalidArgument('fds', `at most ${MAX_FDS} descriptors`, fds);
  }
  return checkList('fds', fds, 'an array of descriptors', checkFdSource);
}
