/** One table of a namespace's links for the whole thread, kept up to date by the kernel's messages. */

import { type NativeAddon, native } from '../base/native.js';
import { nativeCall } from '../base/native-call.js';
import type { NamespaceHandle, NativeLink, NativeLinkEvent, NativeLinkWatch } from '../base/native-links.js';
import { isAnotherLink, isSameState } from './link.js';

/**
 * A listener for one link. Events reach JavaScript with a delay: if the kernel has meanwhile reused the index, a new
 * subscriber may receive events of the link that had it before. Confirm `linkRemoved` where it matters (TUNGETIFF on the
 * descriptor).
 */
export interface LinkSubscriber {
  /** `previous` is undefined if the watch has not seen the link before. */
  linkChanged(link: NativeLink, previous: NativeLink | undefined): void;
  /** Removed, or moved to another namespace. */
  linkRemoved(link: NativeLink): void;
  /** The socket is lost, and there will be no more events. */
  watchFailed?(error: unknown): void;
}

/** What a watch needs from the addon. */
export type LinkWatchPort = Pick<NativeAddon, 'watchLinks' | 'listLinks'>;

export interface LinkWatchOptions {
  /** Of the socket, if this call opens it. Default: room for a few thousand events. */
  receiveBufferBytes?: number;
  /** Default: the addon. */
  port?: LinkWatchPort;
}

/** The watches of this JavaScript environment, by the key of their namespace. */
const watches = new Map<string, LinkWatch>();

export class LinkWatch {
  readonly ns: NamespaceHandle;
  readonly #key: string;
  readonly #port: LinkWatchPort;
  readonly #table = new Map<number, NativeLink>();
  readonly #subscribers = new Map<number, WeakRef<LinkSubscriber>[]>();
  readonly #followers = new Set<LinkSubscriber>();
  readonly #started: Promise<void>;
  #native: NativeLinkWatch | undefined;
  /** A list is being read. Events that arrive meanwhile are held back, as the list may be older. */
  #listing = true;
  #held: NativeLinkEvent[] = [];
  #users = 0;
  #keepers = 0;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  /**
   * Returns the watch of `ns`, which is shared by all its users in this environment. Takes ownership of the handle, and
   * closes it before it returns if the watch already has one. Each call requires one {@link release}.
   *
   * It does not keep the process alive; {@link ref} does.
   *
   * @throws Errors from opening the socket and reading the first list. The handle is closed then, too.
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
    this.#started = this.#start(options.receiveBufferBytes);
  }

  /** A link as last reported by the kernel; changes arrive with a delay. */
  get(index: number): NativeLink | undefined {
    return this.#table.get(index);
  }

  /** All known links. */
  links(): IterableIterator<NativeLink> {
    return this.#table.values();
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

  /** Keeps the process alive until {@link unref} was called as often. */
  ref(): void {
    if (this.#keepers++ === 0) this.#native?.ref();
  }

  unref(): void {
    if (--this.#keepers === 0) this.#native?.unref();
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
    if (this.#ended) return;
    this.#ended = true;
    if (watches.get(this.#key) === this) watches.delete(this.#key);
    this.#native?.close();
    this.ns.close();
  }

  async #start(receiveBufferBytes: number | undefined): Promise<void> {
    // The socket first, so that changes while the list is read are not missed.
    const options = receiveBufferBytes === undefined ? {} : { receiveBufferBytes };
    this.#native = await nativeCall({ operation: 'watch links' }, () =>
      this.#port.watchLinks(this.ns, options, (events) => this.#receive(events)),
    );
    await this.#readList();
    if (this.#failure) throw this.#failure.error;
  }

  #receive(events: readonly NativeLinkEvent[]): void {
    for (const event of events) {
      if (this.#ended) return;
      if (this.#listing) this.#held.push(event);
      else this.#apply(event);
    }
  }

  #apply(event: NativeLinkEvent): void {
    switch (event.type) {
      case 'change':
        this.#put(event.link);
        break;
      case 'remove':
        this.#drop(event.link);
        break;
      case 'overrun':
        this.#listing = true;
        this.#readList().catch((error) => this.#fail(error));
        break;
      case 'error':
        this.#fail(event.error);
    }
  }

  /** Reads the list, reports how the table differs from it, and continues with the events that came meanwhile. */
  async #readList(): Promise<void> {
    const found = await nativeCall({ operation: 'watch links' }, () => this.#port.listLinks(this.ns));
    if (this.#ended) return;
    const now = new Map(found.map((link) => [link.index, link]));
    for (const known of [...this.#table.values()]) {
      const link = now.get(known.index);
      if (link === undefined || isAnotherLink(known, link)) this.#drop(known);
    }
    for (const link of found) this.#put(link);
    const held = this.#held;
    this.#held = [];
    this.#listing = false;
    this.#receive(held);
  }

  #put(link: NativeLink): void {
    const previous = this.#table.get(link.index);
    this.#table.set(link.index, link);
    if (previous !== undefined && isSameState(previous, link)) return;
    this.#notify(link.index, (subscriber) => subscriber.linkChanged(link, previous));
  }

  #drop(link: NativeLink): void {
    if (!this.#table.delete(link.index)) return;
    this.#notify(link.index, (subscriber) => subscriber.linkRemoved(link));
  }

  #fail(error: unknown): void {
    const all = [
      ...this.#followers,
      ...[...this.#subscribers.keys()].flatMap((index) => this.#subscribersOf(index)),
    ];
    this.#failure = { error };
    this.#end();
    for (const subscriber of all) isolated(() => subscriber.watchFailed?.(error));
  }

  #notify(index: number, call: (subscriber: LinkSubscriber) => void): void {
    for (const subscriber of [...this.#followers, ...this.#subscribersOf(index)])
      isolated(() => call(subscriber));
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

/** Calls a listener. If it throws, that is an uncaught exception, and the other listeners are still called. */
export function isolated(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
