/** Follows the link of a descriptor: its changes, its move to another namespace, its removal. */
import { constants } from 'node:os';
import { invalidState, isError } from '../base/errors.js';
import { isolated } from '../base/isolated.js';
import type { NativeLink } from '../base/native-links.js';
import type { DeviceKind, NativeOpened, NativeQueue } from '../base/native-queue.js';
import { isAnotherLink, isUp } from '../links/link.js';
import { LinkWatch } from '../links/watch.js';
import { isGone } from './gone.js';

/** How often what could not be asked is asked again, and how often a link without a watch is looked at. */
const POLL_MS = 1000;
/** How often in succession a question is asked anew because something came in between. */
const MAX_TRIES = 10;

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
}

/** What a follower releases at its end, or when it was garbage-collected. */
interface Held {
  name: string;
  watch: LinkWatch | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** Devices that were garbage-collected without close(). The descriptor is closed by then; the watch is released here. */
const forgotten = new FinalizationRegistry<Held>((held) => {
  clearTimeout(held.timer);
  held.watch?.release();
  process.emitWarning(`${held.name} was garbage-collected without close(); its descriptor was closed`, {
    type: 'TapfdWarning',
    code: 'TAPFD_FORGOTTEN_DEVICE',
  });
});

/** What the descriptor itself knows. */
type OwnFacts = Pick<NativeLink, 'name' | 'mac'>;

/** Where the link was found; undefined if only the descriptor leads to it. */
type Place = { readonly watch: LinkWatch; readonly link: NativeLink } | undefined;

/**
 * The watch reports what happens to an index of a namespace, which another link may have by then. So a removal, a loss of
 * events or a link that cannot be ours only raises a doubt, and in doubt the descriptor is asked: the device is gone if
 * that says so, and only then. Until the answer is there, events are not believed but ask again.
 */
export class LinkFollower {
  link: NativeLink;
  readonly #kind: DeviceKind;
  readonly #queue: NativeQueue;
  readonly #events: LinkFollowerEvents;
  readonly #held: Held;
  /** Something came that the last answer does not cover. */
  #doubt = false;
  #asking = false;
  #answered: Promise<void> = Promise.resolve();
  /** A call of ours has set the MAC: events on their way may be older than that. */
  #macIsOurs = false;
  #stopped = false;

