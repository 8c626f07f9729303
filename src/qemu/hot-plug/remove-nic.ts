/** Taking a network card out of a running guest. */
import { type AbortOptions, onAbort, signalOf, untilAborted } from '../../base/abort.js';
import { invalidState, TapfdError } from '../../base/errors.js';
import { deviceIdOf } from '../nic/nic.js';
import { checkQemuId } from '../nic/option-syntax.js';
import { checkedBoolean } from '../qmp/answers.js';
import type { QmpCommands } from '../qmp/commands.js';
import { isNotFound, QmpError } from '../qmp/error.js';
import type { KnownCards } from './cards.js';
import { type FdsetEntry, hasSets, removeFromSet, setsOfBackend } from './fdsets.js';
import type { Line } from './line.js';
import { netdevFds } from './network-info.js';
import { unlessNotFound } from './steps.js';

export async function removeNic(
  qmp: QmpCommands,
  cards: KnownCards,
  line: Line,
  netdevId: string,
  options: AbortOptions,
): Promise<void> {
  checkQemuId('id', netdevId);
  const signal = signalOf('removeNic', options);
  await line.run(netdevId, signal, 'removed', async (before) => {
    // Both were called while the card was there.
    if (before !== 'removed') await new Removal(qmp, cards, netdevId, signal).run();
  });
}

class Removal {
  readonly #qmp: QmpCommands;
  readonly #cards: KnownCards;
  readonly #netdevId: string;
  readonly #deviceId: string;
  readonly #signal: AbortSignal | undefined;
  readonly #limit: AbortOptions;

  constructor(qmp: QmpCommands, cards: KnownCards, netdevId: string, signal: AbortSignal | undefined) {
    this.#qmp = qmp;
    this.#cards = cards;
    this.#netdevId = netdevId;
    this.#deviceId = deviceIdOf(netdevId);
    this.#signal = signal;
    this.#limit = signal === undefined ? {} : { signal };
  }

  async run(): Promise<void> {
    try {
      await this.#unplug();
    } catch (error) {
      // A backend whose card this client has neither added nor seen go may be one to which another client is just now
      // adding the card.
      if (!(isNotFound(error) && this.#cards.has(this.#netdevId))) throw error;
    }
    await this.#deleteBackend();
    this.#cards.forget(this.#netdevId);
  }

  /** Waits until the guest has released the card. */
  async #unplug(): Promise<void> {
    const settled = new AbortController();
    // Not by AbortSignal.any(), which hears nothing of a signal of another realm.
    const letSignalGo = onAbort(this.#signal, () => settled.abort(this.#signal?.reason));
    const waiting = {
      where: ({ device }: Readonly<Record<string, unknown>>) => device === this.#deviceId,
      signal: settled.signal,
    };
    // Before the command is sent: the guest may be faster than QEMU's answer.
    const outcome = Promise.race([
      this.#qmp.waitForEvent('DEVICE_DELETED', waiting),
      this.#qmp.waitForEvent('DEVICE_UNPLUG_GUEST_ERROR', waiting).then(() => {
        throw new TapfdError(
          'ERR_TAPFD_QMP_UNPLUG',
          `removeNic: the guest refuses to release ${this.#deviceId}`,
          {
            recoverable: true,
          },
        );
      }),
    ]);
    outcome.catch(() => {}); // it is awaited below, or does not matter
    try {
      await this.#requestUnplug();
      await outcome;
    } finally {
      letSignalGo();
      settled.abort();
    }
  }

  async #requestUnplug(): Promise<void> {
    try {
      await this.#qmp.execute('device_del', { id: this.#deviceId }, this.#limit);
    } catch (error) {
      // While an earlier request waits for the guest, some versions of QEMU refuse another one. A request by another
      // client shows only in the text, as the error has no class of its own.
      const isWaiting =
        error instanceof QmpError &&
        error.qmpClass === 'GenericError' &&
        (this.#cards.isUnplugging(this.#netdevId) ||
          error.detail?.includes('already in the process of unplug'));
      if (!isWaiting) throw error;
    }
    this.#cards.noteUnplugging(this.#netdevId);
  }

  async #deleteBackend(): Promise<void> {
    const sets = await this.#sets();
    // Not limited: once it is sent, QEMU does it, and its answer is the end of the devices.
    const deleted = this.#qmp
      .execute('netdev_del', { id: this.#netdevId })
      // An earlier call deleted the backend before it was aborted, or another client did.
      .catch(unlessNotFound)
      .then(() => this.#cards.destroyDevices(this.#netdevId));
    // In the same turn: deleting the backend already closes these numbers, and QEMU must not reuse them for other files
    // before the sets are removed.
    const removed = sets.map((entry) =>
      removeFromSet((command, args) => this.#qmp.execute(command, args), entry),
    );
    await untilAborted(this.#signal, Promise.all([deleted, ...removed]));
  }

  /** The descriptor sets of the backend: not those of others whose call gives the same id to another one. */
  async #sets(): Promise<FdsetEntry[]> {
    const sets = await this.#qmp.execute('query-fdsets', {}, this.#limit);
    if (!hasSets(sets)) return [];
    const [network, status] = await Promise.all([
      this.#qmp.execute('human-monitor-command', { 'command-line': 'info network' }, this.#limit),
      this.#qmp.execute('query-status', {}, this.#limit),
    ]);
    const entries = setsOfBackend(netdevFds(this.#netdevId, network), sets);
    const { running }: { running?: unknown } = Object(status);
    if (checkedBoolean('query-status', running) || entries.length === 0) return entries;
    // It only marks them as removed, and closes their numbers later, when these may be other files'.
    throw invalidState(
      'removeNic: while its guest is not running, QEMU cannot remove descriptor sets: call it again when it runs',
    );
  }
}
