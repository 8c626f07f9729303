/** A network card for a running guest: the steps at QEMU's monitor, and their undoing. */

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
const LONGEST_TIMEOUT_MS = 0x7fff_ffff;

export async function addNic(
  qmp: QmpCommands,
  devices: HotPluggedDevices,
  wanted: QemuHotPlugNic,
  options: QemuHotPlugOptions,
): Promise<QemuHotPluggedNic> {
  const signal = signalOf(options);
  const { undoTimeoutMs = DEFAULT_UNDO_TIMEOUT_MS } = options;
  checkInteger('undoTimeoutMs', undoTimeoutMs, 1, LONGEST_TIMEOUT_MS);
  checkObject('nic', wanted);
  const via = checkOneOf('nic.via', wanted.via ?? 'getfd', ['getfd', 'add-fd']);
  const defaultId = `tapfd-${randomBytes(4).toString('hex')}`;
  const current = (): CheckedNic => checkNic('nic', wanted, defaultId);
  const { queues, netdevId, deviceId } = current();
  signal?.throwIfAborted();
  return withClaim('addNic', queues, async () => {
    await askTheKernel('addNic', [current()]);
    // Anew: what was closed in the meantime must not be touched.
    current();
    const steps = new Steps(qmp, current, signal, undoTimeoutMs);
    const { mac } = await handOver(queues, () => steps.run(via));
    devices.add(netdevId, queues);
    return { netdevId, deviceId, mac };
  });
}

/**
 * The steps for one card. Each looks at the card anew and sends in the same turn: a MAC can be another by now, and a
 * descriptor's number another file's.
 */
class Steps {
  readonly #qmp: QmpCommands;
  readonly #current: () => CheckedNic;
  /** The caller's, or one that is never aborted. */
  readonly #signal: AbortSignal;
  readonly #undoTimeoutMs: number;
  readonly #undoList = new UndoList();
  /** Aborted some time after the caller's signal: what was sent takes effect, and its answer tells what to undo. */
  readonly #patience = new AbortController();
  /** What QEMU's backend may have set up for itself: it sets offloads, header size and send buffer; its card, queues. */
  #touched: readonly QemuNetworkDevice[] = [];
  /** Ends the waiting for what undoes. */
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
      // The first comes last, for offloads are those of the whole device, and it is the one that is asked for them.
      for (const queue of this.#touched.toReversed()) await queue[HAND_OVER].restoreSettings();
      throw failure;
      /* c8 ignore next -- V8 counts a way past try and catch that there is not */
    } finally {
      this.#signal.removeEventListener('abort', onAbort);
      clearTimeout(timer);
    }
  }

  /** @returns The names under which QEMU has the descriptors. */
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
            // The backend takes it, and closes it if it cannot be made: it may be gone already.
            run: () => this.#undo('closefd', { fdname }).catch(unlessRefused),
          },
        },
      );
    }
    return names;
  }

  /** @returns The numbers that the descriptors have in QEMU. */
  async #passInSets(): Promise<string[]> {
    const { netdevId } = this.#current();
    const { running }: { running?: unknown } = Object(await this.#do('query-status', {}));
    if (running !== true) {
      // It marks them as removed, and closes their numbers later, when they may be other files'.
      throw invalidState(
        'addNic: a QEMU whose guest does not run cannot remove descriptor sets again: use getfd',
      );
    }
    const count = descriptorsOf(this.#current()).length;
    const entries: FdsetEntry[] = [];
    this.#undoList.add({
      what: 'descriptor sets',
      run: async () => {
        // A backend closes these numbers with itself, and while QEMU would be asked for them they could become other
        // files'. Only where an answer was missed must it be asked, and then no backend was made yet.
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
    // The last step: it is undone only where its answer was missed.
    const undoCard = async (): Promise<void> => {
      await this.#undo('device_del', { id: card.deviceId });
      throw new Error('the guest was asked to let go of it');
    };
    await this.#do('device_add', device, { undo: { what: `card "${card.deviceId}"`, run: undoCard } });
    return card;
  }

  /** Sends a command; `undo` takes back what it does. */
  async #do(
    command: string,
    args: object,
    { fds = [], undo }: { fds?: readonly number[]; undo?: Undo } = {},
  ): Promise<unknown> {
    this.#signal.throwIfAborted();
    const isSent = !this.#qmp.destroyed;
    try {
      const answer = await this.#qmp.execute(command, args, { fds, signal: this.#patience.signal });
      if (undo !== undefined) this.#undoList.add(undo);
      return answer;
    } catch (error) {
      // Without an answer it may have been done, or yet be: QEMU executes in order, and undoes what it finds.
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
