/**
 * The memory that received frames live in. One slab at a time serves all devices of this thread: frames are packed
 * into it, each given to the user as a view, and no byte of it is ever written twice, so a frame may be kept. A kept
 * frame keeps its whole slab, so slabs start small and grow only while frames pour in.
 */
import { markAsUntransferable } from 'node:worker_threads';
import { native } from '../base/native.js';

/** The longest burst that a wake-up can bring: 64 frames for a Duplex, more for batches. */
const LONGEST_BURST = 256;
const SMALLEST_SLAB_BYTES = 16 * 1024;
const LARGEST_SLAB_BYTES = 256 * 1024;
/** A slab used up faster than this is followed by one of twice the size; slower than ten times this, of half. */
const BUSY_MS = 4;

/** The [offset, length] pairs of the current burst's frames, in the current slab. */
export const spans = new Uint32Array(2 * LONGEST_BURST);

let slab: Buffer = Buffer.alloc(0);
let slabBytes = SMALLEST_SLAB_BYTES;
let takenAt = 0;
let registered = false;

/** The slab that the current burst was read into. */
export function currentSlab(): Buffer {
  return slab;
}

/** Tells the addon, once for each thread, where slabs come from. */
export function provideBurstMemory(): void {
  if (registered) return;
  native().useBurstMemory(takeSlab, spans);
  registered = true;
}

function takeSlab(leastBytes: number): Buffer {
  const now = performance.now();
  if (now - takenAt < BUSY_MS) slabBytes = Math.min(2 * slabBytes, LARGEST_SLAB_BYTES);
  else if (now - takenAt > 10 * BUSY_MS) slabBytes = Math.max(slabBytes / 2, SMALLEST_SLAB_BYTES);
  takenAt = now;
  // Two frames at least, or each frame of a device with a large MTU would throw half a slab away.
  slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, 2 * leastBytes));
  // A frame's ArrayBuffer is the slab: transferring it to a worker would take the other frames along.
  markAsUntransferable(slab.buffer);
  return slab;
}
