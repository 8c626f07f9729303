/**
 * QMP's messages (QEMU `docs/interop/qmp-spec`): one JSON object on each line, from bytes that arrive in any pieces.
 */
import { TapfdError } from '../../base/errors.js';

/** QEMU's version. */
export interface QmpVersion {
  /** 7 of 7.2.22. */
  readonly major: number;
  /** 2 of 7.2.22. */
  readonly minor: number;
  /** 22 of 7.2.22. */
  readonly micro: number;
}

/** What QEMU says first. */
export interface QmpGreeting {
  /** Its version. */
  readonly version: QmpVersion;
  /** The builder's own version string: `Debian 1:7.2+dfsg-7`. */
  readonly package: string;
  /** What the connection can do beyond the basics: `oob`. */
  readonly capabilities: readonly string[];
}

/** When something happened, by the host's clock; -1 if QEMU could not read it. */
export interface QmpTimestamp {
  /** Since 1970. */
  readonly seconds: number;
  /** 0 to 999999. */
  readonly microseconds: number;
}

/** Something that happened in QEMU (`QAPI Events` in its QMP reference). */
export interface QmpEvent {
  /** `DEVICE_DELETED`, `SHUTDOWN`, … */
  readonly event: string;
  /** What QEMU says about it; empty if the event has no data. */
  readonly data: Readonly<Record<string, unknown>>;
  /** When. */
  readonly timestamp: QmpTimestamp;
}

/** One line from QEMU. */
export type QmpMessage =
  | { readonly type: 'greeting'; readonly greeting: QmpGreeting }
  | { readonly type: 'event'; readonly event: QmpEvent }
  | { readonly type: 'return'; readonly id: unknown; readonly value: unknown }
  | { readonly type: 'error'; readonly id: unknown; readonly qmpClass: string; readonly text: string };

/**
 * More than any answer of QEMU needs (the schema of all its commands has 0.3 MB): a longer line is not QMP. It bounds how
 * long reading one line can hold up the event loop, too.
 */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
/** As deep as QEMU itself reads (`qobject/json-streamer.c` MAX_NESTING): programs may walk an answer by recursion. */
const MAX_NESTING = 1024;

const LINE_FEED = 10;

const NOTHING = Buffer.alloc(0);

/** Cuts a stream of bytes into lines. */
export class LineSplitter {
  /** The line that has begun, joined: a Buffer for each of its pieces, which may be bytes, would take far more than it. */
  #memory = NOTHING;
  #bytes = 0;

  /**
   * The lines that end in `data`, in order.
   *
   * @throws TapfdError `ERR_TAPFD_QMP_PROTOCOL` when a line exceeds the limit.
   */
  *split(data: Uint8Array): Generator<string, void, undefined> {
    let start = 0;
    for (let end = data.indexOf(LINE_FEED); end !== -1; end = data.indexOf(LINE_FEED, start)) {
      this.#keep(data.subarray(start, end));
      start = end + 1;
      const line = this.#memory.toString('utf8', 0, this.#bytes);
      this.#memory = NOTHING;
      this.#bytes = 0;
      yield line;
    }
    this.#keep(data.subarray(start));
  }

  #keep(piece: Uint8Array): void {
    const bytes = this.#bytes + piece.length;
    if (bytes > MAX_LINE_BYTES) throw notQmp(`a line of more than ${MAX_LINE_BYTES} bytes`);
    if (bytes > this.#memory.length) this.#grow(bytes);
    this.#memory.set(piece, this.#bytes);
    this.#bytes = bytes;
  }

  /** At least twice as much as before, so that a line in small pieces is not copied for each of them. */
  #grow(bytes: number): void {
    const memory = Buffer.allocUnsafe(Math.max(bytes, 2 * this.#memory.length));
    memory.set(this.#memory.subarray(0, this.#bytes));
    this.#memory = memory;
  }
}

/**
 * Reads one line.
 *
 * @throws TapfdError `ERR_TAPFD_QMP_PROTOCOL` for anything that QEMU would not send.
 */
export function parseQmpMessage(line: string): QmpMessage {
  if (line.length > MAX_NESTING && nestingOf(line) > MAX_NESTING) throw notQmp(line);
  const message = parseObject(line);
  if ('QMP' in message) return { type: 'greeting', greeting: greetingFrom(message.QMP, line) };
  if ('event' in message) return { type: 'event', event: eventFrom(message, line) };
  const { id } = message;
  if ('return' in message) return { type: 'return', id, value: message.return };
  const { error } = message;
  if (isObject(error) && typeof error.class === 'string' && typeof error.desc === 'string') {
    return { type: 'error', id, qmpClass: error.class, text: error.desc };
  }
  throw notQmp(line);
}

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const isInteger = (value: unknown): value is number => Number.isSafeInteger(value);
const isText = (value: unknown): value is string => typeof value === 'string';

function parseObject(line: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw notQmp(line, cause);
  }
  if (!isObject(value)) throw notQmp(line);
  return value;
}

/** How deep the arrays and objects of a line are nested. */
function nestingOf(line: string): number {
  let deepest = 0;
  let depth = 0;
  let inText = false;
  for (let at = 0; at < line.length; at += 1) {
    switch (line[at]) {
      case '"':
        inText = !inText;
        break;
      case '\\':
        at += 1;
        break;
      case '[':
      case '{':
        if (!inText) depth += 1;
        deepest = Math.max(deepest, depth);
        break;
      case ']':
      case '}':
        if (!inText) depth -= 1;
    }
  }
  return deepest;
}

function greetingFrom(greeting: unknown, line: string): QmpGreeting {
  if (!isObject(greeting) || !isObject(greeting.version) || !isObject(greeting.version.qemu)) {
    throw notQmp(line);
  }
  const { major, minor, micro } = greeting.version.qemu;
  const { package: builder = '' } = greeting.version;
  const capabilities: unknown = greeting.capabilities ?? [];
  if (!isInteger(major) || !isInteger(minor) || !isInteger(micro)) throw notQmp(line);
  if (typeof builder !== 'string' || !Array.isArray(capabilities) || !capabilities.every(isText)) {
    throw notQmp(line);
  }
  return { version: { major, minor, micro }, package: builder, capabilities };
}

function eventFrom(message: JsonObject, line: string): QmpEvent {
  const { event, data = {}, timestamp } = message;
  if (typeof event !== 'string' || !isObject(data) || !isObject(timestamp)) throw notQmp(line);
  const { seconds, microseconds } = timestamp;
  if (!isInteger(seconds) || !isInteger(microseconds)) throw notQmp(line);
  return { event, data, timestamp: { seconds, microseconds } };
}

/** The error when QEMU could not read a command, for the reason `text`. */
export function unreadCommand(text: string): TapfdError {
  return new TapfdError('ERR_TAPFD_QMP_PROTOCOL', `QEMU could not read a command: ${text}`, { detail: text });
}

/** The error when the other end sends something that is not QMP. */
export function notQmp(said: string, cause?: unknown): TapfdError {
  const shown = JSON.stringify(said.length > 80 ? `${said.slice(0, 80)}…` : said);
  return new TapfdError(
    'ERR_TAPFD_QMP_PROTOCOL',
    `the other end does not speak QMP: ${shown}. Connect to a monitor in mode "control" (-qmp, or -mon mode=control)`,
    { cause },
  );
}
