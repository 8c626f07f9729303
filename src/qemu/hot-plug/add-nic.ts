/**
 * src/qemu/hot-plug/: cards that come and go while the guest runs. On top of qmp and nic.
 *
 * Here: adding a card, step by step.
 */

import { randomBytes } from 'node:crypto';
import { signalOf } from '../../base/abort.js';
import { checkInteger, checkOneOf } from '../../base/checks.js';
import { TapfdError } from '../../base/errors.js';
import { HAND_OVER } from '../../base/hand-over.js';
import { deviceOptions, netdevOptions } from '../nic/arguments.js';
import { askTheKernel, handOver, withClaim } from '../nic/hand-over.js';
import { type CheckedNic, checkNic, copyNic } from '../nic/nic.js';
import { notWhatQemuSays } from '../qmp/answers.js';
import type { QmpCommands } from '../qmp/commands.js';
import type { KnownCards } from './cards.js';
import type { Line } from './line.js';
import type { QemuHotPluggedNic, QemuHotPlugNic, QemuHotPlugOptions } from './options.js';
import { passByName, passInSets } from './passing.js';
import { Steps, unlessNotFound } from './steps.js';

const DEFAULT_UNDO_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 0x7fff_ffff;

export async function addNic(
  qmp: QmpCommands,
  cards: KnownCards,
  line: Line,
  wanted: QemuHotPlugNic,
  options: QemuHotPlugOptions,
): Promise<QemuHotPluggedNic> {
  const signal = signalOf('addNic', options, ['undoTimeoutMs']);
  const { undoTimeoutMs = DEFAULT_UNDO_TIMEOUT_MS } = options;
  checkInteger('undoTimeoutMs', undoTimeoutMs, 1, MAX_TIMEOUT_MS);
  // What the caller does with its object later does not matter.
  const nic = copyNic('nic', wanted, ['via']);
  const via = checkOneOf('nic.via', wanted.via ?? 'getfd', ['getfd', 'add-fd']);
  const defaultId = `tapfd-${randomBytes(4).toString('hex')}`;
  const current = (): CheckedNic => checkNic('nic', nic, defaultId);
  const { queues, netdevId, deviceId } = current();
  signal?.throwIfAborted();
  return withClaim('addNic', queues, () =>
    line.run(netdevId, signal, 'added', async () => {
      await askTheKernel('addNic', [current()]);
      // Once more: a device that was closed in the meantime must not be touched.
      current();
      const { mac } = await handOver(queues, () => {
        const steps = new Steps(qmp, signal, undoTimeoutMs);
        return new Plugging(steps, cards, current).run(via);
      });
      cards.keep(netdevId, queues);
      return { netdevId, deviceId, mac };
    }),
  );
}

/**
 * The steps for one card. Each checks the card again and sends its command in the same turn of the event loop: by then
 * a MAC may have changed, and the number of a closed descriptor may be another file's.
 */
class Plugging {
  readonly #steps: Steps;
  readonly #cards: KnownCards;
  readonly #current: () => CheckedNic;
  /** QEMU may have changed the devices' settings: its backend sets offloads, header size and send buffer; its card, queues. */
  #isTouched = false;

  constructor(steps: Steps, cards: KnownCards, current: () => CheckedNic) {
    this.#steps = steps;
    this.#cards = cards;
    this.#current = current;
  }

  /** @returns The card as it is in QEMU. */
  async run(via: 'getfd' | 'add-fd'): Promise<CheckedNic> {
    const { queues } = this.#current();
    try {
      return await this.#steps.run('addNic', () => this.#plug(via));
    } catch (failure) {
      // The first queue comes last: offloads belong to the whole device, and `setOffload` is called on the first queue.
      for (const queue of this.#isTouched ? queues.toReversed() : []) {
        await queue[HAND_OVER].restoreSettings();
      }
      throw failure;
    }
  }

  async #plug(via: 'getfd' | 'add-fd'): Promise<CheckedNic> {
    const steps = this.#steps;
    const passed = await (via === 'getfd' ? passByName : passInSets)(steps, this.#current);
    const { netdevId, queues } = this.#current();
    const [fds, vhostFds] = [passed.names.slice(0, queues.length), passed.names.slice(queues.length)];
    const backend = netdevOptions(this.#current(), fds, vhostFds);
    this.#isTouched = true;
    const undoNetdev = {
      what: `netdev "${netdevId}"`,
      run: async () => {
        await steps.undo('netdev_del', { id: netdevId }).catch(unlessNotFound);
        this.#cards.forget(netdevId);
      },
      isOurs: async () => {
        const isOurs = await passed.isBackendOurs();
        if (isOurs) this.#cards.begin(netdevId);
        return isOurs;
      },
    };
    await steps.do('netdev_add', { type: 'tap', ...Object.fromEntries(backend) }, { undo: undoNetdev });
    this.#cards.begin(netdevId);
    const card = this.#current();
    const device = { driver: card.model, ...Object.fromEntries(deviceOptions(card)) };
    const undoCard = {
      what: `card "${card.deviceId}"`,
      run: () => this.#askForRelease(card.deviceId),
      isOurs: () => this.#isOnBackend(card),
    };
    await steps.do('device_add', device, { undo: undoCard });
    await this.#confirm(card);
    return card;
  }

  /** Only the guest can undo the last step. */
  async #askForRelease(id: string): Promise<void> {
    const asked = await this.#steps.undo('device_del', { id }).catch(unlessNotFound);
    if (asked !== undefined) throw new Error('the guest was asked to release it');
  }

  /** Whoever else has worked on this id at the same time, the card is on our backend and has our MAC. */
  async #confirm(card: CheckedNic): Promise<void> {
    const ask: Ask = (command, args) => this.#steps.ask(command, args);
    const [netdevId, mac] = await Promise.all([
      propertyOf(card, 'netdev', ask),
      propertyOf(card, 'mac', ask),
    ]);
    if (netdevId === card.netdevId && mac === card.mac) return;
    throw new TapfdError(
      'ERR_TAPFD_WRONG_DEVICE',
      `addNic: QEMU has a card ${card.deviceId} with ${mac} on ${netdevId}, instead of one with ${card.mac} on ` +
        `${card.netdevId}: another client works on the same card`,
      { interface: card.queues[0].name },
    );
  }

  /** Whether the card with this id is the one that was to be added. */
  async #isOnBackend(card: CheckedNic): Promise<boolean> {
    const ask: Ask = (command, args) => this.#steps.undo(command, args);
    const netdevId = await propertyOf(card, 'netdev', ask).catch(unlessNotFound);
    return netdevId === card.netdevId;
  }
}

type Ask = (command: string, args: object) => Promise<unknown>;

async function propertyOf({ deviceId }: CheckedNic, property: string, ask: Ask): Promise<string> {
  const value = await ask('qom-get', { path: `/machine/peripheral/${deviceId}`, property });
  if (typeof value !== 'string') throw notWhatQemuSays('qom-get', value);
  return value;
}
