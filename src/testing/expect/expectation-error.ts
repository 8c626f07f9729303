/** What a test hears when a frame that it expects does not come, or one comes that it does not expect. */
import { TapfdError } from '../../base/errors.js';
import { summarize } from '../../packets/index.js';
import { compareBytes, comparePattern, textOf } from './difference.js';
import type { Matcher, SeenFrame } from './match.js';

/** How many of the frames that were seen are listed. */
const MAX_LISTED = 12;

/** What was seen while a frame was expected. */
export interface Sightings {
  /** The frames, in the order in which they came. */
  frames: readonly SeenFrame[];
  /** How many more were noise. */
  noise: number;
  /** How many more came before those, of which only the number is known. */
  forgotten: number;
}

/**
 * The frame that a test expects did not come, or one came that it does not expect. The message says what was seen: the
 * closest frame, field by field, and its bytes.
 *
 * `code` is `ERR_TAPFD_FRAME_EXPECTED` or `ERR_TAPFD_FRAME_UNEXPECTED`.
 */
export class FrameExpectationError extends TapfdError {
  /** The frames that were seen, without noise. */
  readonly seen: readonly Buffer[];
  /** The file with the traffic, if the network was to save it. */
  savedTo: string | undefined;

  /** @internal */
  constructor(code: string, message: string, seen: readonly SeenFrame[]) {
    super(code, message, { recoverable: true });
    this.name = 'FrameExpectationError';
    this.seen = seen.map(({ frame }) => frame);
  }

  /** @internal Notes where the traffic was saved. */
  noteSaved(path: string): void {
    this.savedTo = path;
    this.#add(`the traffic was saved: ${path}`);
  }

  /** @internal Notes why it was not. */
  noteUnsaved(failure: unknown): void {
    this.#add(`the traffic was not saved: ${failure}`);
  }

  #add(line: string): void {
    this.message += `\n\n${line}`;
    // Runners print the stack, which has the message of before.
    this.stack = `${this.name}: ${this.message}\n${`${this.stack}`.split('\n').filter(isFrameOfStack).join('\n')}`;
  }
}

function isFrameOfStack(line: string): boolean {
  return /^\s+at /.test(line);
}

/** None came. */
export function missing(
  operation: string,
  name: string,
  matcher: Matcher,
  reason: string,
  seen: Sightings,
): FrameExpectationError {
  const lines = [
    `${operation}: no frame on ${name} is as expected ${reason}`,
    `expected: ${expectedText(matcher)}`,
  ];
  lines.push(...countLines(seen), ...closestLines(matcher, seen.frames));
  return new FrameExpectationError('ERR_TAPFD_FRAME_EXPECTED', lines.join('\n'), seen.frames);
}

/** One came that should not. */
export function unexpected(name: string, matcher: Matcher, found: SeenFrame): FrameExpectationError {
  const lines = [
    `none: a frame on ${name} is as it must not be: ${summarize(found.packet)}`,
    `must not come: ${expectedText(matcher)}`,
    ...detailsOf(matcher, found),
  ];
  return new FrameExpectationError('ERR_TAPFD_FRAME_UNEXPECTED', lines.join('\n'), [found]);
}

/** There was no room to keep some, of which one may be what should not come. */
export function unknown(
  name: string,
  matcher: Matcher,
  lost: number,
  maxBytes: number,
): FrameExpectationError {
  const lines = [
    `none: ${lost} ${lost === 1 ? 'frame' : 'frames'} on ${name} found no room (maxBytes: ${maxBytes}), so nobody knows`,
    `must not come: ${expectedText(matcher)}`,
    'raise maxBytes, or begin the capture later',
  ];
  return new FrameExpectationError('ERR_TAPFD_FRAME_UNEXPECTED', lines.join('\n'), []);
}

function expectedText({ match, expected }: Matcher): string {
  if (typeof match === 'function') return textOf(match);
  if (expected !== undefined) return `${expected.frame.length} bytes: ${summarize(expected.packet)}`;
  return fullText(match);
}

/** Not cut: it is what the test says. */
function fullText(value: unknown): string {
  if (typeof value !== 'object' || value === null || value instanceof RegExp || ArrayBuffer.isView(value)) {
    return typeof value === 'string' ? JSON.stringify(value) : textOf(value);
  }
  if (Array.isArray(value)) return `[${value.map(fullText).join(', ')}]`;
  const parts = Object.entries(value).map(([name, part]) => `${name}: ${fullText(part)}`);
  return parts.length === 0 ? '{}' : `{ ${parts.join(', ')} }`;
}

function countLines({ frames, noise, forgotten }: Sightings): string[] {
  const all = frames.length + forgotten;
  const noiseText =
    noise > 0 ? `; ${noise} more of neighbour discovery and MLD are left out (noise: true)` : '';
  if (all === 0) return [`seen: nothing${noiseText}`];
  const lines = [`seen: ${all} ${all === 1 ? 'frame' : 'frames'}${noiseText}`];
  const listed = frames.slice(-MAX_LISTED);
  if (all > listed.length) lines.push(`  … ${all - listed.length} before`);
  const first = frames.length - listed.length;
  for (const [place, { packet }] of listed.entries()) {
    lines.push(`  ${forgotten + first + place + 1}. ${summarize(packet)}`);
  }
  return lines;
}

/** Of those that are equally close, the last. */
function closestLines(matcher: Matcher, frames: readonly SeenFrame[]): string[] {
  let closest: { seen: SeenFrame; distance: number } | undefined;
  for (const seen of frames) {
    const distance = matcher.distance(seen);
    if (distance === undefined) return [];
    if (closest === undefined || distance <= closest.distance) closest = { seen, distance };
  }
  if (closest === undefined) return [];
  const title = `closest: ${summarize(closest.seen.packet)}`;
  return ['', title, ...detailsOf(matcher, closest.seen)];
}

function detailsOf({ pattern, expected }: Matcher, seen: SeenFrame): string[] {
  return expected === undefined ? comparePattern(seen.packet, pattern) : compareBytes(seen, expected);
}
