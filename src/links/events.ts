/** The async iterable of `links.watch`. */
import { checkSignal, onAbort, untilAborted } from '../base/abort.js';
import { checkBoolean, checkInteger, checkObject, checkOptionNames } from '../base/checks.js';
import type { NativeLink } from '../base/native-links.js';
import { isAnotherLink, isSameState, type Link, linkFromNative } from './link.js';
import { checkNetns, type NetnsLike, openNetns } from './namespace.js';
import { type LinkSubscriber, LinkWatch, type LinkWatchOptions } from './watch.js';

/** Options of `links.watch`. */
export interface WatchOptions {
  /** Default: the namespace of the calling thread. */
  netns?: NetnsLike | undefined;
  /** Ends the iteration, which throws the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Start with an `'add'` for each link that exists. Default false. */
  existing?: boolean | undefined;
  /** Keep the process alive while watching. Default true. */
  persistent?: boolean | undefined;
  /**
   * Receive buffer of the socket, in bytes of kernel memory; an event takes 2 to 4 KiB. Only used by the first watch of
   * a namespace in this thread, which opens the socket for all. Default 8 MiB; without CAP_NET_ADMIN at most
   * net.core.rmem_max.
   */
  receiveBufferBytes?: number | undefined;
}

/** One event of `links.watch`: a link that is new, has changed, or is gone. */
export type LinkEvent =
  | {
      /** New in the namespace: created there, or moved there. */
      readonly type: 'add';
      /** The link as it is now. */
      readonly link: Link;
      /** Undefined: the link was not reported before. */
      readonly previous?: undefined;
    }
  | {
      /** Changed, other than its counters. */
      readonly type: 'change';
      /** The link as it is now. */
      readonly link: Link;
      /** The link as it was last reported. */
      readonly previous: Link;
    }
  | {
      /** Removed, or moved to another namespace. */
      readonly type: 'remove';
      /** The link as it was. */
      readonly link: Link;
      /** Undefined: `link` is the last state. */
      readonly previous?: undefined;
    };

/** How many steps may wait for the consumer. Those that come beyond that are skipped. */
const MAX_WAITING = 1024;

type Step = { readonly removed: boolean; readonly link: NativeLink };

/**
 * What `links.watch` returns: an async iterable that can be iterated once. Leaving the loop closes it; so do `close()` and
 * `await using`. After that it reports nothing, not even what it had heard before.
 */