  constructor(opened: NativeOpened, watch: LinkWatch, events: LinkFollowerEvents) {
    this.link = opened.link;
    this.#kind = opened.kind;
    this.#queue = opened.queue;
    this.#events = events;
    this.#held = { name: this.link.name, watch: undefined, timer: undefined };
    forgotten.register(this, this.#held, this);
    this.#follow(watch);
    // The link may have changed between the open and now.
    this.#ask();
  }

  get up(): boolean {
    return isUp(this.link);
  }

  /** The link is in another namespace, reachable through the descriptor only. */
  get movedAway(): boolean {
    return this.#held.watch === undefined;
  }

  /** Whether both follow one link. */
  followsSameAs(other: LinkFollower): boolean {
    const { watch } = this.#held;
    return (
      this === other ||
      (watch !== undefined && watch === other.#held.watch && this.link.index === other.link.index)
    );
  }

  /** Returns the watch, which the caller must release. */
  shareWatch(): LinkWatch {
    if (this.#held.watch === undefined) {
      throw invalidState(`${this.link.name} has moved to another network namespace`);
    }
    return this.#held.watch.share();
  }

  /** The link as the kernel has it now, counters included. */
  async readLink(): Promise<NativeLink> {
    const watch = this.shareWatch();
    try {
      return await watch.get(this.link.index);
    } finally {
      watch.release();
    }
  }

  /** @throws If the descriptor cannot be asked. */
  async isAlive(): Promise<boolean> {
    try {
      await this.#queue.getInterface();
      return true;
    } catch (error) {
      if (isGone(error)) return false;
      throw error;
    }
  }

  /** Stops all events, including those of pending calls. */
  stop(): void {
    this.#stopped = true;
    forgotten.unregister(this);
    clearTimeout(this.#held.timer);
    this.#unfollow();
  }

  /** Resolves when nothing is asked any more, after {@link stop} for good: a question keeps the descriptor open. */
  answered(): Promise<void> {
    return this.#answered;
  }

  /** Called by the watch. */
  linkChanged(link: NativeLink): void {
    const isOlder = this.#macIsOurs && link.mac !== this.link.mac; // perhaps
    if (this.#doubt || this.#asking || isOlder || isAnotherLink(this.link, link)) this.#ask();
    else this.#take(link);
  }

  /** Called by the watch: the link was deleted, or has moved to another namespace together with our descriptor. */
  linkRemoved(): void {
    this.#ask();
  }

  /** Called by the watch. */
  eventsLost(): void {
    this.#ask();
  }

  /** Updates the MAC after a call of ours has set it, before the kernel reports it. */
  noteMac(mac: string): void {
    this.#macIsOurs = true;
    this.#doubt ||= this.#asking; // what is being asked may be older
    this.#take({ ...this.link, mac });
  }

  /** Asks what has become of the link. One question at a time: what comes meanwhile is asked afterwards. */
  #ask(): void {
    if (this.#stopped) return;
    this.#doubt = true;
    if (this.#asking) return;
    this.#asking = true;
    clearTimeout(this.#held.timer);
    this.#answered = this.#answer();
  }

  /** Never rejects. */
  async #answer(): Promise<void> {
    try {
      for (let tries = 0; this.#doubt && !this.#stopped && tries < MAX_TRIES; tries++) {
        this.#doubt = false;
        await this.#locate();
      }
    } catch (error) {
      this.#doubt = true;
      if (isGone(error)) this.#gone();
    }
    this.#asking = false;
    if (this.#doubt || this.movedAway) this.#askLater();
  }

  #askLater(): void {
    if (this.#stopped) return;
    // Weakly: a timer must not keep a device that the program has forgotten.
    const self = new WeakRef(this);
    this.#held.timer = setTimeout(() => self.deref()?.eventsLost(), POLL_MS).unref();
  }

  /** @throws If the device is gone, or if something cannot be asked at this moment: no descriptor is left, for example. */
  async #locate(): Promise<void> {
    const own = await this.#ownFacts();
    if (this.#stopped) return;
    const place = await this.#find(own);
    const isSame = isEqual(own, await this.#ownFacts().catch(() => undefined));
    // Only now: what came during the last question is not in these answers either.
    if (this.#stopped || this.#doubt || !isSame) {
      place?.watch.release();
      this.#doubt = true;
    } else if (place === undefined) {
      this.#moveAway(own);
    } else {
      this.#moveTo(place);
    }
  }

  async #ownFacts(): Promise<OwnFacts> {
    const { name } = await this.#queue.getInterface();
    return this.#kind === 'tun' ? { name } : { name, mac: await this.#queue.getMac() };
  }

  /** Finds the link that the descriptor describes. The caller releases the watch. */
  async #find(own: OwnFacts): Promise<Place> {
    const there = await this.#watchOfNamespace();
    if (there === undefined) return undefined;
    const { watch, certain } = there;
    try {
      const link = await watch.find(certain ? own.name : this.link.index);
      if (link !== undefined && this.#isOurs(link, own)) return { watch: watch.share(), link };
      // It is there, but was renamed or moved on between two questions.
      if (certain) this.#doubt = true;
      return undefined;
    } finally {
      watch.release();
    }
  }

  #isOurs(link: NativeLink, { name, mac }: OwnFacts): boolean {
    return link.kind === this.link.kind && link.name === name && link.mac === mac;
  }

  /**
   * The watch of the link's namespace, which the caller releases. Not certain if the kernel does not say which namespace
   * that is (macvtap; TUN and TAP without the privilege): then it is the last known one. Undefined if none is known, or if
   * it may not be entered.
   */
  async #watchOfNamespace(): Promise<{ watch: LinkWatch; certain: boolean } | undefined> {
    const known = this.#held.watch;
    const ns = this.#kind === 'macvtap' ? undefined : await orForbidden(this.#queue.getNamespace());
    if (ns === undefined)
      return known && !this.#stopped ? { watch: known.share(), certain: false } : undefined;
    const watch = await orForbidden(LinkWatch.acquire(ns));
    return watch && { watch, certain: true };
  }

  /** The link is where only the descriptor leads. */
  #moveAway(own: OwnFacts): void {
    const moved = !this.movedAway;
    this.#unfollow();
    this.#take({ ...this.link, ...own }, moved);
  }

  #moveTo({ watch, link }: NonNullable<Place>): void {
    const known = this.#held.watch;
    if (watch === known && link.index === this.link.index) {
      watch.release();
      this.#take(link);
      return;
    }
    this.#unfollow();
    const { index } = this.link;
    this.link = { ...this.link, index: link.index };
    this.#follow(watch);
    // What happened to it before is asked once more.
    this.#doubt = true;
    // If it was away, that was reported.
    this.#take(link, known !== undefined || link.index !== index);
  }

  #follow(watch: LinkWatch): void {
    this.#held.watch = watch;
    watch.subscribe(this.link.index, this);
  }

  #unfollow(): void {
    const { watch } = this.#held;
    if (watch === undefined) return;
    this.#held.watch = undefined;
    watch.unsubscribe(this.link.index, this);
    watch.release();
  }

  #gone(): void {
    if (this.#stopped) return;
    this.stop();
    this.#events.gone();
  }

  /** Believes and reports. */
  #take(link: NativeLink, moved = false): void {
    /* c8 ignore next -- a stop between two answers of a device that is moving to another namespace */
    if (this.#stopped) return;
    const changed = differences(this.link, link);
    this.link = link;
    this.#held.name = link.name;
    if (moved) changed.unshift('namespace');
    if (changed.length === 0) return;
    const { name, index, mac, mtu, carrier } = link;
    // An error of a listener is not one of the link.
    isolated(() => this.#events.changed({ changed, name, index, mac, mtu, carrier, up: this.up }));
  }
}

/** What a call needs a privilege for; undefined without that. */
async function orForbidden<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isError(error) && 'errno' in error && error.errno === -constants.errno.EPERM) return undefined;
    throw error;
  }
}

function isEqual(before: OwnFacts, after: OwnFacts | undefined): boolean {
  return before.name === after?.name && before.mac === after.mac;
}

function differences(before: NativeLink, after: NativeLink): LinkFact[] {
  const facts: LinkFact[] = [];
  for (const fact of ['name', 'mac', 'mtu', 'carrier'] as const) {
    if (before[fact] !== after[fact]) facts.push(fact);
  }
  if (isUp(before) !== isUp(after)) facts.push('up');
  return facts;
}
