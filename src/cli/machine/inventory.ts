/**
 * src/cli/machine/: what there is on this machine: namespaces, links, devices, holders. On top of the entry tapfd.
 *
 * Here: the devices of this machine, as far as this user sees them.
 */
import { native } from '../../base/native.js';
import { diagnoseFromOutside } from '../../diagnose/from-outside.js';
import type { DeviceKind, Finding, Link } from '../../index.js';
import { links as linkCalls } from '../../index.js';
import { lookAtNamespaces, type Namespace } from './namespaces.js';
import { type DeviceNumbers, type Node, nodeOf, readDeviceNumbers } from './nodes.js';
import { type HeldDescriptor, type Holder, holdersOf, lookAtProcesses } from './processes.js';
import { shellRemedy } from './remedies.js';

export interface Device {
  namespace: Namespace;
  kind: DeviceKind;
  link: Link;
  /** Its bridge, or another master. */
  master: Link | undefined;
  /** Macvtap: its lower device, if that is in the same namespace. */
  lower: Link | undefined;
  node: Node | undefined;
  holders: readonly Holder[];
  /** Others that have a device of this name open: this user cannot find out whether it is this one. */
  perhaps: readonly Holder[];
  findings: readonly Finding[];
}

export interface Inventory {
  namespaces: readonly Namespace[];
  devices: readonly Device[];
  /** Processes that this user may not look into: they may hold devices, too. */
  hidden: number;
}

/** What a link is, if it is a device of this library's. */
export function deviceKindOf({ kind, tun }: Link): DeviceKind | undefined {
  if (kind === 'macvtap') return 'macvtap';
  return kind === 'tun' ? (tun?.type ?? 'tap') : undefined;
}

/** @param all - Devices of all namespaces; otherwise of this one. */
export async function takeInventory(all: boolean): Promise<Inventory> {
  const processes = lookAtProcesses();
  // Who holds a device of this namespace can only be said when those of the others are known.
  const namespaces = await lookAtNamespaces(processes);
  const places: NumberedNamespace[] = [];
  for (const namespace of namespaces) {
    places.push({ namespace, numbers: await readDeviceNumbers(namespace) });
  }
  const owners = new Map<HeldDescriptor, DevicePlace[]>();
  for (const descriptor of processes.descriptors) {
    owners.set(descriptor, placesOf(descriptor, places, await namespaceOfDevice(descriptor)));
  }
  const devices: Device[] = [];
  const shown = places.filter(({ namespace }) => all || namespace.own);
  for (const { namespace, numbers } of shown) {
    const byIndex = new Map(namespace.links.map((link) => [link.index, link]));
    for (const link of namespace.links) {
      const kind = deviceKindOf(link);
      if (kind === undefined) continue;
      const { certain, possible } = descriptorsOf(namespace, link, owners);
      const device = numbers.get(link.index);
      const view = { kind, link, links: byIndex, addresses: await addressesOf(namespace, link), device };
      const holders = holdersOf(certain);
      devices.push({
        namespace,
        kind,
        link,
        master: linkAt(byIndex, link.master),
        lower:
          kind === 'macvtap' && link.lowerNetnsId === undefined ? linkAt(byIndex, link.lower) : undefined,
        node: kind === 'macvtap' ? nodeOf(link, numbers) : undefined,
        holders,
        perhaps: holdersOf(possible),
        findings: (await diagnoseFromOutside(view)).map((finding) => ({
          ...finding,
          remedy: shellRemedy(finding, namespace, holders.length > 0 || possible.length > 0),
        })),
      });
    }
  }
  return { namespaces: shown.map(({ namespace }) => namespace), devices, hidden: processes.hidden };
}

function linkAt(links: ReadonlyMap<number, Link>, index: number | undefined): Link | undefined {
  return index === undefined ? undefined : links.get(index);
}

interface NumberedNamespace {
  namespace: Namespace;
  numbers: DeviceNumbers;
}

interface DevicePlace {
  namespace: Namespace;
  index: number;
}

/**
 * The key of the namespace that the TUN or TAP of a descriptor is in: only the descriptor itself knows it. A macvtap is
 * told by its number. Undefined where this user may not ask.
 */
async function namespaceOfDevice({ pid, fd, macvtap }: HeldDescriptor): Promise<string | undefined> {
  if (macvtap !== undefined) return undefined;
  try {
    const handle = await native().openNamespaceOfDevice(pid, fd);
    const { key } = handle;
    handle.close();
    return key;
  } catch {
    return undefined;
  }
}

/**
 * The devices that a descriptor may be of: one, unless several namespaces have one of the same name (and index), and
 * `netns`, the key of that of the device, is not known.
 */
function placesOf(
  { name, macvtap }: HeldDescriptor,
  namespaces: readonly NumberedNamespace[],
  netns: string | undefined,
): DevicePlace[] {
  const searched = namespaces.filter(({ namespace }) => netns === undefined || namespace.key === netns);
  return searched.flatMap(({ namespace, numbers }) =>
    namespace.links
      .filter((link) => {
        if (link.name !== name || (link.kind === 'macvtap') !== (macvtap !== undefined)) return false;
        if (macvtap === undefined) return link.kind === 'tun';
        const number = numbers.get(link.index);
        return link.index === macvtap.index && (number === undefined || number === macvtap.device);
      })
      .map(({ index }) => ({ namespace, index })),
  );
}

/** Those of which it is known, and those that may as well be of another device. */
function descriptorsOf(
  namespace: Namespace,
  { index }: Link,
  owners: ReadonlyMap<HeldDescriptor, readonly DevicePlace[]>,
): { certain: HeldDescriptor[]; possible: HeldDescriptor[] } {
  const certain: HeldDescriptor[] = [];
  const possible: HeldDescriptor[] = [];
  for (const [descriptor, places] of owners) {
    if (!places.some((place) => place.namespace === namespace && place.index === index)) continue;
    (places.length === 1 ? certain : possible).push(descriptor);
  }
  return { certain, possible };
}

async function addressesOf(namespace: Namespace, link: Link) {
  const bridge = link.portKind === 'bridge' ? link.master : undefined;
  const options = namespace.own ? {} : { netns: namespace.path };
  // None of a link that has gone since it was listed.
  return linkCalls.addresses(bridge ?? link.index, options).catch(() => []);
}