export class LinkEvents implements AsyncIterableIterator<LinkEvent>, AsyncDisposable {
  /** Resolves when the watch has started and will miss no change; rejects if it could not start. */
  readonly ready: Promise<void>;
  readonly #stopListening: () => void;
  readonly #persistent: boolean;
  readonly #follower: LinkSubscriber = {
    linkChanged: (link) => this.#add({ removed: false, link }),
    linkRemoved: (link) => this.#add({ removed: true, link }),
    eventsLost: () => this.#fallBehind(),
  };
  /** The links as the consumer knows them. */
  readonly #reported = new Map<number, NativeLink>();
  /** What the consumer is told next: the last list, then what was heard since it was begun. */
  #listed: Step[] = [];
  #heard: Step[] = [];
  /** A list is being read, before which there is nothing to tell. */
  #listing = true;
  /** Steps were skipped or lost: after those of the last list, a new one has the next. */
  #behind = false;
  #watch: LinkWatch | undefined;
  /** Calls of next() that wait for an event. */
  #waiting: (() => void)[] = [];
  #finished: { readonly error?: unknown } | undefined;

  /** @internal */
  constructor(options: WatchOptions) {
    const given: { [name in keyof WatchOptions]: unknown } = checkObject('options', options);
    checkOptionNames('links.watch', given, [
      'netns',
      'signal',
      'existing',
      'persistent',
      'receiveBufferBytes',
    ]);
    const netns = checkNetns('netns', given.netns);
    const signal = checkSignal(given.signal);
    const existing = given.existing === undefined ? false : checkBoolean('existing', given.existing);
    this.#persistent = given.persistent === undefined ? true : checkBoolean('persistent', given.persistent);
    const watchOptions: LinkWatchOptions =
      given.receiveBufferBytes === undefined
        ? {}
        : {
            receiveBufferBytes: checkInteger('receiveBufferBytes', given.receiveBufferBytes, 1, 0x3fff_ffff),
          };
    const finish = () => this.#finish(signal?.reason);
    this.#stopListening = onAbort(signal, finish);
    if (signal?.aborted) finish();
    this.ready = untilAborted(signal, this.#start(netns, existing, watchOptions));
    // next() reports it, too: `ready` may be ignored.
    this.ready.catch((error) => this.#finish(error));
  }

  async #start(netns: NetnsLike | undefined, existing: boolean, options: LinkWatchOptions): Promise<void> {
    if (this.#finished) throw this.#finished.error;
    const watch = await LinkWatch.acquire(await openNetns('netns', netns), options);
    if (this.#finished) {
      watch.release();
      return;
    }
    this.#watch = watch;
    watch.follow(this.#follower);
    if (this.#persistent) watch.ref();
    const { links } = await watch.list('links.watch');
    if (existing) this.#tellListed(links.map(present));
    else {
      for (const link of links) this.#reported.set(link.index, link);
      this.#tellListed([]);
    }
  }

  #add(step: Step): void {
    if (this.#finished || this.#behind) return;
    this.#heard.push(step);
    if (this.#heard.length > MAX_WAITING) this.#fallBehind();
    this.#wake();
  }

  #fallBehind(): void {
    if (this.#finished) return;
    this.#heard = [];
    this.#behind = true;
    this.#wake();
  }

  /** Releases the watch. Events not yet reported are dropped. */
  #finish(error?: unknown): void {
    if (this.#finished) return;
    this.#finished = error === undefined ? {} : { error };
    this.#stopListening();
    this.#listed = [];
    this.#heard = [];
    this.#behind = false;
    if (this.#watch) {
      this.#watch.unfollow(this.#follower);
      if (this.#persistent) this.#watch.unref();
      this.#watch.release();
    }
    this.#wake();
  }

  /**
   * Returns the next event as soon as there is one.
   *
   * @throws The signal's reason, or the error that ended the watch: once, after which the iteration is over.
   */
  async next(): Promise<IteratorResult<LinkEvent, undefined>> {
    for (;;) {
      const event = this.#nextEvent();
      if (event) return { done: false, value: event };
      if (this.#finished) {
        const { error } = this.#finished;
        // Thrown once; after that the iteration is over.
        this.#finished = {};
        if (error !== undefined) throw error;
        return { done: true, value: undefined };
      }
      if (this.#behind && !this.#listing && this.#watch) this.#catchUp(this.#watch);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #nextEvent(): LinkEvent | undefined {
    if (this.#listing) return undefined;
    for (;;) {
      const step = this.#listed.shift() ?? this.#heard.shift();
      if (step === undefined) return undefined;
      const event = this.#eventOf(step);
      if (event) return event;
    }
  }

  #tellListed(steps: Step[]): void {
    if (this.#finished) return;
    this.#listed = steps;
    this.#listing = false;
    this.#wake();
  }

  /** Finds out by a list what was skipped. */
  #catchUp(watch: LinkWatch): void {
    this.#listing = true;
    // What is heard from here on may be newer than the list.
    this.#behind = false;
    this.#stepsToNow(watch).then(
      (steps) => this.#tellListed(steps),
      (error) => this.#finish(error),
    );
  }

  async #stepsToNow(watch: LinkWatch): Promise<Step[]> {
    const { links, consistent } = await watch.list('links.watch');
    const now = new Map(links.map((link) => [link.index, link]));
    const gone: Step[] = [];
    for (const reported of this.#reported.values()) {
      const listed = now.get(reported.index);
      // From such a list others that came and went may have displaced it.
      const link = listed ?? (consistent ? undefined : await watch.find(reported.index));
      if (link === undefined || isAnotherLink(reported, link)) gone.push({ removed: true, link: reported });
      if (link !== undefined) now.set(link.index, link);
    }
    return [...gone, ...[...now.values()].map(present)];
  }

  /** Applies one step to what was reported; undefined if it changes nothing. */
  #eventOf({ removed, link }: Step): LinkEvent | undefined {
    const reported = this.#reported.get(link.index);
    if (removed) {
      this.#reported.delete(link.index);
      return reported && { type: 'remove', link: linkFromNative(link) };
    }
    this.#reported.set(link.index, link);
    if (reported === undefined) return { type: 'add', link: linkFromNative(link) };
    if (isSameState(reported, link)) return undefined;
    return { type: 'change', link: linkFromNative(link), previous: linkFromNative(reported) };
  }

  /** Ends the iteration and releases the socket. A second call does nothing. */
  async close(): Promise<void> {
    this.#finish();
  }

  /** As {@link close}: called when a loop is left. */
  async return(): Promise<IteratorResult<LinkEvent, undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}

function present(link: NativeLink): Step {
  return { removed: false, link };
}
