/** The devices as a table, with what is wrong beneath it. */
import type { Device, Inventory } from '../machine/inventory.js';
import type { Namespace } from '../machine/namespaces.js';
import type { Holder } from '../machine/processes.js';
import type { Style } from '../terminal/style.js';
import { columns, cut, printable, widthOf, wrap } from '../terminal/text.js';
import { flagsOf, queuesOf } from './json.js';

/** For whom the text is. */
export interface Look {
  style: Style;
  width: number;
}

export function deviceTable({ namespaces, devices, hidden }: Inventory, look: Look): string[] {
  const lines: string[] = [];
  for (const namespace of namespaces) {
    const here = devices.filter((device) => device.namespace === namespace);
    if (namespace.problem !== undefined) lines.push(...problemLines(namespace, look), '');
    if (here.length === 0) continue;
    if (namespaces.length > 1) lines.push(look.style.bold(printable(namespace.label)));
    lines.push(...tableOf(here, look), '');
  }
  if (lines.length === 0) lines.push('There is no TUN, TAP or macvtap here.', '');
  const note = hiddenNote(hidden, devices);
  if (note !== undefined) lines.push(look.style.dim(note), '');
  return lines.slice(0, -1);
}

export function problemLines({ label, problem }: Namespace, { style, width }: Look): string[] {
  return wrap(`${style.yellow('!')} ${printable(label)}: its links cannot be read: ${problem}`, width, '  ');
}

/** Who may hold a device for which no holder is known. */
export function hiddenNote(hidden: number, devices: readonly Device[]): string | undefined {
  const isOpen = devices.some(({ holders }) => holders.length === 0);
  return hidden > 0 && isOpen
    ? `${hidden} processes of others were not looked into; root sees their devices, too.`
    : undefined;
}

const HELD_BY = 'HELD BY';

/** Of holders, less says nothing. */
const MIN_ROOM = 12;

function tableOf(devices: readonly Device[], look: Look): string[] {
  const { style } = look;
  const head = ['NAME', 'KIND', 'INDEX', 'MAC', 'MTU', 'STATE', 'ON'].map(style.bold);
  const [headLine = '', ...rows] = columns(
    [head, ...devices.map((device) => rowOf(device, style))],
    [2, 4],
    true,
  );
  const room = look.width - widthOf(headLine) - 2;
  const lines = [`${headLine}  ${style.bold(room < HELD_BY.length ? '…' : HELD_BY)}`];
  for (const [i, device] of devices.entries()) {
    const held = holdersText(device, Math.max(room, MIN_ROOM));
    const fits = room >= MIN_ROOM || held.length <= room;
    lines.push(`${rows[i]}  ${fits ? held : '…'}`);
    const details = [...detailsOf(device), ...(fits ? [] : [`held by ${holdersText(device, look.width)}`])];
    if (details.length > 0) lines.push(style.dim(`  ${details.join(' · ')}`));
    lines.push(...findingLines(device, '  ', look));
  }
  return lines;
}

function rowOf(device: Device, style: Style): string[] {
  const { kind, link } = device;
  return [
    style.cyan(printable(link.name)),
    kind,
    String(link.index),
    link.mac ?? '-',
    String(link.mtu),
    stateOf(device, style),
    placeOf(device),
  ];
}

export function stateOf({ link }: Device, style: Style): string {
  if (!link.up) return style.red('down');
  return link.carrier ? style.green('up') : style.yellow('no carrier');
}

/** The bridge or lower device. */
export function placeOf({ kind, link, master, lower }: Device): string {
  const lowerText = kind !== 'macvtap' ? undefined : lower ? printable(lower.name) : 'elsewhere';
  return master
    ? printable(master.name)
    : (lowerText ?? (link.master === undefined ? '-' : `#${link.master}`));
}

/** Of several holders the most telling, and how many more: a guest, or what tapfd has started. */
function holdersText({ holders, perhaps }: Device, room: number): string {
  const telling = holders.toSorted((a, b) => rank(a) - rank(b)).map(holderText);
  const [first, ...others] = [...telling, ...perhaps.map((holder) => `${holderText(holder)}?`)];
  if (first === undefined) return '-';
  const all = [first, ...others].join(', ');
  const more = others.length === 0 ? '' : ` +${others.length}`;
  return all.length <= room ? all : `${cut(first, room - more.length)}${more}`;
}

function rank({ guest, command }: Holder): number {
  if (guest !== undefined) return 0;
  if (command.startsWith('qemu-')) return 1;
  return command === 'tapfd' ? 3 : 2;
}

/** `qemu-system-x86 (1234)`; of a guest `web: qemu-system-x86 (1234)`. */
export function holderText({ command, pid, guest }: Holder): string {
  const text = `${printable(command)} (${pid})`;
  return guest === undefined ? text : `${printable(guest)}: ${text}`;
}

export function detailsOf({ link, node }: Device): string[] {
  const queues = queuesOf(link);
  return [
    ...(link.mode === undefined ? [] : [`mode ${link.mode}`]),
    ...(queues === null ? [] : [`${queues} ${queues === 1 ? 'queue' : 'queues'}`]),
    ...flagsOf(link),
    ...(node === undefined ? [] : [`node ${node.path} ${node.state}`]),
  ];
}

/** Each finding in a sentence, and its remedy. */
export function findingLines({ findings }: Device, indent: string, { style, width }: Look): string[] {
  return findings.flatMap(({ severity, message, remedy }) => {
    const mark = severity === 'error' ? style.red('✗') : style.yellow('!');
    const room = width - indent.length;
    return [
      ...wrap(`${mark} ${printable(message)}`, room, '  '),
      ...wrap(`  → ${printable(remedy)}`, room, '    ').map((line) => style.dim(line)),
    ].map((line) => `${indent}${line}`);
  });
}
