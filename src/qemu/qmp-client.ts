import { EventEmitter } from 'node:events';
import { type AbortOptions, signalOf } from '../base/abort.js';
import { checkObject } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { FdSocket } from '../fd-socket/socket.js';
import { addNic } from './hot-plug/add-nic.js';
import { HotPluggedDevices } from './hot-plug/devices.js';
import type { QemuHotPluggedNic, QemuHotPlugNic, QemuHotPlugOptions } from './hot-plug/options.js';
import { removeNic } from './hot-plug/remove-nic.js';
import { openFds } from './nic/child-descriptors.js';
import type { QmpCommands, QmpExecuteOptions, QmpWaitOptions } from './qmp/commands.js';
import { isEndOfQemu, QmpConnection } from './qmp/connection.js';
import { deferred } from './qmp/deferred.js';
import { emitApart } from './qmp/emit-apart.js';
import type { QmpEvent, QmpGreeting } from './qmp/messages.js';
import type { QmpSocket } from './qmp/socket.js';
import { untilAborted } from './qmp/until-aborted.js';

/** What a {@link QmpClient} emits, beside each event of QEMU's under its own name. */
export interface QmpClientEvents {
  /** Anything that happened in QEMU. */
  event: [event: QmpEvent];
  /** The connection is over. The error says why, unless `destroy()` was called. */
  close: [error?: Error];
  /** One kind of event: `'DEVICE_DELETED'`. */
  [name: Uppercase<string>]: [event: QmpEvent];
}

/** QEMU's own events, and those that downstream vendors add (`__org.example_NAME`). Lower case is this class's. */
const QEMU_EVENT = /^[A-Z_]/;

/**
 * A connection to QEMU's monitor (QMP).
 *
 * ```ts
 * const qmp = await QmpClient.connect('/run/guest.qmp');
 * qmp.on('SHUTDOWN', ({ data }) => console.log('the guest turns itself off', data));
 * console.log(await qmp.execute('query-status'));
 * ```
 *
 * Answers are told apart by their ids, so any number of commands may be under way. Everything that waits takes an
 * AbortSignal. When the connection ends, all that waits rejects with `ERR_TAPFD_QMP_CLOSED`, and `'close'` is emitted.
 *
 * Events: `'event'` with each {@link QmpEvent}, the same under its own name (`'DEVICE_DELETED'`), and `'close'`.
 */
export class QmpClient extends EventEmitter<QmpClientEvents> implements QmpCommands {
  /** What QEMU said of itself at the beginning. */
  readonly greeting: QmpGreeting;
  readonly #connection: QmpConnection;
  readonly #waiting = new Set<(event?: QmpEvent) => void>();
  readonly #devices = new HotPluggedDevices();

