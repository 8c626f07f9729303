/** Captures in memory and in files, and tshark as a witness of them that shares no code with the library. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { Test } from 'tap';
import { type CapturedFrame, type CapturedSection, PcapngReader } from 'tapfd/capture';
import { run } from './namespace.js';

/** Keeps what is written to it. */
export class Collected extends Writable {
  readonly chunks: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.chunks.push(chunk);
    done();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

/** Takes nothing until it is told to. */
export class Stalled extends Collected {
  #waiting: (() => void) | undefined;
  #flows = false;

  constructor() {
    super({ highWaterMark: 1 });
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: () => void): void {
    if (this.#flows) super._write(chunk, encoding, done);
    else this.#waiting = () => super._write(chunk, encoding, done);
  }

  /** From now on it takes all. */
  flow(): void {
    this.#flows = true;
    this.#waiting?.();
    this.#waiting = undefined;
  }
}

export interface ReadBack {
  frames: CapturedFrame[];
  section: CapturedSection;
}

/** A whole capture, by our own reader. */
export async function readBack(source: string | Buffer): Promise<ReadBack> {
  const reader = new PcapngReader(typeof source === 'string' ? source : only(source));
  const frames: CapturedFrame[] = [];
  for await (const frame of reader) frames.push(frame);
  if (reader.section === undefined) throw new Error('no section');
  return { frames, section: reader.section };
}

/** A source of these chunks. */
export async function* only(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

/** A directory that goes when the test ends. */
export async function ownDirectory(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tapfd-capture-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** These fields of each frame, as tshark prints them. */
export async function tsharkFields(path: string, ...fields: string[]): Promise<string[][]> {
  const chosen = fields.flatMap((field) => ['-e', field]);
  const printed = await run('tshark', '-n', '-r', path, '-T', 'fields', ...chosen);
  return printed
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}

/** What capinfos says of a file. */
export function capinfos(path: string): Promise<string> {
  return run('capinfos', path);
}

/** The bytes of a file. */
export function bytesOf(path: string): Promise<Buffer> {
  return readFile(path);
}
