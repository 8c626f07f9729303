/**
 * The memory that received frames live in. One slab at a time serves all devices of this thread: frames are packed
 * into it, each given to the user as a view, and no byte of it is ever written twice, so a frame may be kept. A kept
 * frame keeps its whole slab, so slabs start small and grow only while frames pour in.
 */
import { markAsUntransferable } from 'node:worker_threads';
import { native } from '../base/native.js';

/** The most frames that a burst can have; a stream reads 64 at once (receiver.ts), and batches have memory of their own. */
const MAX_BURST_FRAMES = 256;
const MIN_SLAB_BYTES = 16 * 1024;
const MAX_SLAB_BYTES = 256 * 1024;
/** A slab used up faster than this is followed by one of twice the size; slower than ten times this, of half. */
const BUSY_MS = 4;

let slabBytes = MIN_SLAB_BYTES;
let takenAt = 0;
let registered = false;

/** Tells the addon, once for each thread, where slabs come from, and where to note the frames of a burst. */
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
  // Two frames at least, or each frame of a device with a large MTU would throw half a slab away.
  const slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, 2 * minBytes));
  // A frame's ArrayBuffer is the slab: transferring it to a worker would take the other frames along.
  markAsUntransferable(slab.buffer);
  return slab;
}
