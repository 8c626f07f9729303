/** Follows the link behind a descriptor: its changes, its move to another namespace, its end. */
import { invalidState, TapfdError } from '../base/errors.js';
import { native } from '../base/native.js';
import type { NativeLink } from '../base/native-links.js';
import type { DeviceKind, NativeOpened, NativeQueue } from '../base/native-queue.js';
import { isolated, LinkWatch } from '../links/watch.js';

/** `linux/if.h`. */
const IFF_UP = 0x1;
/** Nothing tells of the end of a macvtap that has left our namespace: it is asked this often. */
const PROBE_MS = 1000;

/** What may change about a link while its descriptor is open. */
export type LinkFact = 'name' | 'mac' | 'mtu' | 'carrier' | 'up' | 'namespace';

/** The argument of the event `'link'`: what changed, and how the link is now. */
export interface LinkChange {
  /** What is other than before. */
  changed: LinkFact[];
  /** The interface's name. */
  name: string;
  /** Its index in its namespace. */
  index: number;
  /** Its MAC; undefined on TUN. */
  mac: string | undefined;
  /** Bytes of the longest packet. */
  mtu: number;
  /** Whether the cable is in: always on, unless `setCarrier(false)` or the lower device took it away. */
  carrier: boolean;
  /** Set up by the administrator. */
  up: boolean;
}

export interface LinkFollowerEvents {
  changed: (change: LinkChange) => void;
  gone: () => void;
  failed: (error: Error) => void;
}

/** A device that was dropped without destroy(): its descriptor is closed by then, and its share of the watch goes. */
const forgotten = new FinalizationRegistry<{ watch: LinkWatch; name: string }>(({ watch, name }) => {
  watch.release();
  process.emitWarning(`${name} was garbage-collected without destroy(); its descriptor was closed`, {
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
  #probe: NodeJS.Timeout | undefined;
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
    return (this.link.flags & IFF_UP) !== 0;
  }

  /** The link is a macvtap in another namespace, and only the descriptor leads to it. */
  get movedAway(): boolean {
    return this.#watch === undefined;
  }

  /** Whether both follow one link. */
  followsSameAs(other: LinkFollower): boolean {
    return this.#watch === other.#watch && this.link.index === other.link.index;
  }

  /** The watch with one more share for the caller to release. */
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

  /** Nothing is told from now on, by what is under way neither. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#probe);
    this.#unfollow();
  }

  /** Called by the watch. */
  linkChanged(link: NativeLink): void {
    const changed = differences(this.link, link);
    this.link = link;
    if (changed.length > 0) this.#report(changed);
  }

  /** Called by the watch: the link was deleted, or has left for another namespace with our descriptor on it. */
  linkRemoved(): void {
    this.#confirmRemoval().catch(() => this.#gone());
  }

  /** Called by the watch: nothing more will be heard, so deletion would go unnoticed. */
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
    // An index given out twice: the message was about the link that had it before.
    if (here !== undefined && here.name === name && here.mac === this.link.mac) this.linkChanged(here);
    else await this.#followAway(name);
  }

  async #followAway(name: string): Promise<void> {
    this.#unfollow();
    if (this.#stopped) return;
    if (this.#kind === 'macvtap') {
      // Only the descriptor still leads to the link.
      this.#probe = setInterval(() => this.#ask(), PROBE_MS).unref();
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

  async #ask(): Promise<void> {
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
    clearInterval(this.#probe);
    this.#events.gone();
  }

  #report(changed: LinkFact[]): void {
    /* c8 ignore next -- a stop between two answers of a device that is on its way to another namespace */
    if (this.#stopped) return;
    const { name, index, mac, mtu, carrier } = this.link;
    // A listener that throws is no failure of the link.
    isolated(() => this.#events.changed({ changed, name, index, mac, mtu, carrier, up: this.up }));
  }
}

function differences(before: NativeLink, after: NativeLink): LinkFact[] {
  const facts: LinkFact[] = [];
  for (const fact of ['name', 'mac', 'mtu', 'carrier'] as const) {
    if (before[fact] !== after[fact]) facts.push(fact);
  }
  if ((before.flags & IFF_UP) !== (after.flags & IFF_UP)) facts.push('up');
  return facts;
}
