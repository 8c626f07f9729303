import { EventEmitter } from 'node:events';
import { type AbortOptions, onAbort, signalOf } from '../base/abort.js';
import { checkBoolean, refuseSurplus, verdict } from '../base/checks.js';
import { invalidArgument, TapfdError } from '../base/errors.js';
import type { Macvtap } from '../devices/macvtap.js';
import { isMulticastMac, parseMac } from '../links/mac.js';
import type { NetnsLike } from '../links/namespace.js';
import type { LinkRef } from '../links/options.js';
import { GuestLink } from './guest-link.js';
import { deviceIdOf } from './nic/nic.js';
import { checkQemuId } from './nic/option-syntax.js';
import { emitApart } from './qmp/emit-apart.js';
import type { QmpEvent } from './qmp/messages.js';
import { QmpClient } from './qmp-client.js';
import { rxFilterFrom } from './rx-filter.js';

/** Options of {@link followGuestMac}. */
export interface FollowGuestMacOptions extends AbortOptions {
  /** The card, by its netdev's id, as in `QemuNic.id`. Default `tapfd0`, the first card of `spawnQemu`. */
  id?: string | undefined;
  /** The namespace of the link. Default: that of the calling thread. Any other needs CAP_SYS_ADMIN. */
  netns?: NetnsLike | undefined;
  /**
   * Lets the multicast of all groups through while the guest has joined any (`allMulticast` of the link). Single groups
   * are not possible, as a macvtap accepts those that the host has joined. Needs CAP_NET_ADMIN. Default true.
   */
  multicast?: boolean | undefined;
  /** Whether the guest may have this MAC. Default: any that the lower device permits. */
  accept?: ((mac: string) => boolean) | undefined;
  /** Closes the follower; also ends the waiting for QEMU at the start. */
  signal?: AbortSignal | undefined;
}

/** What a {@link GuestMacFollower} emits. */
export interface GuestMacFollowerEvents {
  /** The link now has the guest's new MAC. */
  followed: [mac: string];
  /** A change could not be followed. It is tried again at the next change of the guest's card. */
  failed: [error: Error];
  /** The follower was closed, the card removed, or the connection to the monitor closed. */
  close: [];
}

/** Keeps the MAC of a macvtap equal to its guest's. Made by {@link followGuestMac}. */
export class GuestMacFollower extends EventEmitter<GuestMacFollowerEvents> {
  readonly #qmp: QmpClient;
  readonly #link: GuestLink;
  readonly #deviceId: string;
  readonly #options: FollowGuestMacOptions;
  /** End the hearing of the monitor and of the signal. */
  readonly #stops: (() => void)[] = [];
  #closed = false;
  #busy = false;
  /** The guest's card has changed since QEMU was asked last. */
  #changed = false;
  #looking: Promise<void> = Promise.resolve();
  readonly #closing = new AbortController();
  #madeAllMulticast = false;

  /** @internal Starts to follow. */
  static async start(
    qmp: QmpClient,
    link: GuestLink,
    deviceId: string,
    options: FollowGuestMacOptions,
  ): Promise<GuestMacFollower> {
    const follower = new GuestMacFollower(qmp, link, deviceId, options);
    await follower.#start();
    return follower;
  }

  private constructor(qmp: QmpClient, link: GuestLink, deviceId: string, options: FollowGuestMacOptions) {
    super();
    this.#qmp = qmp;
    this.#link = link;
    this.#deviceId = deviceId;
    this.#options = options;
  }

  /** The link's MAC, as last seen or set. */
  get mac(): string | undefined {
    return this.#link.mac;
  }

  /** True once the follower is closed, for whatever reason. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Stops following, and waits until a change that is under way is done. The link stays as it is. */
  async close(): Promise<void> {
    this.#end();
    // QEMU may never answer.
    this.#closing.abort();
    await this.#looking;
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #start(): Promise<void> {
    this.#stops.push(
      this.#qmp.follow({ event: (event) => this.#take(event), end: () => this.#end() }),
      onAbort(this.#options.signal, () => this.#abort()),
    );
    if (this.#options.signal?.aborted) this.#abort();
    this.#busy = true;
    try {
      // QEMU reports a change only if it was asked since the previous one, so this also starts its reporting.
      await this.#look((error) => {
        throw error;
      });
      this.#options.signal?.throwIfAborted();
      if (this.#closed) throw this.#endedTooEarly();
    } catch (error) {
      this.#end();
      throw error;
    }
    this.#looking = this.#lookWhileChanged();
  }

