/**
 * src/links/: links, addresses, MACs and namespaces, and watching them. On top of addresses.
 *
 * Here: the public functions on links, over rtnetlink.
 */
import { checkSignal, untilAborted } from '../base/abort.js';
import { checkObject, checkOptionNames, refuseSurplus } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { native } from '../base/native.js';
import { nativeCall } from '../base/native-call.js';
import type { NamespaceHandle, NativeLinkRef } from '../base/native-links.js';
import { type CheckedNetns, checkLinkChanges, checkLinkRef, checkNewLink } from './check-options.js';
import { LinkEvents, type WatchOptions } from './events.js';
import { checkIpPrefix, type IpPrefixLike } from './ip-prefix.js';
import { type Link, linkFromNative } from './link.js';
import { LINK_ADDRESS_FACTS, type LinkAddress, linkAddressFromNative } from './link-address.js';
import { checkNetns, type NetnsOption, openNetns } from './namespace.js';
import type { LinkChanges, LinkRef, NewLink } from './options.js';
import { listLinks } from './read.js';

/** Options of `links.list`. */
export interface ListOptions extends NetnsOption {
  /** Only links of this kind: `tun`, `bridge`, … */
  kind?: string | undefined;
  /** Aborts the call: the promise rejects at once with the signal's reason, even while the kernel still reads the list. */
  signal?: AbortSignal | undefined;
}

/** What `links.list` returns: an array with a property of its own, which is not enumerable. */
export interface LinkList extends Array<Link> {
  /**
   * False if links came or went while the kernel wrote the list, at each attempt: one that did so may be in it or not, and
   * on kernels before 6.10 another may be missing. To be sure of one link, ask for it: `links.get`.
   */
  readonly consistent: boolean;
}

function netnsOf(operation: string, options: unknown): CheckedNetns {
  const given: { netns?: unknown } = checkObject('options', options);
  checkOptionNames(operation, given, ['netns']);
  return checkNetns('netns', given.netns);
}

/** Opens the namespace of an option, which is closed when the work is done. */
type OpenNamespace = (argument: string, netns: CheckedNetns) => Promise<NamespaceHandle>;

async function withNamespaces<T>(work: (open: OpenNamespace) => Promise<T>): Promise<T> {
  const handles: NamespaceHandle[] = [];
  try {
    return await work(async (argument, netns) => {
      const handle = await openNetns(argument, netns);
      handles.push(handle);
      return handle;
    });
  } finally {
    for (const handle of handles) handle.close();
  }
}

function withNetns<T>(netns: CheckedNetns, work: (ns: NamespaceHandle) => Promise<T>): Promise<T> {
  return withNamespaces(async (open) => work(await open('netns', netns)));
}

/** The context of a failure of `operation` on `link`. */
function about(operation: string, link: NativeLinkRef) {
  return { operation, ...(typeof link === 'string' && { interface: link }) };
}

async function indexOf(operation: string, ns: NamespaceHandle, link: NativeLinkRef): Promise<number> {
  if (typeof link === 'number') return link;
  const found = await nativeCall(about(operation, link), () => native().getLink(ns, link));
  return found.index;
}

/**
 * Returns every link of a namespace, in the kernel's order.
 *
 * A list that changes while it is read is read again, for about half a second; `consistent` says whether that helped.
 * Calls that wait at the same time share one list, and at most two lists of a thread are read at once, so that libuv's
 * thread pool has threads left.
 *
 * Needs no privilege in the caller's own namespace.
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; for {@link NetnsOption}: `ENOENT`, `EPERM`,
 * `ERR_TAPFD_NOT_A_NAMESPACE`; the reason of `signal`.
 */
async function list(options: ListOptions = {}): Promise<LinkList> {
  refuseSurplus('links.list', arguments, 1);
  const given: { netns?: unknown; kind?: unknown; signal?: unknown } = checkObject('options', options);
  checkOptionNames('links.list', given, ['netns', 'kind', 'signal']);
  const netns = checkNetns('netns', given.netns);
  const { kind } = given;
  if (kind !== undefined && typeof kind !== 'string') throw invalidArgument('kind', 'a kind of link', kind);
  const signal = checkSignal(given.signal);
  signal?.throwIfAborted();
  const found = await untilAborted(
    signal,
    withNetns(netns, (ns) => listLinks('links.list', ns)),
  );
  const wanted = found.links.map(linkFromNative).filter((link) => kind === undefined || link.kind === kind);
  const result = Object.assign(wanted, { consistent: found.consistent });
  // So that it compares and prints as the array that it is.
  return Object.defineProperty(result, 'consistent', { enumerable: false });
}

