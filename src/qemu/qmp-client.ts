import { EventEmitter } from 'node:events';
import { type AbortOptions, signalOf, untilAborted } from '../base/abort.js';
import { checkObject, refuseSurplus, verdict } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { FdSocket } from '../fd-socket/socket.js';
import { addNic } from './hot-plug/add-nic.js';
import { KnownCards } from './hot-plug/cards.js';
import { Line } from './hot-plug/line.js';
import type { QemuHotPluggedNic, QemuHotPlugNic, QemuHotPlugOptions } from './hot-plug/options.js';
import { removeNic } from './hot-plug/remove-nic.js';
import { openFds } from './nic/child-descriptors.js';
import type { QmpCommands, QmpExecuteOptions, QmpWaitOptions } from './qmp/commands.js';
import { isEndOfQemu, QmpConnection, type QmpFollower } from './qmp/connection.js';
import { deferred } from './qmp/deferred.js';
import { emitApart } from './qmp/emit-apart.js';
import type { QmpEvent, QmpGreeting } from './qmp/messages.js';
import type { QmpSocket } from './qmp/socket.js';

/** What a {@link QmpClient} emits. */
export interface QmpClientEvents {
  /** Any event of QEMU. */
  event: [event: QmpEvent];
  /** The connection is over. The error says why, unless `close()` was called. */
  close: [error?: Error];
  /** An event of QEMU under its own name: `'DEVICE_DELETED'`. */
  [name: Uppercase<string>]: [event: QmpEvent];
}

/** QEMU's own events, and those that vendors add (`__org.example_NAME`). Names in lower case are this class's. */
const QEMU_EVENT = /^[A-Z_]/;

/**
 * A connection to QEMU's monitor (QMP).
 *
 * Answers are matched to commands by id, so any number of commands may be under way. Everything that waits takes an
 * AbortSignal. When the connection ends, whatever waits rejects with `ERR_TAPFD_QMP_CLOSED`, and `'close'` is emitted.
 *
 * Events: `'event'` with each {@link QmpEvent}, the same event under its own name (`'DEVICE_DELETED'`), and `'close'`.
 *
 * @example
 * ```ts
 * import { QmpClient } from 'tapfd/qemu';
 *
 * await using qmp = await QmpClient.connect('/run/qemu.sock');
 * qmp.on('RTC_CHANGE', ({ data }) => console.log('the guest has set its clock', data));
 * console.log(await qmp.execute('query-status'));
 * await qmp.waitForEvent('SHUTDOWN');
 * ```
 */
export class QmpClient extends EventEmitter<QmpClientEvents> implements QmpCommands {
  /** How QEMU introduced itself. */
  readonly greeting: QmpGreeting;
  readonly #connection: QmpConnection;
  /** What the library itself has to tell: no listeners, of which Node takes more than ten for a leak. */
  readonly #followers = new Set<QmpFollower>();
  readonly #cards = new KnownCards();
  readonly #line = new Line();

  /** @internal Not `instanceof`, which an object made on the prototype passes. */
  static is(value: unknown): value is QmpClient {
    return typeof value === 'object' && value !== null && #connection in value;
  }

