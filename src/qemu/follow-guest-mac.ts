import { EventEmitter } from 'node:events';
import { type AbortOptions, signalOf } from '../base/abort.js';
import { checkBoolean } from '../base/checks.js';
import { invalidArgument, TapfdError } from '../base/errors.js';
import type { Macvtap } from '../devices/macvtap.js';
import type { NetnsLike } from '../links/namespace.js';
import type { LinkRef } from '../links/options.js';
import { GuestLink } from './guest-link.js';
import { deviceIdOf } from './nic/nic.js';
import { checkId } from './nic/option-syntax.js';
import { emitApart } from './qmp/emit-apart.js';
import type { QmpEvent } from './qmp/messages.js';
import type { QmpClient } from './qmp-client.js';
import { rxFilterFrom } from './rx-filter.js';

/** Options of {@link followGuestMac}. */
export interface FollowGuestMacOptions extends AbortOptions {
  /** Which card: its netdev's id, as in `QemuNic.id`. Default `tapfd0`, the first of `spawnQemu`. */
  id?: string;
  /** The namespace of the link. Default: that of the calling thread. Another one needs CAP_SYS_ADMIN. */
  netns?: NetnsLike;
  /**
   * Let multicast of all groups through while the guest has joined some (`allMulticast` of the link). Groups one by one
   * cannot be had: macvtap takes those that the host joins. Needs CAP_NET_ADMIN. Default true.
   */
  multicast?: boolean;
  /** Which MACs the guest may take. Default: any that the lower device lets have. */
  accept?: (mac: string) => boolean;
  /** Ends the following, and the waiting for QEMU at its beginning. */
  signal?: AbortSignal;
}

/** What a {@link GuestMacFollower} emits. */
export interface GuestMacFollowerEvents {
  /** The link has the guest's MAC, which is another than before. */
  followed: [mac: string];
  /** Something could not be done; it is tried again when the guest changes its card the next time. */
  failed: [error: Error];
  /** The following is over: stopped, the card was removed, or the monitor closed. */
  end: [];
}

const EVENTS = ['NIC_RX_FILTER_CHANGED', 'DEVICE_DELETED', 'RESET'] as const;

