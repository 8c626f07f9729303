/** Sends messages in order, as the kernel accepts them, and guarantees that the descriptors are the ones that were given. */
import { constants } from 'node:os';
import { invalidArgument } from '../base/errors.js';
import { checkFdSource } from '../base/fd-source.js';
import { native } from '../base/native.js';
import { fromNative } from '../base/native-call.js';
import type { NativeFdBundle, NativeFdSocket } from '../base/native-fd-socket.js';
import { socketFailure } from './failure.js';

const { EAGAIN } = constants.errno;

/** `net/scm.h` SCM_MAX_FD. */
const MAX_FDS = 253;

/** A message that waits until the kernel accepts more. */
interface PendingSend {
  data: Uint8Array;
  /** Bytes sent so far. If it is not 0, the descriptors are sent, too, as they go with the first byte. */
  offset: number;
  /** Duplicates: the caller may close a number meanwhile, which then may be that of another file. */
  bundle: NativeFdBundle | undefined;
  resolve: () => void;
  reject: (error: unknown) => void;
}

export class FdSender {
  readonly #socket: NativeFdSocket;
  #queue: PendingSend[] = [];
  /** A message was cut off: the peer would take anything sent after it for its remainder. */
  #broken: Error | undefined;

  constructor(socket: NativeFdSocket) {
    this.#socket = socket;
  }

  /** Resolves when the kernel has accepted this and all earlier messages. */
  async send(data: Uint8Array, fds: readonly number[]): Promise<void> {
    if (this.#broken) throw this.#broken;
    let offset = 0;
    if (this.#queue.length === 0) {
      offset = this.#push(data, 0, fds);
      if (offset === data.length) return;
    }
    const bundle = fds.length > 0 && offset === 0 ? duplicate(fds) : undefined;
    await new Promise<void>((resolve, reject) => {
      this.#queue.push({ data, offset, bundle, resolve, reject });
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

  #await(): void {
    try {
      this.#socket.awaitWritable(() => this.#resume());
    } catch (error) {
      this.fail(fromNative(error, { operation: 'send' }));
    }
  }

  #resume(): void {
    while (this.#queue.length > 0 && this.#attempt(this.#queue[0])) this.#queue.shift();
    if (this.#queue.length > 0) this.#await();
  }

  /** Continues with a message; false if it has to wait again. */
  #attempt(send: PendingSend): boolean {
    try {
      if (this.#broken) throw this.#broken;
      send.offset = this.#push(send.data, send.offset, send.bundle?.numbers ?? []);
      if (send.offset < send.data.length) return false;
      send.resolve();
    } catch (error) {
      send.reject(error);
    }
    void send.bundle?.close();
    return true;
  }

  /** Sends as much as the kernel accepts now. Returns the new offset. */
  #push(data: Uint8Array, offset: number, fds: readonly number[]): number {
    let next = offset;
    while (next < data.length) {
      const sent = this.#socket.send(data, next, next === 0 ? fds : []);
      if (sent === -EAGAIN) return next;
      if (sent < 0) throw this.#failure(sent, next);
      next += sent;
    }
    return next;
  }

  #failure(errno: number, sentBytes: number): Error {
    const error = socketFailure('send', 'sendmsg', errno);
    if (sentBytes > 0) this.#broken = error;
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

/** Checks the arguments of `send()`. */
export function checkMessage(data: unknown, fds: unknown): { bytes: Uint8Array; fds: number[] } {
  const bytes = checkData(data);
  const numbers = checkFds(fds);
  if (numbers.length > 0 && bytes.length === 0) {
    throw invalidArgument('data', 'at least one byte, which descriptors need to go with', data);
  }
  return { bytes, fds: numbers };
}

function checkData(data: unknown): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  if (data instanceof Uint8Array) return data;
  throw invalidArgument('data', 'a Buffer, a Uint8Array or a string', data);
}

function checkFds(fds: unknown): number[] {
  if (!Array.isArray(fds)) throw invalidArgument('fds', 'an array of descriptors', fds);
  if (fds.length > MAX_FDS) throw invalidArgument('fds', `at most ${MAX_FDS} descriptors`, fds);
  return fds.map((value: unknown, position) => checkFdSource(`fds[${position}]`, value));
}
