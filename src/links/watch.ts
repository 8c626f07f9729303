/** The changes of a namespace's links, for the whole thread, from one socket. */

import { isolated } from '../base/isolated.js';
import { type NativeAddon, native } from '../base/native.js';
import { nativeCall } from '../base/native-call.js';
import type {
  NamespaceHandle,
  NativeLink,
  NativeLinkAddress,
  NativeLinkEvent,
  NativeLinkList,
  NativeLinkRef,
  NativeLinkWatch,
} from '../base/native-links.js';
import { findLink, listLinks } from './read.js';

/** How long after the socket was lost, or could not be opened again, it is tried again. */
const REOPEN_MS = 1000;

/**
 * A listener for one link or for all. Events reach JavaScript with a delay: if the kernel has meanwhile reused the index, a
 * new subscriber may receive events of the link that had it before.
 */
export interface LinkSubscriber {
  /** Created or changed. The kernel also repeats itself without a change. */
  linkChanged(link: NativeLink): void;
  /** Removed, or moved to another namespace. */
  linkRemoved(link: NativeLink): void;
  /**
   * Events were lost: ask again for what is known of the link. If the socket itself is lost, this is repeated until it is
   * open again, for the last time after that.
   */
  eventsLost(): void;
}

/** What a watch needs from the addon. */
export type LinkWatchPort = Pick<NativeAddon, 'watchLinks' | 'listLinks' | 'getLink' | 'listAddresses'>;

export interface LinkWatchOptions {
  /** Of the socket, if this call opens it. Default: room for a few thousand events. */
  receiveBufferBytes?: number | undefined;
  /** Default: the addon. */
  port?: LinkWatchPort | undefined;
  /** Default {@link REOPEN_MS}. */
  reopenMs?: number | undefined;
}

/** The watches of this JavaScript environment, by the key of their namespace. */
const watches = new Map<string, LinkWatch>();

export class LinkWatch {
  readonly ns: NamespaceHandle;
  readonly #key: string;
  readonly #port: LinkWatchPort;
  readonly #options: LinkWatchOptions;
  readonly #subscribers = new Map<number, WeakRef<LinkSubscriber>[]>();
  readonly #followers = new Set<LinkSubscriber>();
  readonly #started: Promise<void>;
  #native: NativeLinkWatch | undefined;
  #reopening: NodeJS.Timeout | undefined;
  #users = 0;
  #keepers = 0;
  #ended = false;

  /**
   * Returns the watch of `ns`, which is shared by all its users in this environment. Takes ownership of the handle, and
   * closes it before it returns if the watch already has one. Each call requires one {@link release}.
   *
   * It knows no link until it hears of one. It does not keep the process alive; {@link ref} does.
   *
   * @throws Errors from opening the socket. The handle is closed then, too.
   */
  static async acquire(ns: NamespaceHandle, options: LinkWatchOptions = {}): Promise<LinkWatch> {
    const key = ns.key;
    let watch = watches.get(key);
    if (watch === undefined) {
      watch = new LinkWatch(ns, options);
      watches.set(key, watch);
    } else if (watch.ns !== ns) {
      ns.close();
    }
    watch.#users++;
    try {
      await watch.#started;
    } catch (error) {
      watch.release();
      throw error;
    }
    return watch;
  }

  private constructor(ns: NamespaceHandle, options: LinkWatchOptions) {
    this.ns = ns;
    this.#key = ns.key;
    this.#port = options.port ?? native();
    this.#options = options;
    this.#started = this.#open();
  }

  /** Calls `subscriber` for one link from now on. It is held weakly. */
  subscribe(index: number, subscriber: LinkSubscriber): void {
    this.#setSubscribers(index, [...this.#subscribersOf(index), subscriber]);
  }

