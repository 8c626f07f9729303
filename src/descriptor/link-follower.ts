/** Follows the link of a descriptor: its changes, its move to another namespace, its removal. */

import { invalidState, TapfdError } from '../base/errors.js';
import { native } from '../base/native.js';
import type { NativeLink } from '../base/native-links.js';
import type { DeviceKind, NativeOpened, NativeQueue } from '../base/native-queue.js';
import { isUp } from '../links/link.js';
import { isolated, LinkWatch } from '../links/watch.js';

/** There is no event for the removal of a macvtap that has left our namespace: it is polled this often. */
const POLL_MS = 1000;

/** What may change about a link while its descriptor is open. */
export type LinkFact = 'name' | 'mac' | 'mtu' | 'carrier' | 'up' | 'namespace';

/** The argument of the event `'link'`: what changed, and the link as it is now. */
export interface LinkChange {
  /** What has changed. */
  changed: LinkFact[];
  /** The interface's name. */
  name: string;
  /** Its index in its namespace. */
  index: number;
  /** Its MAC; undefined on TUN. */
  mac: string | undefined;
  /** Bytes of the longest packet. */
  mtu: number;
  /** Whether there is a carrier: always, unless `setCarrier(false)` or the lower device has turned it off. */
  carrier: boolean;
  /** Set up by the administrator. */
  up: boolean;
}

export interface LinkFollowerEvents {
  changed: (change: LinkChange) => void;
  gone: () => void;
  failed: (error: Error) => void;
}

/** Devices that were garbage-collected without close(). The descriptor is closed by then; the watch is released here. */
const forgotten = new FinalizationRegistry<{ watch: LinkWatch; name: string }>(({ watch, name }) => {
  watch.release();
  process.emitWarning(`${name} was garbage-collected without close(); its descriptor was closed`, {
    type: 'TapfdWarning',
    code: 'TAPFD_FORGOTTEN_DEVICE',
  });
});

export class LinkFollower {
  link: NativeLink;
  readonly #kind: DeviceKind;
  readonly #queue: NativeQueue;
  readonly #events: LinkFollowerEvents;
  #watch: LinkWatch | undefined;
  #polling: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(opened: NativeOpened, watch: LinkWatch, events: LinkFollowerEvents) {
    this.link = opened.link;
    this.#kind = opened.kind;
    this.#queue = opened.queue;
    this.#events = events;
    this.#follow(watch);
    // The link may have changed between the open and now.
    const current = watch.get(this.link.index);
    if (current) this.link = current;
  }

  get up(): boolean {
    return isUp(this.link);
  }

  /** The link is a macvtap in another namespace, reachable through the descriptor only. */
  get movedAway(): boolean {
    return this.#watch === undefined;
  }

  /** Whether both follow one link. */
  followsSameAs(other: LinkFollower): boolean {
    return this.#watch === other.#watch && this.link.index === other.link.index;
  }

  /** Returns the watch, which the caller must release. */
  shareWatch(): LinkWatch {
    if (this.#watch === undefined)
      throw invalidState(`${this.link.name} has moved to another network namespace`);
    return this.#watch.share();
  }

  /** The link as the kernel has it now, counters included. */
  async readLink(): Promise<NativeLink> {
    const watch = this.shareWatch();
    try {
      return await native().getLink(watch.ns, this.link.index);
    } finally {
      watch.release();
    }
  }

  async isAlive(): Promise<boolean> {
    try {
      await this.#queue.getInterface();
      return true;
    } catch {
      return false; // EBADFD (tun) and ENOLINK (macvtap) are all that TUNGETIFF can say of our own descriptor
    }
  }

  /** Stops all events, including those of pending calls. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#polling);
    this.#unfollow();
  }

  /** Called by the watch. */
  linkChanged(link: NativeLink): void {
    const changed = differences(this.link, link);
    this.link = link;
    if (changed.length > 0) this.#report(changed);
  }

  /** Called by the watch: the link was deleted, or has moved to another namespace together with our descriptor. */
  linkRemoved(): void {
    this.#confirmRemoval().catch(() => this.#gone());
  }

  /** Called by the watch: there will be no more events, so the link's removal would go unnoticed. */
  watchFailed(error: unknown): void {
    this.#events.failed(
      new TapfdError('ERR_TAPFD_WATCH_LOST', `${this.link.name} can no longer be watched`, {
        interface: this.link.name,
        cause: error,
      }),
    );
  }

  async #confirmRemoval(): Promise<void> {
    const watch = this.#watch;
    if (watch === undefined) return;
    const { name } = await this.#queue.getInterface();
    const here = await native()
      .getLink(watch.ns, this.link.index)
      .catch(() => undefined);
    // A reused index: the message was about the link that had it before.
    if (here !== undefined && here.name === name && here.mac === this.link.mac) this.linkChanged(here);
    else await this.#followAway(name);
  }

  async #followAway(name: string): Promise<void> {
    this.#unfollow();
    if (this.#stopped) return;
    if (this.#kind === 'macvtap') {
      // The link is reachable through the descriptor only.
      this.#polling = setInterval(() => this.#poll(), POLL_MS).unref();
      this.link = { ...this.link, name };
      this.#report(['namespace']);
      return;
    }
    const watch = await LinkWatch.acquire(await this.#queue.getNamespace());
    const link = await native()
      .getLink(watch.ns, name)
      .catch(() => undefined);
    if (link === undefined || this.#stopped) {
      watch.release();
      this.#gone();
      return;
    }
    const changed = differences(this.link, link);
    this.link = link;
    this.#follow(watch);
    this.#report(['namespace', ...changed]);
  }

  async #poll(): Promise<void> {
    try {
      const { name } = await this.#queue.getInterface();
      const mac = await this.#queue.getMac();
      this.linkChanged({ ...this.link, name, mac });
    } catch {
      this.#gone();
    }
  }

  #follow(watch: LinkWatch): void {
    this.#watch = watch;
    watch.subscribe(this.link.index, this);
    forgotten.register(this, { watch, name: this.link.name }, this);
  }

  #unfollow(): void {
    const watch = this.#watch;
    if (watch === undefined) return;
    this.#watch = undefined;
    forgotten.unregister(this);
    watch.unsubscribe(this.link.index, this);
    watch.release();
  }

  #gone(): void {
    if (this.#stopped) return;
    clearInterval(this.#polling);
    this.#events.gone();
  }

  #report(changed: LinkFact[]): void {
    /* c8 ignore next -- a stop between two answers of a device that is moving to another namespace */
    if (this.#stopped) return;
    const { name, index, mac, mtu, carrier } = this.link;
    // An error of a listener is not one of the link.
    isolated(() => this.#events.changed({ changed, name, index, mac, mtu, carrier, up: this.up }));
  }
}

function differences(before: NativeLink, after: NativeLink): LinkFact[] {
  const facts: LinkFact[] = [];
  for (const fact of ['name', 'mac', 'mtu', 'carrier'] as const) {
    if (before[fact] !== after[fact]) facts.push(fact);
  }
  if (isUp(before) !== isUp(after)) facts.push('up');
  return facts;
}