  /**
   * Connects and negotiates.
   *
   * Needs write permission on the socket's file, and no other privilege.
   *
   * @param where The path of QEMU's socket (`-qmp unix:PATH,server=on,wait=off`), or a connection, which the client
   *   owns from then on: it is closed if the negotiation fails or is aborted, even if `signal` was aborted before the
   *   call.
   * @throws TapfdError What `FdSocket.connect` throws: `ENOENT`, `ECONNREFUSED`, `EACCES`, …
   * @throws TapfdError `ERR_TAPFD_QMP_PROTOCOL`: it is not a monitor in mode `control`, but perhaps one for people.
   * @throws TapfdError `ERR_TAPFD_QMP_CLOSED`: the connection ended first.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
   * @throws The reason of `options.signal`. QEMU serves one client at a time and silently keeps others waiting.
   */
  static async connect(where: string | QmpSocket, options: AbortOptions = {}): Promise<QmpClient> {
    refuseSurplus('QmpClient.connect', arguments, 2);
    const signal = signalOf('QmpClient.connect', options);
    const connection = new QmpConnection(await socketOf(where, signal));
    try {
      const greeting = await untilAborted(signal, connection.greeted);
      await untilAborted(signal, connection.execute('qmp_capabilities', {}, []));
      return new QmpClient(connection, greeting);
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  private constructor(connection: QmpConnection, greeting: QmpGreeting) {
    super();
    this.#connection = connection;
    this.greeting = greeting;
    connection.follow({
      event: (event) => this.#report(event),
      end: (error) => this.#end(error),
    });
  }

  /** True when the connection is over. */
  get closed(): boolean {
    return this.#connection.ended;
  }

  /**
   * Sends a command and waits for its answer.
   *
   * A command that was sent cannot be withdrawn: if `signal` is aborted, QEMU still executes it, and the answer is
   * ignored.
   *
   * @typeParam T What QEMU returns for this command, according to its QMP reference. It is not checked.
   * @param command Its name in QEMU's QMP reference: `query-status`.
   * @param args Its arguments.
   * @returns What QEMU returns; an empty object if there is nothing to return.
   * @throws QmpError `ERR_TAPFD_QMP`: QEMU refuses the command. `qmpClass` and `detail` have QEMU's reason.
   * @throws TapfdError `ERR_TAPFD_QMP_CLOSED`: the connection is over, or ended before the answer.
   * @throws TapfdError `ERR_TAPFD_QMP_PROTOCOL`: something came that is not QMP, or QEMU could not read a command, for
   *   the reason in `detail`. The connection is over then.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`, also for half a surrogate pair in `args`.
   * @throws TapfdError `EBADF`: one of `fds` is not open.
   * @throws The reason of `options.signal`.
   */
  execute<T = unknown>(command: string, args?: object, options?: QmpExecuteOptions): Promise<T>;
  async execute(command: string, args: object = {}, options: QmpExecuteOptions = {}): Promise<unknown> {
    refuseSurplus('execute', arguments, 3);
    if (typeof command !== 'string' || command === '') throw invalidArgument('command', 'a name', command);
    checkObject('args', args);
    const signal = signalOf('execute', options, ['fds']);
    const fds = openFds('fds', options.fds ?? []);
    signal?.throwIfAborted();
    return untilAborted(signal, this.#connection.execute(command, args, fds));
  }

  /**
   * The next event with this name. Earlier events are not seen, so call this before the command that causes the event.
   *
   * @example
   * ```ts
   * import { QmpClient } from 'tapfd/qemu';
   *
   * const qmp = await QmpClient.connect('/run/qemu.sock');
   * const deleted = qmp.waitForEvent('DEVICE_DELETED', { where: (data) => data.device === 'disk7' });
   * await qmp.execute('device_del', { id: 'disk7' });
   * await deleted;
   * ```
   *
   * @throws TapfdError `ERR_TAPFD_QMP_CLOSED`: the connection ended first. `ERR_TAPFD_INVALID_ARGUMENT`.
   * @throws What `options.where` throws, and the reason of `options.signal`.
   */
  async waitForEvent(name: string, options: QmpWaitOptions = {}): Promise<QmpEvent> {
    refuseSurplus('waitForEvent', arguments, 2);
    if (typeof name !== 'string' || name === '') throw invalidArgument('name', "an event's name", name);
    const signal = signalOf('waitForEvent', options, ['where']);
    const { where = () => true } = options;
    if (typeof where !== 'function') throw invalidArgument('where', 'a function', where);
    signal?.throwIfAborted();
    if (this.closed) throw this.#connection.endedError(`waiting for ${name}`);
    const { promise, resolve, reject } = deferred<QmpEvent>();
    const stop = this.follow({
      event: (event) => {
        if (event.event !== name) return;
        try {
          if (verdict('where', where(event.data))) resolve(event);
        } catch (error) {
          reject(error);
        }
      },
      end: () => reject(this.#connection.endedError(`waiting for ${name}`)),
    });
    try {
      return await untilAborted(signal, promise);
    } finally {
      stop();
    }
  }

  /**
   * Plugs a network card on an open TAP or macvtap into the running guest: gives QEMU the descriptors (`getfd` or
   * `add-fd`), creates the backend (`netdev_add`) and the card (`device_add`), and hands the devices over as
   * `spawnQemu` does, with the same checks. If a step fails, or `signal` is aborted before the last one, the steps are
   * undone in reverse order, and the devices continue here as before; frames that came while QEMU had them are lost.
   * The offloads of an adopted descriptor are then off, unless `setOffload` asked for them.
   *
   * The devices are destroyed when {@link removeNic} of this client removes the card, and when QEMU ends the
   * connection, as it does when it ends itself. Until then do not destroy them yourself: that would take from the guest
   * a macvtap link that `openMacvtap` made. After {@link close} of this client they are left alone.
   *
   * QEMU answers when the card is plugged in; the guest's system finds it a little later.
   *
   * Calls of this client on one id stand in line. An undo takes back only what its call did: a card with the same id, of
   * this client or another, is left alone.
   *
   * @example
   * ```ts
   * import { openTap } from 'tapfd';
   * import { QmpClient } from 'tapfd/qemu';
   *
   * const qmp = await QmpClient.connect('/run/qemu.sock');
   * const nic = await qmp.addNic({ device: await openTap({ bridge: 'br0' }) });
   * await qmp.removeNic(nic.netdevId);
   * ```
   *
   * @param nic As for `spawnQemu`. Machine type q35 needs `bus`, a free `pcie-root-port`. On `pc` the guest must
   *   support ACPI hot-plug, as all common systems do.
   * @returns The card's ids and MAC.
   * @throws TapfdError Everything that `spawnQemu` throws about its devices.
   * @throws QmpError `ERR_TAPFD_QMP`: QEMU refuses a step: the id is taken, the bus is unknown or full, …
   * @throws TapfdError `ERR_TAPFD_QMP_CLOSED`: the connection was over before, or QEMU ended during the call.
   * @throws TapfdError `ERR_TAPFD_INVALID_STATE`: `add-fd` while the guest is not running.
   * @throws TapfdError `ERR_TAPFD_WRONG_DEVICE`: QEMU has another card of that id in the end, which another client made
   *   meanwhile. `ERR_TAPFD_QMP_PROTOCOL`: an answer that is not QEMU's.
   * @throws TapfdError `ERR_TAPFD_QMP_NOT_UNDONE`: a step failed (`cause`), and so did undoing: QEMU refuses or does
   *   not answer, or the connection is over but QEMU still runs (`close()`, `ERR_TAPFD_QMP_PROTOCOL`). The message says
   *   what may be left. A backend that is left takes frames from the devices, which are read here again, too: have
   *   another client remove it, or destroy the devices.
   * @throws The reason of `options.signal`.
   */
  async addNic(nic: QemuHotPlugNic, options: QemuHotPlugOptions = {}): Promise<QemuHotPluggedNic> {
    refuseSurplus('addNic', arguments, 2);
    return addNic(this, this.#cards, this.#line, nic, options);
  }

  /**
   * Removes a network card from the running guest: `device_del`, waiting until the guest has released it, `netdev_del`,
   * and what is left of the descriptors. Works for cards of `spawnQemu` and of an earlier client, too.
   *
   * A guest that does not support hot-plug, or has not booted yet, never releases the card: pass a `signal`, and call
   * this again later. A call continues what an earlier one began, even one of another client if the guest still has the
   * card. A backend whose card this client has neither added nor seen go is left alone, as another client may be adding
   * the card just now.
   *
   * Calls of this client on one id stand in line; if two remove the same card, both succeed.
   *
   * @param id The card's {@link QemuHotPluggedNic.netdevId}: `tapfd0`.
   * @throws QmpError `ERR_TAPFD_QMP`: there is no such card (`qmpClass` `DeviceNotFound`), or QEMU refuses.
   * @throws TapfdError `ERR_TAPFD_QMP_UNPLUG`: the guest refuses to release it.
   * @throws TapfdError `ERR_TAPFD_INVALID_STATE`: it was added with `add-fd`, and the guest is not running.
   * @throws TapfdError `ERR_TAPFD_QMP_CLOSED`, `ERR_TAPFD_INVALID_ARGUMENT`.
   * @throws The reason of `options.signal`; the guest may still release the card.
   */
  async removeNic(id: string, options: AbortOptions = {}): Promise<void> {
    refuseSurplus('removeNic', arguments, 2);
    return removeNic(this, this.#cards, this.#line, id, options);
  }

  /** Closes the connection, and waits until it is closed. QEMU and its guest keep running. */
  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Keeps the process alive while the connection is open. This is the default. */
  ref(): this {
    this.#connection.ref();
    return this;
  }

  /** Lets the process end while the connection is open. */
  unref(): this {
    this.#connection.unref();
    return this;
  }

  /**
   * @internal Hears of each event before the listeners do, and of the end of the connection.
   *
   * @returns What ends that.
   */
  follow(follower: QmpFollower): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  #report(event: QmpEvent): void {
    for (const follower of this.#followers) follower.event(event);
    emitApart(this, 'event', event);
    if (!this.closed && QEMU_EVENT.test(event.event)) emitApart(this, event.event, event);
  }

  #end(error: Error | undefined): void {
    for (const follower of this.#followers) follower.end(error);
    if (isEndOfQemu(error)) this.#cards.forgetAll();
    const close = (): boolean => this.emit('close', ...(error === undefined ? [] : [error]));
    // On the next tick, so that a caller that has only just received this client can listen first.
    this.#connection.over.then(() => process.nextTick(close));
  }
}

async function socketOf(where: unknown, signal: AbortSignal | undefined): Promise<QmpSocket> {
  if (typeof where === 'string') return FdSocket.connect(where, signal ? { signal } : {});
  if (isQmpSocket(where)) return where;
  throw invalidArgument('where', 'the path of a socket, or an FdSocket', where);
}

const SOCKET_MEMBERS = ['send', 'close', 'ref', 'unref', Symbol.asyncIterator] as const;

function isQmpSocket(value: unknown): value is QmpSocket {
  if (typeof value !== 'object' || value === null) return false;
  return SOCKET_MEMBERS.every((member) => typeof Reflect.get(value, member) === 'function');
}