/**
 * Returns one link by its name, alternative names included, or by its index.
 *
 * Needs no privilege in the caller's own namespace.
 *
 * @throws TapfdError `ENODEV` if there is none; as {@link list}.
 */
async function get(link: LinkRef, options: NetnsOption = {}): Promise<Link> {
  refuseSurplus('links.get', arguments, 2);
  const ref = checkLinkRef('link', link);
  return withNetns(netnsOf('links.get', options), async (ns) =>
    linkFromNative(await nativeCall(about('links.get', ref), () => native().getLink(ns, ref))),
  );
}

/**
 * Creates a link and returns it as the kernel created it. If a later step fails (adding it to a bridge, setting it up,
 * moving it), the link is removed again.
 *
 * Needs CAP_NET_ADMIN over the namespace, and over those of `moveTo` and `peer.netns`.
 *
 * @example
 * ```ts
 * import { createNetns, links } from 'tapfd';
 *
 * const far = await createNetns();
 * await links.create({ kind: 'veth', name: 'left', up: true, peer: { name: 'right', netns: far.path } });
 * ```
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `EEXIST`: the name is taken, or a vxlan with the same `id`;
 * `EBUSY`: the lower device is a bridge port or has a passthru link; `EINVAL`: the lower device is loopback, or a value
 * is out of the kind's range (`detail` has the kernel's message); `EADDRINUSE`: another link on the lower device has the
 * MAC, which the kernel reports when the link is set up; `ENODEV`: no such lower device or bridge; `ENOTSUP`: the kernel
 * does not know the kind; `EPERM`.
 */
async function create(options: NewLink): Promise<Link> {
  refuseSurplus('links.create', arguments, 1);
  const checked = checkNewLink('options', options);
  const { native: link, lower, master } = checked;
  const made = await withNamespaces(async (open) => {
    const ns = await open('netns', checked.netns);
    if (checked.moveTo !== undefined) link.changes.netns = await open('moveTo', checked.moveTo);
    if (checked.peerNetns !== undefined) link.peerNetns = await open('peer.netns', checked.peerNetns);
    if (lower !== undefined) link.lower = await indexOf('links.create', ns, lower);
    if (master !== undefined) {
      link.changes.master = await indexOf('links.create', link.changes.netns ?? ns, master);
    }
    return nativeCall({ operation: 'links.create' }, () => native().createLink(ns, link));
  });
  return linkFromNative(made);
}

/**
 * Changes a link. The kernel makes the changes one by one, so that those before a failed one remain. The link is set
 * down first and set up last.
 *
 * Needs CAP_NET_ADMIN over the namespace, and over that of `moveTo`.
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ENODEV`; `EBUSY`: the link has another master, or must be down
 * for the change; `EEXIST`: the name is taken; `EINVAL`, `ERANGE`: a value the link cannot have; `EADDRINUSE`,
 * `EADDRNOTAVAIL`: the MAC; `ENOTSUP`: this kind does not support it; `EPERM`.
 */
async function set(link: LinkRef, changes: LinkChanges): Promise<void> {
  refuseSurplus('links.set', arguments, 2);
  const ref = checkLinkRef('link', link);
  const checked = checkLinkChanges('changes', changes);
  const { native: wanted, master } = checked;
  await withNamespaces(async (open) => {
    const ns = await open('netns', checked.netns);
    if (checked.moveTo !== undefined) wanted.netns = await open('moveTo', checked.moveTo);
    if (master !== undefined) wanted.master = await indexOf('links.set', wanted.netns ?? ns, master);
    await nativeCall(about('links.set', ref), () => native().setLink(ns, ref, wanted));
  });
}

/**
 * Removes a link; with one end of a veth pair, the other goes, too. Descriptors of a TUN, TAP or macvtap link that
 * programs hold become useless.
 *
 * Needs CAP_NET_ADMIN over the namespace.
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ENODEV`; `ENOTSUP`: hardware and loopback cannot be removed;
 * `EPERM`.
 */
async function remove(link: LinkRef, options: NetnsOption = {}): Promise<void> {
  refuseSurplus('links.remove', arguments, 2);
  const ref = checkLinkRef('link', link);
  await withNetns(netnsOf('links.remove', options), (ns) =>
    nativeCall(about('links.remove', ref), () => native().removeLink(ns, ref)),
  );
}

