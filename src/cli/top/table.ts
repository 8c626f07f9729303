/** The rates as lines of text, and as JSON. */
import type { Style } from '../terminal/style.js';
import { columns, cut, printable } from '../terminal/text.js';
import type { DeviceRates } from './rates.js';

const MAX_NAME = 22;

export function ratesTable(devices: readonly DeviceRates[], style: Style): string[] {
  if (devices.length === 0) return ['There is no TUN, TAP or macvtap here.'];
  const head = ['NAME', 'KIND', 'TO PROGRAM/s', '', 'FROM PROGRAM/s', '', 'DROPS/s', 'QUEUE'].map(style.bold);
  const rows = devices.map((rates) => rowOf(rates, style));
  return columns([head, ...rows], [2, 3, 4, 5, 6, 7]);
}

function rowOf({ device, toProgram, fromProgram, drops, queued }: DeviceRates, style: Style): string[] {
  const { name, namespace, kind, queueLength } = device;
  const full = namespace.own ? name : `${namespace.label}:${name}`;
  return [
    style.cyan(cut(printable(full), MAX_NAME)),
    kind,
    short(toProgram.frames),
    `${short(toProgram.bits)}bit`,
    short(fromProgram.frames),
    `${short(fromProgram.bits)}bit`,
    drops > 0 ? style.red(short(drops)) : short(drops),
    queued === undefined ? '-' : queueText(queued, queueLength, style),
  ];
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
  return JSON.stringify({
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
