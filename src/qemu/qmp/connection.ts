/**
 * src/qemu/qmp/: the protocol of QEMU's monitor. On top of fd-socket.
 *
 * Here: one connection. It matches answers to commands by id, passes events on, and when it ends fails all that waits.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { invalidArgument, isError, TapfdError } from '../../base/errors.js';
import { LoopShare } from '../../base/loop-share.js';
import { deferred } from './deferred.js';
import { QmpError } from './error.js';
import {
  LineSplitter,
  notQmp,
  parseQmpMessage,
  type QmpEvent,
  type QmpGreeting,
  unreadCommand,
} from './messages.js';
import type { QmpSocket } from './socket.js';

/** What a connection calls. */
export interface QmpFollower {
  event(event: QmpEvent): void;
  /** The connection is over; `error` is undefined if this side closed it. */
  end(error: Error | undefined): void;
}

/** A command that has not been answered yet. */
interface Pending {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class QmpConnection {
  /** Resolves once the socket is closed; never rejects. */
  readonly over: Promise<void>;
  readonly #socket: QmpSocket;
  readonly #greeting = deferred<QmpGreeting>();
  readonly #pending = new Map<number, Pending>();
  readonly #share = new LoopShare();
  #follower: QmpFollower | undefined;
  #lastId = 0;
  #isGreeted = false;
  #end: { readonly error: Error | undefined } | undefined;
  #closing: Promise<unknown> | undefined;

  constructor(socket: QmpSocket) {
    this.#socket = socket;
    this.over = this.#read();
  }

  /** What QEMU says first. */
  get greeted(): Promise<QmpGreeting> {
    return this.#greeting.promise;
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  follow(follower: QmpFollower): void {
    this.#follower = follower;
    if (this.#end !== undefined) follower.end(this.#end.error);
  }

  /** Sends a command and waits for its answer, without a time limit. */
  async execute(command: string, args: object, fds: readonly number[]): Promise<unknown> {
    if (this.#end !== undefined) throw this.endedError(command);
    this.#lastId += 1;
    const id = this.#lastId;
    const line = commandLine(command, args, id);
    const { promise, resolve, reject } = deferred<unknown>();
    this.#pending.set(id, { command, resolve, reject });
    this.#socket.send(line, fds).catch((error: Error) => {
      // None of it was sent, but the connection may still work. If QEMU is gone, the reading side notices.
      this.#pending.get(id)?.reject(isEndOfQemu(error) ? endOf(command, error) : error);
      this.#pending.delete(id);
    });
    return promise;
  }

  /** The error of `what`, which failed because the connection is over. */
  endedError(what: string): TapfdError {
    return endOf(what, this.#end?.error);
  }

  close(): Promise<void> {
    this.#finish(undefined);
    return this.over;
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  async #read(): Promise<void> {
    try {
      await this.#readLines();
      this.#finish(new TapfdError('ERR_TAPFD_QMP_CLOSED', 'QEMU has closed it'));
    } catch (error) {
      this.#finish(reasonOf(error));
    }
    await Promise.allSettled([this.#closing]);
  }

  /** Until the connection ends at either side: nothing is heard after close(). */
  async #readLines(): Promise<void> {
    const lines = new LineSplitter();
    for await (const { data } of this.#socket) {
      if (!this.#share.take()) await this.#nextTurn();
      for (const line of lines.split(data)) {
        if (!this.#share.take()) await this.#nextTurn();
        if (this.#end !== undefined) return;
        if (line.trim() !== '') this.#take(line);
      }
    }
  }

  /** A monitor that never pauses must not keep the process from everything else. */
  async #nextTurn(): Promise<void> {
    await nextTurn();
    this.#share.renew();
  }

  #take(line: string): void {
    const message = parseQmpMessage(line);
    if (message.type === 'greeting') {
      if (this.#isGreeted) throw notQmp(line);
      this.#isGreeted = true;
      this.#greeting.resolve(message.greeting);
      return;
    }
    if (message.type === 'event') {
      this.#follower?.event(message.event);
      return;
    }
    const id = typeof message.id === 'number' ? message.id : Number.NaN;
    const pending = this.#pending.get(id);
    if (pending === undefined) {
      // QEMU omits the id when it could not read the command, so there is no telling which command it was.
      const isUnread = message.type === 'error' && message.id === undefined;
      throw isUnread ? unreadCommand(message.text) : notQmp(line);
    }
    this.#pending.delete(id);
    if (message.type === 'return') pending.resolve(message.value);
    else pending.reject(new QmpError(pending.command, message.qmpClass, message.text));
  }

  #finish(error: Error | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#closing = this.#socket.close();
    this.#greeting.reject(endOf('connect', error));
    for (const { command, reject } of this.#pending.values()) reject(endOf(command, error));
    this.#pending.clear();
    this.#follower?.end(error);
  }
}

function commandLine(command: string, args: object, id: number): string {
  try {
    return `${JSON.stringify({ execute: command, arguments: args, id }, wellFormed)}\n`;
  } catch (cause) {
    throw invalidArgument('args', `something that JSON can express (${cause})`, args);
  }
}

/** Half a surrogate pair. (With `u`, a whole pair is one character, which is no surrogate.) */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Refuses what JavaScript writes as JSON but QEMU cannot read. */
function wellFormed(key: string, value: unknown): unknown {
  for (const text of [key, value]) {
    if (typeof text === 'string' && LONE_SURROGATE.test(text)) throw new Error('half a surrogate pair');
  }
  return value;
}

/** Why the connection ended, judging by what reading it threw. */
function reasonOf(error: unknown): Error {
  if (!isError(error)) return new Error(String(error));
  // QEMU has ended before it had read everything.
  const isReset = 'code' in error && error.code === 'ECONNRESET';
  return isReset ? new TapfdError('ERR_TAPFD_QMP_CLOSED', error.message, { cause: error }) : error;
}

/** QEMU itself has ended the connection. After any other end its guest may still be running. */
export function isEndOfQemu(error: unknown): boolean {
  return (
    isError(error) &&
    'code' in error &&
    ['ERR_TAPFD_QMP_CLOSED', 'EPIPE', 'ECONNRESET'].includes(String(error.code))
  );
}

/** A command failed because QEMU is gone. */
export function isFailureByEndOfQemu(error: unknown): boolean {
  return error instanceof TapfdError && error.code === 'ERR_TAPFD_QMP_CLOSED' && isEndOfQemu(error.cause);
}

/** `error`: why the connection ended; undefined if this side closed it. */
function endOf(what: string, error: Error | undefined): TapfdError {
  if (error === undefined) {
    return new TapfdError('ERR_TAPFD_QMP_CLOSED', `${what}: the client was closed`);
  }
  if (error instanceof TapfdError && error.code === 'ERR_TAPFD_QMP_PROTOCOL') {
    return new TapfdError(error.code, `${what}: ${error.message}`, { cause: error });
  }
  return new TapfdError('ERR_TAPFD_QMP_CLOSED', `${what}: the connection to QEMU is over: ${error.message}`, {
    cause: error,
  });
}
