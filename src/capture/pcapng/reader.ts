/** Reads pcapng files, and classic pcap files. */
import { checkSignal } from '../../base/abort.js';
import { checkInteger, checkObject, checkOptionNames, checkPath } from '../../base/checks.js';
import { invalidArgument, invalidState } from '../../base/errors.js';
import { ByteSource, type CaptureSource } from './byte-source.js';
import { pcapByteOrder, pcapFrames } from './classic.js';
import { formatError } from './fields.js';
import { BLOCK } from './format.js';
import { pcapngFrames } from './frames.js';
import type { CapturedFrame, CapturedSection } from './records.js';

/** As Wireshark (`wiretap/pcapng.c` MAX_BLOCK_SIZE). */
const DEFAULT_MAX_BLOCK_BYTES = 16 * 1024 * 1024;
const MIN_MAX_BLOCK_BYTES = 4096;
const MAX_MAX_BLOCK_BYTES = 1024 * 1024 * 1024;

/** Options of {@link PcapngReader}. */
export interface PcapngReaderOptions {
  /**
   * Bytes of the longest block that is read, and of all interfaces of a section together: about this much memory a file can
   * make the reader hold. Blocks of unknown types may be longer. Default 16 MiB.
   */
  maxBlockBytes?: number | undefined;
  /** Ends the reading, which throws the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * Reads the frames of a pcapng file, of one or several sections in either byte order, or of a classic pcap file, one by one and
 * while it is still being written, as from a pipe. Blocks of unknown types are skipped. What is wrong with a file is an error
 * that says at which byte; all frames before have been read then.
 *
 * A file can be hostile: lengths are checked before they are believed, and memory is bounded by `maxBlockBytes`.
 *
 * @example
 * ```ts
 * import { PcapngReader } from 'tapfd/capture';
 *
 * const reader = new PcapngReader('trace.pcapng');
 * for await (const { timestamp, interface: { name }, direction, bytes } of reader) {
 *   console.log(timestamp, name, direction, bytes.length);
 * }
 * ```
 *
 * The loop throws TapfdError `ERR_TAPFD_CAPTURE_FORMAT` (with `offset`) for what is no such file, is damaged, or ends in
 * the middle; `ERR_TAPFD_CLOSED` after `close()`; the source's own error (`ENOENT`, …); the reason of `signal`. Needs no
 * privilege.
 */
export class PcapngReader implements AsyncIterable<CapturedFrame> {
  readonly #source: ByteSource;
  readonly #maxBlockBytes: number;
  #section: CapturedSection | undefined;
  #isRead = false;

  /**
   * A reader of one file or stream. It is read once.
   *
   * @param source - A path, a Readable, or whatever gives Buffers in `for await`. A compressed file goes through `node:zlib`.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
   */
  constructor(source: CaptureSource, options: PcapngReaderOptions = {}) {
    checkOptionNames('PcapngReader', checkObject('options', options), ['maxBlockBytes', 'signal']);
    const { maxBlockBytes = DEFAULT_MAX_BLOCK_BYTES } = options;
    this.#maxBlockBytes = checkInteger(
      'maxBlockBytes',
      maxBlockBytes,
      MIN_MAX_BLOCK_BYTES,
      MAX_MAX_BLOCK_BYTES,
    );
    this.#source = new ByteSource(checkSource(source), checkSignal(options.signal));
  }

  /** The section that is being read, with its interfaces so far. Undefined before the first. */
  get section(): CapturedSection | undefined {
    return this.#section;
  }

  /**
   * The frames. Leaving the loop closes the source.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_STATE` for a second loop.
   */
  [Symbol.asyncIterator](): AsyncGenerator<CapturedFrame, void, undefined> {
    if (this.#isRead) throw invalidState('this PcapngReader is being read, or was: make another');
    this.#isRead = true;
    return this.#frames();
  }

  /** Closes the source. A loop that waits throws `ERR_TAPFD_CLOSED`. */
  async close(): Promise<void> {
    this.#source.close();
  }

  /** As {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *#frames(): AsyncGenerator<CapturedFrame, void, undefined> {
    const source = this.#source;
    const limits = {
      maxBlockBytes: this.#maxBlockBytes,
      section: (section: CapturedSection) => {
        this.#section = section;
      },
    };
    try {
      if (!(await source.ensure(4)))
        throw formatError('the file ends before it says what it is', source.buffered);
      const magic = source.peek(4);
      const order = pcapByteOrder(magic);
      if (order !== undefined) yield* pcapFrames(source, order, limits);
      else if (magic.readUInt32LE(0) === BLOCK.section) yield* pcapngFrames(source, limits);
      else throw formatError('the file is neither pcapng nor pcap', 0);
    } finally {
      source.close();
    }
  }
}

function checkSource(value: unknown): CaptureSource {
  if (typeof value === 'string') return checkPath('source', value);
  if (isAsyncIterable(value)) return value;
  throw invalidArgument('source', 'a path, a Readable or an AsyncIterable of Buffers', value);
}

function isAsyncIterable(value: unknown): value is AsyncIterable<Uint8Array> {
  try {
    return typeof (value as AsyncIterable<Uint8Array>)[Symbol.asyncIterator] === 'function';
  } catch {
    return false;
  }
}