/**
 * Adds an address to a link, without a broadcast address and with the route to its network, as `ip address add` does.
 *
 * Needs CAP_NET_ADMIN over the namespace.
 *
 * @param address - `'10.0.0.1/24'`, `'fd00::1/64'`, or an object, which can also have a peer and lifetimes.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `EEXIST`: it already has the address; `ENODEV`; `EACCES`: IPv6 is
 * disabled on it; `EPERM`.
 */
async function addAddress(link: LinkRef, address: IpPrefixLike, options: NetnsOption = {}): Promise<void> {
  refuseSurplus('links.addAddress', arguments, 3);
  const ref = checkLinkRef('link', link);
  const prefix = checkIpPrefix('address', address);
  await withNetns(netnsOf('links.addAddress', options), (ns) =>
    nativeCall(about('links.addAddress', ref), () => native().addAddress(ns, ref, prefix)),
  );
}

/**
 * Removes an address from a link: what {@link addresses} lists can be given as it is. The kernel finds it by address and
 * prefix length, and by the network of `peer`. With the first IPv4 address of a network the others of that network go, too,
 * unless the sysctl `promote_secondaries` is set.
 *
 * Needs CAP_NET_ADMIN over the namespace.
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `EADDRNOTAVAIL`: it has no such address with that prefix length;
 * `ENODEV`; `EPERM`.
 */
async function removeAddress(
  link: LinkRef,
  address: IpPrefixLike | LinkAddress,
  options: NetnsOption = {},
): Promise<void> {
  refuseSurplus('links.removeAddress', arguments, 3);
  const ref = checkLinkRef('link', link);
  const prefix = checkIpPrefix('address', address, LINK_ADDRESS_FACTS);
  await withNetns(netnsOf('links.removeAddress', options), (ns) =>
    nativeCall(about('links.removeAddress', ref), () => native().removeAddress(ns, ref, prefix)),
  );
}

/**
 * Returns the addresses of a link, including those that the kernel added itself (IPv6 link-local).
 *
 * Needs no privilege in the caller's own namespace.
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ENODEV`; as {@link list}.
 */
async function addresses(link: LinkRef, options: NetnsOption = {}): Promise<LinkAddress[]> {
  refuseSurplus('links.addresses', arguments, 2);
  const ref = checkLinkRef('link', link);
  const found = await withNetns(netnsOf('links.addresses', options), (ns) =>
    nativeCall(about('links.addresses', ref), () => native().listAddresses(ns, ref)),
  );
  return found.map(linkAddressFromNative);
}

/**
 * Reports links that are created, changed and removed (or moved to another namespace, which looks like a removal).
 *
 * It starts immediately, and reports every change after `ready` has resolved. The kernel repeats many messages;
 * repetitions are not reported. If changes come faster than the program reads, intermediate steps are skipped: the events
 * then lead from the last reported state to the current one. All watches of one namespace share one socket.
 *
 * Needs no privilege in the caller's own namespace.
 *
 * @example
 * ```ts
 * import { links } from 'tapfd';
 *
 * for await (const { type, link } of links.watch()) console.log(type, link.name);
 * ```
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`, at the call. From `ready` and the iteration: as {@link list}, and
 * the reason of `signal`.
 */
function watch(options: WatchOptions = {}): LinkEvents {
  refuseSurplus('links.watch', arguments, 1);
  return new LinkEvents(options);
}

/**
 * Links over rtnetlink (rtnetlink(7)). Every call runs off the JavaScript thread, and none changes the namespace of a
 * thread that outlives it. The `detail` of an error has the kernel's own message, if there was one.
 *
 * @namespace
 *
 * @example
 * ```ts
 * import { links } from 'tapfd';
 *
 * await links.create({ kind: 'bridge', name: 'br0', up: true });
 * await links.set('eth1', { master: 'br0', up: true });
 * await links.addAddress('br0', '10.0.0.1/24');
 * for (const { name, kind, mac } of await links.list()) console.log(name, kind, mac);
 * for await (const event of links.watch()) console.log(event.type, event.link.name);
 * ```
 */
export const links = {
  /** @function */
  list,
  /** @function */
  get,
  /** @function */
  create,
  /** @function */
  set,
  /** @function */
  remove,
  /** @function */
  addAddress,
  /** @function */
  removeAddress,
  /** @function */
  addresses,
  /** @function */
  watch,
} as const;