  /**
   * Connects and negotiates.
   *
   * Needs the right to write to the socket's file, and no other privilege.
   *
   * @param where The path of QEMU's socket (`-qmp unix:PATH,server=on,wait=off`), or a connection, which is the client's
   *   from then on: it is closed when the negotiation fails or is aborted, also where `signal` was aborted before.
   * @throws TapfdError what `FdSocket.connect` throws: `ENOENT`, `ECONNREFUSED`, `EACCES`, …
   * @throws TapfdError `ERR_TAPFD_QMP_PROTOCOL`: no monitor in mode `control` is there, such as one for people.
   * @throws TapfdError `ERR_TAPFD_QMP_CLOSED`: the connection ended first.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
   * @throws The reason of `options.signal`. QEMU serves one client at a time and lets others wait without a word.
   */
  static async connect(where: string | QmpSocket, options: AbortOptions = {}): Promise<QmpClient> {
    const signal = signalOf(options);
    const connection = new QmpConnection(await socketOf(where, signal));
    try {
      const greeting = await untilAborted(signal, connection.greeted);
      await untilAborted(signal, connection.execute('qmp_capabilities', {}, []));
      return new QmpClient(connection, greeting);
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  private constructor(connection: QmpConnection, greeting: QmpGreeting) {
    super();
    this.#connection = connection;
    this.greeting = greeting;
    connection.follow({
      event: (event) => this.#tell(event),
      end: (error) => this.#end(error),
    });
  }

  /** True when the connection is over. */
  get destroyed(): boolean {
    return this.#connection.ended;
  }

  /**
   * Sends a command and waits for its answer.
   *
   * A command that was sent cannot be taken back: when `signal` is aborted, QEMU still executes it, and the answer is
   * forgotten.
   *
   * @param command As QEMU's QMP reference has it: `query-status`.
   * @param args Its arguments.
   * @returns What QEMU returns; an empty object where there is nothing to tell.
   * @throws QmpError `ERR_TAPFD_QMP`: QEMU refuses it. `qmpClass` and `detail` have its words.
   * @throws TapfdError `ERR_TAPFD_QMP_CLOSED`: the connection is over, or ended before the answer.
   * @throws TapfdError `ERR_TAPFD_QMP_PROTOCOL`: what came in its place is no QMP, or QEMU could not read a command, which
   *   is in `detail`. The connection is over then.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`, also for half a surrogate pair in `args`; `EBADF`: one of `fds` is not open.
   * @throws The reason of `options.signal`.
   */
  async execute(command: string, args: object = {}, options: QmpExecuteOptions = {}): Promise<unknown> {
    if (typeof command !== 'string' || command === '') throw invalidArgument('command', 'a name', command);
    checkObject('args', args);
    const signal = signalOf(options);
    const fds = openFds('fds', options.fds ?? []);
    signal?.throwIfAborted();
    return untilAborted(signal, this.#connection.execute(command, args, fds));
  }

  /**
   * The next event of this name. What came before the call is not seen: call it before the command that brings the
   * event about.
   *
   * ```ts
   * const deleted = qmp.waitForEvent('DEVICE_DELETED', { where: (data) => data.device === 'disk7' });
   * await qmp.execute('device_del', { id: 'disk7' });
   * await deleted;
   * ```
   *
   * @throws TapfdError `ERR_TAPFD_QMP_CLOSED`: the connection ended first. `ERR_TAPFD_INVALID_ARGUMENT`.
   * @throws What `options.where` throws, and the reason of `options.signal`.
   */
  async waitForEvent(name: string, options: QmpWaitOptions = {}): Promise<QmpEvent> {
    if (typeof name !== 'string' || name === '') throw invalidArgument('name', "an event's name", name);
    const signal = signalOf(options);
    const { where = () => true } = options;
    if (typeof where !== 'function') throw invalidArgument('where', 'a function', where);
    signal?.throwIfAborted();
    if (this.destroyed) throw this.#connection.endedError(`waiting for ${name}`);
    const { promise, resolve, reject } = deferred<QmpEvent>();
    const listener = (event?: QmpEvent): void => {
      if (event === undefined) {
        reject(this.#connection.endedError(`waiting for ${name}`));
      } else if (event.event === name) {
        try {
          if (where(event.data)) resolve(event);
        } catch (error) {
          reject(error);
        }
      }
    };
    this.#waiting.add(listener);
    try {
      return await untilAborted(signal, promise);
    } finally {
      this.#waiting.delete(listener);
    }
  }

  /**
   * Plugs a network card on an open TAP or macvtap into the running guest: gives QEMU the descriptors (`getfd` or
   * `add-fd`), makes the backend (`netdev_add`) and the card (`device_add`), and hands the devices over as `spawnQemu`
   * does, with the same checks. When any step fails, or `signal` is aborted before the card is there, all that was
   * done is undone in reverse, and the devices go on here as they were; frames that came while QEMU had them are lost.
   * Of an adopted descriptor, offloads are off then unless `setOffload` asked for them.
   *
   * The devices are destroyed when the card is removed by {@link removeNic} of this client, and when QEMU ends the
   * connection, as it does when it ends itself; until then do not destroy them yourself, as that would take a macvtap
   * link that `openMacvtap` made from the guest. After this client's own `destroy()` they are left alone.
   *
   * QEMU answers when the card is plugged in; the guest's system finds it a little later.
   *
   * @param nic As for `spawnQemu`. Machine type q35 wants `bus`: a `pcie-root-port` that is free. On `pc` the guest must
   *   know ACPI hot-plug, as all common systems do.
   * @returns What the card is called.
   * @throws TapfdError Everything that `spawnQemu` throws of its devices.
   * @throws QmpError `ERR_TAPFD_QMP`: QEMU refuses a step: the id is taken, the bus is unknown or full, …
   * @throws TapfdError `ERR_TAPFD_QMP_CLOSED`: the connection was over before, or QEMU has ended in between.
   * @throws TapfdError `ERR_TAPFD_INVALID_STATE`: `add-fd` while the guest does not run.
   * @throws TapfdError `ERR_TAPFD_QMP_NOT_UNDONE`: a step failed (`cause`), and so did the undoing: QEMU refuses or does
   *   not answer, or the connection is over though QEMU is not (`destroy()`, `ERR_TAPFD_QMP_PROTOCOL`). The message says
   *   what may be left. A backend that is left takes frames from the devices, which are read here again as well: have
   *   another client remove it, or destroy the devices.
   * @throws The reason of `options.signal`.
   */
  addNic(nic: QemuHotPlugNic, options: QemuHotPlugOptions = {}): Promise<QemuHotPluggedNic> {
    return addNic(this, this.#devices, nic, options);
  }

  /**
   * Takes a network card out of the running guest: `device_del`, wait until the guest has let go of it, `netdev_del`, and
   * what is left of the descriptors. Also for cards that `spawnQemu` gave the guest, and for those of an earlier client.
   *
   * A guest that does not know hot-plug, or has not booted yet, never lets go: give a `signal`, and call it again later.
   * A call goes on with what an earlier one has begun, that of another client too.
   *
   * @param id The card's {@link QemuHotPluggedNic.netdevId}: `tapfd0`.
   * @throws QmpError `ERR_TAPFD_QMP`: there is no such card (`qmpClass` `DeviceNotFound`), or QEMU refuses.
   * @throws TapfdError `ERR_TAPFD_QMP_UNPLUG`: the guest refuses to let go of it.
   * @throws TapfdError `ERR_TAPFD_QMP_CLOSED`, `ERR_TAPFD_INVALID_ARGUMENT`.
   * @throws The reason of `options.signal`; the guest may still let go of the card.
   */
  removeNic(id: string, options: AbortOptions = {}): Promise<void> {
    return removeNic(this, this.#devices, id, options);
  }

  /** Closes the connection. QEMU and its guest go on. */
  destroy(): this {
    this.#connection.destroy();
    return this;
  }

  /** As {@link destroy}, and waits until it is closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
    await this.#connection.over;
  }

  /** Lets the event loop wait for QEMU. This is the default. */
  ref(): this {
    this.#connection.ref();
    return this;
  }

  /** Lets the process end although the connection is open. */
  unref(): this {
    this.#connection.unref();
    return this;
  }

  #tell(event: QmpEvent): void {
    for (const listener of this.#waiting) listener(event);
    emitApart(this, 'event', event);
    if (QEMU_EVENT.test(event.event)) emitApart(this, event.event, event);
  }

  #end(error: Error | undefined): void {
    for (const listener of this.#waiting) listener();
    if (isEndOfQemu(error)) this.#devices.destroyAll();
    const close = (): boolean => this.emit('close', ...(error === undefined ? [] : [error]));
    // Not before who has just been given this client could listen.
    this.#connection.over.then(() => process.nextTick(close));
  }
}

async function socketOf(where: unknown, signal: AbortSignal | undefined): Promise<QmpSocket> {
  if (typeof where === 'string') return FdSocket.connect(where, signal ? { signal } : {});
  if (isQmpSocket(where)) return where;
  throw invalidArgument('where', 'the path of a socket, or an FdSocket', where);
}

function isQmpSocket(value: unknown): value is QmpSocket {
  return typeof value === 'object' && value !== null && 'send' in value && Symbol.asyncIterator in value;
}
