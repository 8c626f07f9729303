/** The functions of `links`, in one namespace. */
import type { LinkEvents, WatchOptions } from '../../links/events.js';
import type { IpPrefixLike } from '../../links/ip-prefix.js';
import type { Link } from '../../links/link.js';
import type { LinkAddress } from '../../links/link-address.js';
import { type LinkList, type ListOptions, links } from '../../links/links.js';
import type { Netns } from '../../links/netns.js';
import type { LinkChanges, LinkRef, NewLink } from '../../links/options.js';

/** {@link links} of one host: the same functions, with the host's namespace where none is named. */
export interface HostLinks {
  /** As `links.list()`. */
  list(options?: ListOptions): Promise<LinkList>;
  /** As `links.get()`. */
  get(link: LinkRef): Promise<Link>;
  /** As `links.create()`. */
  create(options: NewLink): Promise<Link>;
  /** As `links.set()`. */
  set(link: LinkRef, changes: LinkChanges): Promise<void>;
  /** As `links.remove()`. */
  remove(link: LinkRef): Promise<void>;
  /** As `links.addAddress()`. */
  addAddress(link: LinkRef, address: IpPrefixLike): Promise<void>;
  /** As `links.removeAddress()`. */
  removeAddress(link: LinkRef, address: IpPrefixLike | LinkAddress): Promise<void>;
  /** As `links.addresses()`. */
  addresses(link: LinkRef): Promise<LinkAddress[]>;
  /** As `links.watch()`. */
  watch(options?: WatchOptions): LinkEvents;
}

export function linksOf(netns: Netns): HostLinks {
  return {
    list: (options = {}) => links.list({ netns, ...options }),
    get: (link) => links.get(link, { netns }),
    create: (options) => links.create({ netns, ...options }),
    set: (link, changes) => links.set(link, { netns, ...changes }),
    remove: (link) => links.remove(link, { netns }),
    addAddress: (link, address) => links.addAddress(link, address, { netns }),
    removeAddress: (link, address) => links.removeAddress(link, address, { netns }),
    addresses: (link) => links.addresses(link, { netns }),
    watch: (options = {}) => links.watch({ netns, ...options }),
  };
}