  unsubscribe(index: number, subscriber: LinkSubscriber): void {
    this.#setSubscribers(
      index,
      this.#subscribersOf(index).filter((other) => other !== subscriber),
    );
  }

  /** Calls `follower` for every link. Held until {@link unfollow}. */
  follow(follower: LinkSubscriber): void {
    this.#followers.add(follower);
  }

  unfollow(follower: LinkSubscriber): void {
    this.#followers.delete(follower);
  }

  /** One link of the namespace as the kernel has it now; undefined if there is none. */
  find(link: NativeLinkRef): Promise<NativeLink | undefined> {
    return this.#whileOpen(() => findLink(this.ns, link, this.#port));
  }

  /**
   * As {@link find}.
   *
   * @throws If there is none.
   */
  get(link: NativeLinkRef): Promise<NativeLink> {
    return this.#whileOpen(() => this.#port.getLink(this.ns, link));
  }

  /** The addresses of a link. */
  addresses(link: NativeLinkRef): Promise<NativeLinkAddress[]> {
    return this.#whileOpen(() => this.#port.listAddresses(this.ns, link));
  }

  /** All links of the namespace as the kernel has them now. */
  list(operation: string): Promise<NativeLinkList> {
    return this.#whileOpen(() => listLinks(operation, this.ns, this.#port));
  }

  /** Runs a call on the namespace, which stays open until its end, even if the user of the watch releases it. */
  async #whileOpen<T>(call: () => Promise<T>): Promise<T> {
    this.share();
    try {
      return await call();
    } finally {
      this.release();
    }
  }

  /** Keeps the process alive until {@link unref} was called as often. */
  ref(): void {
    if (this.#keepers++ > 0) return;
    this.#native?.ref();
    this.#reopening?.ref();
  }

  unref(): void {
    if (--this.#keepers > 0) return;
    this.#native?.unref();
    this.#reopening?.unref();
  }

  /** Returns the same watch, which requires one more {@link release}. */
  share(): this {
    this.#users++;
    return this;
  }

  /** Releases the watch. With its last user, the socket and the namespace handle are closed. */
  release(): void {
    if (--this.#users === 0) this.#end();
  }

  #end(): void {
    this.#ended = true;
    if (watches.get(this.#key) === this) watches.delete(this.#key);
    this.#native?.close();
    clearTimeout(this.#reopening);
    this.ns.close();
  }

  async #open(): Promise<void> {
    const { receiveBufferBytes } = this.#options;
    const opened = await nativeCall({ operation: 'watch links' }, () =>
      this.#port.watchLinks(
        this.ns,
        receiveBufferBytes === undefined ? {} : { receiveBufferBytes },
        (events) => this.#receive(events),
      ),
    );
    if (this.#ended) {
      opened.close();
      return;
    }
    this.#native = opened;
    if (this.#keepers > 0) opened.ref();
  }

  #receive(events: readonly NativeLinkEvent[]): void {
    for (const event of events) {
      if (this.#ended) return;
      this.#apply(event);
    }
  }

  #apply(event: NativeLinkEvent): void {
    switch (event.type) {
      case 'change':
        this.#notify(this.#listenersTo(event.link.index), (listener) => listener.linkChanged(event.link));
        break;
      case 'remove':
        this.#notify(this.#listenersTo(event.link.index), (listener) => listener.linkRemoved(event.link));
        break;
      case 'overrun':
        this.#tellOfLoss();
        break;
      case 'error':
        this.#native?.close();
        this.#native = undefined;
        this.#tellOfLoss();
        this.#reopenLater();
    }
  }

  #reopenLater(): void {
    this.#reopening = setTimeout(() => this.#reopen(), this.#options.reopenMs ?? REOPEN_MS);
    if (this.#keepers === 0) this.#reopening.unref();
  }

  async #reopen(): Promise<void> {
    try {
      await this.#open();
    } catch {
      if (!this.#ended) this.#reopenLater();
    }
    if (!this.#ended) this.#tellOfLoss();
  }

  #tellOfLoss(): void {
    const all = [...this.#subscribers.keys()].flatMap((index) => this.#subscribersOf(index));
    this.#notify([...this.#followers, ...all], (listener) => listener.eventsLost());
  }

  #notify(listeners: LinkSubscriber[], call: (listener: LinkSubscriber) => void): void {
    for (const listener of listeners) isolated(() => call(listener));
  }

  #listenersTo(index: number): LinkSubscriber[] {
    return [...this.#followers, ...this.#subscribersOf(index)];
  }

  /** Without those that were garbage-collected. */
  #subscribersOf(index: number): LinkSubscriber[] {
    const references = this.#subscribers.get(index) ?? [];
    return references.map((reference) => reference.deref()).filter((subscriber) => subscriber !== undefined);
  }

  #setSubscribers(index: number, subscribers: LinkSubscriber[]): void {
    if (subscribers.length === 0) this.#subscribers.delete(index);
    else
      this.#subscribers.set(
        index,
        subscribers.map((subscriber) => new WeakRef(subscriber)),
      );
  }
}
