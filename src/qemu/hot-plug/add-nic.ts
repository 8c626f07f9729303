/**
 * src/qemu/hot-plug/: cards that come and go while the guest runs. On top of qmp and nic.
 *
 * Here: adding a card, step by step, and undoing the steps.
 */

import { randomBytes } from 'node:crypto';
import { signalOf } from '../../base/abort.js';
import { checkInteger, checkObject, checkOneOf } from '../../base/checks.js';
import { invalidState } from '../../base/errors.js';
import { HAND_OVER } from '../../base/hand-over.js';
import { descriptorsOf, deviceOptions, netdevOptions } from '../nic/arguments.js';
import type { QemuNetworkDevice } from '../nic/device.js';
import { askTheKernel, handOver, withClaim } from '../nic/hand-over.js';
import { type CheckedNic, checkNic } from '../nic/nic.js';
import type { QmpCommands } from '../qmp/commands.js';
import { isNotFound, QmpError } from '../qmp/error.js';
import type { HotPluggedDevices } from './devices.js';
import { type FdsetEntry, fdsetEntry, fdsetLabel, fdsetsOf } from './fdsets.js';
import type { QemuHotPluggedNic, QemuHotPlugNic, QemuHotPlugOptions } from './options.js';
import { type Undo, UndoList } from './undo-list.js';

const DEFAULT_UNDO_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 0x7fff_ffff;

export async function addNic(
  qmp: QmpCommands,
  devices: HotPluggedDevices,
  wanted: QemuHotPlugNic,
  options: QemuHotPlugOptions,
): Promise<QemuHotPluggedNic> {
  const signal = signalOf(options);
  const { undoTimeoutMs = DEFAULT_UNDO_TIMEOUT_MS } = options;
  checkInteger('undoTimeoutMs', undoTimeoutMs, 1, MAX_TIMEOUT_MS);
  checkObject('nic', wanted);
  const via = checkOneOf('nic.via', wanted.via ?? 'getfd', ['getfd', 'add-fd']);
  const defaultId = `tapfd-${randomBytes(4).toString('hex')}`;
  const current = (): CheckedNic => checkNic('nic', wanted, defaultId);
  const { queues, netdevId, deviceId } = current();
  signal?.throwIfAborted();
  return withClaim('addNic', queues, async () => {
    await askTheKernel('addNic', [current()]);
    // Once more: a device that was closed in the meantime must not be touched.
    current();
    const steps = new Steps(qmp, current, signal, undoTimeoutMs);
    const { mac } = await handOver(queues, () => steps.run(via));
    devices.add(netdevId, queues);
    return { netdevId, deviceId, mac };
  });
}

/**
 * The steps for one card. Each checks the card again and sends its command in the same turn of the event loop: by then
 * a MAC may have changed, and the number of a closed descriptor may be another file's.
 */
class Steps {
  readonly #qmp: QmpCommands;
  readonly #current: () => CheckedNic;
  /** The caller's, or one that is never aborted. */
  readonly #signal: AbortSignal;
  readonly #undoTimeoutMs: number;
  readonly #undoList = new UndoList();
  /**
   * Aborted some time after the caller's signal: a command that was sent takes effect, and its answer says what to
   * undo.
   */
  readonly #patience = new AbortController();
  /**
   * Devices whose settings QEMU may have changed: its backend sets offloads, header size and send buffer; its card,
   * queues.
   */
  #touched: readonly QemuNetworkDevice[] = [];
  /** Limits the time for undoing. */
  readonly #undoLimit = new AbortController();

  constructor(
    qmp: QmpCommands,
    current: () => CheckedNic,
    signal: AbortSignal | undefined,
    undoTimeoutMs: number,
  ) {
    this.#qmp = qmp;
    this.#current = current;
    this.#signal = signal ?? new AbortController().signal;
    this.#undoTimeoutMs = undoTimeoutMs;
  }

