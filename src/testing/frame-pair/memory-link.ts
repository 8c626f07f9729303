/** The links of a frame pair, and what the addon's rtnetlink is to those of the kernel. */
import { constants } from 'node:os';
import type { NamespaceHandle, NativeLink, NativeLinkEvent, NativeLinkRef } from '../../base/native-links.js';
import type { DeviceKind } from '../../base/native-queue.js';
import type { LinkWatchPort } from '../../links/watch.js';

const { ENODEV } = constants.errno;
/** `linux/if.h`. */
const IFF_UP = 0x1;
const IFF_LOWER_UP = 0x10000;
/** `linux/if.h` IF_OPER_UP. */
const IF_OPER_UP = 6;

const nothing = (): void => undefined;

let pairs = 0;

/** What may change about a link. */
export interface MemoryLinkChanges {
  name?: string;
  mac?: string;
  mtu?: number;
  up?: boolean;
  carrier?: boolean;
}

/** Where the links of one pair are: nothing else is there. */
export class MemoryNamespace implements LinkWatchPort {
  readonly handle: NamespaceHandle;
  readonly #links = new Map<number, MemoryLink>();
  readonly #listeners = new Set<(events: NativeLinkEvent[]) => void>();

  constructor() {
    pairs += 1;
    this.handle = { key: `memory:${pairs}`, fd: -1, close: nothing };
  }

  add(link: MemoryLink): void {
    this.#links.set(link.now.index, link);
  }

  remove({ now }: MemoryLink): void {
    this.#links.delete(now.index);
  }

  tell(event: NativeLinkEvent): void {
    for (const listener of this.#listeners) setImmediate(() => listener([event]));
  }

  async watchLinks(
    _ns: NamespaceHandle,
    _options: object,
    onEvents: (events: NativeLinkEvent[]) => void,
  ): Promise<{ ref(): void; unref(): void; close(): void }> {
    this.#listeners.add(onEvents);
    return {
      ref: nothing,
      unref: nothing,
      close: () => void this.#listeners.delete(onEvents),
    };
  }

  async listLinks(): Promise<{ links: NativeLink[]; consistent: boolean }> {
    return { links: [...this.#links.values()].map(({ now }) => now), consistent: true };
  }

  async getLink(_ns: NamespaceHandle, wanted: NativeLinkRef): Promise<NativeLink> {
    const found = [...this.#links.values()].find(({ now }) => now.index === wanted || now.name === wanted);
    if (found !== undefined) return found.now;
    throw Object.assign(new Error('no such link'), { errno: -ENODEV, syscall: 'rtnetlink RTM_GETLINK' });
  }

  async listAddresses(): Promise<[]> {
    return [];
  }
}

/** The link of one end. */
export class MemoryLink {
  /** The link as it is. */
  now: NativeLink;
  isGone = false;
  /** Whether its end takes frames may have changed. */
  onChange: () => void = nothing;
  readonly #namespace: MemoryNamespace;

  constructor(namespace: MemoryNamespace, link: NativeLink) {
    this.#namespace = namespace;
    this.now = link;
    namespace.add(this);
  }

  get namespace(): NamespaceHandle {
    return this.#namespace.handle;
  }

  get isUp(): boolean {
    return (this.now.flags & IFF_UP) !== 0;
  }

  change({ up = this.isUp, ...changes }: MemoryLinkChanges): void {
    const flags = up ? this.now.flags | IFF_UP : this.now.flags & ~IFF_UP;
    this.now = { ...this.now, ...changes, flags };
    this.#namespace.tell({ type: 'change', link: this.now });
    this.onChange();
  }

  /** As the kernel counts them: KernelDrops. */
  countDrop(kind: DeviceKind): void {
    const counter = kind === 'macvtap' ? 'rxDropped' : 'txDropped';
    const { stats } = this.now;
    this.now = { ...this.now, stats: { ...stats, [counter]: stats[counter] + 1 } };
  }

  /** The device is deleted under its reader. */
  remove(): void {
    this.isGone = true;
    this.#namespace.remove(this);
    this.#namespace.tell({ type: 'remove', link: this.now });
    this.onChange();
  }

  /** Its device is closed. */
  removeQuietly(): void {
    this.#namespace.remove(this);
  }
}

/** A new link that is up. */
export function newLink(
  facts: Pick<NativeLink, 'index' | 'name' | 'kind' | 'mtu'> & { mac?: string },
): NativeLink {
  return {
    alternativeNames: [],
    portKind: '',
    flags: IFF_UP | IFF_LOWER_UP,
    operState: IF_OPER_UP,
    carrier: true,
    master: 0,
    lower: 0,
    txQueueLength: 1000,
    txQueues: 1,
    rxQueues: 1,
    alias: '',
    stats: {
      rxPackets: 0,
      txPackets: 0,
      rxBytes: 0,
      txBytes: 0,
      rxErrors: 0,
      txErrors: 0,
      rxDropped: 0,
      txDropped: 0,
      multicast: 0,
    },
    ...facts,
  };
}