  /** Not by AbortSignal.any(), which hears nothing of a signal of another realm. */
  #abort(): void {
    this.#closing.abort(this.#options.signal?.reason);
    this.#end();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stop of this.#stops) stop();
    // On the next tick, so that a caller that has only just received this follower can listen first.
    process.nextTick(() => emitApart(this, 'close'));
  }

  /** Nobody could hear of the end of a follower that its caller does not have yet. */
  #endedTooEarly(): TapfdError {
    return this.#qmp.closed
      ? new TapfdError('ERR_TAPFD_QMP_CLOSED', 'followGuestMac: the connection to QEMU ended meanwhile')
      : new TapfdError(
          'ERR_TAPFD_DEVICE_GONE',
          `followGuestMac: the card ${this.#deviceId} was removed meanwhile`,
        );
  }

  #take({ event, data }: QmpEvent): void {
    if (event === 'DEVICE_DELETED') {
      if (data.device === this.#deviceId) this.#end();
      return;
    }
    // A guest that was reset has its first MAC again, and no groups.
    const isChange = event === 'NIC_RX_FILTER_CHANGED' && data.name === this.#deviceId;
    if (!isChange && event !== 'RESET') return;
    this.#changed = true;
    if (!this.#busy) this.#looking = this.#lookWhileChanged();
  }

  async #lookWhileChanged(): Promise<void> {
    this.#busy = true;
    while (this.#changed && !this.#closed) {
      this.#changed = false;
      await this.#look((error) => this.#report(error)).catch((error) => this.#report(error));
    }
    this.#busy = false;
  }

  async #look(report: (error: Error) => void): Promise<void> {
    const limit = { signal: this.#closing.signal };
    const filter = rxFilterFrom(await this.#qmp.execute('query-rx-filter', { name: this.#deviceId }, limit));
    await this.#link.refresh();
    await this.#followMac(filter.mac).catch(report);
    await this.#followMulticast(filter.wantsMulticast).catch(report);
  }

  async #followMac(mac: string): Promise<void> {
    if (this.#closed || mac === this.#link.mac) return;
    const { accept = () => true } = this.#options;
    const isPossible = isUnicast(mac);
    if (!isPossible || !verdict('accept', accept(mac))) {
      const refusal = isPossible ? 'is not accepted' : 'no link can have';
      throw new TapfdError(
        'ERR_TAPFD_MAC_MISMATCH',
        `followGuestMac: the guest has taken ${mac}, which ${refusal}, and receives nothing sent to that MAC: ` +
          `the link has ${this.#link.mac}`,
        { recoverable: true },
      );
    }
    await this.#link.setMac(mac);
    emitApart(this, 'followed', mac);
  }

  async #followMulticast(wanted: boolean): Promise<void> {
    if (this.#closed || this.#options.multicast === false || wanted === this.#link.allMulticast) return;
    // Only what was switched on here is switched off again.
    if (!wanted && !this.#madeAllMulticast) return;
    await this.#link.setAllMulticast(wanted);
    this.#madeAllMulticast = wanted;
  }

  #report(error: Error): void {
    // If the connection is closed, so is this follower in a moment, and 'close' reports it.
    if (!this.#closed && !this.#qmp.closed) emitApart(this, 'failed', error);
  }
}

/** A guest can give its card any six bytes. */
function isUnicast(mac: string): boolean {
  return !isMulticastMac(parseMac(mac)) && mac !== '00:00:00:00:00:00';
}

/**
 * Follows a guest that changes the MAC of its card: the macvtap behind the card gets the same MAC, so that unicast
 * still reaches the guest. Otherwise such a guest would hear only broadcasts.
 *
 * The library never does this unasked: a guest that may choose its MAC can choose a neighbour's. Use `accept` to decide
 * which it may have.
 *
 * A macvtap that this process still has is changed through its descriptor, which needs no privilege. One that was
 * handed over to QEMU is changed by rtnetlink, which needs CAP_NET_ADMIN in the link's namespace (pass it as `netns`);
 * so does `multicast`.
 *
 * Needs a card that reports its filter, as virtio-net does (QEMU `NIC_RX_FILTER_CHANGED`, `query-rx-filter`).
 *
 * @example
 * ```ts
 * import { openMacvtap } from 'tapfd';
 * import { followGuestMac, QmpClient } from 'tapfd/qemu';
 *
 * const macvtap = await openMacvtap({ name: 'macvtap0' });
 * const qmp = await QmpClient.connect('/run/qemu.sock');
 * await using follower = await followGuestMac(qmp, macvtap);
 * follower.on('followed', (mac) => console.log('the guest has', mac));
 * ```
 *
 * @param qmp The guest's monitor. When it closes, so does the follower.
 * @param macvtap The device behind the card, or its link's name or index if another process has it.
 * @returns The follower, once the link has the guest's MAC.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ERR_TAPFD_NOT_A_MACVTAP`; `ERR_TAPFD_WRONG_DEVICE`: the link with
 *   that index in `netns` is not the device's; `ERR_TAPFD_MAC_MISMATCH`: `accept` refuses the MAC that the guest has
 *   now.
 * @throws TapfdError What setting the link throws: `EADDRINUSE`: the lower device or a sibling has the MAC; `EPERM`.
 * @throws QmpError `ERR_TAPFD_QMP`: there is no such card, or it does not report its filter.
 * @throws TapfdError `ERR_TAPFD_DEVICE_GONE`: the card was removed during the call.
 * @throws TapfdError `ERR_TAPFD_QMP_CLOSED`; the reason of `options.signal`. Later failures are emitted as `'failed'`.
 */
export async function followGuestMac(
  qmp: QmpClient,
  macvtap: Macvtap | LinkRef,
  options: FollowGuestMacOptions = {},
): Promise<GuestMacFollower> {
  refuseSurplus('followGuestMac', arguments, 3);
  if (!QmpClient.is(qmp)) throw invalidArgument('qmp', 'a QmpClient', qmp);
  const signal = signalOf('followGuestMac', options, ['id', 'netns', 'multicast', 'accept']);
  const { id = 'tapfd0', multicast = true, accept } = options;
  const deviceId = deviceIdOf(checkQemuId('id', id));
  checkBoolean('multicast', multicast);
  if (accept !== undefined && typeof accept !== 'function') {
    throw invalidArgument('accept', 'a function', accept);
  }
  signal?.throwIfAborted();
  const link = await GuestLink.find(macvtap, options);
  return GuestMacFollower.start(qmp, link, deviceId, { ...options });
}
