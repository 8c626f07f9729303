/**
 * The memory for received frames. One slab at a time serves all devices of this thread: frames are packed into it, each is
 * passed to the user as a view, and no byte is ever written twice, so frames may be kept. A kept frame keeps its whole
 * slab alive, so slabs start small and grow only under load.
 */
import { markAsUntransferable } from 'node:worker_threads';
import { native } from '../base/native.js';

/** The most frames in a burst; a stream reads 64 at once (receiver.ts), and batches bring their own memory. */
const MAX_BURST_FRAMES = 256;
const MIN_SLAB_BYTES = 16 * 1024;
const MAX_SLAB_BYTES = 256 * 1024;
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
