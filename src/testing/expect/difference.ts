/** Differences between frames, as text that can be read. */
import { checkBytes, checkObject, checkOneOf, checkOptionNames } from '../../base/checks.js';
import {
  decodeFrame,
  decodePacket,
  differences,
  type FieldValue,
  fieldsOf,
  type Packet,
  type PacketPattern,
} from '../../packets/index.js';
import type { SeenFrame } from './match.js';

const BYTES_A_LINE = 16;
/** Longer frames are cut in the text: what differs is most often in front. */
const MAX_HEX_LINES = 24;
const MAX_VALUE_CHARACTERS = 40;

/** One line of the table. */
interface FieldRow {
  path: string;
  expected: string;
  actual: string;
  differs: boolean;
}

/** Options of {@link frameDifference}. */
export interface FrameDifferenceOptions {
  /** What the frames begin with: an Ethernet header, or an IP header. Default `'ethernet'`. */
  linkType?: 'ethernet' | 'raw' | undefined;
}

/**
 * The difference between two frames as text: the decoded fields side by side, and beside them the bytes, with marks at what
 * differs. For assertions of a test's own, in place of lists of numbers.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { frameDifference } from 'tapfd/testing';
 *
 * export function assertSameFrame(actual: Buffer, expected: Buffer): void {
 *   assert.equal(frameDifference(actual, expected), '');
 * }
 * ```
 *
 * @returns An empty text if they are equal.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
 */
export function frameDifference(
  actual: Uint8Array,
  expected: Uint8Array,
  options: FrameDifferenceOptions = {},
): string {
  checkOptionNames('frameDifference', checkObject('options', options), ['linkType']);
  const linkType = checkOneOf('linkType', options.linkType ?? 'ethernet', ['ethernet', 'raw']);
  const decode = linkType === 'raw' ? decodePacket : decodeFrame;
  const bytes = checkBytes('actual', actual);
  const wanted = checkBytes('expected', expected);
  if (bytes.equals(wanted)) return '';
  const seen = { frame: bytes, packet: decode(bytes) };
  return compareBytes(seen, { frame: wanted, packet: decode(wanted) }).join('\n');
}

/** The lines for a frame in place of which another was expected, byte by byte. */
export function compareBytes(actual: SeenFrame, expected: SeenFrame): string[] {
  const left = tableOf(rowsOfFrames(actual.packet, expected.packet));
  return [
    ...beside(left, ['actual bytes', ...hexLines(actual.frame, expected.frame)]),
    '',
    'expected bytes',
    ...hexLines(expected.frame, actual.frame),
  ];
}

/** The lines for a frame in place of which one with these fields was expected. */
export function comparePattern(actual: Packet, pattern: PacketPattern): string[] {
  const wrong = differences(actual, pattern);
  const rows = wrong.map(({ path, expected, actual }) => row(path, expected, actual, true));
  const differing = new Set(wrong.map(({ path }) => path));
  for (const [path, value] of fieldsOf(actual)) {
    if (!differing.has(path)) rows.push({ ...row(path, '', value, false), expected: '' });
  }
  return beside(tableOf(rows), ['bytes', ...hexLines(actual.bytes)]);
}

function rowsOfFrames(actual: Packet, expected: Packet): FieldRow[] {
  const [had, wanted] = [new Map(fieldsOf(actual)), new Map(fieldsOf(expected))];
  const paths = new Set([...wanted.keys(), ...had.keys()]);
  return Array.from(paths, (path) => {
    const [a, b] = [had.get(path), wanted.get(path)];
    return row(path, b, a, !isSame(a, b));
  });
}

function isSame(a: FieldValue | undefined, b: FieldValue | undefined): boolean {
  return Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : a === b;
}

function row(path: string, expected: unknown, actual: unknown, differs: boolean): FieldRow {
  return { path, expected: textOf(expected), actual: textOf(actual), differs };
}

/** A value of a field or a pattern. */
export function textOf(value: unknown): string {
  if (value === undefined) return '-';
  if (value === null) return 'absent';
  if (typeof value === 'function') return `function ${value.name}`.trim();
  if (value instanceof Uint8Array) return cut(Buffer.from(value).toString('hex') || 'empty');
  if (Array.isArray(value)) return cut(`[${value.map(textOf).join(', ')}]`);
  if (typeof value === 'object' && !(value instanceof RegExp)) {
    const parts = Object.entries(value).map(([name, part]) => `${name}: ${textOf(part)}`);
    return cut(`{ ${parts.join(', ')} }`);
  }
  return cut(String(value));
}

function cut(text: string): string {
  return text.length <= MAX_VALUE_CHARACTERS ? text : `${text.slice(0, MAX_VALUE_CHARACTERS - 1)}…`;
}

function tableOf(rows: readonly FieldRow[]): string[] {
  const head = { path: 'field', expected: 'expected', actual: 'actual', differs: false };
  const width = (name: 'path' | 'expected' | 'actual') =>
    Math.max(...[head, ...rows].map((one) => one[name].length));
  const [path, expected] = [width('path'), width('expected')];
  const lines = [head, ...rows].map(
    (one) =>
      `${one.differs ? '>' : ' '} ${one.path.padEnd(path)}  ${one.expected.padEnd(expected)}  ${one.actual}`,
  );
  return lines.map((line) => line.trimEnd());
}

/** Bytes that differ from those of `other` have a mark behind them. */
function hexLines(bytes: Buffer, other?: Buffer): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length && lines.length < MAX_HEX_LINES; at += BYTES_A_LINE) {
    const part = [...bytes.subarray(at, at + BYTES_A_LINE)];
    const cells = part.map((byte, place) => {
      const marked = other !== undefined && other[at + place] !== byte;
      return `${byte.toString(16).padStart(2, '0')}${marked ? '*' : ' '}`;
    });
    lines.push(`${at.toString(16).padStart(4, '0')}  ${cells.join('')}`.trimEnd());
  }
  const shown = lines.length * BYTES_A_LINE;
  if (bytes.length > shown) lines.push(`… ${bytes.length - shown} more bytes`);
  return lines;
}

function beside(left: readonly string[], right: readonly string[]): string[] {
  const width = Math.max(...left.map((line) => line.length));
  return Array.from({ length: Math.max(left.length, right.length) }, (_, at) =>
    `${(left[at] ?? '').padEnd(width)}   ${right[at] ?? ''}`.trimEnd(),
  );
}
