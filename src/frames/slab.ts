/**
 * Received frames on their way to the reader: their memory, and those that a stream holds.
 *
 * The memory for received frames. One slab at a time serves all devices of this thread: frames are packed into it, each is
 * passed to the user as a view, and no byte is ever written twice, so frames may be kept. A kept frame keeps its whole
 * slab alive, so slabs start small and grow only under load.
 */
import { EventEmitter } from 'node:events';
import type { Readable } from 'node:stream';
import { markAsUntransferable } from 'node:worker_threads';
import { native } from '../base/native.js';
import { viewOf } from './batch.js';

/** The most frames in a burst; a stream reads 64 at once (receiver.ts), and batches bring their own memory. */
const MAX_BURST_FRAMES = 256;
const MIN_SLAB_BYTES = 16 * 1024;
const MAX_SLAB_BYTES = 256 * 1024;
/** The kernel cuts a frame that finds too little room, so the end of the memory is never used (native/frames/io.h). */
const MAX_FRAME_BYTES = 66 * 1024;
const MAX_MEMORY_BYTES = 8 * 1024 * 1024;
const DEFAULT_BATCH_FRAMES = 256;
const DEFAULT_BATCH_SUPER_FRAMES = 32;
/** A slab used up in less time is followed by one of twice the size; in more than ten times this, by one of half. */
const BUSY_MS = 4;

let slabBytes = MIN_SLAB_BYTES;
let takenAt = 0;
let registered = false;

/** Tells the addon, once per thread, where to get slabs and where to record the frames of a burst. */
export function provideBurstMemory(): void {
  if (registered) return;
  native().useBurstMemory(takeSlab, new Uint32Array(2 * MAX_BURST_FRAMES));
  registered = true;
}

function takeSlab(minBytes: number): Buffer {
  const now = performance.now();
  if (now - takenAt < BUSY_MS) slabBytes = Math.min(2 * slabBytes, MAX_SLAB_BYTES);
  else if (now - takenAt > 10 * BUSY_MS) slabBytes = Math.max(slabBytes / 2, MIN_SLAB_BYTES);
  takenAt = now;
  // Room for at least two frames, or each frame of a device with a large MTU would waste half a slab.
  const slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, 2 * minBytes));
  // A frame's ArrayBuffer is the slab: transferring it to a worker would take the other frames along.
  markAsUntransferable(slab.buffer);
  return slab;
}

/** How many frames a batch has, and how much memory they need. */
export function batchSize(
  frameBytes: number,
  maxFrames: number | undefined,
): { frames: number; bytes: number } {
  const isSuper = frameBytes > MAX_FRAME_BYTES / 2;
  const frames = maxFrames ?? (isSuper ? DEFAULT_BATCH_SUPER_FRAMES : DEFAULT_BATCH_FRAMES);
  return { frames, bytes: Math.min(frames * (frameBytes + 8), MAX_MEMORY_BYTES) + MAX_FRAME_BYTES };
}

/** One frame of a burst, to keep: a view of its slab, or memory of its own. */
export function frameOf(slab: Buffer, pairs: Uint32Array, index: number, copy: boolean): Buffer {
  const frame = viewOf(slab, pairs, index);
  return copy ? ownCopy(frame) : frame;
}

/** Not `Buffer.from()`, which takes small memory from a pool that other Buffers share. */
function ownCopy(frame: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(frame.length);
  frame.copy(copy);
  return copy;
}

const { on, removeAllListeners } = EventEmitter.prototype;

/**
 * Takes frames that a stream was given and nobody has read, for a loop. `read()` would give them to `'data'` listeners as well: those of a paused stream stay
 * where they are, and hear nothing of frames that are the loop's.
 */
export function takeUnread(stream: Readable, count: number): Buffer[] {
  const listeners = stream.rawListeners('data');
  // Readable's own methods would begin or end the flowing.
  if (listeners.length > 0) removeAllListeners.call(stream, 'data');
  const frames: (Buffer | null)[] = Array.from({ length: count }, () => stream.read());
  for (const listener of listeners) Reflect.apply(on, stream, ['data', listener]);
  return frames.filter((frame) => frame !== null);
}