/** Keeps a macvtap's MAC that of its guest. Made by {@link followGuestMac}. */
export class GuestMacFollower extends EventEmitter<GuestMacFollowerEvents> {
  readonly #qmp: QmpClient;
  readonly #link: GuestLink;
  readonly #deviceId: string;
  readonly #options: FollowGuestMacOptions;
  readonly #onEvent = (event: QmpEvent): void => this.#take(event);
  readonly #stop = (): void => {
    this.stop();
  };
  #stopped = false;
  #busy = false;
  /** The guest's card has changed since the last look. */
  #changed = false;
  #running: Promise<void> = Promise.resolve();
  #madeAllMulticast = false;

  /** @internal */
  constructor(qmp: QmpClient, link: GuestLink, deviceId: string, options: FollowGuestMacOptions) {
    super();
    this.#qmp = qmp;
    this.#link = link;
    this.#deviceId = deviceId;
    this.#options = options;
  }

  /** @internal */
  async start(): Promise<void> {
    for (const name of EVENTS) this.#qmp.on(name, this.#onEvent);
    this.#qmp.on('close', this.#stop);
    this.#options.signal?.addEventListener('abort', this.#stop, { once: true });
    this.#busy = true;
    try {
      // QEMU tells of the next change only after it was asked for the last one: this also sets it going.
      await this.#look((error) => {
        throw error;
      });
      this.#options.signal?.throwIfAborted();
    } catch (error) {
      this.stop();
      throw error;
    }
    this.#running = this.#lookWhileChanged();
  }

  /** The link's MAC, as last seen or set. */
  get mac(): string | undefined {
    return this.#link.mac;
  }

  /** Stops following; the link stays as it is. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const name of EVENTS) this.#qmp.off(name, this.#onEvent);
    this.#qmp.off('close', this.#stop);
    this.#options.signal?.removeEventListener('abort', this.#stop);
    emitApart(this, 'end');
  }

  /** As {@link stop}, and waits until a change that is under way is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#running;
  }

  #take({ event, data }: QmpEvent): void {
    if (event === 'DEVICE_DELETED') {
      if (data.device === this.#deviceId) this.stop();
      return;
    }
    // A reset guest has its first MAC again, and no group.
    if (event !== 'RESET' && data.name !== this.#deviceId) return;
    this.#changed = true;
    if (!this.#busy) this.#running = this.#lookWhileChanged();
  }

  async #lookWhileChanged(): Promise<void> {
    this.#busy = true;
    while (this.#changed && !this.#stopped) {
      this.#changed = false;
      await this.#look((error) => this.#report(error)).catch((error) => this.#report(error));
    }
    this.#busy = false;
  }

  async #look(report: (error: Error) => void): Promise<void> {
    const { signal } = this.#options;
    const limit = signal === undefined ? {} : { signal };
    const filter = rxFilterFrom(await this.#qmp.execute('query-rx-filter', { name: this.#deviceId }, limit));
    await this.#link.refresh();
    await this.#followMac(filter.mac).catch(report);
    await this.#followMulticast(filter.wantsMulticast).catch(report);
  }

  async #followMac(mac: string): Promise<void> {
    if (this.#stopped || mac === this.#link.mac) return;
    const { accept = () => true } = this.#options;
    if (!accept(mac)) {
      throw new TapfdError(
        'ERR_TAPFD_MAC_MISMATCH',
        `followGuestMac: the guest has taken ${mac}, which is not accepted, and gets nothing that is sent to it: the ` +
          `link has ${this.#link.mac}`,
        { recoverable: true },
      );
    }
    await this.#link.setMac(mac);
    emitApart(this, 'followed', mac);
  }

  async #followMulticast(wanted: boolean): Promise<void> {
    if (this.#stopped || this.#options.multicast === false || wanted === this.#link.allMulticast) return;
    // Only what was switched on here is switched off.
    if (!wanted && !this.#madeAllMulticast) return;
    await this.#link.setAllMulticast(wanted);
    this.#madeAllMulticast = wanted;
  }

  #report(error: Error): void {
    // With the monitor gone the end is near, and tells it.
    if (!this.#stopped && !this.#qmp.destroyed) emitApart(this, 'failed', error);
  }
}

/**
 * Follows a guest that changes the MAC of its card: the macvtap behind it gets the same, and with it unicast to the
 * guest goes on. Without it such a guest hears broadcasts only.
 *
 * Nobody follows unasked: a guest that may choose its MAC can choose a neighbour's. `accept` says which it may have.
 *
 * A macvtap that this process still has is changed through its descriptor, which needs no privilege. One that was handed
 * over to QEMU is changed by rtnetlink, which needs CAP_NET_ADMIN over the namespace of the link: say it in `netns`.
 * So does `multicast`.
 *
 * Needs a card that tells of its filter: virtio-net does (QEMU `NIC_RX_FILTER_CHANGED`, `query-rx-filter`).
 *
 * @param qmp The guest's monitor. When it closes, the following ends.
 * @param macvtap The device behind the card, or its link's name or index where another process has it.
 * @returns The follower, once link and guest agree.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ERR_TAPFD_NOT_A_MACVTAP`; `ERR_TAPFD_WRONG_DEVICE`: the link of that
 *   index in `netns` is not the device's; `ERR_TAPFD_MAC_MISMATCH`: `accept` refuses the MAC that the guest has now.
 * @throws TapfdError what setting the link meets: `EADDRINUSE`: the lower device or a sibling has the MAC; `EPERM`.
 * @throws QmpError `ERR_TAPFD_QMP`: there is no such card, or it does not tell of its filter.
 * @throws TapfdError `ERR_TAPFD_QMP_CLOSED`; the reason of `options.signal`. Later failures are emitted as `'failed'`.
 */
export async function followGuestMac(
  qmp: QmpClient,
  macvtap: Macvtap | LinkRef,
  options: FollowGuestMacOptions = {},
): Promise<GuestMacFollower> {
  const signal = signalOf(options);
  const { id = 'tapfd0', multicast = true, accept } = options;
  const deviceId = deviceIdOf(checkId('id', id));
  checkBoolean('multicast', multicast);
  if (accept !== undefined && typeof accept !== 'function') {
    throw invalidArgument('accept', 'a function', accept);
  }
  signal?.throwIfAborted();
  const link = await GuestLink.find(macvtap, options.netns);
  const follower = new GuestMacFollower(qmp, link, deviceId, options);
  await follower.start();
  return follower;
}
