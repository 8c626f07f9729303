/** The devices as a tree: namespace > bridge or lower device > device > holder. */
import type { Device, Inventory } from '../machine/inventory.js';
import type { Namespace } from '../machine/namespaces.js';
import { printable } from '../terminal/text.js';
import {
  detailsOf,
  findingLines,
  hiddenNote,
  holderText,
  type Look,
  problemLines,
  stateOf,
} from './table.js';

/** One line, what is said of it, and what hangs on it. */
interface Branch {
  text: string;
  /** Lines beneath the text, on its own trunk. */
  notes?: readonly string[];
  branches: readonly Branch[];
}

export function deviceTree({ namespaces, devices, hidden }: Inventory, look: Look): string[] {
  const lines = namespaces.flatMap((namespace) => {
    const here = devices.filter((device) => device.namespace === namespace);
    if (namespace.problem !== undefined) return problemLines(namespace, look);
    if (here.length === 0 && !namespace.own) return [];
    return [look.style.bold(printable(namespace.label)), ...draw(branchesOf(namespace, here, look), '')];
  });
  const note = hiddenNote(hidden, devices);
  return note === undefined ? lines : [...lines, look.style.dim(note)];
}

function draw(branches: readonly Branch[], trunk: string): string[] {
  return branches.flatMap(({ text, notes = [], branches: inner }, i) => {
    const isLast = i === branches.length - 1;
    const next = `${trunk}${isLast ? '   ' : '│  '}`;
    return [
      `${trunk}${isLast ? '└─ ' : '├─ '}${text}`,
      ...notes.map((note) => `${next}${inner.length > 0 ? '│  ' : '   '}${note}`),
      ...draw(inner, next),
    ];
  });
}

function branchesOf({ links }: Namespace, devices: readonly Device[], look: Look): Branch[] {
  const { style } = look;
  const grouped = new Map<number | undefined, Device[]>();
  for (const device of devices) {
    const parent = device.master?.index ?? device.lower?.index;
    grouped.set(parent, [...(grouped.get(parent) ?? []), device]);
  }
  const parents = links.flatMap((link): Branch[] => {
    const below = grouped.get(link.index);
    if (below === undefined) return [];
    const state = link.up ? '' : ` ${style.red('down')}`;
    const text = `${style.bold(printable(link.name))} ${style.dim(link.kind ?? 'device')}${state}`;
    return [{ text, branches: below.map((device) => branchOf(device, look)) }];
  });
  const alone = (grouped.get(undefined) ?? []).map((device) => branchOf(device, look));
  const all = [...parents, ...alone];
  return all.length > 0 ? all : [{ text: style.dim('no TUN, TAP or macvtap'), branches: [] }];
}

function branchOf(device: Device, look: Look): Branch {
  const { style } = look;
  const { kind, link, holders, perhaps } = device;
  const facts = [kind, stateOf(device, style), link.mac, `mtu ${link.mtu}`].filter(
    (fact) => fact !== undefined,
  );
  const details = detailsOf(device);
  return {
    text: `${style.cyan(printable(link.name))} ${facts.join(' · ')}`,
    notes: [
      ...(details.length > 0 ? [style.dim(details.join(' · '))] : []),
      ...findingLines(device, '', { ...look, width: look.width - 9 }),
    ],
    branches: [
      ...holders.map((holder) => ({ text: holderText(holder), branches: [] })),
      ...perhaps.map((holder) => ({
        text: `${holderText(holder)} ${style.dim('or it holds a device of this name elsewhere')}`,
        branches: [],
      })),
    ],
  };
}