  /** @returns The card as it is in QEMU. */
  async run(via: 'getfd' | 'add-fd'): Promise<CheckedNic> {
    let timer: NodeJS.Timeout | undefined;
    const soon = (limit: AbortController, reason: unknown): void => {
      clearTimeout(timer);
      timer = setTimeout(() => limit.abort(reason), this.#undoTimeoutMs);
    };
    const onAbort = (): void => soon(this.#patience, this.#signal.reason);
    this.#signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await this.#plug(via === 'getfd' ? await this.#passByName() : await this.#passInSets());
    } catch (error) {
      this.#signal.removeEventListener('abort', onAbort);
      soon(this.#undoLimit, new Error(`QEMU did not answer within ${this.#undoTimeoutMs} ms`));
      const failure = await this.#undoList.undo('addNic', error);
      // The first queue comes last: offloads belong to the whole device, and `setOffload` is called on the first queue.
      for (const queue of this.#touched.toReversed()) await queue[HAND_OVER].restoreSettings();
      throw failure;
      /* c8 ignore next -- V8 counts a path past try and catch that does not exist */
    } finally {
      this.#signal.removeEventListener('abort', onAbort);
      clearTimeout(timer);
    }
  }

  /** @returns The names of the descriptors in QEMU. */
  async #passByName(): Promise<string[]> {
    const { netdevId } = this.#current();
    const names = descriptorsOf(this.#current()).map((_fd, i) => `${netdevId}-fd${i}`);
    for (const [i, fdname] of names.entries()) {
      await this.#do(
        'getfd',
        { fdname },
        {
          fds: descriptorsOf(this.#current()).slice(i, i + 1),
          undo: {
            what: `descriptor "${fdname}"`,
            // The backend takes the descriptor, and closes it if it cannot be created: the name may no longer exist.
            run: () => this.#undo('closefd', { fdname }).catch(unlessRefused),
          },
        },
      );
    }
    return names;
  }

  /** @returns The numbers of the descriptors in QEMU. */
  async #passInSets(): Promise<string[]> {
    const { netdevId } = this.#current();
    const { running }: { running?: unknown } = Object(await this.#do('query-status', {}));
    if (running !== true) {
      // It only marks them as removed, and closes their numbers later, when these may be other files'.
      throw invalidState(
        'addNic: while its guest is not running, QEMU cannot remove descriptor sets: use getfd',
      );
    }
    const count = descriptorsOf(this.#current()).length;
    const entries: FdsetEntry[] = [];
    this.#undoList.add({
      what: 'descriptor sets',
      run: async () => {
        // A backend that is deleted closes these numbers, and they could become other files' while QEMU is asked for
        // them. Asking is necessary only if an answer was missed, and then there is no backend yet.
        const sets =
          entries.length === count ? entries : fdsetsOf(netdevId, await this.#undo('query-fdsets', {}));
        await Promise.all(sets.map((entry) => this.#undo('remove-fd', entry)));
      },
    });
    for (let i = 0; i < count; i += 1) {
      const fds = descriptorsOf(this.#current()).slice(i, i + 1);
      entries.push(fdsetEntry(await this.#do('add-fd', { opaque: fdsetLabel(netdevId) }, { fds })));
    }
    return entries.map(({ fd }) => String(fd));
  }

  async #plug(names: readonly string[]): Promise<CheckedNic> {
    const { netdevId, queues } = this.#current();
    const backend = netdevOptions(this.#current(), names.slice(0, queues.length), names.slice(queues.length));
    this.#touched = queues;
    const netdev = { type: 'tap', ...Object.fromEntries(backend) };
    const undoNetdev = () => this.#undo('netdev_del', { id: netdevId });
    await this.#do('netdev_add', netdev, { undo: { what: `netdev "${netdevId}"`, run: undoNetdev } });
    const card = this.#current();
    const device = { driver: card.model, ...Object.fromEntries(deviceOptions(card)) };
    // The last step, which is undone only if its answer was missed.
    const undoCard = async (): Promise<void> => {
      await this.#undo('device_del', { id: card.deviceId });
      throw new Error('the guest was asked to release it');
    };
    await this.#do('device_add', device, { undo: { what: `card "${card.deviceId}"`, run: undoCard } });
    return card;
  }

  /** Sends a command, which `undo` undoes. */
  async #do(
    command: string,
    args: object,
    { fds = [], undo }: { fds?: readonly number[]; undo?: Undo } = {},
  ): Promise<unknown> {
    this.#signal.throwIfAborted();
    const isSent = !this.#qmp.closed;
    try {
      const answer = await this.#qmp.execute(command, args, { fds, signal: this.#patience.signal });
      if (undo !== undefined) this.#undoList.add(undo);
      return answer;
    } catch (error) {
      // Without an answer it may or may not have been executed; QEMU executes in order, so undoing comes after it.
      if (undo !== undefined && isSent && !(error instanceof QmpError)) {
        this.#undoList.add({ what: undo.what, run: () => undo.run().catch(unlessNotFound) });
      }
      throw error;
    }
  }

  #undo(command: string, args: object): Promise<unknown> {
    return this.#qmp.execute(command, args, { signal: this.#undoLimit.signal });
  }
}

function unlessRefused(error: unknown): void {
  if (!(error instanceof QmpError)) throw error;
}

function unlessNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
}
