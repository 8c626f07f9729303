/** What a picture shows: namespaces with their bridges, devices and guests, and the wires between them. */
import type { Link } from '../../index.js';
import type { Device, Inventory } from '../machine/inventory.js';
import type { Namespace } from '../machine/namespaces.js';
import type { Holder } from '../machine/processes.js';
import { printable } from '../terminal/text.js';
import { findWires, type Wire } from './wires.js';

/** What a node is drawn as. */
export type NodeKind = 'bridge' | 'device' | 'tap' | 'macvtap' | 'macvlan' | 'veth';

/** A program or guest behind a device. */
export interface MapHolder {
  title: string;
  subtitle: string;
  isGuest: boolean;
}

export interface MapNode {
  /** Unique in the picture. */
  id: string;
  kind: NodeKind;
  title: string;
  subtitle: string;
  isUp: boolean;
  holders: readonly MapHolder[];
}

/** A node and those on it: a bridge with its ports, a lower device with its macvtaps, or a node alone. */
export interface MapGroup {
  head: MapNode;
  members: readonly MapNode[];
}

export interface MapNamespace {
  label: string;
  groups: readonly MapGroup[];
}

/** Between two nodes. */
export interface MapWire {
  from: string;
  to: string;
  /** A macvtap or macvlan, and its lower device in another namespace. Otherwise a veth pair. */
  isLower: boolean;
}

export interface NetworkMap {
  namespaces: readonly MapNamespace[];
  wires: readonly MapWire[];
}

export function mapOf({ namespaces, devices }: Inventory): NetworkMap {
  const shown = namespaces.map((namespace) => ({ namespace, groups: groupsOf(namespace, devices) }));
  const kept = shown.filter(({ groups }) => groups.length > 0);
  const ids = new Set(
    kept.flatMap(({ groups }) =>
      groups.flatMap(({ head, members }) => [head, ...members].map(({ id }) => id)),
    ),
  );
  const wires = findWires(namespaces)
    .map(({ a, b, isLower }: Wire) => ({
      from: idOf(a.namespace, a.link),
      to: idOf(b.namespace, b.link),
      isLower,
    }))
    .filter(({ from, to }) => ids.has(from) && ids.has(to));
  return {
    namespaces: kept.map(({ namespace, groups }) => ({ label: printable(namespace.label), groups })),
    wires,
  };
}

function idOf({ key }: Namespace, { index }: Link): string {
  return `n${key.replaceAll(/\D/g, '_')}_${index}`;
}

function groupsOf(namespace: Namespace, devices: readonly Device[]): MapGroup[] {
  const { links } = namespace;
  const byIndex = new Map(links.map((link) => [link.index, link]));
  const members = new Map<Link, Link[]>();
  for (const link of links) {
    const head = headOf(link, byIndex);
    if (head !== undefined) members.set(head, [...(members.get(head) ?? []), link]);
  }
  const node = (link: Link) => nodeOf(namespace, link, devices);
  return links
    .filter((link) => members.has(link) || (headOf(link, byIndex) === undefined && isOfInterest(link)))
    .map((link) => ({
      head: node(link),
      members: (members.get(link) ?? []).filter((one) => !members.has(one)).map(node),
    }));
}

/** On what it is drawn: its bridge, or its lower device. */
function headOf(
  { master, kind, lower, lowerNetnsId }: Link,
  links: ReadonlyMap<number, Link>,
): Link | undefined {
  if (master !== undefined) return links.get(master);
  const isOnLower = (kind === 'macvtap' || kind === 'macvlan') && lowerNetnsId === undefined;
  return isOnLower && lower !== undefined ? links.get(lower) : undefined;
}

const KINDS: Readonly<Record<string, NodeKind>> = {
  bridge: 'bridge',
  tun: 'tap',
  macvtap: 'macvtap',
  macvlan: 'macvlan',
  veth: 'veth',
};

/** Hardware, and what carries frames of devices; not loopback, nor the tunnels that the kernel makes by itself. */
function isOfInterest({ kind, loopback }: Link): boolean {
  return !loopback && (kind === undefined || Object.hasOwn(KINDS, kind));
}

function nodeOf(namespace: Namespace, link: Link, devices: readonly Device[]): MapNode {
  const device = devices.find((one) => one.namespace === namespace && one.link.index === link.index);
  const { kind, mode, name, tun, up } = link;
  const facts = [
    tun?.type ?? kind ?? 'network card',
    ...(mode === undefined ? [] : [mode]),
    ...(up ? [] : ['down']),
  ];
  return {
    id: idOf(namespace, link),
    kind: KINDS[kind ?? ''] ?? 'device',
    title: printable(name),
    subtitle: facts.join(' · '),
    isUp: up,
    holders: device === undefined ? [] : holdersToShow(device),
  };
}

/**
 * A `tapfd exec` holds what its command holds: of both, the command is of interest. One that may hold a device of this
 * name elsewhere has a question mark.
 */
function holdersToShow({ holders, perhaps }: Device): MapHolder[] {
  const all = [...holders, ...perhaps];
  const others = all.filter(({ command }) => command !== 'tapfd');
  return (others.length > 0 ? others : all).map((holder) => holderToShow(holder, perhaps.includes(holder)));
}

function holderToShow({ command, guest, pid }: Holder, isUncertain: boolean): MapHolder {
  return {
    title: `${printable(guest ?? command)}${isUncertain ? '?' : ''}`,
    subtitle: guest === undefined ? `process ${pid}` : `guest · ${printable(command)}`,
    isGuest: guest !== undefined || command.startsWith('qemu-'),
  };
}
