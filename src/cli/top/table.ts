/** The rates as lines of text, and as JSON. */
import { jsonOf } from '../terminal/output.js';
import type { Style } from '../terminal/style.js';
import { columns, cut, printable, widthOf } from '../terminal/text.js';
import type { DeviceRates, Rate } from './rates.js';

/** A name is cut to no less. */
const MIN_NAME = 8;

/** The lines of a table that fits into `width`: names are cut for it, as long as that helps. */
export function ratesTable(devices: readonly DeviceRates[], style: Style, width: number): string[] {
  if (devices.length === 0) return ['There is no TUN, TAP or macvtap here.'];
  const head = ['NAME', 'KIND', 'TO PROGRAM/s', 'FROM PROGRAM/s', 'DROPS/s', 'QUEUE'].map(style.bold);
  const names = devices.map(nameOf);
  const table = (room: number) =>
    columns(
      [head, ...devices.map((rates, i) => [style.cyan(cutName(names[i], room)), ...rowOf(rates, style)])],
      [2, 3, 4, 5],
    );
  const widest = Math.max(0, ...names.map(({ label, name }) => widthOf(label + name)));
  const surplus = Math.max(...table(widest).map(widthOf)) - width;
  return surplus <= 0 ? table(widest) : table(Math.max(MIN_NAME, widest - surplus));
}

/** `box:` of another namespace, and the name of the link. */
function nameOf({ device: { name, namespace } }: DeviceRates): { label: string; name: string } {
  return { label: namespace.own ? '' : `${printable(namespace.label)}:`, name: printable(name) };
}

/** Of what tells less, the namespace, as much as there is room for. */
function cutName(
  { label, name }: { label: string; name: string } = { label: '', name: '' },
  room: number,
): string {
  const rest = room - widthOf(name);
  if (widthOf(label) <= rest) return `${label}${name}`;
  return rest < 3 ? cut(name, room) : `${cut(label, rest - 1)}:${name}`;
}

function rowOf({ device, toProgram, fromProgram, drops, queued }: DeviceRates, style: Style): string[] {
  return [
    device.kind,
    rateText(toProgram),
    rateText(fromProgram),
    drops > 0 ? style.red(short(drops)) : short(drops),
    queued === undefined ? '-' : queueText(queued, device.queueLength, style),
  ];
}

/** Frames, and bits in a column of their own: `147 Mbit`. */
function rateText({ frames, bits }: Rate): string {
  return `${short(frames)} ${`${short(bits)}bit`.padStart(9)}`;
}

function queueText(queued: number, length: number, { red, yellow }: Style): string {
  const text = `${queued}/${length}`;
  if (queued >= length * 0.9) return red(text);
  return queued >= length / 2 ? yellow(text) : text;
}

const UNITS = ['', 'k', 'M', 'G', 'T'] as const;

/** Three digits and a unit: `0`, `3.2`, `12.3 k`. */
export function short(value: number): string {
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < UNITS.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  const digits = scaled === 0 || scaled >= 99.95 || (unit === 0 && Number.isInteger(scaled)) ? 0 : 1;
  return `${scaled.toFixed(digits)} ${UNITS[unit]}`;
}

/** One line of JSON. Members may be added; those that are there keep their meaning. */
export function ratesAsJson(time: Date, seconds: number, devices: readonly DeviceRates[]): string {
  return jsonOf({
    version: 1,
    time: time.toISOString(),
    seconds,
    devices: devices.map(({ device, toProgram, fromProgram, drops, queued }) => ({
      namespace: device.namespace.label,
      name: device.name,
      kind: device.kind,
      toProgram: { framesPerSecond: toProgram.frames, bitsPerSecond: toProgram.bits, ...device.toProgram },
      fromProgram: {
        framesPerSecond: fromProgram.frames,
        bitsPerSecond: fromProgram.bits,
        ...device.fromProgram,
      },
      dropsPerSecond: drops,
      drops: device.drops,
      queue: queued === undefined ? null : { frames: queued, length: device.queueLength },
    })),
  });
}
